"""Poses to come back to: bookmarks, and a pose as a line of text. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace

from ..camera import MAX_EYE_VOXELS, Pose

N_BOOKMARKS = 9
_PREFIX = "--pose="  # so that what is copied here can be pasted behind `voxtide render WORLD`
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_POSE = re.compile(rf"\s*(?:--pose[= ])?\s*({_NUMBER}(?:\s*,\s*{_NUMBER}){{4,5}})\s*", re.ASCII)
MAX_TEXT = 400  # characters of a clipboard that are looked at


def pose_text(pose: Pose) -> str:
    """A pose as one line: metres to 0.1 mm, degrees to 0.001."""
    x, y, z, yaw, pitch, roll = astuple(pose)
    line = f"{_PREFIX}{x:.4f},{y:.4f},{z:.4f},{yaw:.3f},{pitch:.3f}"
    return f"{line},{roll:.3f}" if roll else line


def pose_of_text(text: str) -> Pose:
    """The pose in a line such as `pose_text` writes, or its numbers alone. ValueError, one line."""
    found = _POSE.fullmatch(text[:MAX_TEXT])
    numbers = [float(part) for part in found[1].split(",")] if found else []
    if not numbers or not all(map(math.isfinite, numbers)) or max(map(abs, numbers)) > MAX_EYE_VOXELS:
        raise ValueError(
            f"no pose in the clipboard: {text[:40]!a}; a pose is {_PREFIX}X,Y,Z,YAW,PITCH[,ROLL]"
        )
    x, y, z, yaw, pitch, *roll = numbers
    return Pose(x, y, z, yaw % 360.0, max(-90.0, min(90.0, pitch)), *roll)


@dataclass(frozen=True, slots=True)
class Bookmarks:
    """Poses by number, 1 to 9."""

    poses: tuple[Pose | None, ...] = (None,) * N_BOOKMARKS

    def get(self, number: int) -> Pose | None:
        """What is kept under a number, 1 to 9."""
        return self.poses[number - 1]

    def put(self, number: int, pose: Pose | None) -> "Bookmarks":
        """The bookmarks with one more, or with one less."""
        poses = list(self.poses)
        poses[number - 1] = pose
        return replace(self, poses=tuple(poses))

    def as_json(self) -> dict[str, str]:
        """Number -> text, of those that are kept."""
        return {str(i + 1): pose_text(pose) for i, pose in enumerate(self.poses) if pose is not None}


def bookmarks_of_json(kept: object) -> Bookmarks:
    """What `as_json` gave. What is not a bookmark is left out: a settings file may have been edited."""
    marks = Bookmarks()
    for key, text in kept.items() if isinstance(kept, Mapping) else ():
        if key in map(str, range(1, N_BOOKMARKS + 1)) and isinstance(text, str):
            try:
                marks = marks.put(int(key), pose_of_text(text))
            except ValueError:
                continue
    return marks
