"""A region on disk: one zarr shard of up to 4,096 stored chunks. Bytes in, arrays out; no files here.

    stored chunks in Morton order, each right behind the one before
    index: 4,096 entries in (z, y, x) order, each uint64 offset and uint64 n_bytes; both 2^64-1: no chunk
    uint32 crc32c of the index

All little-endian. zarr allows gaps and any order; this room writes neither and therefore accepts
neither: every byte of a region file belongs to one chunk or to the index, under a checksum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_of_morton
from ..atlas.chunk import MIN_PACKED_BYTES
from ..atlas.layout import MAX_LEVEL, ORIGIN_BITS, REGION, REGION_CHUNKS
from .codec import (
    CRC_BYTES,
    MAX_STORED_BYTES,
    MIN_STORED_BYTES,
    CodecName,
    crc32c,
    encode_chunks,
    wrong_masks,
)

I64 = NDArray[np.int64]

REGION_BITS = REGION.bit_length() - 1
N_ENTRIES = REGION_CHUNKS**3
INDEX_BYTES = N_ENTRIES * 16 + CRC_BYTES
MIN_REGION_BYTES = MIN_STORED_BYTES + INDEX_BYTES
MAX_REGION_BYTES = N_ENTRIES * MAX_STORED_BYTES + INDEX_BYTES
COLOR = "color"  # beside it lie the planes of `atlas.plane`, in files of the same form
ABSENT = np.uint64(0xFFFFFFFFFFFFFFFF)

# _ENTRY_OF_MORTON[code]: place of a chunk in the (z, y, x) index; _MORTON_OF_ENTRY the other way
_ENTRY_OF_MORTON = chunk_of_morton(np.arange(N_ENTRIES)) @ np.array([1, REGION_CHUNKS, REGION_CHUNKS**2])
_MORTON_OF_ENTRY = np.argsort(_ENTRY_OF_MORTON)


@dataclass(frozen=True, slots=True)
class RegionIndex:
    """Where the chunks of one region lie in its file, in file order."""

    morton: I64  # [C] chunk codes, strictly increasing (address.morton_of_chunk)
    offsets: I64  # [C] bytes from the start of the file
    n_bytes: I64  # [C] stored bytes, crc included


def region_offset(level: int) -> int:
    """Regions from the zarr array's corner to region 0, on each axis: shard index = region + this."""
    return 1 << (ORIGIN_BITS - level - REGION_BITS)


def region_key(level: int, region: tuple[int, int, int], plane: str = COLOR) -> str:
    """The region's file below the world's folder. ValueError outside the addressable world."""
    if not 0 <= level <= MAX_LEVEL:
        raise ValueError(f"level {level} outside 0..{MAX_LEVEL}")
    half = region_offset(level)
    x, y, z = (int(c) + half for c in region)
    if not all(0 <= c < 2 * half for c in (x, y, z)):
        raise ValueError(f"region {tuple(region)} outside [-{half}, {half}) of level {level}")
    return f"{plane}/{level}/c/{z}/{y}/{x}" + "/0" * (plane == COLOR)  # color has a fourth axis, RGBA


def encode(morton: I64, packed: Sequence[bytes], codec: CodecName) -> bytes:
    """The bytes of a region file. morton [C] int64 strictly increasing in [0, 4096), C >= 1 packed chunks."""
    codes = np.asarray(morton, np.int64)
    assert codes.shape == (len(packed),) and codes.size, (codes.shape, len(packed))
    assert codes[0] >= 0 and codes[-1] < N_ENTRIES and (np.diff(codes) > 0).all(), "not sorted Morton codes"
    sizes = np.array([len(p) for p in packed], np.int64)
    assert sizes.min() >= MIN_PACKED_BYTES and not (sizes % 4).any()
    assert not wrong_masks(b"".join(packed), np.cumsum(sizes) - sizes, sizes).size, "not packed chunks"

    return assemble(codes, encode_chunks(packed, codec))


def assemble(codes: I64, stored: Sequence[bytes]) -> bytes:
    """The bytes of a region file out of stored chunks. codes [C] int64 strictly increasing, C >= 1."""
    n_bytes = np.array([len(s) for s in stored], np.int64)
    entries = np.full((N_ENTRIES, 2), ABSENT, "<u8")
    entries[_ENTRY_OF_MORTON[codes], 0] = np.cumsum(n_bytes) - n_bytes
    entries[_ENTRY_OF_MORTON[codes], 1] = n_bytes
    index = entries.tobytes()
    return b"".join([*stored, index, crc32c(index).to_bytes(CRC_BYTES, "little")])


def parse_index(tail: bytes, file_bytes: int) -> RegionIndex:
    """The index out of the last INDEX_BYTES of a file of file_bytes. ValueError says what is wrong.

    Guarantees: chunks lie inside the file, before the index, in Morton order, without overlap or gap.
    """
    if not MIN_REGION_BYTES <= file_bytes <= MAX_REGION_BYTES or len(tail) != INDEX_BYTES:
        raise ValueError(f"{file_bytes} bytes; a region has {MIN_REGION_BYTES} to {MAX_REGION_BYTES}")
    stored, computed = int.from_bytes(tail[-CRC_BYTES:], "little"), crc32c(tail[:-CRC_BYTES])
    if stored != computed:
        raise ValueError(f"index crc32c is {computed:08x}, stored as {stored:08x}")
    entries = np.frombuffer(tail, "<u8", 2 * N_ENTRIES).reshape(N_ENTRIES, 2)
    absent = entries == ABSENT
    half = np.flatnonzero(absent[:, 0] != absent[:, 1])
    _refuse(_MORTON_OF_ENTRY[half], "is half absent")
    # Few of the 4,096 are there, as a rule: what follows looks at those alone.
    present = np.flatnonzero(~absent[:, 0])
    codes = _MORTON_OF_ENTRY[present]
    order = np.argsort(codes)
    codes = codes[order]
    starts, n_bytes = entries[present[order]].T
    # Unsigned and before any sum: 4,096 lengths of at most MAX_STORED_BYTES cannot overflow.
    outside = (n_bytes < MIN_STORED_BYTES) | (n_bytes > MAX_STORED_BYTES)
    _refuse(codes[outside], f"has a length outside {MIN_STORED_BYTES}..{MAX_STORED_BYTES}")
    ends = np.cumsum(n_bytes)
    _refuse(codes[starts != ends - n_bytes], "does not start where the chunk before it ends")
    end = int(ends[-1]) if codes.size else 0
    if end != file_bytes - INDEX_BYTES:
        raise ValueError(f"its chunks add up to {end} bytes, the file has {file_bytes - INDEX_BYTES} of them")
    return RegionIndex(codes, starts.astype(np.int64), n_bytes.astype(np.int64))


def _refuse(codes: I64, what: str) -> None:
    """ValueError naming the first wrong entry's chunk. codes: Morton codes of the wrong ones, if any."""
    if codes.size:
        x, y, z = chunk_of_morton(int(codes.min())).tolist()
        raise ValueError(f"index entry of chunk ({x}, {y}, {z}) of the region {what}")
