"""Lyra 2's trajectory.npz: w2c [N, 4, 4], intrinsics [N, 3, 3] in pixels, image_height, image_width.

w2c takes a world point to the camera's axes, which are OpenCV's: x right, y down, z forward. The world's axes
are those of the first camera, so that y is down there too; they are turned as a bake turns a y-down scan:
(x, y, z) -> (x, z, -y). Lyra's units are kept. Frame i is at i / 16 s.
"""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...app import turns
from ...app.paths import MAX_KEYS, MAX_SIDE, CameraPath, Key, frames
from ..sources import npz
from ..voxelise.placement import ROTATION_OF_UP

FPS = 16.0  # of Lyra 2's films
DEFAULT_SIZE = 832, 480  # what Lyra 2 draws
CONVENTIONS = (
    "w2c takes world to camera; camera axes are OpenCV's: x right, y down, z forward; the world's y is down; "
    "intrinsics are in pixels of image_width x image_height"
)
_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL's camera axes <-> OpenCV's
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the archive: equal paths give equal bytes

F64 = NDArray[np.float64]


def _upright() -> F64:
    out = np.eye(4)
    out[:3, :3] = ROTATION_OF_UP["-y"]
    return out


def load(file: Path) -> CameraPath:
    """Read a trajectory. Raises ValueError (one line), UserError (what is no .npz) or OSError."""
    names = npz.names(file)
    if not {"w2c", "intrinsics"} <= set(names):
        raise ValueError("a Lyra trajectory holds w2c and intrinsics")
    w2c = npz.load(file, "w2c", 3).astype(np.float64)
    lenses = npz.load(file, "intrinsics", 3).astype(np.float64)
    n = len(w2c)
    if w2c.shape[1:] != (4, 4) or lenses.shape != (n, 3, 3) or not 1 <= n <= MAX_KEYS:
        raise ValueError(f"w2c is [N, 4, 4] and intrinsics [N, 3, 3], not {w2c.shape} and {lenses.shape}")
    size = None
    if {"image_width", "image_height"} <= set(names):
        width, height = (int(npz.load(file, f"image_{side}", 0)) for side in ("width", "height"))
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
            raise ValueError(f"image_width x image_height is {width} x {height}")
        size = width, height
    fps = FPS
    if "fps" in names:
        fps = float(npz.load(file, "fps", 0))
    if not 0 < fps < math.inf:
        raise ValueError(f"fps is above 0, not {fps:g}")
    keys = tuple(_key(i, i / fps, w2c[i], lenses[i], size) for i in range(n))
    return CameraPath(keys, fps, size=size)


def _key(i: int, t: float, w2c: F64, k: F64, size: tuple[int, int] | None) -> Key:
    fx, fy, cx, cy = (float(k[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if not (np.isfinite(w2c).all() and np.isfinite(k).all()):
        raise ValueError(f"frame {i}: every number is finite")
    height = size[1] if size else 2 * cy  # without a size, the axis is taken to go through the middle
    if min(fx, fy, height) <= 0 or np.abs(w2c[3] - (0, 0, 0, 1)).max() > 1e-6:
        raise ValueError(f"frame {i}: no camera: fx and fy are above 0, w2c's last row is 0 0 0 1")
    try:
        inverse = np.eye(4)
        inverse[:3, :3], inverse[:3, 3] = w2c[:3, :3].T, -w2c[:3, :3].T @ w2c[:3, 3]
        pose = turns.pose_of(_upright() @ inverse @ _OPENCV)
    except ValueError as error:
        raise ValueError(f"frame {i}: {error}") from None
    fov = math.degrees(2 * math.atan2(height / 2, fy))
    return Key(t, pose, fov, (fx, fy, cx, cy) if size else None)


def w2c_of(path: CameraPath) -> tuple[F64, F64, tuple[int, int]]:
    """Every frame of a path at its own fps: -> w2c [N, 4, 4], intrinsics [N, 3, 3], (width, height)"""
    size = path.size or DEFAULT_SIZE
    shown = frames(path)
    w2c, lenses = np.empty((len(shown), 4, 4)), np.zeros((len(shown), 3, 3))
    for i, key in enumerate(shown):
        c2w = _upright().T @ turns.matrix_of(key.pose) @ _OPENCV
        w2c[i] = np.eye(4)
        w2c[i, :3, :3], w2c[i, :3, 3] = c2w[:3, :3].T, -c2w[:3, :3].T @ c2w[:3, 3]
        fx, fy, cx, cy = key.lens or _lens(key.fov_deg, size)
        lenses[i] = (fx, 0, cx), (0, fy, cy), (0, 0, 1)
    return w2c, lenses, size


def _lens(fov_deg: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
    focal = size[1] / 2 / math.tan(math.radians(fov_deg) / 2)
    return focal, focal, size[0] / 2, size[1] / 2


def save(file: Path, path: CameraPath) -> None:
    """Write every frame of a path at its own fps. Raises OSError, or ValueError if they are many."""
    w2c, lenses, (width, height) = w2c_of(path)
    arrays = {
        "w2c": w2c,
        "intrinsics": lenses,
        "image_height": np.int64(height),
        "image_width": np.int64(width),
        "fps": np.float64(path.fps),
        "conventions": np.array(CONVENTIONS),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asanyarray(values), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy", _EPOCH), data.getvalue(), zipfile.ZIP_DEFLATED)
