"""Where to stand and walk in a world of any size, found out from its coarse levels alone.

A coarse voxel is empty only where all below it is: an eye in an empty one is never inside anything solid.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...app import framing, moves
from ...app.camera import Pose
from ...app.paths import CameraPath
from ...atlas.address import chunk_of_id
from ...atlas.chunk import unpack
from ...atlas.layout import CHUNK
from ...atlas.page_table import root_grid
from ...atlas.streams import Stream, decode
from ...streamer.chunk_source import ChunkSource
from ...streamer.descent import children, octants, present
from ...streamer.errors import WorldError
from ..coarse import voxels_of

MAX_CHUNKS = 400  # of the level that stands for the whole world
STEP_M = 0.3  # about as high above the ground as jumps end
_TRIES = 64  # to find room for one eye
_MARGIN = 0.05  # of a voxel, from its sides
_LOOKED_AT = 4  # voxels drawn, of which the nearest is looked at


@dataclass(frozen=True, slots=True)
class Outline:
    """A world by one of its coarse levels.

    ids [C] uint64 with their streams; voxels [N, 3] int64 at `level`; weights [N] float64 coverage
    """

    source: ChunkSource
    level: int
    ids: NDArray[np.uint64]
    streams: list[Stream]
    voxels: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def width_m(self) -> float:
        """Of one of its voxels."""
        return float(self.source.meta.voxel_size_m * 2**self.level)


def outline(source: ChunkSource) -> Outline:
    """The finest level of at most MAX_CHUNKS chunks. Raises WorldError where the world is empty."""
    lo, hi = (np.array(corner, np.int64) for corner in source.meta.bounds_voxels)
    level = source.meta.n_levels - 1
    there, held = present(source.read_many(root_grid(level, lo, hi).ids, lambda _: None))
    ids = root_grid(level, lo, hi).ids[there]
    while level > 0 and ids.size:
        below = children(ids, octants(held))
        if below.size > MAX_CHUNKS:
            break
        there, finer = present(source.read_many(below, lambda _: None))
        if not finer:
            break
        ids, held, level = below[there], finer, level - 1
    if not ids.size:
        raise WorldError(".", "no chunk of the coarse levels can be read")
    return Outline(source, level, ids, held, *voxels_of(ids, held))


def jumps(world: Outline, n: int, seed: int) -> list[Pose]:
    """n poses above the ground all over a world, each looking at some of it; by the seed alone."""
    rng = np.random.default_rng(seed)
    return [_jump(world, rng) for _ in range(n)]


def _jump(world: Outline, rng: np.random.Generator) -> Pose:
    eye = next((e for _ in range(_TRIES) if (e := _stand(world, rng)) is not None), None)
    if eye is None:  # as solid as that all over: above it
        at = world.voxels[rng.integers(len(world.voxels))]
        eye = np.array([*(at[:2] + 0.5), world.voxels[:, 2].max() + 1.5]) * world.width_m
    targets = (world.voxels[rng.integers(len(world.voxels), size=_LOOKED_AT)] + 0.5) * world.width_m
    away = targets - eye
    x, y, z = away[np.linalg.norm(away, axis=1).argmin()].tolist()
    yaw, pitch = math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))
    eye_x, eye_y, eye_z = eye.tolist()
    return Pose(eye_x, eye_y, eye_z, yaw, min(max(pitch, -80.0), 80.0))


def _stand(world: Outline, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """A point in an empty voxel right above an occupied one: of a fine chunk, on a random way down to it."""
    fine = max(0, math.ceil(math.log2(STEP_M / world.source.meta.voxel_size_m)))
    i = int(rng.integers(len(world.ids)))
    chunk, stream = world.ids[i : i + 1], world.streams[i]
    for _ in range(world.level - min(fine, world.level)):
        below = children(chunk, octants([stream]))
        there, held = present(world.source.read_many(below, lambda _: None))
        if not held:
            return None
        i = int(rng.integers(len(held)))
        chunk, stream = below[there[i : i + 1]], held[i]
    (packed,), liars = decode([stream])
    if liars:
        return None
    dense = unpack(packed)[..., 3] > 0
    top = np.where(dense.any(0), CHUNK - 1 - dense[::-1].argmax(0), CHUNK)
    y, x = np.nonzero(top < CHUNK - 1)
    if not y.size:
        return None
    i = int(rng.integers(y.size))
    level, corner = chunk_of_id(chunk)
    voxel = corner[0] * CHUNK + [x[i], y[i], top[y[i], x[i]] + 1]
    inside = rng.uniform(_MARGIN, 1 - _MARGIN, 3)
    return np.asarray((voxel + inside) * (world.source.meta.voxel_size_m * 2.0 ** int(level[0])))


def flight(world: Outline, speed_m_s: float, seconds: float, fps: float, fov_deg: float) -> CameraPath:
    """Straight across the middle of a world along its longer side, just above all that lies on the way.

    It ends where the world ends, even if that is sooner than `seconds`.
    """
    lo, hi = world.voxels.min(0) * world.width_m, (world.voxels.max(0) + 1) * world.width_m
    along = int(hi[1] - lo[1] > hi[0] - lo[0])
    middle = (lo + hi) / 2
    way = min(speed_m_s * seconds, float(hi[along] - lo[along]))
    first = middle.copy()
    first[along] -= way / 2
    voxels = world.voxels * world.width_m
    beside = np.abs(voxels[:, 1 - along] + world.width_m / 2 - middle[1 - along]) <= 1.5 * world.width_m
    reached = np.abs(voxels[:, along] + world.width_m / 2 - middle[along]) <= way / 2 + 1.5 * world.width_m
    tops = voxels[beside & reached, 2]
    first[2] = (tops.max() if tops.size else voxels[:, 2].max()) + 1.5 * world.width_m
    x, y, z = first.tolist()
    pose = Pose(x, y, z, 90.0 * along, -15.0)
    return moves.walk(pose, speed_m_s, way / speed_m_s, fps=fps, fov_deg=fov_deg)


def framed(world: Outline, size: tuple[int, int], fov_deg: float) -> Pose:
    """The pose that frames the world, as `voxtide render` does."""
    points = np.concatenate([world.voxels, world.voxels + 1]) * world.width_m
    body = framing.main_body(points, np.concatenate([world.weights, world.weights]))
    return framing.frame(body, size, fov_deg, framing.DEFAULT_YAW, framing.DEFAULT_PITCH)


def walk(
    world: Outline, size: tuple[int, int], speed_m_s: float, seconds: float, fps: float, fov_deg: float
) -> CameraPath:
    """A course for a world that nobody knows: through a large one, around one that is soon walked through."""
    lo, hi = world.voxels.min(0) * world.width_m, (world.voxels.max(0) + 1) * world.width_m
    way = speed_m_s * seconds
    if float((hi - lo)[:2].max()) > 2 * way:
        return flight(world, speed_m_s, seconds, fps, fov_deg)
    start, centre = framed(world, size, fov_deg), (lo + hi) / 2
    radius = max(math.hypot(start.x - centre[0], start.y - centre[1]), 1e-3)
    degrees = math.degrees(way / radius)
    around = (float(centre[0]), float(centre[1]))
    return moves.orbit(start, around, degrees, seconds, fps=fps, fov_deg=fov_deg)
