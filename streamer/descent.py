"""From chunks to the children that a view wants: what a chunk's stream tells about the level below."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_of_id
from ..atlas.family import child_id, level_of_id
from ..atlas.streams import Stream, blocks
from .view import Sight, error

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]


def present(chunks: Sequence[Stream | None]) -> tuple[I64, list[Stream]]:
    """Where there is something, and what: -> (indices [N] int64, N chunks)"""
    found = [(i, one) for i, one in enumerate(chunks) if one is not None]
    return np.array([i for i, _ in found], np.int64), [one for _, one in found]


def octants(chunks: Sequence[Stream]) -> U8:
    """Which of each chunk's eight children hold a voxel, by its blocks. N streams -> [N] uint8 bits"""
    # z, y, x twice each: of the octant, then inside it
    held = np.unpackbits(blocks(chunks), bitorder="little").reshape(-1, 2, 2, 2, 2, 2, 2)
    return np.packbits(held.any(axis=(2, 4, 6)).reshape(-1, 8), axis=1, bitorder="little")[:, 0]


def children(ids: U64, octant_bits: U8) -> U64:
    """The children that exist. [N] uint64, [N] uint8 -> [M] uint64, in the order of their parents"""
    deep = level_of_id(ids) > 0
    held = np.unpackbits(octant_bits[deep, None], axis=1, bitorder="little").astype(bool)
    parent, octant = np.nonzero(held)
    return child_id(ids[deep][parent], octant)


def wanted(ids: U64, sight: Sight) -> tuple[U64, F64]:
    """Those of these chunks that the view may want, the widest in pixels first -> (ids, pixels)"""
    level, chunk = chunk_of_id(ids)
    pixels = error(sight, level, chunk)
    order = np.argsort(-pixels, kind="stable")
    order = order[pixels[order] > 1.0]
    return ids[order], pixels[order]
