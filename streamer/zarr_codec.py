"""`voxtide.packed` and `voxtide.index` for zarr: with them `zarr.open(world)["color/0"]` reads a world.

Only zarr_*.py import zarr.

zarr finds it through the entry point in pyproject.toml. Lossy in one way, by design: a voxel with
coverage 0 is empty, so its colour is not kept.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.registry import register_codec

from ..atlas import streams
from ..atlas.address import chunk_of_morton
from ..atlas.chunk import pack, unpack
from ..atlas.layout import CHUNK, MASK_BYTES, REGION_CHUNKS
from .region_file import INDEX_BYTES, MIN_REGION_BYTES, N_ENTRIES, read_index

NAME, INDEX_NAME = "voxtide.packed", "voxtide.index"
SHAPE = (CHUNK, CHUNK, CHUNK, 4)
EMPTY = streams.PLANES + bytes(streams.BLOCKS_BYTES)  # of a chunk without voxels, which only zarr writes


@dataclass(frozen=True)
class PackedCodec(ArrayBytesCodec):
    """One (16, 16, 16, 4) uint8 chunk <-> its stream."""

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From the codec's entry in zarr.json. ValueError if it has a configuration."""
        if data.get("name") != NAME or data.get("configuration"):
            raise ValueError(f"codec {NAME} takes no configuration: {data!r}")
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """The codec's entry in zarr.json."""
        return {"name": NAME, "configuration": {}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Unknown until it is encoded."""
        raise NotImplementedError(f"{NAME} has no fixed size")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        _check(chunk_spec)
        # A mask without voxels, which zarr may write, is all zeros. Any: zarr types arrays by a protocol.
        dense: Any = unpack(_packed(chunk_data.to_bytes()))
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(dense)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        _check(chunk_spec)
        dense = np.ascontiguousarray(chunk_data.as_numpy_array())
        packed = pack(dense)
        stream = streams.encode(packed) if len(packed) > MASK_BYTES else EMPTY
        return chunk_spec.prototype.buffer.from_bytes(stream)


def _packed(stream: bytes) -> bytes:
    """The packed chunk of a stream. ValueError if it lies."""
    if stream == EMPTY:
        return bytes(MASK_BYTES)
    if not streams.MIN_STREAM_BYTES <= len(stream) <= streams.MAX_STREAM_BYTES:
        raise ValueError(f"a chunk's stream has not {len(stream)} bytes")
    packed, liars = streams.decode([stream])
    if liars:
        raise ValueError("mask, length and coverage of a chunk's stream disagree")
    return packed[0]


def _check(spec: ArraySpec) -> None:
    """ValueError unless chunks are (16, 16, 16, 4) uint8."""
    if tuple(spec.shape) != SHAPE or spec.dtype.to_native_dtype() != np.uint8:
        raise ValueError(f"codec {NAME} packs uint8 chunks of {SHAPE}, not {spec.dtype} of {spec.shape}")


ABSENT = np.uint64(0xFFFFFFFFFFFFFFFF)  # zarr's offset and length of a chunk that is not there
ENTRY_OF_MORTON = chunk_of_morton(np.arange(N_ENTRIES)) @ np.array([1, REGION_CHUNKS, REGION_CHUNKS**2])


@dataclass(frozen=True)
class IndexCodec(ArrayBytesCodec):
    """A region's index -> the offsets and lengths that zarr's sharding asks for. It only reads.

    zarr asks how many bytes an index has before it reads one. It is told the most that it can have, reads as
    many from the end of the file, and what comes before the index is passed over here.
    """

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From the codec's entry in zarr.json. ValueError if it has a configuration."""
        if data.get("name") != INDEX_NAME or data.get("configuration"):
            raise ValueError(f"codec {INDEX_NAME} takes no configuration: {data!r}")
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """The codec's entry in zarr.json."""
        return {"name": INDEX_NAME, "configuration": {}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """The most bytes that an index has."""
        return INDEX_BYTES

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = chunk_data.to_bytes()
        if tuple(chunk_spec.shape[:3]) != (REGION_CHUNKS,) * 3 or len(data) < MIN_REGION_BYTES:
            raise ValueError(
                f"codec {INDEX_NAME} reads regions, not {len(data)} bytes for {chunk_spec.shape}"
            )
        index = read_index(data)
        entries: Any = np.full((N_ENTRIES, 2), ABSENT)
        entries[ENTRY_OF_MORTON[index.morton]] = np.stack([index.offsets, index.n_bytes], axis=1)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(entries.reshape(chunk_spec.shape))

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        raise NotImplementedError("zarr reads worlds; Voxtide writes them")


register_codec(NAME, PackedCodec)  # as the entry points do where the package is installed
register_codec(INDEX_NAME, IndexCodec)
