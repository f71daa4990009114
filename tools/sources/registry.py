"""Which reader opens what: by name, by suffix, by what lies in a folder; and the readers of others.

Another distribution adds a source by an entry point of the group `voxtide.sources`: its name is the suffix
without the dot, its object a function `Path -> Source`. What Voxtide reads by itself cannot be replaced.

    [project.entry-points."voxtide.sources"]
    e57 = "my_package.scans:open_e57"
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ..errors import UserError, shown
from .source import Source

GROUP = "voxtide.sources"
# Of a Path; its further parameters, strings, are the options that may follow a "?".
Reader = Callable[..., Source]


def plugins() -> dict[str, EntryPoint]:
    """Suffix -> the entry point of another distribution; of two, the first by name."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=_distribution):
        found.setdefault("." + point.name.lower().removeprefix("."), point)
    return found


def loaded(point: EntryPoint) -> Reader:
    """The function behind an entry point; UserError names the distribution that does not provide it."""
    who = f"the reader of .{shown(point.name)} files from {_distribution(point)}"
    try:
        reader = point.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UserError(f"{who} does not load: {shown(error)}") from error
    if not callable(reader):
        raise UserError(f"{who} is no function")
    return reader  # type: ignore[no-any-return]


def _distribution(point: EntryPoint) -> str:
    return shown(point.dist.name) if point.dist is not None else shown(point.value)


def split_options(path: Path) -> tuple[Path, dict[str, str]]:
    """`a.npz?array=x` -> (a.npz, {"array": "x"}); a file whose name has a "?" stays itself."""
    name, mark, query = path.name.partition("?")
    if not mark or not name or _exists(path):
        return path, {}
    options: dict[str, str] = {}
    for item in query.split("&"):
        key, equals, value = item.partition("=")
        if not key or not equals or key in options:
            raise UserError(f"{shown(path)}: expected ?name=value after the file's name, got {shown(item)}")
        options[key] = value
    return path.with_name(name), options


def call(reader: Reader, path: Path, options: Mapping[str, str]) -> Source:
    """reader(path, **options); UserError for an option that this reader does not have."""
    known = list(inspect.signature(reader).parameters)[1:] if options else []
    if wrong := [key for key in options if key not in known]:
        have = f"it has {', '.join('?' + k for k in known)}" if known else "it has none"
        raise UserError(f"{shown(path)} has no option ?{shown(wrong[0])}: {have}")
    return reader(path, **options)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
