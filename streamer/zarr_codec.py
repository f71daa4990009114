"""`voxtide.packed` for zarr: lets `zarr.open(world)["color/0"]` read a world. Only zarr_*.py import zarr.

zarr finds it through the entry point in pyproject.toml. Lossy in one way, by design: a voxel with
coverage 0 is empty, so its colour is not kept.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from ..atlas.chunk import pack, unpack
from ..atlas.layout import CHUNK

NAME = "voxtide.packed"
SHAPE = (CHUNK, CHUNK, CHUNK, 4)


@dataclass(frozen=True)
class PackedCodec(ArrayBytesCodec):
    """One (16, 16, 16, 4) uint8 chunk <-> its packed bytes. No configuration."""

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
        dense: Any = unpack(chunk_data.to_bytes())
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(dense)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        _check(chunk_spec)
        dense = np.ascontiguousarray(chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(pack(dense))


def _check(spec: ArraySpec) -> None:
    """ValueError unless chunks are (16, 16, 16, 4) uint8."""
    if tuple(spec.shape) != SHAPE or spec.dtype.to_native_dtype() != np.uint8:
        raise ValueError(f"codec {NAME} packs uint8 chunks of {SHAPE}, not {spec.dtype} of {spec.shape}")
