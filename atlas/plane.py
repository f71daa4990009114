"""Attributes beside the colour, packed chunk by chunk: a mask of its own, then the values in mask order.

    packed = mask (512 B: 4096 bits, see `address.mask_index`) + one value per set bit

`semantic`  entity ids as codes of 1 to 3 bytes (`entity.py`)      uint32, 0: no entity
`updated`   stamps of the last observation, a byte (`stamp.py`)    uint8,  0: never, or unknown

A voxel whose value is 0 has no bit, and a chunk without values is not stored. The mask is a plane's own, so
that it can be read without the colour, and so that a scan of which a tenth is labelled pays for a tenth.
"""

import numpy as np
from numpy.typing import NDArray

from . import entity
from .address import local_of_mask_index
from .chunk import Buffer
from .layout import CHUNK, CHUNK_VOXELS, MASK_BYTES

I64 = NDArray[np.int64]
Values = NDArray[np.uint32] | NDArray[np.uint8]

DTYPES: dict[str, type[np.unsignedinteger]] = {"semantic": np.uint32, "updated": np.uint8}
NAMES = tuple(DTYPES)
MIN_PACKED_BYTES = MASK_BYTES + 1
MAX_PACKED_BYTES = MASK_BYTES + entity.MAX_CODE_BYTES * CHUNK_VOXELS

_DENSE_INDEX = local_of_mask_index(np.arange(CHUNK_VOXELS)) @ np.array([1, CHUNK, CHUNK * CHUNK])


def pack(plane: str, dense: Values) -> bytes:
    """Pack one dense chunk [z, y, x] of a plane's dtype. A chunk of zeros packs to its 512-byte mask."""
    assert dense.shape == (CHUNK, CHUNK, CHUNK) and dense.dtype == DTYPES[plane], (dense.shape, dense.dtype)
    ordered = dense.reshape(CHUNK_VOXELS)[_DENSE_INDEX]
    held = ordered != 0
    mask = np.packbits(held, bitorder="little").tobytes()
    return mask + _encoded(plane, ordered[held])


def unpack(plane: str, packed: Buffer) -> Values:
    """Inverse of `pack`. -> [z, y, x] of the plane's dtype. ValueError as `split`."""
    held, values = split(plane, packed)
    dense = np.zeros(CHUNK_VOXELS, DTYPES[plane])
    dense[_DENSE_INDEX[held]] = values
    return dense.reshape(CHUNK, CHUNK, CHUNK)


def split(plane: str, packed: Buffer) -> tuple[NDArray[np.bool_], Values]:
    """A packed chunk -> (held [4096] bool in mask order, values [n] of the plane's dtype, none of them 0).

    ValueError: shorter than its mask, mask and values disagree, a damaged code, a value of 0.
    """
    data = np.frombuffer(packed, np.uint8)
    if data.size < MASK_BYTES:
        raise ValueError(f"packed chunk of {data.size} bytes is shorter than its mask")
    held = np.unpackbits(data[:MASK_BYTES], bitorder="little").astype(bool)
    body = data[MASK_BYTES:]
    values: Values = entity.decode(body) if plane == "semantic" else body
    if values.size != held.sum():
        raise ValueError(f"packed chunk has {values.size} values, its mask says {held.sum()}")
    if not values.all():
        raise ValueError("packed chunk holds a value of 0, which is no value")
    return held, values


def pack_sorted(plane: str, index: I64, values: Values) -> tuple[I64, list[bytes]]:
    """Pack many chunks at once from sparse values, none of them 0.

    index [N] int64   chunk rank << 12 | mask index; strictly increasing
    ->    (rank [C] int64 of each chunk, C packed chunks), in rank order
    """
    assert index.shape == values.shape and values.dtype == DTYPES[plane], (index.shape, values.dtype)
    assert index.size == 0 or (np.all(np.diff(index) > 0) and values.all())
    if index.size == 0:
        return np.empty(0, np.int64), []
    ranks, first = np.unique(index >> 12, return_index=True)
    ordinal = np.repeat(np.arange(ranks.size), np.diff(np.append(first, index.size)))
    bits = np.zeros((ranks.size, CHUNK_VOXELS), np.uint8)
    bits[ordinal, index & (CHUNK_VOXELS - 1)] = 1
    masks = np.packbits(bits, axis=1, bitorder="little")
    ends = (
        np.append(0, np.cumsum(entity.n_bytes(values))) if plane == "semantic" else np.arange(index.size + 1)
    )
    bounds = ends[np.append(first, index.size)]
    body = _encoded(plane, values)
    return ranks, [masks[i].tobytes() + body[bounds[i] : bounds[i + 1]] for i in range(ranks.size)]


def _encoded(plane: str, values: Values) -> bytes:
    return entity.encode(values) if plane == "semantic" else values.tobytes()
