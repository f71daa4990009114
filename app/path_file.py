"""A camera path as a JSON file.

    {"format": "voxtide-path", "version": 2, "conventions": "...", "fps": 30, "loop": false, "pace": "keys",
     "keys": [{"t": 0.0, "pose": [x, y, z, yaw, pitch, roll], "fov": 50.0}, ...]}

t in seconds, growing; pose in metres and degrees, the roll left out where it is 0; fov vertical, degrees. A
loop's last key is its first again. pace "even" walks the whole way at one speed. A path that came from a
foreign file may say its pictures' "size": [width, height], and each key its "lens": [fx, fy, cx, cy] in
pixels of it. Version 1 has neither conventions, pace, size, lens nor roll.

A file may come from anywhere: its size is checked before it is read, then every field.
"""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

from .camera import Pose
from .paths import MAX_KEYS, MAX_M, CameraPath, Key

FORMAT, VERSION = "voxtide-path", 2
MAX_FILE_BYTES = 1 << 24
CONVENTIONS = (
    "world right-handed, z up, metres; pose is x, y, z, yaw, pitch[, roll] in degrees: yaw 0 looks along +x "
    "and grows counter-clockwise from above, pitch grows upwards, roll leans right; fov is vertical; "
    "t is seconds"
)
_FIELDS = {1: {"format", "version", "fps", "loop", "keys"}}
_FIELDS[2] = _FIELDS[1] | {"conventions", "pace"}


def load(file: Path) -> CameraPath:
    """Read a path file. Raises ValueError (one line: what is wrong and where) or OSError."""
    return parse(read(file))


def read(file: Path) -> bytes:
    """The bytes of a file that may be a path. Raises ValueError or OSError."""
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"over {MAX_FILE_BYTES >> 20} MiB: this is no path file")
    return data


def save(file: Path, path: CameraPath) -> None:
    """Write a path file: one line per key, every digit kept. Raises OSError."""
    file.write_text(text(path), encoding="utf-8")


def text(path: CameraPath) -> str:
    """The JSON of a path; parse() gives an equal path back."""
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION, "conventions": CONVENTIONS}
    head |= {"fps": path.fps, "loop": path.loop, "pace": path.pace}
    if path.size:
        head["size"] = list(path.size)
    lines = ",\n  ".join(json.dumps(_of_key(key)) for key in path.keys)
    return f'{json.dumps(head)[:-1]}, "keys": [\n  {lines}\n]}}\n'


def _of_key(key: Key) -> dict[str, Any]:
    out: dict[str, Any] = {"t": key.t, "pose": list(numbers(key.pose)), "fov": key.fov_deg}
    return out | ({"lens": list(key.lens)} if key.lens else {})


def numbers(pose: Pose) -> tuple[float, ...]:
    """x, y, z, yaw, pitch of a pose, and its roll where it has one."""
    return astuple(pose) if pose.roll else astuple(pose)[:5]


def json_of(data: bytes | str) -> Any:
    """What a JSON file says. Raises ValueError, one line."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None


def parse(data: bytes | str) -> CameraPath:
    """JSON -> CameraPath, every field checked. Raises ValueError, one line."""
    return path_of(json_of(data))


def path_of(found: Any) -> CameraPath:
    """What json_of gave -> CameraPath. Raises ValueError, one line."""
    version = found.get("version") if isinstance(found, dict) else None
    names = _FIELDS[1 if version == 1 else 2]
    _fields(found, names, {"size"} if version == 2 else set(), "a path")
    if found["format"] != FORMAT or version not in _FIELDS:
        raise ValueError(
            f'not a path of this version: "format" is "{FORMAT}" and "version" is 1 or {VERSION}'
        )
    if not isinstance(found["loop"], bool):
        raise ValueError('"loop" is true or false')
    pace = found.get("pace", "keys")
    if pace not in ("keys", "even"):
        raise ValueError('"pace" is "keys" or "even"')
    if not isinstance(found["keys"], list) or len(found["keys"]) > MAX_KEYS:
        raise ValueError(f'"keys" is a list of 1 to {MAX_KEYS} keys')
    size = found.get("size")
    if size is not None and not (
        isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)
    ):
        raise ValueError('"size" is [width, height]')
    keys = tuple(_key(i, key, version) for i, key in enumerate(found["keys"]))
    fps = number(found["fps"], '"fps"')
    return CameraPath(keys, fps, found["loop"], pace, (size[0], size[1]) if size else None)


def _key(i: int, found: Any, version: int) -> Key:
    _fields(found, {"t", "pose", "fov"}, {"lens"} if version == 2 else set(), f"key {i}")
    pose, lens = found["pose"], found.get("lens")
    if not isinstance(pose, list) or len(pose) not in ((5,) if version == 1 else (5, 6)):
        raise ValueError(f'key {i}: "pose" is [x, y, z, yaw, pitch], and perhaps roll')
    if lens is not None and not (isinstance(lens, list) and len(lens) == 4):
        raise ValueError(f'key {i}: "lens" is [fx, fy, cx, cy]')
    at = Pose(*(number(v, f"key {i}: each of its pose") for v in pose))
    t, fov = (number(found[name], f'key {i}: "{name}"') for name in ("t", "fov"))
    if lens is None:
        return Key(t, at, fov)
    fx, fy, cx, cy = (number(v, f"key {i}: each of its lens") for v in lens)
    return Key(t, at, fov, (fx, fy, cx, cy))


def _fields(found: Any, names: set[str], perhaps: set[str], what: str) -> None:
    if not isinstance(found, dict) or not names <= set(found) <= names | perhaps:
        raise ValueError(f"{what} is an object with exactly {', '.join(sorted(names))}")


def number(value: Any, what: str) -> float:
    """A JSON number as a float. Raises ValueError, which says `what` it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_M:
        raise ValueError(f"{what} is a number within {MAX_M:g}")  # inf and nan: below, where keys are checked
    return float(value)
