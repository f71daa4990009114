"""One packed chunk <-> its stored form: a zstd frame or an lz4 block, then the crc32c of that.

Byte for byte what zarr's codecs `zstd` (or `numcodecs.lz4`) and `crc32c` read and write:

    zstd   one frame with its content size in the header, no frame checksum, no dictionary
    lz4    uint32 little-endian size, then one lz4 block
    then   uint32 little-endian crc32c of the above

Decoding trusts nothing: crc, then the declared size, then the decoder, then mask against length.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import google_crc32c
import lz4.block
import numpy as np
import zstandard
from numpy.typing import NDArray

from ..atlas.chunk import MAX_PACKED_BYTES, MIN_PACKED_BYTES
from ..atlas.layout import MASK_BYTES

I64 = NDArray[np.int64]
CodecName = Literal["zstd", "lz4"]
CODECS: tuple[CodecName, ...] = get_args(CodecName)

# Measured on 642 chunks of a 1 cm RGB-D room and 1,966 of a noisy terrain (1.8 and 2.1 kB packed), one core:
#   zstd  3: 47.5 and 62.4 % of packed size, 102,000 and 135,000 chunks/s in, 308,000 and 378,000 out
#   zstd  5: 46.8 and 62.2 %,                 55,000 and  67,000 in,          309,000 and 373,000 out
#   zstd  9: 46.7 and 62.2 %, half the speed in; 19: 44.9 and 62.0 %, 1/13 in, and a fifth slower out
# 5 is the last step that buys bytes for little: colours are noise, the rest is entropy coding.
# lz4 is its fast mode: HC 9 saves 2 to 6 % but took 0.99 us to decode a chunk of the shipped scan against
# 0.49 us (tests/bench/bench_chunks.py), and who picks lz4 picks it for that.
LEVELS: dict[CodecName, int] = {"zstd": 5, "lz4": 1}  # zstd: level; lz4: acceleration

CRC_BYTES = 4
# ZSTD_compressBound(n) = n + n/256 + (2^17 - n)/2^11; LZ4_compressBound(n) = n + n/255 + 16, and 4 of size.
_ZSTD_BOUND = MAX_PACKED_BYTES + (MAX_PACKED_BYTES >> 8) + (((1 << 17) - MAX_PACKED_BYTES) >> 11)
_LZ4_BOUND = MAX_PACKED_BYTES + MAX_PACKED_BYTES // 255 + 16 + 4
MAX_STORED_BYTES = max(_ZSTD_BOUND, _LZ4_BOUND) + CRC_BYTES
MIN_STORED_BYTES = (
    14  # the shortest zstd frame of more than 255 bytes: header 7, one block of 3 (and 4 of crc)
)

# A frame of 256..65,791 bytes whose size is known starts so: magic, then "single segment, size in 2 bytes,
# no checksum, no dictionary" (RFC 8878, 3.1.1.1), then size - 256. Anything else was not written by us.
_ZSTD_HEAD = np.array([0x28, 0xB5, 0x2F, 0xFD, 0x60], np.uint8)


def encode_chunks(packed: Sequence[bytes], codec: CodecName) -> list[bytes]:
    """Stored forms of packed chunks, in order. Deterministic for one version of the codec's library."""
    if codec == "zstd":
        frames = map(zstandard.ZstdCompressor(level=LEVELS[codec]).compress, packed)
        return [_with_crc(frame) for frame in frames]
    return [_with_crc(lz4.block.compress(p, mode="fast", acceleration=LEVELS[codec])) for p in packed]


def _with_crc(body: bytes) -> bytes:
    return body + crc32c(body).to_bytes(CRC_BYTES, "little")


crc32c: Callable[[bytes], int] = google_crc32c.value  # CRC-32C (Castagnoli); no wrapper: one call per chunk

# What any bytes followed by their own crc32c give: one call and one comparison then check a stored chunk.
_CRC_OF_SEALED = crc32c(_with_crc(b""))


def decode_chunk(stored: bytes, codec: CodecName) -> bytes:
    """One packed chunk out of its stored form. ValueError says what is wrong with it."""
    if not MIN_STORED_BYTES <= len(stored) <= MAX_STORED_BYTES:
        raise ValueError(f"{len(stored)} stored bytes, a chunk has {MIN_STORED_BYTES} to {MAX_STORED_BYTES}")
    packed, bad = decode_chunks(stored, np.zeros(1, np.int64), np.array([len(stored)]), codec)
    if bad:
        raise ValueError(bad[0])
    return bytes(packed[0])


def decode_chunks(
    data: bytes, offsets: I64, n_bytes: I64, codec: CodecName, n_threads: int = 1
) -> tuple[list[bytes], dict[int, str]]:
    """Decode many stored chunks that lie in one buffer; zstd in one call.

    offsets, n_bytes [C] int64: inside data, MIN_STORED_BYTES..MAX_STORED_BYTES each; checked by the caller
    ->  (packed chunks in order, empty where bad; position -> what is wrong)
    """
    assert type(data) is bytes and offsets.shape == n_bytes.shape, (type(data), offsets.shape, n_bytes.shape)
    if offsets.size == 0:
        return [], {}
    bad = _wrong_crcs(data, offsets, n_bytes)
    sizes = _declared_sizes(data, offsets, codec)
    legal = (sizes >= MIN_PACKED_BYTES) & (sizes <= MAX_PACKED_BYTES) & (sizes % 4 == 0)
    for i in np.flatnonzero(~legal).tolist():
        bad.setdefault(i, _wrong_size(int(sizes[i])))
    if not bad:
        packed = _decompress(data, offsets, n_bytes - CRC_BYTES, sizes, codec, n_threads)
    else:
        good = np.setdiff1d(np.arange(offsets.size), np.fromiter(bad, np.int64))
        found = _decompress(data, offsets[good], n_bytes[good] - CRC_BYTES, sizes[good], codec, n_threads)
        packed = [b""] * offsets.size
        for i, one in zip(good.tolist(), found, strict=True):
            packed[i] = one

    lengths = np.fromiter(map(len, packed), np.int64, len(packed))
    whole = np.flatnonzero(lengths)
    for i in np.flatnonzero(lengths == 0).tolist():
        bad.setdefault(i, f"{codec} cannot decode it")
    starts = np.cumsum(lengths) - lengths
    for i in whole[wrong_masks(b"".join(packed), starts[whole], lengths[whole])].tolist():
        bad[i] = "its mask, length and coverage disagree"
        packed[i] = b""
    return packed, bad


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
        ours = (head[:, :5] == _ZSTD_HEAD).all(axis=1)
        size = np.where(ours, (head[:, 5] | head[:, 6] << 8) + 256, -1)
    return size


def _wrong_size(size: int) -> str:
    if size < 0:
        return "not a zstd frame with its size in two bytes"
    return (
        f"claims {size} bytes; a packed chunk has {MIN_PACKED_BYTES} to {MAX_PACKED_BYTES}, a multiple of 4"
    )


def _decompress(
    data: bytes, offsets: I64, n_bytes: I64, sizes: I64, codec: CodecName, n_threads: int
) -> list[bytes]:
    """Decoded bodies in order, b"" for one that does not decode to the size it claims."""
    if codec == "zstd" and offsets.size:  # zstandard 0.25 dies of a division by zero on no frames
        segments = np.stack([offsets, n_bytes], axis=1).astype("<u8").tobytes()
        try:
            batch = zstandard.ZstdDecompressor().multi_decompress_to_buffer(
                zstandard.BufferWithSegments(data, segments), threads=n_threads
            )
            # Copies, so that what is kept are small blocks: keeping the batch, or views of one large buffer,
            # made malloc fetch and return pages with each batch, and page faults took longer than this.
            return [batch[i].tobytes() for i in range(offsets.size)]
        except zstandard.ZstdError:
            pass  # a frame with a right crc that is no frame: find it one by one
    bodies = (data[a : a + n] for a, n in zip(offsets.tolist(), n_bytes.tolist(), strict=True))
    return [_decompress_one(body, size, codec) for body, size in zip(bodies, sizes.tolist(), strict=True)]


def _decompress_one(body: bytes, size: int, codec: CodecName) -> bytes:
    """The decoded body; b"" if it does not decode to `size` bytes. Never allocates more than `size`."""
    try:
        if codec == "zstd":
            out: bytes = zstandard.ZstdDecompressor().decompress(body)
        else:
            out = lz4.block.decompress(body)
    except (zstandard.ZstdError, lz4.block.LZ4BlockError):
        return b""
    return out if len(out) == size else b""


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
