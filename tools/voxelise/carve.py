"""Free space and double walls: a voxel stays where the median of the frames that look at it has the surface.

Every frame that sees a voxel's centre votes with the plane of the pixel there (frames.py): the voxel is in
front of the surface (the frame saw through it), on it, or behind it by at most BAND voxels. On it: no farther
from the plane than halfway between the thinnest layer without 6-holes (half a voxel times the largest part of
the normal) and all voxels that the plane touches (times the sum of its parts); medians wobble, hence not the
thinnest. Further behind it is merely hidden and the frame says nothing, as it does at depth edges. A voxel
stays if neither "in front" nor "behind" has more than half of the votes. So floaters go, and of a wall that
drifting poses smear over several voxels the middle stays; where the middle is, some frame filled it, so this
tears no holes. Counts are integers and every voxel is judged by itself: order, batches and regions do not
matter, and feeding every frame twice changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sources.source import Batch, Frames, Source
from . import runs
from .frames import Camera, camera_of, far_of, surface_of
from .placement import Placement

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

BAND = 3.0  # voxels behind a surface in which a frame votes
BLOCK_BITS = 4  # voxels are looked at in blocks of 16^3: those out of view cost nothing
SLICE = 1 << 17  # voxels worked on together


@dataclass(frozen=True, slots=True)
class Blocks:
    """B blocks of voxels: first [B + 1] voxel of each, corner [B, 3] voxels."""

    first: I64
    corner: I64


@dataclass(frozen=True, slots=True)
class Field:
    """Voxels [3, M] that frames look at, in the order of their blocks."""

    voxels: NDArray[np.int32]
    blocks: Blocks


def blocks_of(voxels: NDArray[np.integer]) -> tuple[I64, Blocks]:
    """Voxels [M, 3], M >= 1 -> (order [M] by block, the blocks)."""
    block = (voxels >> BLOCK_BITS).astype(np.int64)
    order = np.lexsort(block.T)
    changes = (np.diff(block[order], axis=0) != 0).any(1)
    first = np.concatenate([[0], np.flatnonzero(changes) + 1])
    return order, Blocks(np.append(first, len(order)), block[order[first]] << BLOCK_BITS)


def field_of(voxels: NDArray[np.integer]) -> tuple[Field, I64]:
    """Voxels [M, 3], M >= 1 -> the field; and the order [M] of its voxels among these."""
    order, blocks = blocks_of(voxels)
    return Field(np.ascontiguousarray(voxels.take(order, axis=0).T.astype(np.int32)), blocks), order


def carve(
    source: Source, voxels: NDArray[np.integer], placement: Placement, max_depth_m: float | None = None
) -> NDArray[np.bool_]:
    """Look at all frames again: which of the voxels [M, 3] stay. -> [M] bool, each judged by itself."""
    if not len(voxels):
        return np.ones(0, bool)
    field, order = field_of(voxels)
    keep = np.empty(len(voxels), bool)
    keep[order] = stay(votes_on(field, source.batches(1), placement, max_depth_m))
    return keep


def votes_on(
    field: Field, batches: Iterable[Batch], placement: Placement, max_depth_m: float | None
) -> NDArray[np.int32]:
    """How many frames say in front, on, behind. -> [3, M]; votes of some frames and of others add up."""
    votes = np.zeros(field.voxels.shape, np.int32)
    for batch in batches:
        assert isinstance(batch, Frames)
        for i in range(len(batch)):
            look(batch, i, field, placement, max_depth_m, votes)
    return votes


def stay(votes: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Votes [3, M] of all frames -> [M] bool."""
    front, on, behind = votes
    keep: NDArray[np.bool_] = (front <= on + behind) & (behind <= on + front)
    return keep


def look(
    batch: Frames,
    i: int,
    field: Field,
    placement: Placement,
    max_depth_m: float | None,
    votes: NDArray[np.int32],
) -> None:
    """Add one frame's votes [3, M] on a field."""
    blocks = field.blocks
    camera = camera_of(batch.camera_to_world[i], placement)
    fx, fy, cx, cy = batch.intrinsics
    height, width = batch.depth[i].shape
    planes, deepest = planes_of(batch.depth[i], batch.intrinsics, camera, far_of(placement, max_depth_m))
    seen = visible(blocks, camera, batch.intrinsics, (height, width), deepest)
    back = (camera.turn / camera.voxels_per_unit**2).astype(np.float32)  # its transpose is turn's inverse
    own = camera.own.astype(np.int32)
    to_centre = (0.5 - camera.rest).astype(np.float32)
    for run, place in runs.slices(np.diff(blocks.first)[seen], SLICE):
        at = blocks.first[seen][run] + place
        local = [(field.voxels[a].take(at) - own[a]).astype(np.float32) + to_centre[a] for a in range(3)]
        px, py, pz = (local[0] * back[0, c] + local[1] * back[1, c] + local[2] * back[2, c] for c in range(3))
        ahead = 1 / np.maximum(pz, np.float32(1e-6))
        column = np.rint((px * ahead * np.float32(fx) + np.float32(cx)).clip(-2, width + 1)).astype(np.int32)
        row = np.rint((py * ahead * np.float32(fy) + np.float32(cy)).clip(-2, height + 1)).astype(np.int32)
        inside = np.flatnonzero((pz > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height))
        plane = planes.take(row[inside] * width + column[inside], axis=0)
        px, py, pz, at = px[inside], py[inside], pz[inside], at[inside]
        off = plane[:, 0] * px + plane[:, 1] * py + plane[:, 2] * pz - 1
        half = plane[:, 3]  # NaN where the pixel is invalid: no vote
        for vote, mine in zip(
            votes,
            ((off < -half) & (pz < plane[:, 5]), np.abs(off) <= half, (off > half) & (off <= plane[:, 4])),
            strict=True,
        ):
            vote[at[mine]] += 1  # a voxel comes once per frame


def planes_of(
    depth: F32, intrinsics: tuple[float, float, float, float], camera: Camera, far: float
) -> tuple[F32, float]:
    """What a pixel says of voxels -> ([H * W, 6] float32, greatest depth). Lengths in source units.

    0..2 N of the plane N . p = 1 in camera axes; 3 how far N . p - 1 may be off for a voxel on the plane;
    4 how far for one that is just behind; 5 the depth in front of which nothing is seen around the pixel.
    """
    surface = surface_of(depth, intrinsics, far)
    fx, fy = np.float32(intrinsics[0]), np.float32(intrinsics[1])
    nx, ny = surface.qx * fx, surface.qy * fy
    nz = surface.q - surface.x * nx - surface.y * ny
    voxel = 1 / camera.voxels_per_unit
    turn = (camera.turn * (0.5 * voxel * voxel)).astype(np.float32)  # unit axes times half a voxel
    along = [np.abs(nx * turn[a, 0] + ny * turn[a, 1] + nz * turn[a, 2]) for a in range(3)]
    half = np.float32(0.5) * (np.maximum(np.maximum(*along[:2]), along[2]) + (along[0] + along[1] + along[2]))
    band = half + np.float32(BAND * voxel) * np.sqrt(nx * nx + ny * ny + nz * nz)
    there = np.where((depth > 0) & (depth <= far), depth, np.float32(np.inf))
    typical = float(np.median(depth[surface.valid])) if surface.valid.any() else 1.0
    radius = int(np.clip(round(0.5 * float(fx) * voxel / typical), 1, 4))
    clear = _minimum(_minimum(there, radius, 0), radius, 1) - np.float32(voxel / 2)
    half = np.where(surface.valid, half, np.float32(np.nan))
    planes = np.stack([nx, ny, nz, half, band, clear], axis=-1).reshape(-1, 6)
    return planes, float(there[np.isfinite(there)].max(initial=0))


def _minimum(image: F32, radius: int, axis: int) -> F32:
    """Least value within `radius` pixels along an axis."""
    out = image.copy()
    for step in range(1, radius + 1):
        ahead, behind = (
            (slice(None, -step), slice(step, None)) if not axis else (np.s_[:, :-step], np.s_[:, step:])
        )
        np.minimum(out[ahead], image[behind], out=out[ahead])
        np.minimum(out[behind], image[ahead], out=out[behind])
    return out


def visible(
    blocks: Blocks,
    camera: Camera,
    intrinsics: tuple[float, float, float, float],
    shape: tuple[int, int],
    deepest: float,
) -> I64:
    """Blocks whose sphere meets the frustum. -> [V] indices"""
    fx, fy, cx, cy = intrinsics
    height, width = shape
    scale = camera.voxels_per_unit
    middle = (blocks.corner - camera.own) + ((1 << BLOCK_BITS - 1) - camera.rest)
    x, y, z = (np.einsum("ba,ac->bc", middle, camera.turn) / scale**2).T
    radius = 0.5 * np.sqrt(3) * (1 << BLOCK_BITS) / scale
    inside = (z > -radius) & (z < deepest + 2 * radius)
    for across, focal, low in ((x, fx, cx + 0.5), (y, fy, cy + 0.5)):
        high = (width if across is x else height) - low
        inside &= focal * across + low * z > -radius * np.hypot(focal, low)
        inside &= high * z - focal * across > -radius * np.hypot(focal, high)
    return np.flatnonzero(inside)
