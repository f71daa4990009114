"""Where a world put a source: read from what the world says of itself, so that nobody has to say it again."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from ...streamer.metadata import WorldMeta
from ..bake_options import BakeOptions, checked, place
from ..errors import UserError, shown
from ..sources.source import Source
from ..voxelise.placement import Placement


def placed(meta: WorldMeta, source: Source) -> tuple[Placement, BakeOptions, str]:
    """-> (placement, options as checked, name of the file that the world was baked from).

    The world's source of the same file name, else its only one of the same kind. UserError if there is none.
    """
    told = [s for s in meta.sources if isinstance(s.get("options"), dict)]
    same = [s for s in told if s.get("file") == source.path.name]
    alike = [s for s in told if s.get("kind") == source.kind]
    if not same and len(alike) != 1:
        known = ", ".join(shown(str(s.get("file", "?"))) for s in meta.sources) or "nothing that it names"
        raise UserError(
            f"{shown(source.path)}: the world was baked from {known}: name that, so that it can be placed"
        )
    entry = (same or alike)[0]
    try:
        options = checked(options_of(entry["options"]), source)
    except (TypeError, ValueError) as error:
        raise UserError(f"the world's record of {shown(source.path.name)} is damaged: {error}") from None
    return place(options), options, str(entry.get("file", "?"))


def asked_of(meta: WorldMeta, path: Path) -> dict[str, str]:
    """How the world's source of this file name was opened, see `Source.asked`; else its only one."""
    same = [s for s in meta.sources if s.get("file") == path.name]
    found = (same or meta.sources)[0].get("asked") if same or len(meta.sources) == 1 else None
    words = found.items() if isinstance(found, dict) else ()
    return {name: word for name, word in words if isinstance(word, str)}


def options_of(told: dict[str, Any]) -> BakeOptions:
    """What a world's metadata tells of a bake's options -> BakeOptions; names unknown today are left out."""
    known = {f.name for f in fields(BakeOptions)}
    return BakeOptions(**{name: _frozen(value) for name, value in told.items() if name in known})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
