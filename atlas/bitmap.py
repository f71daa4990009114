"""One or two bits per voxel of a region, laid out as its image: occupied, and touched.

    2 bits: uint32 word x >> 4 of row y, bit (x & 15) * 2 occupied, the bit above it touched
    1 bit:  uint32 word x >> 5 of row y, bit x & 31 occupied

(x, y) is the voxel's texel, see `uvw`. With two bits a word is one 16-voxel row of one chunk, so
"which chunks were touched" is one reshape and an OR. On the GPU the two bits are separate planes
in mask order (a march must not wait for its neighbours' writes); this is the exchange format.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layout import ATLAS, CHUNK, REGION, REGION_CHUNKS
from .uvw import image_to_region, region_to_image, voxel_to_atlas

Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

OCCUPIED = np.uint32(0x55555555)
TOUCHED = np.uint32(0xAAAAAAAA)


class OccupancyBitmap:
    """The bits of one region: `words` [4096, 128 * bits_per_voxel] uint32, 2 or 4 MiB."""

    __slots__ = ("bits_per_voxel", "words")

    def __init__(self, bits_per_voxel: int = 2) -> None:
        """Empty. ValueError unless bits_per_voxel is 1 or 2."""
        if bits_per_voxel not in (1, 2):
            raise ValueError(f"bits_per_voxel is 1 or 2, not {bits_per_voxel}")
        self.bits_per_voxel = bits_per_voxel
        self.words: NDArray[np.uint32] = np.zeros((ATLAS, ATLAS * bits_per_voxel // 32), np.uint32)

    def set_by_voxel(self, uvw: ArrayLike) -> None:
        """Mark voxels occupied. [..., 3] int (u, v, w). ValueError outside the region."""
        index, bit = self._locate(uvw, 0)
        np.bitwise_or.at(self.words.reshape(-1), index, bit)

    def get_by_voxel(self, uvw: ArrayLike) -> Bool:
        """Whether voxels are occupied. [..., 3] int -> [...] bool."""
        index, bit = self._locate(uvw, 0)
        return np.asarray(self.words.reshape(-1)[index] & bit, bool)

    def set_touched(self, uvw: ArrayLike) -> None:
        """Mark voxels touched, occupied or not. [..., 3] int. ValueError outside, or with one bit."""
        index, bit = self._locate(uvw, self._touched_bit())
        np.bitwise_or.at(self.words.reshape(-1), index, bit)

    def get_touched(self, uvw: ArrayLike) -> Bool:
        """Whether voxels are touched. [..., 3] int -> [...] bool."""
        index, bit = self._locate(uvw, self._touched_bit())
        return np.asarray(self.words.reshape(-1)[index] & bit, bool)

    def clear_touched(self) -> None:
        """Forget every touch; occupancy stays."""
        self._touched_bit()
        self.words &= OCCUPIED

    def count_touched(self) -> int:
        """Number of touched voxels."""
        self._touched_bit()
        return int(np.bitwise_count(self.words & TOUCHED).sum(dtype=np.int64))

    def count_occupied(self) -> int:
        """Number of occupied voxels."""
        words = self.words & OCCUPIED if self.bits_per_voxel == 2 else self.words
        return int(np.bitwise_count(words).sum(dtype=np.int64))

    def touched_chunks(self, edge: int = CHUNK) -> Int:
        """Chunks that hold a touched voxel: [N, 3] int64 (x, y, z) in [0, 256 / edge), sorted by z, y, x.

        edge: 16, or a power of two up to 256 to ask for larger cubes. ValueError otherwise.
        """
        self._touched_bit()
        if edge not in (CHUNK, 2 * CHUNK, 4 * CHUNK, 8 * CHUNK, REGION):
            raise ValueError(f"edge is 16, 32, 64, 128 or 256, not {edge}")
        c = REGION_CHUNKS
        # row = (chunk z, chunk y, v within the chunk), word = (w within the chunk, chunk x)
        rows = (self.words & TOUCHED).reshape(c, c, CHUNK, CHUNK, c)
        touched = np.bitwise_or.reduce(rows, axis=(2, 3)) != 0
        k = edge // CHUNK
        cubes = touched.reshape(c // k, k, c // k, k, c // k, k).any(axis=(1, 3, 5))
        return np.argwhere(cubes)[:, ::-1].astype(np.int64)

    def to_dense(self) -> Bool:
        """Occupancy as [256, 256, 256] bool (z, y, x)."""
        bits = np.unpackbits(self.words.astype("<u4", copy=False).view(np.uint8), bitorder="little")
        image = bits.reshape(ATLAS, ATLAS, self.bits_per_voxel)[..., 0]
        return image_to_region(image.astype(bool))

    @classmethod
    def from_dense(cls, occupied: Bool, bits_per_voxel: int = 2) -> "OccupancyBitmap":
        """From [256, 256, 256] bool (z, y, x); nothing is touched. ValueError: shape or dtype."""
        if occupied.dtype != np.bool_ or occupied.ndim != 3:
            raise ValueError(f"need [256, 256, 256] bool, not {occupied.shape} {occupied.dtype}")
        bitmap = cls(bits_per_voxel)
        bits = np.zeros((ATLAS, ATLAS, bits_per_voxel), bool)
        bits[..., 0] = region_to_image(occupied)
        packed = np.packbits(bits.reshape(-1), bitorder="little")
        bitmap.words[...] = packed.view("<u4").reshape(bitmap.words.shape)
        return bitmap

    def to_bytes(self) -> bytes:
        """The words, row by row, little-endian: 2 MiB a bit. Texel x is in byte x >> 2 (one bit: x >> 3)."""
        return self.words.astype("<u4", copy=False).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, bits_per_voxel: int = 2) -> "OccupancyBitmap":
        """Inverse of `to_bytes`. ValueError if the size is not exactly that of such a bitmap."""
        n_bytes = memoryview(data).nbytes
        if bits_per_voxel in (1, 2) and n_bytes != ATLAS * ATLAS * bits_per_voxel // 8:
            raise ValueError(f"{n_bytes} bytes are not a bitmap of {bits_per_voxel} bits per voxel")
        bitmap = cls(bits_per_voxel)
        bitmap.words[...] = np.frombuffer(data, "<u4").reshape(bitmap.words.shape)
        return bitmap

    def _touched_bit(self) -> int:
        if self.bits_per_voxel != 2:
            raise ValueError("a bitmap of one bit per voxel has no touched bits")
        return 1

    def _locate(self, uvw: ArrayLike, which: int) -> tuple[Int, NDArray[np.uint32]]:
        """Flat word index and bit of each voxel's occupied (0) or touched (1) bit."""
        a: NDArray[np.integer[Any]] = np.asarray(uvw)
        if a.shape[-1:] != (3,):
            raise ValueError(f"voxels are [..., 3], not {a.shape}")
        x, y = voxel_to_atlas(a[..., 0], a[..., 1], a[..., 2])
        bit_in_row = x * self.bits_per_voxel + which
        index = y * self.words.shape[1] + (bit_in_row >> 5)
        return index, np.uint32(1) << (bit_in_row & 31).astype(np.uint32)
