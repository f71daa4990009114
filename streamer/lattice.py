"""Smooth noise on a pyramid of grids, with bounds: what a coarse cell may say of everything inside it.

One control value per cell and level. Values of level j are those of level j + 1, refined by Chaikin's rule
(weights 3:1 per axis, so the limit is a biquadratic B-spline), plus a hashed displacement of level j. A patch
of n x n cells is stored with a ring of one cell: [N, n + 2, n + 2], rows y, columns x.

Why this and not a sum of noise functions: a biquadratic patch lies in the hull of its nine Bezier points, and
refining only shrinks that hull. So hull + (sum of the displacements still to come) holds all that lies below
a cell, whatever level one stops at, and no level can lose what a finer one shows.
Integers throughout: the same bytes on every machine. Chaikin, An algorithm for high-speed curve generation,
1974; Farin, Curves and Surfaces for CAGD, chapters 4 and 8.
"""

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]

ROUNDING = 1  # a refined value is off by at most this, in units of the values


def mix(x: I64, y: I64, salt: int) -> U32:
    """A hash of cell coordinates. Broadcasts; -> uint32, all 32 bits usable.

    The finaliser is "lowbias32" of C. Wellons' hash prospector (public domain).
    """
    h = x.astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32(salt & 0xFFFFFFFF)
    h ^= h >> np.uint32(15)
    h = h + y.astype(np.uint32) * np.uint32(0x85EBCA77)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(16)
    return h


def scaled(bits: U32, low: int, high: int) -> I64:
    """16 random bits -> an integer in [low, high]."""
    return low + (bits.astype(np.int64) * (high - low + 1) >> 16)


def _interleaved(a: I64, b: I64, axis: int) -> I64:
    shape = list(a.shape)
    shape[axis] *= 2
    out = np.empty(shape, np.int64)
    even, odd = [slice(None)] * 3, [slice(None)] * 3
    even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
    out[tuple(even)] = a
    out[tuple(odd)] = b
    return out


def refined(patch: I64) -> I64:
    """The same patch one level finer: [N, n + 2, n + 2] -> [N, 2 n + 2, 2 n + 2]."""
    for axis in (2, 1):
        near = (slice(None),) * axis
        a, b = patch[(*near, slice(None, -1))], patch[(*near, slice(1, None))]
        total = a + b
        patch = _interleaved(total + 2 * a, total + 2 * b, axis)
    patch += 8
    patch >>= 4
    return patch


def middle(patch: I64, odd_x: NDArray[np.bool_], odd_y: NDArray[np.bool_]) -> I64:
    """Of refined 1 x 1 patches [N, 4, 4] the 3 x 3 around one of the four children -> [N, 3, 3]."""
    patch = np.where(odd_x[:, None, None], patch[:, :, 1:], patch[:, :, :-1])
    return np.where(odd_y[:, None, None], patch[:, 1:], patch[:, :-1])


def hull(patch: I64) -> tuple[I64, I64]:
    """Least and greatest Bezier point of every cell: [N, n + 2, n + 2] -> 2 x [N, n, n].

    In quarters: four times the unit of the values, so that nothing is rounded.
    """
    edge_x = patch[:, :, :-1] + patch[:, :, 1:]
    own = 2 * patch[:, :, 1:-1]
    low_x = np.minimum(np.minimum(edge_x[:, :, :-1], edge_x[:, :, 1:]), own)
    high_x = np.maximum(np.maximum(edge_x[:, :, :-1], edge_x[:, :, 1:]), own)
    corner = edge_x[:, :-1] + edge_x[:, 1:]
    side = own[:, :-1] + own[:, 1:]
    # rows between two cells hold their corners and the middle of the shared side
    low_y = np.minimum(np.minimum(corner[:, :, :-1], corner[:, :, 1:]), side)
    high_y = np.maximum(np.maximum(corner[:, :, :-1], corner[:, :, 1:]), side)
    low = np.minimum(np.minimum(low_y[:, :-1], low_y[:, 1:]), 2 * low_x[:, 1:-1])
    high = np.maximum(np.maximum(high_y[:, :-1], high_y[:, 1:]), 2 * high_x[:, 1:-1])
    return low, high


def pooled(low: I64, high: I64, edge: int) -> tuple[I64, I64]:
    """Bounds of cells -> bounds of squares of edge x edge of them."""
    n, rows, columns = low.shape
    shape = (n, rows // edge, edge, columns // edge, edge)
    return low.reshape(shape).min(axis=(2, 4)), high.reshape(shape).max(axis=(2, 4))
