"""A camera path as a JSON file.

    {"format": "voxtide-path", "version": 1, "fps": 30, "loop": false,
     "keys": [{"t": 0.0, "pose": [x, y, z, yaw, pitch], "fov": 50.0}, ...]}

t in seconds, growing; pose in metres and degrees; fov vertical, degrees. A loop's last key is its first
again. A file may come from anywhere: its size is checked before it is read, then every field.
"""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

from .camera import Pose
from .paths import MAX_KEYS, MAX_M, CameraPath, Key

FORMAT, VERSION = "voxtide-path", 1
MAX_FILE_BYTES = 1 << 24


def load(file: Path) -> CameraPath:
    """Read a path file. Raises ValueError (one line: what is wrong and where) or OSError."""
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"over {MAX_FILE_BYTES >> 20} MiB: this is no path file")
    return parse(data)


def save(file: Path, path: CameraPath) -> None:
    """Write a path file: one line per key, every digit kept. Raises OSError."""
    file.write_text(text(path), encoding="utf-8")


def text(path: CameraPath) -> str:
    """The JSON of a path; parse() gives an equal path back."""
    keys = [{"t": k.t, "pose": list(astuple(k.pose)), "fov": k.fov_deg} for k in path.keys]
    head = {"format": FORMAT, "version": VERSION, "fps": path.fps, "loop": path.loop}
    lines = ",\n  ".join(json.dumps(key) for key in keys)
    return f'{json.dumps(head)[:-1]}, "keys": [\n  {lines}\n]}}\n'


def parse(data: bytes | str) -> CameraPath:
    """JSON -> CameraPath, every field checked. Raises ValueError, one line."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    _fields(found, {"format", "version", "fps", "loop", "keys"}, "a path")
    if found["format"] != FORMAT or found["version"] != VERSION:
        raise ValueError(f'not a path of this version: "format" is "{FORMAT}" and "version" is {VERSION}')
    if not isinstance(found["loop"], bool):
        raise ValueError('"loop" is true or false')
    if not isinstance(found["keys"], list) or len(found["keys"]) > MAX_KEYS:
        raise ValueError(f'"keys" is a list of 1 to {MAX_KEYS} keys')
    keys = tuple(_key(i, key) for i, key in enumerate(found["keys"]))
    return CameraPath(keys, _number(found["fps"], '"fps"'), found["loop"])


def _key(i: int, found: Any) -> Key:
    _fields(found, {"t", "pose", "fov"}, f"key {i}")
    pose = found["pose"]
    if not isinstance(pose, list) or len(pose) != 5:
        raise ValueError(f'key {i}: "pose" is [x, y, z, yaw, pitch]')
    x, y, z, yaw, pitch = (_number(v, f"key {i}: each of its pose") for v in pose)
    t, fov = (_number(found[name], f'key {i}: "{name}"') for name in ("t", "fov"))
    return Key(t, Pose(x, y, z, yaw, pitch), fov)


def _fields(found: Any, names: set[str], what: str) -> None:
    if not isinstance(found, dict) or set(found) != names:
        raise ValueError(f"{what} is an object with exactly {', '.join(sorted(names))}")


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_M:
        raise ValueError(f"{what} is a number within {MAX_M:g}")  # inf and nan: below, where keys are checked
    return float(value)
