"""Posed RGB-D: a folder of pictures, depth images and camera poses -> frames, one at a time.

A frame that cannot be read is told once, in one line, and left out: of thousands a few are usually damaged,
and the scene is the poorer by one view. A recording of which no frame can be read is refused.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import rgbd_images, rgbd_poses
from .rgbd_layouts import nerfstudio, redwood, scannet, seven_scenes, tum
from .rgbd_lyra import lyra
from .rgbd_recording import Convention, Intrinsics, Recording, View
from .rgbd_video import VideoFrame
from .source import Frames, Source

# In this order: the more a layout demands, the earlier.
LAYOUTS = (lyra, tum, seven_scenes, redwood, scannet, nerfstudio)
EXPECTED = (
    "a folder of posed RGB-D: color/ depth/ trajectory.log (Redwood), groundtruth.txt (TUM), "
    "frame-*.pose.txt (7-Scenes), pose/ intrinsic/ (ScanNet), depth.zip (Lyra), transforms.json "
    "(nerfstudio); of a volume: zarr.json; of splats: meta.json or lod-meta.json"
)
SKY_SHARE = 0.005  # of the pixels, at one exact distance, make it a sky
SKY_QUANTILE = 0.75  # and it is farther than so many of the others


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says of a recording; None: what its layout says."""

    convention: Convention | None = None
    intrinsics: Intrinsics | None = None  # of the depth images
    depth_scale: float | None = None  # units of a depth image per metre

    def words(self) -> dict[str, str]:
        """As `open_recording` takes it."""
        said = {
            "pose_convention": self.convention,
            "intrinsics": self.intrinsics and ",".join(repr(float(v)) for v in self.intrinsics),
            "depth_scale": self.depth_scale and repr(float(self.depth_scale)),
        }
        return {name: word for name, word in said.items() if word}


def silent(line: str) -> None:
    """Tell nobody."""


def aloud(line: str) -> None:
    """Tell whoever is at the terminal."""
    print(line, file=sys.stderr)


def open_recording(
    path: Path, pose_convention: str = "", intrinsics: str = "", depth_scale: str = ""
) -> Source:
    """As `open_rgbd`, of words. Raises UserError."""
    return open_rgbd(path, asked_of(path, pose_convention, intrinsics, depth_scale))


def asked_of(path: Path, pose_convention: str = "", intrinsics: str = "", depth_scale: str = "") -> Asked:
    """The inverse of `Asked.words`. Raises UserError."""
    if pose_convention not in ("", "c2w", "w2c"):
        raise UserError(f"{shown(path)}: pose_convention is c2w or w2c, not {shown(pose_convention)}")
    try:
        camera = tuple(float(v) for v in intrinsics.split(",")) if intrinsics else None
        scale = float(depth_scale) if depth_scale else None
    except ValueError:
        camera, scale = (), None
    if camera is not None and len(camera) != 4:
        raise UserError(f"{shown(path)}: intrinsics are fx,fy,cx,cy and depth_scale is a number")
    return Asked(pose_convention or None, camera, scale)  # type: ignore[arg-type]


def open_rgbd(path: Path, asked: Asked | None = None, tell: Callable[[str], None] = silent) -> Source:
    """A folder of posed RGB-D. Raises UserError; `tell` gets a line for each frame that is left out."""
    asked = asked or Asked()
    recording = found_in(path)
    check(path, recording, asked)
    told: set[int] = set()

    def part(n: int, first: int = 0, count: int | None = None) -> Iterator[Frames]:
        last = len(recording.views) if count is None else first + count
        for number in range(first, last):
            view = recording.views[number]
            try:
                frame = read(path, recording, view, asked)
            except UserError as error:
                if number not in told:
                    told.add(number)
                    tell(f"frame left out: {error}")
                continue
            yield frame

    names = [f for v in recording.views for f in (v.colour.path, v.depth.path)]
    return Source(
        path,
        "frames",
        len(recording.views),
        recording.up,
        part,
        {"format": f"rgbd {recording.layout}", "poses": asked.convention or str(recording.convention)},
        None if any(isinstance(view.colour, VideoFrame) for view in recording.views) else part,
        files=tuple(dict.fromkeys([*recording.files, *names])),
        asked=asked.words(),
    )


def found_in(path: Path) -> Recording:
    """The layout of a folder. Raises UserError."""
    try:
        found = next((r for r in (layout(path) for layout in LAYOUTS) if r is not None), None)
    except OSError as error:
        raise UserError(f"cannot look into {shown(path)}: {shown(error.strerror or error)}") from None
    if found is None:
        raise UserError(f"{shown(path)} is a folder: name the file inside it, or {EXPECTED}")
    if not found.views:
        raise UserError(
            f"{shown(path)} looks like {found.layout}, but no frame has a picture, a depth image and a pose"
        )
    return found


def check(path: Path, recording: Recording, asked: Asked) -> None:
    """UserError if something that has to be known is not."""
    if not (asked.convention or recording.convention):
        raise UserError(
            f"{shown(path)} does not say what its poses mean: pass --pose-convention c2w (camera to world, "
            "as of most scanners) or w2c (world to camera, as of COLMAP)"
        )
    if asked.intrinsics and not (all(map(math.isfinite, asked.intrinsics)) and min(asked.intrinsics[:2]) > 0):
        raise UserError("--intrinsics must be fx,fy,cx,cy in pixels, fx and fy above 0")
    if asked.depth_scale is not None and not (math.isfinite(asked.depth_scale) and asked.depth_scale > 0):
        raise UserError("--depth-scale must be units per metre, above 0")
    for view in recording.views:  # the first that can be read tells whether the camera is known
        try:
            size = rgbd_images.size_of(view.depth)
            cameras_of(path, recording, view, asked, size, rgbd_images.size_of(view.colour))
            return
        except UnknownCameraError:
            raise
        except UserError:
            continue
    raise UserError(f"{shown(path)}: none of {len(recording.views):,} frames can be read")


class UnknownCameraError(UserError):
    """Intrinsics are not known: no frame can be read."""


def cameras_of(
    path: Path,
    recording: Recording,
    view: View,
    asked: Asked,
    size: tuple[int, int],
    picture: tuple[int, int],
) -> tuple[Intrinsics, Intrinsics | None]:
    """Intrinsics of a frame's depth image of this size (W, H), and of its picture (None: the same view)."""
    own = view.picture_intrinsics or recording.picture_intrinsics
    depth = asked.intrinsics or view.intrinsics or recording.intrinsics
    if depth is None and own is not None:
        of_width, of_height = recording.picture_size or picture
        sx, sy = size[0] / of_width, size[1] / of_height
        fx, fy, cx, cy = own
        depth, own = (fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5), None
    if depth is None and recording.usual and size == (640, 480):
        depth = recording.usual
    if depth is None:
        raise UnknownCameraError(
            f"{shown(path)} does not say which camera took it: pass --intrinsics fx,fy,cx,cy in pixels of "
            f"its {size[0]} x {size[1]} depth images"
        )
    if not all(map(math.isfinite, (*depth, *(own or ())))) or min(*depth[:2], *(own or depth)[:2]) <= 0:
        raise UserError(f"{shown(view.depth)}: its intrinsics {shown(depth)} are not a camera's")
    return depth, None if asked.intrinsics else own


def read(path: Path, recording: Recording, view: View, asked: Asked) -> Frames:
    """One frame. Raises UserError."""
    if view.pose is None:
        raise UserError(f"the pose of {shown(view.depth)} is not a rigid one")
    depth = rgbd_images.depth(view.depth, asked.depth_scale or recording.units_per_metre)
    rgb = rgbd_images.picture(view.colour)
    size = depth.shape[1], depth.shape[0]
    intrinsics, own = cameras_of(path, recording, view, asked, size, (rgb.shape[1], rgb.shape[0]))
    if recording.sky:
        depth = without_sky(depth)
    pose = view.pose
    if (asked.convention or recording.convention) == "w2c":
        pose = rgbd_poses.inverse(pose)
    return Frames(rgbd_images.fitted(rgb, size, own, intrinsics)[None], depth[None], intrinsics, pose[None])


def without_sky(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimators set the sky to one distance: the most frequent depth, if far and no accident."""
    there = depth[depth > 0]
    if not there.size:
        return depth
    values, counts = np.unique(there, return_counts=True)
    at = int(counts.argmax())
    if counts[at] < SKY_SHARE * depth.size or values[at] < np.quantile(there, SKY_QUANTILE):
        return depth
    return np.where(depth == values[at], np.float32(0), depth)
