"""World coordinates as keys: the atlas's (region, UVW) as one integer; cells of a precision tier."""

import numpy as np
from numpy.typing import NDArray

from ....atlas import address
from ....atlas.precision import Tier

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

_REGION_BIAS = 1 << 12  # regions -4096..4095 per axis: half a million voxels to every side


def key_of(voxels: NDArray[np.integer]) -> U64:
    """Region and UVW as one integer: region z, y, x (13 bits each), then w, v, u (8 bits each).

    voxels [N, 3] int -> [N] uint64, sorted by region and then by z, y, x. ValueError: outside.
    """
    region = address.region_of(voxels) + _REGION_BIAS
    if region.size and (region.min() < 0 or region.max() >= 2 * _REGION_BIAS):
        raise ValueError("voxel more than 2^20 voxels from the origin")
    u, v, w = address.uvw_of(voxels).T
    rx, ry, rz = region.T
    return np.asarray((((((rz << 13 | ry) << 13 | rx) << 8 | w) << 8 | v) << 8 | u).astype(np.uint64))


def voxel_of(keys: U64) -> I64:
    """Inverse of `key_of`. [N] uint64 -> [N, 3] int64."""
    k = keys.astype(np.int64)
    region = np.stack([k >> 24 & 0x1FFF, k >> 37 & 0x1FFF, k >> 50 & 0x1FFF], axis=-1) - _REGION_BIAS
    return address.voxel_at(region, np.stack([k & 255, k >> 8 & 255, k >> 16 & 255], axis=-1))


def cells(points: NDArray[np.floating], tier: Tier, low: float, high: float) -> U64:
    """The canonical coordinate of world points in [low, high]^3, as one integer per point.

    A tier of B bits names 2^B cells per axis. Up to 21 bits an axis the integer is the coordinate; finer ones
    are hashed, which may put two cells together once in 2^64 / N^2. ValueError: a point is outside.
    """
    if points.size and not (np.all(points >= low) and np.all(points <= high)):
        raise ValueError(f"a point outside [{low}, {high}] has no coordinate in {tier.name}")
    n = 1 << tier.bits
    cell = np.minimum(np.floor((points - low) * (n / (high - low))), n - 1).astype(np.uint64)
    if tier.bits <= 21:
        return np.asarray(cell[:, 0] | cell[:, 1] << np.uint64(21) | cell[:, 2] << np.uint64(42))
    mixed = cell[:, 0]
    for axis in (1, 2):
        mixed = (mixed * np.uint64(0x9E3779B97F4A7C15)) ^ cell[:, axis]
        mixed ^= mixed >> np.uint64(29)
    return np.asarray(mixed * np.uint64(0xBF58476D1CE4E5B9))
