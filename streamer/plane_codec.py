"""One packed chunk of a plane (`atlas.plane`) <-> its stored form, of the same make as a colour chunk's.

zstd frame, or uint32 size and an lz4 block; then the crc32c of that. Decoding trusts nothing: crc, then the
declared size, then the decoder, then mask against values.
"""

from collections.abc import Sequence

import lz4.block
import zstandard

from ..atlas.plane import MAX_PACKED_BYTES, MIN_PACKED_BYTES, split
from .codec import CRC_BYTES, LEVELS, CodecName, crc32c


def encode_planes(packed: Sequence[bytes], codec: CodecName) -> list[bytes]:
    """Stored forms of packed chunks, in order. Deterministic for one version of the codec's library."""
    if codec == "zstd":
        bodies = list(map(zstandard.ZstdCompressor(level=LEVELS[codec]).compress, packed))
    else:
        bodies = [lz4.block.compress(p, mode="fast", acceleration=LEVELS[codec]) for p in packed]
    return [body + crc32c(body).to_bytes(CRC_BYTES, "little") for body in bodies]


def decode_plane(plane: str, stored: bytes, codec: CodecName) -> bytes:
    """One packed chunk of a plane out of its stored form. ValueError says what is wrong with it."""
    body, crc = stored[:-CRC_BYTES], int.from_bytes(stored[-CRC_BYTES:], "little")
    if crc32c(body) != crc:
        raise ValueError(f"crc32c is {crc32c(body):08x}, stored as {crc:08x}")
    packed = _decompressed(body, codec)
    split(plane, packed)
    return packed


def _decompressed(body: bytes, codec: CodecName) -> bytes:
    """The decoded body; ValueError before anything is allocated for a size that no chunk has."""
    try:
        n_bytes = (
            zstandard.get_frame_parameters(body).content_size
            if codec == "zstd"
            else int.from_bytes(body[:4], "little")
        )
        if not MIN_PACKED_BYTES <= n_bytes <= MAX_PACKED_BYTES:
            raise ValueError(
                f"claims {n_bytes} bytes; a packed chunk has {MIN_PACKED_BYTES} to {MAX_PACKED_BYTES}"
            )
        if codec == "zstd":
            packed: bytes = zstandard.ZstdDecompressor().decompress(body, read_across_frames=False)
        else:
            packed = lz4.block.decompress(body)
    except (zstandard.ZstdError, lz4.block.LZ4BlockError) as error:
        raise ValueError(f"{codec} cannot decode it: {error}") from None
    if len(packed) != n_bytes:
        raise ValueError(f"{codec} cannot decode it: {len(packed)} bytes for {n_bytes}")
    return packed
