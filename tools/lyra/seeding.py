"""Frame 0: a picture, its depth where there is one, and the camera that took it, at the output's size.

The picture is cut to the aspect of the way's camera, about its middle, and scaled. Where nobody says which
camera took it, it is the way's first one, as Lyra has it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError, shown
from ..sources import rgbd_images
from ..sources.rgbd_images import File
from .protocol import F32, F64, Rgb

ALIKE = 0.02  # pictures and depth images whose aspects differ by less show the same


@dataclass(frozen=True, slots=True)
class Picture:
    """Files of the seed. intrinsics: fx, fy, cx, cy in pixels of the picture."""

    image: Path
    depth: Path | None = None
    intrinsics: tuple[float, ...] | None = None
    depth_scale: float | None = None  # units of the depth image per unit of the way
    along_ray: bool = False  # depth is the distance from the eye, as `voxtide render --pass depth` has it


@dataclass(frozen=True, slots=True, eq=False)
class Frame0:
    """What `Seed` takes; k None: the way's."""

    rgb: Rgb
    depth: F32 | None
    k: F64 | None


def frame_0(picture: Picture, size: tuple[int, int], aspect: float) -> Frame0:
    """Read, cut to `aspect` (width / height), scaled to `size`. UserError."""
    rgb = rgbd_images.picture(File(picture.image))
    height, width = rgb.shape[:2]
    box = _middle(width, height, aspect)
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX, box=box), np.uint8)
    depth = None
    if picture.depth is not None:
        whole = rgbd_images.depth(File(picture.depth), picture.depth_scale)
        rows, columns = whole.shape
        if abs(columns / rows / (width / height) - 1) > ALIKE:
            raise UserError(
                f"{shown(picture.depth)} is {columns} x {rows} and the picture {width} x {height}: "
                "they must show the same"
            )
        sx, sy = columns / width, rows / height
        depth = _nearest(whole, size, (box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy))
        if not (depth > 0).any():
            raise UserError(f"{shown(picture.depth)} holds no depth where the picture is used")
    k = None
    if picture.intrinsics is not None:
        fx, fy, cx, cy = picture.intrinsics
        if min(fx, fy) <= 0:
            raise UserError("--intrinsics must be fx,fy,cx,cy in pixels, fx and fy above 0")
        sx, sy = size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])
        k = np.array(
            [
                [fx * sx, 0, (cx + 0.5 - box[0]) * sx - 0.5],
                [0, fy * sy, (cy + 0.5 - box[1]) * sy - 0.5],
                [0, 0, 1.0],
            ]
        )
    if picture.along_ray and depth is not None:
        if k is None:
            raise UserError("--depth-along ray needs the picture's camera: pass --intrinsics fx,fy,cx,cy")
        x = (np.arange(size[0]) - k[0, 2]) / k[0, 0]
        y = (np.arange(size[1]) - k[1, 2]) / k[1, 1]
        depth = (depth / np.sqrt(x * x + (y * y)[:, None] + 1)).astype(np.float32)
    return Frame0(small, depth, k)


def _middle(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    """The largest box of an aspect in the middle of a picture: left, top, right, bottom."""
    wide, high = min(width, height * aspect), min(height, width / aspect)
    return (width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2


def _nearest(depth: F32, size: tuple[int, int], box: tuple[float, float, float, float]) -> F32:
    """Depth scaled without mixing two surfaces: the pixel under each new pixel's middle."""
    left, top, right, bottom = box
    columns = left + (np.arange(size[0]) + 0.5) * (right - left) / size[0]
    rows = top + (np.arange(size[1]) + 0.5) * (bottom - top) / size[1]
    rows, columns = (
        rows.astype(int).clip(0, depth.shape[0] - 1),
        columns.astype(int).clip(0, depth.shape[1] - 1),
    )
    return np.ascontiguousarray(depth[rows[:, None], columns], np.float32)
