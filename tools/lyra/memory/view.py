"""Cameras, frames and pictures, as the memories see them.

OpenCV axes: x right, y down, z forward; w2c maps world to camera; depth is z along the optical axis in world
units, 0 where nothing is known. Pixel (x, y) is unprojected at (x, y): whole numbers are pixel centres.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

NEAR = 0.05  # world units; closer points are not drawn
MAX_STEEPNESS = 0.25  # (max - min) / mean of the depths of 3 x 3 pixels: more is an edge


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A camera. w2c [4, 4] float64; k [3, 3] float64, pixels; size (height, width)."""

    w2c: F64
    k: F64
    size: tuple[int, int]

    @property
    def centre(self) -> F64:
        """Where it stands. [3] world units"""
        return np.asarray(-self.w2c[:3, :3].T @ self.w2c[:3, 3])

    def smaller(self, times: int) -> "View":
        """The same camera with pixel (x, y) where (x, y) * times was: every times-th row and column."""
        k = self.k.copy()
        k[:2] /= times
        height, width = self.size
        return View(self.w2c, k, (-(-height // times), -(-width // times)))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One generated picture and what is believed of where it was taken.

    rgb [H, W, 3] uint8 sRGB; depth [H, W] float32.
    tracer [H, W, 3] int32, micrometres: where in the truth each pixel's surface is. Only experiments have it;
    it travels with the colour and tells afterwards how far something was put from where it belongs.
    """

    id: int
    rgb: NDArray[np.uint8]
    depth: F32
    view: View
    tracer: I32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a memory offers for one view. depth [H, W] float32, 0: a hole; rgb [H, W, 3] float32, 0..255,

    and tracer [H, W, 3] float64 world units, both 0 in holes; tracer None where the frames had none.
    """

    rgb: F32
    depth: F32
    tracer: F64 | None

    @property
    def covered(self) -> Bool:
        return self.depth > 0


def rays(view: View) -> F64:
    """[H, W, 3] camera-space directions with z = 1."""
    height, width = view.size
    x = (np.arange(width) - view.k[0, 2]) / view.k[0, 0]
    y = (np.arange(height) - view.k[1, 2]) / view.k[1, 1]
    out = np.ones((height, width, 3))
    out[..., 0], out[..., 1] = x, y[:, None]
    return out


def unproject(depth: NDArray[np.floating], view: View) -> F64:
    """World points of a depth image [H, W] -> [H, W, 3]; what is 0 there comes out at the eye."""
    turn, shift = view.w2c[:3, :3], view.w2c[:3, 3]
    x, y, z = (rays(view)[..., axis] * depth - shift[axis] for axis in range(3))
    return np.stack([x * turn[0, a] + y * turn[1, a] + z * turn[2, a] for a in range(3)], axis=-1)


def project(points: NDArray[np.floating], view: View) -> tuple[F64, F64, F64]:
    """World points [N, 3] -> (x [N], y [N] in pixels, z [N]). x and y mean nothing where z <= NEAR.

    Written out: a BLAS would use threads for it, and round by how many points there are.
    """
    x, y, z = (points[:, axis].astype(np.float64) for axis in range(3))
    across, down, deep = (r[0] * x + r[1] * y + r[2] * z + r[3] for r in view.w2c[:3])
    ahead = 1 / np.where(deep > NEAR, deep, np.inf)
    return across * ahead * view.k[0, 0] + view.k[0, 2], down * ahead * view.k[1, 1] + view.k[1, 2], deep


def smooth(depth: F32) -> Bool:
    """Pixels [H, W] that are known and lie on no depth edge.

    Upstream asks for 0.05 over 5 x 5, which at small sizes throws half a picture away: a step between
    neighbours grows with the pixel.
    """
    padded = np.pad(depth, 1, mode="edge")
    height, width = depth.shape
    near = np.stack([padded[r : r + height, c : c + width] for r in range(3) for c in range(3)])
    low, high = near.min(axis=0), near.max(axis=0)
    return np.asarray((low > 0) & (high - low <= MAX_STEEPNESS * 0.5 * (high + low)))
