"""How precisely a texture format can name a place: five tiers, honestly.

A tier divides an extent into 2^B cells, B being the bits it keeps exactly: a position goes to
floor((position - low) / extent * 2^B) and comes back as the middle of that cell, so the error is at
most half a cell. (Rounding onto 2^B - 1 steps would make the first and last cell half as wide.)
Floats count their significand only: half precision is exact to 2,048 and wrong at 2,049.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int = NDArray[np.int64]
Stored = (
    NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16] | NDArray[np.float32] | NDArray[np.uint32]
)


@dataclass(frozen=True, slots=True)
class Tier:
    """One texture format, as a carrier of integers. All figures are per channel."""

    name: str
    dtype: str  # NumPy name of what a channel stores
    bits: int  # B: an axis has 2^B cells
    max_integer: int  # every integer 0..max_integer is held exactly

    def reach_m(self, voxel_size_m: float) -> float:
        """Length of an axis of 2^B voxels, metres."""
        return (1 << self.bits) * voxel_size_m


TIERS = {
    tier.name: tier
    for tier in (
        Tier("RGBA8", "uint8", 8, 255),
        Tier("RGBA16UI", "uint16", 16, 65_535),
        Tier("RGBA16F", "float16", 11, 2_048),
        Tier("RGBA32F", "float32", 24, 1 << 24),
        Tier("RGBA32UI", "uint32", 32, (1 << 32) - 1),
    )
}


def store(tier: Tier, integers: ArrayLike) -> Stored:
    """Integers as the tier's dtype, exactly. ValueError: not integers, negative, or above max_integer."""
    a = np.asarray(integers)
    if a.dtype.kind not in "iu":
        raise ValueError(f"{tier.name} stores integers here, not {a.dtype}")
    if a.size and (a.min() < 0 or a.max() > tier.max_integer):
        raise ValueError(f"{tier.name} holds 0..{tier.max_integer} exactly, not {a.min()}..{a.max()}")
    return a.astype(tier.dtype)


def load(tier: Tier, stored: ArrayLike) -> Int:
    """Inverse of `store`. ValueError: another dtype, or a value that `store` never writes."""
    a = np.asarray(stored)
    if a.dtype != tier.dtype:
        raise ValueError(f"{tier.name} is stored as {tier.dtype}, not {a.dtype}")
    held = (a >= 0) & (a <= np.asarray(tier.max_integer, np.float64))
    if not np.all(held) or not np.all(a == np.floor(a)):
        raise ValueError(f"not integers in 0..{tier.max_integer}")
    return a.astype(np.int64)


def cell_width(tier: Tier, low: float, high: float) -> float:
    """Width of one of the 2^B cells of [low, high], in its unit.

    ValueError: not a finite interval, or float64 itself cannot tell its cells apart.
    """
    extent = high - low
    if not (np.isfinite(low) and np.isfinite(high) and np.isfinite(extent) and extent > 0):
        raise ValueError(f"[{low}, {high}] is not an interval")
    width = extent / (1 << tier.bits)
    if width < 8 * np.spacing(max(abs(low), abs(high))):
        raise ValueError(f"{tier.name} cells of [{low}, {high}] are finer than float64 resolves there")
    return float(width)


def quantise(tier: Tier, positions: ArrayLike, low: float, high: float) -> Stored:
    """Cell of each position in [low, high], as the tier's dtype; `high` itself is in the last cell.

    positions [...] float -> [...]. ValueError: a position is NaN or outside, or see `cell_width`.
    """
    width = cell_width(tier, low, high)
    p = np.asarray(positions, np.float64)
    if not np.all((p >= low) & (p <= high)):  # NaN compares false
        raise ValueError(f"position outside [{low}, {high}]")
    cell = np.floor((p - low) / width).astype(np.int64)
    return store(tier, np.minimum(cell, (1 << tier.bits) - 1))


def dequantise(tier: Tier, stored: ArrayLike, low: float, high: float) -> NDArray[np.float64]:
    """Middle of each cell: at most half a cell from what `quantise` was given. [...] -> [...] float64."""
    width = cell_width(tier, low, high)
    cell = load(tier, stored)
    if cell.size and cell.max() >= 1 << tier.bits:
        raise ValueError(f"{tier.name} has cells 0..{(1 << tier.bits) - 1}, not {cell.max()}")
    return np.asarray(low + (cell + 0.5) * width, np.float64)
