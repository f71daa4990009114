"""What a layout of posed RGB-D says of a recording, and the look-ups that layouts share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import UserError, shown
from . import rgbd_poses
from .rgbd_images import File, Still
from .rgbd_poses import Pose
from .source import Up

Intrinsics = tuple[float, float, float, float]  # fx, fy, cx, cy in pixels
Convention = Literal["c2w", "w2c"]

MAX_FRAMES = 1 << 20
_PICTURE_FOLDERS = ("image", "color", "colour", "rgb", "images")


@dataclass(frozen=True, slots=True)
class View:
    """One frame. pose: as the file has it, None if it is not a pose. Intrinsics: None is the recording's."""

    colour: Still
    depth: File
    pose: Pose | None
    intrinsics: Intrinsics | None = None
    picture_intrinsics: Intrinsics | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """What a layout found. None of convention, intrinsics: the layout does not say, and the user is asked.

    usual: intrinsics for 640 x 480, where nothing is said. sky: depth holds the sky at one made-up distance.
    """

    layout: str
    views: list[View]
    convention: Convention | None
    up: Up
    intrinsics: Intrinsics | None = None
    picture_intrinsics: Intrinsics | None = None
    picture_size: tuple[int, int] | None = None  # that picture_intrinsics are for; None: the pictures'
    usual: Intrinsics | None = None
    units_per_metre: float | None = None  # of depth images; None: 1000 for pictures, 1 for .exr and .npy
    sky: bool = False
    files: list[Path] = field(default_factory=list)  # poses and intrinsics, beside the images
    notes: dict[str, str | int] = field(default_factory=dict)  # provenance that the layout knows


def inside(folder: Path, name: str) -> Path:
    """A path that a file in the folder names; UserError if it leads out of it."""
    path = Path(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise UserError(f"{shown(folder)} names the file {shown(name)}, which is not inside it")
    return folder / path


def numbered(folder: Path, suffixes: tuple[str, ...], pattern: str = r"(\d{1,9})") -> dict[int, Path]:
    """Files in a folder by the number in their stem."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = re.fullmatch(pattern, path.stem)
        if match and path.suffix.lower() in suffixes:
            found[int(match[1])] = path
        if len(found) > MAX_FRAMES:
            raise UserError(f"{shown(folder)} holds more than {MAX_FRAMES:,} images: bake it in parts")
    return found


def picture_folder(folder: Path) -> Path | None:
    return next((folder / name for name in _PICTURE_FOLDERS if (folder / name).is_dir()), None)


def paired(colours: dict[int, Path], depths: dict[int, Path], poses: dict[int, Any]) -> list[View]:
    """Frames of which all three are there, by number."""
    numbers = sorted(set(colours) & set(depths) & set(poses))
    return [View(File(colours[n]), File(depths[n]), poses[n]) for n in numbers]


def json_object(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object. Raises UserError."""
    try:
        found = json.loads(rgbd_poses.text(path))
    except (ValueError, RecursionError):
        raise UserError(f"{shown(path)} is not JSON that can be read") from None
    if not isinstance(found, dict):
        raise UserError(f"{shown(path)}: expected a JSON object")
    return found
