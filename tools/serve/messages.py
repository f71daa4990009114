"""What a client may say, checked. Every byte comes from the network: nothing is believed. Pure.

A message is one JSON object in one text frame of at most MAX_BYTES:

    {"do": "pose", "seq": 7, "pose": [x, y, z, yaw, pitch]}     metres, degrees; seq grows with each
    {"do": "look", "size": [w, h], "pass": "colour", "fov": 60, "shadows": false, "quality": "auto"}
    {"do": "got", "n": 12}                                      frame 12 has been decoded
    {"do": "fly"}, {"do": "watch"}                              with a camera of one's own, or another's
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from ...app.camera import Pose
from ...atlas.layout import PASSES

MAX_BYTES = 1024
QUALITIES = ("auto", "sharp", "fast")
FOV_DEG = 20.0, 110.0  # lowest, highest
MAX_PITCH = 89.9
_MAX_M = 1e8  # farther than any addressable voxel; where a world ends, the drawing says
_MIN_SIDE, _MAX_SIDE = 16, 16384  # pixels
_MAX_NUMBER = 2**53  # what a JSON number of JavaScript counts exactly
_KEYS = {
    "pose": {"do", "seq", "pose"},
    "look": {"do", "size", "pass", "fov", "shadows", "quality"},
    "got": {"do", "n"},
    "fly": {"do"},
    "watch": {"do"},
}


class BadMessageError(ValueError):
    """A message that no page of ours sends. str() says what was expected, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Moved:
    seq: int
    pose: Pose


@dataclass(frozen=True, slots=True)
class Look:
    """How a client wants its pictures."""

    size: tuple[int, int]  # pixels
    pass_name: str = PASSES[0]
    fov_deg: float = 60.0
    shadows: bool = False
    quality: str = QUALITIES[0]


@dataclass(frozen=True, slots=True)
class Got:
    n: int


@dataclass(frozen=True, slots=True)
class Role:
    flies: bool


Message = Moved | Look | Got | Role


def parse(text: str | bytes) -> Message:
    """One message. Raises BadMessageError."""
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        raise BadMessageError(f"expected text of at most {MAX_BYTES} bytes")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessageError("expected JSON") from None
    what = said.get("do") if isinstance(said, dict) else None
    if not isinstance(what, str) or what not in _KEYS or set(said) != _KEYS[what]:
        raise BadMessageError(f"expected an object with do = {', '.join(_KEYS)} and its fields")
    if what == "pose":
        return Moved(_whole(said["seq"]), _pose(said["pose"]))
    if what == "look":
        return _look(said)
    if what == "got":
        return Got(_whole(said["n"]))
    return Role(flies=what == "fly")


def _look(said: dict[str, Any]) -> Look:
    size = said["size"]
    if not (isinstance(size, list) and len(size) == 2):
        raise BadMessageError("expected a size of two numbers")
    width, height = (_whole(side) for side in size)
    if not (_MIN_SIDE <= width <= _MAX_SIDE and _MIN_SIDE <= height <= _MAX_SIDE):
        raise BadMessageError(f"expected sides of {_MIN_SIDE} to {_MAX_SIDE} pixels")
    name, quality, shadows = said["pass"], said["quality"], said["shadows"]
    if not (isinstance(name, str) and name in PASSES):
        raise BadMessageError(f"expected a pass of {', '.join(PASSES)}")
    if not (isinstance(quality, str) and quality in QUALITIES):
        raise BadMessageError(f"expected a quality of {', '.join(QUALITIES)}")
    if not isinstance(shadows, bool):
        raise BadMessageError("expected shadows to be true or false")
    fov = _number(said["fov"])
    if not FOV_DEG[0] <= fov <= FOV_DEG[1]:
        raise BadMessageError(f"expected a field of view of {FOV_DEG[0]:g} to {FOV_DEG[1]:g} degrees")
    return Look((width, height), name, fov, shadows, quality)


def _pose(values: object) -> Pose:
    if not (isinstance(values, list) and len(values) == 5):
        raise BadMessageError("expected a pose of five numbers")
    x, y, z, yaw, pitch = (_number(value) for value in values)
    if max(map(abs, (x, y, z, yaw))) > _MAX_M or abs(pitch) > MAX_PITCH:
        raise BadMessageError("expected a pose within reach, and a pitch within 89.9 degrees")
    return Pose(x, y, z, yaw % 360.0, pitch)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MAX_NUMBER:
        raise BadMessageError("expected a number")
    if not math.isfinite(value):
        raise BadMessageError("expected a finite number")
    return float(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        raise BadMessageError("expected a whole number from 0")
    return value
