"""Address arithmetic between metres, voxels, chunks and regions. Pure: arrays in, arrays out.

Every function takes arrays of shape [..., 3] in axis order (x, y, z). Coordinates are signed;
shifts are arithmetic, so -1 lands in chunk -1 and region -1, never in 0.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layout import BLOCK, CHUNK, CHUNK_BITS, CHUNK_VOXELS, MAX_LEVEL, ORIGIN_BITS, REGION, REGION_CHUNKS

Int = NDArray[np.int64]

REGION_BITS = REGION.bit_length() - 1
CHUNK_AXIS_BITS = ORIGIN_BITS + 1 - CHUNK_BITS  # 20: chunks per axis at level 0, as bits
CHUNK_BIAS = 1 << (CHUNK_AXIS_BITS - 1)


def integers(coordinates: ArrayLike) -> Int:
    """Coordinates as int64. ValueError if they are not integers, or do not fit.

    Without it, NumPy would take metres for voxels and truncate them towards 0.
    """
    a = np.asarray(coordinates)
    if a.dtype.kind not in "iu" and a.size:
        raise ValueError(f"coordinates must be integers, not {a.dtype}")
    if a.dtype == np.uint64 and a.size and a.max() > np.iinfo(np.int64).max:
        raise ValueError("coordinate outside int64")
    return a.astype(np.int64, copy=False)


def voxel_of(metres: ArrayLike, voxel_size_m: float) -> Int:
    """The voxel that holds a point: floor(metres / voxel_size). [..., 3] float -> [..., 3] int64.

    ValueError: a point is not finite, or farther than 2^62 voxels away.
    """
    voxel = np.floor(np.asarray(metres, np.float64) / voxel_size_m)
    if not np.all(np.abs(voxel) <= 2.0**62):  # NaN compares false
        raise ValueError("point is not finite, or too far away to have a voxel")
    return voxel.astype(np.int64)


def chunk_of(voxel: ArrayLike) -> Int:
    """Chunk of a voxel of the same level. [..., 3] int -> [..., 3] int64."""
    return integers(voxel) >> CHUNK_BITS


def region_of(voxel: ArrayLike) -> Int:
    """Region of a voxel of the same level. [..., 3] int -> [..., 3] int64."""
    return integers(voxel) >> REGION_BITS


def region_of_chunk(chunk: ArrayLike) -> Int:
    """Region of a chunk of the same level. [..., 3] int -> [..., 3] int64."""
    return integers(chunk) >> (REGION_BITS - CHUNK_BITS)


def uvw_of(voxel: ArrayLike) -> Int:
    """A voxel's byte triple inside its region. [..., 3] int -> [..., 3] int64 in [0, 256)."""
    return integers(voxel) & (REGION - 1)


def voxel_at(region: ArrayLike, uvw: ArrayLike) -> Int:
    """Inverse of (region_of, uvw_of). [..., 3] and [..., 3] int -> [..., 3] int64.

    ValueError: uvw outside [0, 256), which would name a voxel of another region.
    """
    p = integers(uvw)
    if p.size and (p.min() < 0 or p.max() >= REGION):
        raise ValueError("uvw outside the region")
    return integers(region) * REGION + p


def parent(coord: ArrayLike) -> Int:
    """The voxel (or chunk) one level coarser that covers this one. [..., 3] int -> [..., 3] int64."""
    return integers(coord) >> 1


def octant_of_chunk(chunk: ArrayLike) -> Int:
    """Which of its parent's eight children a chunk is: x + 2 y + 4 z of the low bits. -> [...] int64."""
    c = integers(chunk) & 1
    return c[..., 0] | c[..., 1] << 1 | c[..., 2] << 2


def check_in_world(voxel: ArrayLike, level: int = 0) -> None:
    """Raise ValueError if a voxel lies outside the addressable world at this level."""
    v = integers(voxel)
    half = 1 << (ORIGIN_BITS - level)
    if v.size and (v.min() < -half or v.max() >= half):
        raise ValueError(f"voxel outside [-{half}, {half}) at level {level}: {v.min()}..{v.max()}")


def chunk_id(level: ArrayLike, chunk: ArrayLike) -> NDArray[np.uint64]:
    """One sortable uint64 per chunk: level << 60 | z << 40 | y << 20 | x, coordinates biased by 2^19.

    level [...] or scalar int, chunk [..., 3] int -> [...] uint64. ValueError if out of range.
    """
    c = integers(chunk) + CHUNK_BIAS
    k = integers(level)
    if c.size and (c.min() < 0 or c.max() >= 1 << CHUNK_AXIS_BITS):
        raise ValueError("chunk outside the addressable world")
    if k.size and (k.min() < 0 or k.max() > MAX_LEVEL):
        raise ValueError(f"level outside 0..{MAX_LEVEL}")
    u = c.astype(np.uint64)
    bits = np.uint64(CHUNK_AXIS_BITS)
    low = u[..., 0] | u[..., 1] << bits | u[..., 2] << (bits + bits)
    ids: NDArray[np.uint64] = low | k.astype(np.uint64) << np.uint64(60)
    return ids


def chunk_of_id(ids: ArrayLike) -> tuple[Int, Int]:
    """Inverse of `chunk_id`. [...] uint64 -> (level [...], chunk [..., 3]) int64."""
    u = np.asarray(ids, np.uint64)
    axis = np.uint64((1 << CHUNK_AXIS_BITS) - 1)
    shifts = (np.uint64(0), np.uint64(CHUNK_AXIS_BITS), np.uint64(2 * CHUNK_AXIS_BITS))
    chunk = np.stack([(u >> s & axis).astype(np.int64) - CHUNK_BIAS for s in shifts], axis=-1)
    return (u >> np.uint64(60)).astype(np.int64), chunk


def mask_index(local: ArrayLike) -> Int:
    """Bit of a voxel in its chunk's mask: 4^3 blocks in x, y, z order, 64 bits each likewise.

    local [..., 3] int in [0, 16) -> [...] int64 in [0, 4096)
    """
    p = integers(local)
    if p.size and (p.min() < 0 or p.max() >= CHUNK):
        raise ValueError("local voxel outside the chunk")
    block, bit = p >> 2, p & (BLOCK - 1)
    b = block[..., 0] | block[..., 1] << 2 | block[..., 2] << 4
    return b << 6 | bit[..., 0] | bit[..., 1] << 2 | bit[..., 2] << 4


def local_of_mask_index(index: ArrayLike) -> Int:
    """Inverse of `mask_index`. [...] int in [0, 4096) -> [..., 3] int64."""
    i = integers(index)
    if i.size and (i.min() < 0 or i.max() >= CHUNK_VOXELS):
        raise ValueError("mask index outside [0, 4096)")
    b, bit = i >> 6, i & 63
    return np.stack([(b >> s & 3) << 2 | bit >> s & 3 for s in (0, 2, 4)], axis=-1)


def _spread(v: Int) -> Int:
    """Put two zero bits after each of the low 4 bits."""
    return (v & 1) | (v & 2) << 2 | (v & 4) << 4 | (v & 8) << 6


def morton_of_chunk(chunk: ArrayLike) -> Int:
    """Morton order of a chunk inside its region, x lowest. [..., 3] int -> [...] int64 in [0, 4096)."""
    c = integers(chunk) & (REGION_CHUNKS - 1)
    return _spread(c[..., 0]) | _spread(c[..., 1]) << 1 | _spread(c[..., 2]) << 2


def chunk_of_morton(code: ArrayLike) -> Int:
    """Inverse of `morton_of_chunk`, in the region. [...] int in [0, 4096) -> [..., 3] int64 in [0, 16)."""
    m = integers(code)
    if m.size and (m.min() < 0 or m.max() >= REGION_CHUNKS**3):
        raise ValueError("Morton code outside [0, 4096)")
    axes = [sum((m >> (3 * bit + axis) & 1) << bit for bit in range(4)) for axis in range(3)]
    return np.stack(axes, axis=-1)
