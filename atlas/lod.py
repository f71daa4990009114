"""One level up: eight voxels become one, in linear light, in integers.

A parent exists if any of its eight children does. Its colour is the coverage-weighted mean of the
occupied children in linear light (sRGB of IEC 61966-2-1); its coverage is the mean over all eight,
rounded half up and at least 1, so that nothing ever vanishes from the pyramid.
Integers throughout: the same bytes on every machine, in any order of the input.
"""

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]


def _linear_of_srgb(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _srgb_of_linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


# Rounded once, here. No entry lies near enough to a half for the last bit of pow() to matter
# (tests/atlas/test_lod.py measures the margin), so the tables are the same everywhere.
LINEAR_OF_SRGB: U32 = np.rint(65535 * _linear_of_srgb(np.arange(256) / 255)).astype(np.uint32)
SRGB_OF_LINEAR: U8 = np.rint(255 * _srgb_of_linear(np.arange(65536) / 65535)).astype(np.uint8)


def _blend(weighted: U32, weight: U32) -> U8:
    """sRGB byte of sum(A * linear) / sum(A), rounded half up; 0 where nothing has weight."""
    divisor = np.maximum(weight, 1)
    colour: U8 = SRGB_OF_LINEAR[(2 * weighted + divisor) // (2 * divisor)]
    return colour


def _mean_coverage(weight: U32) -> U8:
    """Coverage of a parent whose children's coverages add up to weight: at least 1 if they are not all 0."""
    mean: U8 = np.maximum((weight + 4) >> 3, weight != 0).astype(np.uint8)
    return mean


def reduce_sparse(voxels: I64, rgba: U8) -> tuple[I64, U8]:
    """The parents of a set of voxels.

    voxels [N, 3] int64 (x, y, z), signed, in any order, each at most once
    rgba   [N, 4] uint8 sRGB, A = coverage >= 1
    ->     (parents [M, 3] int64, rgba [M, 4] uint8), sorted by z, then y, then x
    ValueError: shapes or dtypes differ from the above, a voxel occurs twice, a coverage is 0.
    """
    voxels, rgba = np.asarray(voxels), np.asarray(rgba)
    if voxels.ndim != 2 or voxels.shape[1] != 3 or not np.issubdtype(voxels.dtype, np.signedinteger):
        raise ValueError(f"voxels must be [N, 3] signed integers, not {voxels.shape} {voxels.dtype}")
    if rgba.shape != (voxels.shape[0], 4) or rgba.dtype != np.uint8:
        raise ValueError(f"rgba must be [{voxels.shape[0]}, 4] uint8, not {rgba.shape} {rgba.dtype}")
    if not rgba[:, 3].all():
        raise ValueError("a voxel with coverage 0 is empty and has no place in a sparse set")
    if voxels.shape[0] == 0:
        return np.empty((0, 3), np.int64), np.empty((0, 4), np.uint8)

    order = sibling_order(voxels)
    parents = voxels[order].astype(np.int64) >> 1
    first = np.flatnonzero(np.append(True, (parents[1:] != parents[:-1]).any(axis=1)))

    colours = rgba[order]
    coverage = colours[:, 3].astype(np.uint32)
    # 8 children * 255 coverage * 65,535 is below 2^27: uint32 sums cannot wrap.
    weight = np.add.reduceat(coverage, first)
    out = np.empty((first.size, 4), np.uint8)
    for channel in range(3):
        weighted = np.add.reduceat(LINEAR_OF_SRGB[colours[:, channel]] * coverage, first)
        out[:, channel] = _blend(weighted, weight)
    out[:, 3] = _mean_coverage(weight)
    return parents[first], out


def sibling_order(voxels: I64) -> NDArray[np.intp]:
    """Order that brings siblings together, parents by (z, y, x). ValueError if a voxel occurs twice.

    The key is (parent z, y, x, octant) in one integer when the set's extent allows, which is always
    so within a region; a set spread over more than 2^63 cells takes the slower lexsort.
    """
    x, y, z = voxels.astype(np.int64, copy=False).T
    low = [int(axis.min()) >> 1 for axis in (x, y, z)]
    bits = [((int(a.max()) >> 1) - lo).bit_length() for a, lo in zip((x, y, z), low, strict=True)]
    if sum(bits) + 3 <= 63:
        octant = (x & 1) | (y & 1) << 1 | (z & 1) << 2
        px, py, pz = (x >> 1) - low[0], (y >> 1) - low[1], (z >> 1) - low[2]
        key = ((pz << bits[1] | py) << bits[0] | px) << 3 | octant
        order = np.argsort(key)
        ordered = key[order]
        duplicate = bool((ordered[1:] == ordered[:-1]).any())
    else:
        order = np.lexsort((x, y, z, x >> 1, y >> 1, z >> 1))
        rows = voxels[order]
        duplicate = bool((rows[1:] == rows[:-1]).all(axis=1).any())
    if duplicate:
        raise ValueError("a voxel occurs twice: merge before reducing")
    return order


def reduce_dense(rgba: U8) -> U8:
    """The slow, readable twin: [2d, 2h, 2w, 4] uint8 (z, y, x; A = 0 is empty) -> [d, h, w, 4] uint8.

    ValueError if an edge is odd. What an empty child holds as RGB has no influence.
    """
    if rgba.ndim != 4 or rgba.shape[3] != 4 or rgba.dtype != np.uint8 or any(n % 2 for n in rgba.shape[:3]):
        raise ValueError(f"need [2d, 2h, 2w, 4] uint8, not {rgba.shape} {rgba.dtype}")
    d, h, w = (n // 2 for n in rgba.shape[:3])
    weight = np.zeros((d, h, w), np.uint32)
    weighted = np.zeros((d, h, w, 3), np.uint32)
    for dz, dy, dx in np.ndindex(2, 2, 2):
        child = rgba[dz::2, dy::2, dx::2]
        coverage = child[..., 3].astype(np.uint32)
        weight += coverage
        weighted += coverage[..., None] * LINEAR_OF_SRGB[child[..., :3]]
    colour = _blend(weighted, weight[..., None])
    return np.concatenate([colour, _mean_coverage(weight)[..., None]], axis=-1)
