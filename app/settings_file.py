"""What the viewer remembers between two starts: settings, recent worlds, bookmarks, the panel's layout.

One JSON file with a version, replaced as a whole: whoever reads it, also after a crash, finds the old or the
new one. Nothing in it is trusted.
"""

import json
import math
import os
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import platformdirs

from .camera import Pose
from .settings import TABLE, Settings, fits

VERSION = 1
MAX_BYTES = 1 << 20
MAX_RECENT, MAX_WORLDS = 12, 200
_writing = threading.Lock()


@dataclass(slots=True)
class Memory:
    """All of it."""

    settings: Settings = field(default_factory=Settings)
    recent: list[str] = field(default_factory=list)  # worlds and sources, the newest first
    bookmarks: dict[str, dict[int, Pose]] = field(default_factory=dict)  # by world
    layout: str = ""  # imgui's own text
    window: tuple[int, int] | None = None  # pixels

    def remember_world(self, name: str) -> None:
        """Put one world first among the recent."""
        self.recent = [name, *(other for other in self.recent if other != name)][:MAX_RECENT]


def default_path() -> Path:
    """Where this system keeps settings."""
    return platformdirs.user_config_path("voxtide", appauthor=False) / "viewer.json"


def load(path: Path) -> tuple[Memory, list[str]]:
    """What is remembered, and a line for each thing that was not as it should be."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is far too large")
        data = json.loads(path.read_text("utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it is not an object")
    except FileNotFoundError:
        return Memory(), []
    except (OSError, ValueError, RecursionError) as error:
        return Memory(), [f"{path}: not read ({error}); the defaults are used"]
    if data.get("version") != VERSION:
        return Memory(), [f"{path}: version {data.get('version')!r} is not {VERSION}; the defaults are used"]
    settings, told = _settings(data.get("settings"))
    layout: Any = data.get("layout")
    window: Any = data.get("window")
    recent = data.get("recent")
    return Memory(
        settings,
        [str(r) for r in recent if isinstance(r, str)][:MAX_RECENT] if isinstance(recent, list) else [],
        _bookmarks(data.get("bookmarks")),
        layout if isinstance(layout, str) else "",
        (window[0], window[1]) if _is_size(window) else None,
    ), told


def save(path: Path, memory: Memory) -> None:
    """Replace the file, as a whole. Raises OSError."""
    bookmarks = {
        world: {str(n): [p.x, p.y, p.z, p.yaw, p.pitch] for n, p in poses.items()}
        for world, poses in list(memory.bookmarks.items())[-MAX_WORLDS:]
    }
    data = {
        "version": VERSION,
        "settings": asdict(memory.settings),
        "recent": memory.recent,
        "bookmarks": bookmarks,
        "window": memory.window,
        "layout": memory.layout,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with _writing:
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def save_soon(path: Path, memory: Memory) -> None:
    """Save on another thread: a disk may take its time. What cannot be saved now will be at the end."""

    def run(copy: Memory) -> None:
        try:
            save(path, copy)
        except OSError:
            return

    copy = replace(
        memory,
        settings=replace(memory.settings),
        recent=list(memory.recent),
        bookmarks={world: dict(poses) for world, poses in memory.bookmarks.items()},
    )
    threading.Thread(target=run, args=(copy,), name="voxtide-settings", daemon=True).start()


def _settings(stored: Any) -> tuple[Settings, list[str]]:
    settings, told = Settings(), []
    stored = stored if isinstance(stored, dict) else {}
    for said in TABLE:
        if said.field not in stored:
            continue
        value = stored[said.field]
        if fits(said, value):
            setattr(settings, said.field, type(said.default)(value))
        else:
            told.append(f"{said.name} cannot be {str(value)[:40]!r}: its default is used")
    return settings, told


def _bookmarks(stored: Any) -> dict[str, dict[int, Pose]]:
    found: dict[str, dict[int, Pose]] = {}
    for world, poses in (stored if isinstance(stored, dict) else {}).items():
        for n, numbers in (poses if isinstance(poses, dict) else {}).items():
            if n.isascii() and n.isdecimal() and len(n) < 3 and _are_numbers(numbers, 5):
                found.setdefault(world, {})[int(n)] = Pose(*map(float, numbers))
    return found


def _are_numbers(value: Any, n: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == n
        and all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value)
    )


def _is_size(value: Any) -> bool:
    return _are_numbers(value, 2) and all(isinstance(v, int) and 64 <= v <= 16384 for v in value)
