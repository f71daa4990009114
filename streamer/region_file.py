"""A region on disk: one zarr shard of up to 4,096 stored chunks. Bytes in, arrays out; no files here.

    stored chunks, different ones, in the Morton order of the first that has such bytes, each right behind the
           one before
    index: for each chunk, in Morton order, uint16: how many bytes are stored of it, or 0x8000 | i if they are
           those of chunk i, counted from 0; the Morton codes of the C chunks: C uint16 where C < 256, else
           512 B, a bit for each of 4,096; uint16 C; uint32 crc32c of the index

All little-endian. zarr's own index takes 64 KiB, more than the chunks of most regions of a scan, because it
allows gaps and any order. This one cannot say either: every byte of a file belongs to one stored chunk or to
the index, under a checksum. For zarr it is the codec `voxtide.index`.
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
PLACES_BYTES = N_ENTRIES // 8  # of a bit for each Morton code
COUNT_BYTES = 2
SAME = 0x8000  # of an entry: not a length, but which earlier chunk is stored with the same bytes


def places_bytes(n_chunks: int) -> int:
    """Bytes that say which chunks there are: a list of codes where it is shorter than the bits."""
    return min(2 * n_chunks, PLACES_BYTES)


def index_bytes(n_chunks: int) -> int:
    """Bytes of the index of a region of so many chunks."""
    return 2 * n_chunks + places_bytes(n_chunks) + COUNT_BYTES + CRC_BYTES


INDEX_BYTES = index_bytes(N_ENTRIES)  # at most; who reads as many from a file's end has all of the index
MIN_REGION_BYTES = MIN_STORED_BYTES + index_bytes(1)
MAX_REGION_BYTES = N_ENTRIES * MAX_STORED_BYTES + INDEX_BYTES
assert MAX_STORED_BYTES < SAME and N_ENTRIES <= SAME


@dataclass(frozen=True, slots=True)
class RegionIndex:
    """Where the chunks of one region lie in its file, in Morton order. Several may lie in one place."""

    morton: I64  # [C] chunk codes, strictly increasing (address.morton_of_chunk)
    offsets: I64  # [C] bytes from the start of the file; increasing but for those of repeated chunks
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

    distinct = list(dict.fromkeys(packed))
    stored = dict(zip(distinct, encode_chunks(distinct, codec), strict=True))
    return assemble(codes, [stored[one] for one in packed])


def assemble(codes: I64, stored: Sequence[bytes]) -> bytes:
    """The bytes of a region file out of stored chunks. codes [C] int64 strictly increasing, C >= 1."""
    assert all(MIN_STORED_BYTES <= len(one) <= MAX_STORED_BYTES for one in stored), "not stored chunks"
    first: dict[bytes, int] = {}
    entries = [
        len(one) if first.setdefault(one, i) == i else SAME | first[one] for i, one in enumerate(stored)
    ]
    index = np.array(entries, "<u2").tobytes() + _places(codes) + len(stored).to_bytes(COUNT_BYTES, "little")
    return b"".join([*first, index, crc32c(index).to_bytes(CRC_BYTES, "little")])


def _places(codes: I64) -> bytes:
    """Which chunks there are, in the one form that so many have."""
    if 2 * codes.size < PLACES_BYTES:
        return codes.astype("<u2").tobytes()
    bits = np.zeros(N_ENTRIES, np.uint8)
    bits[codes] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def parse_index(tail: bytes, file_bytes: int) -> RegionIndex:
    """The index out of the last INDEX_BYTES of a file, or of all file_bytes. ValueError says what is wrong.

    Guarantees: stored chunks lie inside the file, before the index, in order, without overlap or gap.
    """
    if not MIN_REGION_BYTES <= file_bytes <= MAX_REGION_BYTES or len(tail) != min(file_bytes, INDEX_BYTES):
        raise ValueError(f"{file_bytes} bytes; a region has {MIN_REGION_BYTES} to {MAX_REGION_BYTES}")
    index = read_index(tail)
    end = stored_bytes(index)
    if (left := file_bytes - index_bytes(index.morton.size)) != end:
        raise ValueError(f"its chunks add up to {end} bytes, the file has {left} of them")
    return index


def stored_bytes(index: RegionIndex) -> int:
    """Bytes of a region's stored chunks, which is where its index begins."""
    return int((index.offsets + index.n_bytes).max())


def read_index(tail: bytes) -> RegionIndex:
    """The index at the end of at least MIN_REGION_BYTES. ValueError says what is wrong with it."""
    n_chunks = int.from_bytes(tail[-COUNT_BYTES - CRC_BYTES : -CRC_BYTES], "little")
    if not 1 <= n_chunks <= N_ENTRIES:
        raise ValueError(f"index of {n_chunks} chunks; a region has 1 to {N_ENTRIES}")
    own = tail[-index_bytes(n_chunks) :]
    stored, computed = int.from_bytes(own[-CRC_BYTES:], "little"), crc32c(own[:-CRC_BYTES])
    if stored != computed or len(own) < index_bytes(n_chunks):
        raise ValueError(f"index crc32c is {computed:08x}, stored as {stored:08x}")
    codes = _read_places(own[2 * n_chunks : -COUNT_BYTES - CRC_BYTES], n_chunks)
    entries = np.frombuffer(own, "<u2", n_chunks).astype(np.int64)
    is_stored = entries < SAME
    n_bytes = np.where(is_stored, entries, 0)
    outside = is_stored & ((n_bytes < MIN_STORED_BYTES) | (n_bytes > MAX_STORED_BYTES))
    _refuse(codes[outside], f"has a length outside {MIN_STORED_BYTES}..{MAX_STORED_BYTES}")
    at = np.arange(n_chunks)
    source = np.where(is_stored, at, np.minimum(entries - SAME, at))  # itself: wrong where it is not stored
    _refuse(codes[~is_stored[source]], "names no earlier chunk that is stored")
    offsets = np.cumsum(n_bytes) - n_bytes
    return RegionIndex(codes, offsets[source], n_bytes[source])


def _read_places(data: bytes, n_chunks: int) -> I64:
    """The Morton codes that the index says. [C] int64, strictly increasing; ValueError if they are not."""
    if len(data) < PLACES_BYTES:
        codes = np.frombuffer(data, "<u2").astype(np.int64)
    else:
        codes = np.flatnonzero(np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little"))
    if codes.size != n_chunks or codes[-1] >= N_ENTRIES or (np.diff(codes) <= 0).any():
        raise ValueError(f"index of {n_chunks} chunks whose Morton codes are not that many, or not in order")
    return codes


def _refuse(codes: I64, what: str) -> None:
    """ValueError naming the first wrong entry's chunk. codes: Morton codes of the wrong ones, if any."""
    if codes.size:
        x, y, z = chunk_of_morton(int(codes.min())).tolist()
        raise ValueError(f"index entry of chunk ({x}, {y}, {z}) of the region {what}")
