"""Which chunks a view could want: the twin, on the CPU and without occlusion, of how rays choose levels.

Pure NumPy. A ray goes down into a chunk of level c when the voxels of the level above are wider than its
pixel there, 2^(c+1) > cone * distance (shaders/include/march.glsl), and when it passes the chunk at all.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import CHUNK

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a view sees, whatever its projection.

    eyes     [E, 3] float64, level-0 voxels of the world
    planes   [P, 3] float64, inward unit normals of the planes that bound it, through each eye; none: all
             around
    forward  [3] float64 unit, if a pixel's width grows with the depth along it (a planar picture); None: it
             grows with the distance
    cone     width of a pixel at depth (or distance) 1, times the quality factor
    """

    eyes: F64
    planes: F64
    forward: F64 | None
    cone: float


def error(sight: Sight, level: I64 | int, chunks: I64) -> F64:
    """How many pixels wide the voxels above these chunks are, seen from the nearest eye; 0 out of sight.

    level [N] or scalar, chunks [N, 3] int64 -> [N] float64; a ray may want a chunk where this is above 1
    """
    width = np.exp2(np.asarray(level, np.float64))
    half = np.broadcast_to(width * (CHUNK / 2), chunks.shape[:1])
    centre = (chunks * CHUNK + CHUNK / 2) * width[..., None]
    best = np.zeros(len(chunks))
    for eye in sight.eyes:
        away = centre - eye
        seen = (away @ sight.planes.T >= -half[:, None] * np.abs(sight.planes).sum(1)).all(axis=1)
        if sight.forward is None:
            nearest = np.linalg.norm(np.maximum(np.abs(away) - half[:, None], 0.0), axis=1)
        else:
            nearest = away @ sight.forward - half * np.abs(sight.forward).sum()
        pixels = 2 * width / (sight.cone * np.maximum(nearest, 1.0))
        best = np.maximum(best, np.where(seen, pixels, 0.0))
    return best


def extrapolated(before: Sight | None, now: Sight, n_frames: int) -> Sight:
    """Where the eyes will be after so many frames like the last one. Turning is left to the rays."""
    if before is None or before.eyes.shape != now.eyes.shape:
        return now
    return replace(now, eyes=now.eyes + (now.eyes - before.eyes) * n_frames)


def has_moved(before: Sight | None, now: Sight, voxels: float, radians: float) -> bool:
    """Whether an eye has moved, or the view has turned, by more than this."""
    if before is None or before.eyes.shape != now.eyes.shape or before.planes.shape != now.planes.shape:
        return True
    moved = float(np.linalg.norm(before.eyes - now.eyes, axis=1).max())
    turned = bool(len(now.planes)) and float((before.planes * now.planes).sum(axis=1).min()) < np.cos(radians)
    return moved > voxels or turned
