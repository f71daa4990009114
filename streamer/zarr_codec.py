"""`voxtide.packed` for zarr: lets `zarr.open(world)["color/0"]` read a world. Only this file imports zarr.

zarr finds it through the entry point in pyproject.toml. Lossy in one way, by design: a voxel with
coverage 0 is empty, so its colour is not kept.
"""

from dataclasses import dataclass
from typing import Any, Self, get_args

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from ..atlas import streams
from ..atlas.chunk import pack, unpack
from ..atlas.layout import CHUNK, MASK_BYTES
from .codec import Form

NAME = "voxtide.packed"
SHAPE = (CHUNK, CHUNK, CHUNK, 4)


EMPTY = bytes(streams.BLOCKS_BYTES)  # the stream of a chunk without voxels, which only zarr writes


@dataclass(frozen=True)
class PackedCodec(ArrayBytesCodec):
    """One (16, 16, 16, 4) uint8 chunk <-> its packed bytes, or the stream of these.

    Configuration: {"form": "streams" | "plain"}; none is plain, as worlds of format 1 have it.
    """

    form: Form = "streams"

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From the codec's entry in zarr.json. ValueError if its configuration is not one of ours."""
        configuration = data.get("configuration") or {}
        form = configuration.get("form", "plain")
        if data.get("name") != NAME or configuration.keys() - {"form"} or form not in get_args(Form):
            raise ValueError(f"codec {NAME} has a form, {' or '.join(get_args(Form))}, and no more: {data!r}")
        return cls(form)

    def to_dict(self) -> dict[str, Any]:
        """The codec's entry in zarr.json."""
        return {"name": NAME, "configuration": {"form": self.form}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Unknown until it is encoded."""
        raise NotImplementedError(f"{NAME} has no fixed size")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        _check(chunk_spec)
        # A mask without voxels, which zarr may write, is all zeros. Any: zarr types arrays by a protocol.
        data = chunk_data.to_bytes()
        dense: Any = unpack(data if self.form == "plain" else _packed(data))
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(dense)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        _check(chunk_spec)
        dense = np.ascontiguousarray(chunk_data.as_numpy_array())
        packed = pack(dense)
        if self.form == "streams":
            packed = streams.encode(packed) if len(packed) > MASK_BYTES else EMPTY
        return chunk_spec.prototype.buffer.from_bytes(packed)


def _packed(stream: bytes) -> bytes:
    """The packed chunk of a stream. ValueError if it lies."""
    if stream == EMPTY:
        return bytes(MASK_BYTES)
    if not streams.MIN_STREAM_BYTES <= len(stream) <= streams.MAX_STREAM_BYTES:
        raise ValueError(f"a chunk's stream has not {len(stream)} bytes")
    packed, liars = streams.decode(stream, np.array([len(stream)]))
    if liars:
        raise ValueError("mask, length and coverage of a chunk's stream disagree")
    return packed[0]


def _check(spec: ArraySpec) -> None:
    """ValueError unless chunks are (16, 16, 16, 4) uint8."""
    if tuple(spec.shape) != SHAPE or spec.dtype.to_native_dtype() != np.uint8:
        raise ValueError(f"codec {NAME} packs uint8 chunks of {SHAPE}, not {spec.dtype} of {spec.shape}")
