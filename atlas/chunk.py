"""A chunk, packed: its mask, then the colours of its occupied voxels in mask order.

    packed = mask (512 B: 4096 bits, see `address.mask_index`) + RGBA (4 B per set bit)

RGB is sRGB colour; A is coverage, and A = 0 means empty. Black is a colour.
Packed rather than dense because a surface chunk is mostly empty. What is stored and sent is its stream.
"""

import numpy as np
from numpy.typing import NDArray

from .address import local_of_mask_index
from .layout import CHUNK, CHUNK_VOXELS, MASK_BYTES

U8 = NDArray[np.uint8]
Buffer = bytes | bytearray | memoryview | U8

MIN_PACKED_BYTES = MASK_BYTES + 4  # a chunk without voxels is not stored
MAX_PACKED_BYTES = MASK_BYTES + 4 * CHUNK_VOXELS

_LOCAL = local_of_mask_index(np.arange(CHUNK_VOXELS))  # [4096, 3] x, y, z in mask order
_DENSE_INDEX = _LOCAL @ np.array([1, CHUNK, CHUNK * CHUNK])  # mask order -> index in a [z, y, x] array


def pack(rgba: U8) -> bytes:
    """Pack one dense chunk. [z, y, x, 4] uint8 -> bytes. An empty chunk packs to its 512-byte mask."""
    assert rgba.shape == (CHUNK, CHUNK, CHUNK, 4) and rgba.dtype == np.uint8, (rgba.shape, rgba.dtype)
    ordered = rgba.reshape(CHUNK_VOXELS, 4)[_DENSE_INDEX]
    occupied = ordered[:, 3] != 0
    mask = np.packbits(occupied, bitorder="little")
    return bytes(mask.tobytes() + ordered[occupied].tobytes())


def unpack(packed: Buffer) -> U8:
    """Inverse of `pack`. -> [z, y, x, 4] uint8. ValueError if mask and length disagree, or A is 0."""
    occupied, colours = split(packed)
    ordered = np.zeros((CHUNK_VOXELS, 4), np.uint8)
    ordered[occupied] = colours
    dense = np.empty_like(ordered)
    dense[_DENSE_INDEX] = ordered
    return dense.reshape(CHUNK, CHUNK, CHUNK, 4)


def split(packed: Buffer) -> tuple[NDArray[np.bool_], U8]:
    """The two halves of a packed chunk -> (occupied [4096] bool in mask order, colours [n, 4] uint8)."""
    data = np.frombuffer(packed, np.uint8)
    if data.size < MASK_BYTES:
        raise ValueError(f"packed chunk of {data.size} bytes is shorter than its mask")
    occupied = np.unpackbits(data[:MASK_BYTES], bitorder="little").astype(bool)
    n_voxels = int(occupied.sum())
    if data.size != MASK_BYTES + 4 * n_voxels:
        raise ValueError(f"packed chunk has {data.size} bytes, its mask of {n_voxels} voxels says otherwise")
    colours = data[MASK_BYTES:].reshape(-1, 4)
    if n_voxels and not colours[:, 3].all():
        raise ValueError("packed chunk holds an occupied voxel with coverage 0")
    return occupied, colours


def pack_sorted(index: NDArray[np.int64], rgba: U8) -> tuple[NDArray[np.int64], list[bytes]]:
    """Pack many chunks at once from sparse voxels.

    index [N] int64   chunk rank << 12 | mask index; strictly increasing
    rgba  [N, 4] uint8, A >= 1
    ->    (rank [C] int64 of each chunk, C packed chunks), in rank order
    """
    assert index.ndim == 1 and rgba.shape == (index.size, 4) and rgba.dtype == np.uint8
    assert index.size == 0 or (np.all(np.diff(index) > 0) and rgba[:, 3].all())
    if index.size == 0:
        return np.empty(0, np.int64), []
    ranks, first = np.unique(index >> 12, return_index=True)
    ordinal = np.repeat(np.arange(ranks.size), np.diff(np.append(first, index.size)))
    bits = np.zeros((ranks.size, CHUNK_VOXELS), np.uint8)
    bits[ordinal, index & (CHUNK_VOXELS - 1)] = 1
    masks = np.packbits(bits, axis=1, bitorder="little")
    bounds = np.append(first, index.size)
    colours = np.ascontiguousarray(rgba)
    packed = [masks[i].tobytes() + colours[bounds[i] : bounds[i + 1]].tobytes() for i in range(ranks.size)]
    return ranks, packed
