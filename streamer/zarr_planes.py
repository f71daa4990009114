"""`voxtide.semantic` and `voxtide.updated` for zarr: `zarr.open(world)["semantic/0"]` reads a plane.

zarr finds them through entry points in pyproject.toml. A chunk says itself which of its voxels have a value
(0: none), so a plane is read without the colour, and nothing is lost.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from ..atlas.layout import CHUNK
from ..atlas.plane import DTYPES, pack, unpack
from .metadata import CODEC_NAMES

SHAPE = (CHUNK, CHUNK, CHUNK)


@dataclass(frozen=True)
class PlaneCodec(ArrayBytesCodec):
    """One (16, 16, 16) chunk of a plane <-> its packed bytes. No configuration."""

    is_fixed_size = False
    plane: ClassVar[str]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From the codec's entry in zarr.json. ValueError if it has a configuration."""
        name = CODEC_NAMES[cls.plane]
        if data.get("name") != name or data.get("configuration"):
            raise ValueError(f"codec {name} takes no configuration: {data!r}")
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """The codec's entry in zarr.json."""
        return {"name": CODEC_NAMES[self.plane], "configuration": {}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Unknown until it is encoded."""
        raise NotImplementedError(f"{CODEC_NAMES[self.plane]} has no fixed size")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        self._check(chunk_spec)
        dense: Any = unpack(self.plane, chunk_data.to_bytes())  # Any: zarr types arrays by a protocol
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(dense)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        self._check(chunk_spec)
        dense: Any = np.ascontiguousarray(chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(pack(self.plane, dense))

    def _check(self, spec: ArraySpec) -> None:
        """ValueError unless chunks are (16, 16, 16) of the plane's type."""
        dtype = np.dtype(DTYPES[self.plane])
        if tuple(spec.shape) != SHAPE or spec.dtype.to_native_dtype() != dtype:
            name = CODEC_NAMES[self.plane]
            raise ValueError(
                f"codec {name} packs {dtype} chunks of {SHAPE}, not {spec.dtype} of {spec.shape}"
            )


class SemanticCodec(PlaneCodec):
    """Entity ids, uint32."""

    plane = "semantic"


class UpdatedCodec(PlaneCodec):
    """Stamps of observation, uint8."""

    plane = "updated"
