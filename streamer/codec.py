"""A chunk's stream (`atlas.streams`) <-> its stored form: a zstd frame or an lz4 block, and the crc32c of it.

Byte for byte what zarr's codecs `voxtide.packed`, `zstd` (or `numcodecs.lz4`) and `crc32c` read and write:

    zstd   one frame with its content size in the header, no frame checksum, no dictionary
    lz4    uint32 little-endian size, then one lz4 block
    then   uint32 little-endian crc32c of the above

Decoding trusts nothing: crc, then the declared size, then the decoder, then mask against length. It ends at
streams: a GPU undoes them, or `unfold` for who wants packed chunks.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import google_crc32c
import lz4.block
import numpy as np
import zstandard
from numpy.typing import NDArray

from ..atlas import streams
from ..atlas.layout import MASK_BYTES
from ..atlas.streams import MAX_STREAM_BYTES, MIN_STREAM_BYTES, Stream

I64 = NDArray[np.int64]
CodecName = Literal["zstd", "lz4"]
CODECS: tuple[CodecName, ...] = get_args(CodecName)

LEVELS: dict[CodecName, int] = {"zstd": 5, "lz4": 1}  # zstd: level; lz4: acceleration

# What is left of colours is noise, in which short matches cost more than the letters they stand for: with at
# least 6 bytes a match, a room takes 2 % less (solid scans 0.4 % more) and decodes 10 % faster. Higher levels
# save 1 to 2 % at a third of the speed in (13), and take longer to decode.
_ZSTD = zstandard.ZstdCompressionParameters(compression_level=LEVELS["zstd"], min_match=6)

CRC_BYTES = 4
# ZSTD_compressBound(n) = n + n/256 + (2^17 - n)/2^11; LZ4_compressBound(n) = n + n/255 + 16, and 4 of size.
_ZSTD_BOUND = MAX_STREAM_BYTES + (MAX_STREAM_BYTES >> 8) + (((1 << 17) - MAX_STREAM_BYTES) >> 11)
_LZ4_BOUND = MAX_STREAM_BYTES + MAX_STREAM_BYTES // 255 + 16 + 4
MAX_STORED_BYTES = max(_ZSTD_BOUND, _LZ4_BOUND) + CRC_BYTES
MIN_STORED_BYTES = 14  # the shortest zstd frame: header 6, one block of 4 (and 4 of crc)

# How a frame starts whose size is known: magic, then "single segment, no checksum, no dictionary" with the
# size in one byte (0x20), or with size - 256 in two (0x60). RFC 8878, 3.1.1.1. Anything else is not ours.
_ZSTD_MAGIC = np.array([0x28, 0xB5, 0x2F, 0xFD], np.uint8)
_ZSTD_SIZE_IN_1, _ZSTD_SIZE_IN_2 = 0x20, 0x60


# Streams and bytes decompressed in one call: so few that malloc keeps their buffers (page faults took longer
# than all else), and so many that two threads seldom wait for the interpreter.
_TOGETHER = 512, 1 << 19

LIES = "its mask, length and coverage disagree"


def encode_chunks(packed: Sequence[bytes], codec: CodecName) -> list[bytes]:
    """Stored forms of packed chunks, in order. Deterministic for one version of the codec's library."""
    chunks = map(streams.encode, packed)
    if codec == "zstd":
        compress = zstandard.ZstdCompressor(compression_params=_ZSTD).compress
        return [_with_crc(compress(chunk)) for chunk in chunks]
    return [_with_crc(lz4.block.compress(c, mode="fast", acceleration=LEVELS[codec])) for c in chunks]


def _with_crc(body: bytes) -> bytes:
    return body + crc32c(body).to_bytes(CRC_BYTES, "little")


crc32c: Callable[[bytes], int] = google_crc32c.value  # CRC-32C (Castagnoli); no wrapper: one call per chunk

# What any bytes followed by their own crc32c give: one call and one comparison then check a stored chunk.
_CRC_OF_SEALED = crc32c(_with_crc(b""))


def decode_chunk(stored: bytes, codec: CodecName) -> bytes:
    """One packed chunk out of its stored form. ValueError says what is wrong with it."""
    if not MIN_STORED_BYTES <= len(stored) <= MAX_STORED_BYTES:
        raise ValueError(f"{len(stored)} stored bytes, a chunk has {MIN_STORED_BYTES} to {MAX_STORED_BYTES}")
    chunks, bad = decode_chunks(stored, np.zeros(1, np.int64), np.array([len(stored)]), codec)
    packed, liars = unfold(chunks)
    if bad or liars:
        raise ValueError((bad | liars)[0])
    return packed[0]


def unfold(chunks: Sequence[Stream]) -> tuple[list[bytes], dict[int, str]]:
    """Streams -> (packed chunks, b"" for those that lie; position -> what is wrong). What is b"" stays so."""
    distinct = [one for one in dict.fromkeys(chunks) if one]  # those of a region may repeat
    found, liars = streams.decode(distinct)
    packed = dict(zip(distinct, found, strict=True))
    lies = {distinct[i] for i in liars}
    return [packed.get(one, b"") for one in chunks], {i: LIES for i, one in enumerate(chunks) if one in lies}


def decode_chunks(
    data: bytes, offsets: I64, n_bytes: I64, codec: CodecName, n_threads: int = 1
) -> tuple[list[Stream], dict[int, str]]:
    """Decode many stored chunks that lie in one buffer; zstd a hundred or so in a call, or all by n threads.

    offsets, n_bytes [C] int64: inside data, MIN_STORED_BYTES..MAX_STORED_BYTES each; checked by the caller
    ->  (streams in order, b"" where bad; position -> what is wrong). Blocks, masks and lengths agree; whether
        a voxel has coverage 0 is for `unfold` to find.
    """
    assert type(data) is bytes and offsets.shape == n_bytes.shape, (type(data), offsets.shape, n_bytes.shape)
    if offsets.size == 0:
        return [], {}
    bad = _wrong_crcs(data, offsets, n_bytes)
    sizes = _declared_sizes(data, offsets, codec)
    for i in np.flatnonzero((sizes < MIN_STREAM_BYTES) | (sizes > MAX_STREAM_BYTES)).tolist():
        bad.setdefault(i, _wrong_size(int(sizes[i])))
    if not bad:
        return _decode_bodies(data, offsets, n_bytes - CRC_BYTES, sizes, codec, n_threads)
    good = np.setdiff1d(np.arange(offsets.size), np.fromiter(bad, np.int64))
    found, wrong = _decode_bodies(
        data, offsets[good], n_bytes[good] - CRC_BYTES, sizes[good], codec, n_threads
    )
    chunks = [b""] * offsets.size
    for i, one in zip(good.tolist(), found, strict=True):
        chunks[i] = one
    return chunks, bad | {int(good[i]): what for i, what in wrong.items()}


def _decode_bodies(
    data: bytes, offsets: I64, n_bytes: I64, sizes: I64, codec: CodecName, n_threads: int
) -> tuple[list[Stream], dict[int, str]]:
    """`decode_chunks` of what has a right crc and a legal size. n_bytes [C] is without the crc's."""
    chunks: list[Stream] = []
    bad = {}
    for first, stop in streams.steps(sizes, *_TOGETHER) if n_threads == 1 else [(0, offsets.size)]:
        some = slice(first, stop)
        part = data, offsets[some], n_bytes[some], sizes[some]
        found, failed = _unzstd(*part, n_threads) if codec == "zstd" else _one_by_one(_unlz4_one, *part)
        wrong = streams.lying(found)
        for i in np.flatnonzero(wrong).tolist():
            bad[first + i] = f"{codec} cannot decode it" if i in failed else LIES
            found[i] = b""
        chunks += found
    return chunks, bad


def _wrong_crcs(data: bytes, offsets: I64, n_bytes: I64) -> dict[int, str]:
    """Positions whose stored crc32c differs from the computed one, and both."""
    ends = (offsets + n_bytes).tolist()
    found = [crc32c(data[a:b]) for a, b in zip(offsets.tolist(), ends, strict=True)]
    bad = {}
    for i in np.flatnonzero(np.array(found, np.uint32) != _CRC_OF_SEALED).tolist():
        body = data[int(offsets[i]) : ends[i] - CRC_BYTES]
        stored = int.from_bytes(data[ends[i] - CRC_BYTES : ends[i]], "little")
        bad[i] = f"crc32c is {crc32c(body):08x}, stored as {stored:08x}"
    return bad


def _declared_sizes(data: bytes, offsets: I64, codec: CodecName) -> I64:
    """Decoded size that each stored chunk claims. [C] int64, -1 for a frame that is not of our form."""
    head = np.frombuffer(data, np.uint8)[offsets[:, None] + np.arange(7)].astype(np.int64)
    if codec == "lz4":
        size: I64 = head[:, :4] @ np.array([1, 1 << 8, 1 << 16, 1 << 24])
    else:
        size = np.where(head[:, 4] == _ZSTD_SIZE_IN_1, head[:, 5], (head[:, 5] | head[:, 6] << 8) + 256)
        known = (head[:, 4] == _ZSTD_SIZE_IN_1) | (head[:, 4] == _ZSTD_SIZE_IN_2)
        size = np.where(known & (head[:, :4] == _ZSTD_MAGIC).all(axis=1), size, -1)
    return size


def _wrong_size(size: int) -> str:
    if size < 0:
        return "not a zstd frame with its size in one or two bytes"
    return f"claims {size} bytes; a chunk's stream has {MIN_STREAM_BYTES} to {MAX_STREAM_BYTES}"


def _unzstd(
    data: bytes, offsets: I64, n_bytes: I64, sizes: I64, n_threads: int
) -> tuple[list[bytes], frozenset[int]]:
    """Decompressed frames, zeros for one that does not decode to its size; which those are."""
    if offsets.size:  # zstandard 0.25 dies of a division by zero on no frames
        segments = np.stack([offsets, n_bytes], axis=1).astype("<u8").tobytes()
        try:
            batch: Any = zstandard.ZstdDecompressor().multi_decompress_to_buffer(
                zstandard.BufferWithSegments(data, segments), threads=n_threads
            )
            found = [batch[i].tobytes() for i in range(offsets.size)]
            if batch.size() == sizes.sum():
                return found, frozenset()
        except zstandard.ZstdError:
            pass  # a frame with a right crc that is no frame: find it one by one
    return _one_by_one(_unzstd_one, data, offsets, n_bytes, sizes)


def _unzstd_one(body: bytes, size: int) -> bytes:
    """The decompressed frame; b"" if it does not decode to `size` bytes. Never allocates more than `size`."""
    try:
        out: bytes = zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError:
        return b""
    return out if len(out) == size else b""


def _unlz4_one(body: bytes, size: int) -> bytes:
    """As `_unzstd_one`."""
    try:
        out: bytes = lz4.block.decompress(body)
    except lz4.block.LZ4BlockError:
        return b""
    return out if len(out) == size else b""


def _one_by_one(
    decompress: Callable[[bytes, int], bytes], data: bytes, offsets: I64, n_bytes: I64, sizes: I64
) -> tuple[list[bytes], frozenset[int]]:
    bodies = [data[a : a + n] for a, n in zip(offsets.tolist(), n_bytes.tolist(), strict=True)]
    found = [decompress(body, size) for body, size in zip(bodies, sizes.tolist(), strict=True)]
    failed = frozenset(i for i, one in enumerate(found) if not one)
    return [one or bytes(n) for one, n in zip(found, sizes.tolist(), strict=True)], failed


def wrong_masks(joined: bytes, starts: I64, sizes: I64) -> I64:
    """Which packed chunks of a buffer hold a mask that disagrees with their length, or a coverage of 0.

    starts, sizes [C] int64: the chunks follow each other without gaps -> positions [M] int64
    """
    if starts.size == 0:
        return np.empty(0, np.int64)
    data = np.frombuffer(joined, np.uint8)
    masks = np.lib.stride_tricks.sliding_window_view(data, MASK_BYTES)[starts].view(np.uint64)
    n_voxels = np.bitwise_count(masks).sum(axis=1, dtype=np.int64)
    halves = np.stack([starts, starts + MASK_BYTES], axis=1).ravel() // 4
    holes = np.logical_or.reduceat(data[3::4] == 0, halves)[1::2]
    return np.flatnonzero((MASK_BYTES + 4 * n_voxels != sizes) | holes)
