"""Parents and children of chunks, on their ids: what streaming does thousands of times a frame.

An id is level << 60 | z << 40 | y << 20 | x with biased coordinates (`address.chunk_id`), so all three axes
are halved or doubled at once, without taking the id apart. Twins: address.parent, address.octant_of_chunk.
"""

import numpy as np
from numpy.typing import NDArray

from .address import CHUNK_AXIS_BITS, CHUNK_BIAS

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

_AXES = tuple(axis * CHUNK_AXIS_BITS for axis in range(3))
_LEVEL_SHIFT = np.uint64(3 * CHUNK_AXIS_BITS)
_LOW = np.uint64((1 << 3 * CHUNK_AXIS_BITS) - 1)
_ONE = np.uint64(1)
_HALVED = np.uint64(sum(CHUNK_BIAS - 1 << shift for shift in _AXES))  # without the next axis's lowest bit
_BIAS = np.uint64(sum(CHUNK_BIAS << shift for shift in _AXES))
_HALF_BIAS = np.uint64(sum(CHUNK_BIAS // 2 << shift for shift in _AXES))
_OCTANTS = np.array(
    [sum((octant >> axis & 1) << shift for axis, shift in enumerate(_AXES)) for octant in range(8)], np.uint64
)


def level_of_id(ids: U64) -> I64:
    """[N] uint64 -> [N] int64"""
    return (ids >> _LEVEL_SHIFT).astype(np.int64)


def parent_id(ids: U64) -> U64:
    """The chunk one level coarser that covers each. [N] -> [N] uint64; of the coarsest level: meaningless"""
    up = (ids >> _LEVEL_SHIFT) + _ONE
    return ((ids & _LOW) >> _ONE & _HALVED) + _HALF_BIAS | up << _LEVEL_SHIFT


def octant_of_id(ids: U64) -> I64:
    """Which of its parent's eight children each is: x + 2 y + 4 z of the low bits. [N] -> [N] int64"""
    x, y, z = (ids >> np.uint64(shift) & _ONE for shift in _AXES)
    octant: I64 = (x | y << _ONE | z << np.uint64(2)).astype(np.int64)
    return octant


def child_id(ids: U64, octants: NDArray[np.integer]) -> U64:
    """A child of each, level >= 1. [N] uint64, [N] 0..7 -> [N] uint64"""
    down = (ids >> _LEVEL_SHIFT) - _ONE
    ids = ((ids & _LOW) << _ONE) - _BIAS + _OCTANTS[octants] | down << _LEVEL_SHIFT
    return ids
