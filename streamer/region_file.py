"""A region on disk: one zarr shard of up to 4,096 stored chunks. Bytes in, arrays out; no files here.

    stored chunks in Morton order, each right behind the one before
    index: uint16 bytes of each, in the same order; then 512 B, a bit for each of 4,096 Morton codes: whether
           such a chunk is there; then uint32 crc32c of the index

All little-endian. zarr's own index takes 64 KiB, more than the chunks of most regions of a scan, because it
allows gaps and any order. This one cannot say either: every byte of a file belongs to one chunk or to the
index, under a checksum. For zarr it is the codec `voxtide.index`.
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
COLOR = "color"  # beside it lie the planes of `atlas.plane`, in files of the same form
PLACES_BYTES = N_ENTRIES // 8


def index_bytes(n_chunks: int) -> int:
    """Bytes of the index of a region of so many chunks."""
    return 2 * n_chunks + PLACES_BYTES + CRC_BYTES


INDEX_BYTES = index_bytes(N_ENTRIES)  # at most; who reads as many from a file's end has all of the index
MIN_REGION_BYTES = MIN_STORED_BYTES + index_bytes(1)
MAX_REGION_BYTES = N_ENTRIES * MAX_STORED_BYTES + INDEX_BYTES
assert MAX_STORED_BYTES < 1 << 16


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
    places = np.zeros(N_ENTRIES, np.uint8)
    places[codes] = 1
    index = n_bytes.astype("<u2").tobytes() + np.packbits(places, bitorder="little").tobytes()
    return b"".join([*stored, index, crc32c(index).to_bytes(CRC_BYTES, "little")])


def parse_index(tail: bytes, file_bytes: int) -> RegionIndex:
    """The index out of the last INDEX_BYTES of a file, or of all file_bytes. ValueError says what is wrong.

    Guarantees: chunks lie inside the file, before the index, in Morton order, without overlap or gap.
    """
    if not MIN_REGION_BYTES <= file_bytes <= MAX_REGION_BYTES or len(tail) != min(file_bytes, INDEX_BYTES):
        raise ValueError(f"{file_bytes} bytes; a region has {MIN_REGION_BYTES} to {MAX_REGION_BYTES}")
    index = read_index(tail)
    end = int(index.n_bytes.sum())
    if (left := file_bytes - index_bytes(index.morton.size)) != end:
        raise ValueError(f"its chunks add up to {end} bytes, the file has {left} of them")
    return index


def read_index(tail: bytes) -> RegionIndex:
    """The index at the end of at least MIN_REGION_BYTES. ValueError says what is wrong with it."""
    places = np.frombuffer(tail, np.uint8)[-PLACES_BYTES - CRC_BYTES : -CRC_BYTES]
    codes = np.flatnonzero(np.unpackbits(places, bitorder="little"))
    own = tail[-index_bytes(codes.size) :]
    stored, computed = int.from_bytes(own[-CRC_BYTES:], "little"), crc32c(own[:-CRC_BYTES])
    if stored != computed or len(own) < index_bytes(codes.size):
        raise ValueError(f"index crc32c is {computed:08x}, stored as {stored:08x}")
    n_bytes = np.frombuffer(own, "<u2", codes.size).astype(np.int64)
    outside = (n_bytes < MIN_STORED_BYTES) | (n_bytes > MAX_STORED_BYTES)
    _refuse(codes[outside], f"has a length outside {MIN_STORED_BYTES}..{MAX_STORED_BYTES}")
    return RegionIndex(codes, np.cumsum(n_bytes) - n_bytes, n_bytes)


def _refuse(codes: I64, what: str) -> None:
    """ValueError naming the first wrong entry's chunk. codes: Morton codes of the wrong ones, if any."""
    if codes.size:
        x, y, z = chunk_of_morton(int(codes.min())).tolist()
        raise ValueError(f"index entry of chunk ({x}, {y}, {z}) of the region {what}")
