"""The UVW bijection: 256^3 voxels of a region <-> the 4096^2 texels of one image.

    x = (w & 15) << 8 | u        y = (w >> 4) << 8 | v

A slice of constant w is one 256 x 256 tile; the low nibble of w is the tile's column, the high
nibble its row. One rule names a voxel of a region, a texel of an atlas layer and a canonical pixel.
It is an address space, not a file order: a chunk is 256 runs of 64 bytes in such an image.
GLSL twin: shaders/include/uvw.glsl.
"""

from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from .layout import ATLAS, REGION

Int = NDArray[np.int64]
AnyInt = NDArray[np.integer[Any]]
Scalar = TypeVar("Scalar", bound=np.generic)

TILES = ATLAS // REGION  # tiles along an edge of the image: 16


def _checked(name: str, value: int | AnyInt, limit: int) -> Int:
    """As int64, or ValueError. Cast before any shift: uint8 << 8 is 0."""
    a = np.asarray(value)
    if a.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integer, not {a.dtype}")
    if a.size and (a.min() < 0 or a.max() >= limit):
        raise ValueError(f"{name} outside [0, {limit}): {a.min()}..{a.max()}")
    return a.astype(np.int64)


@overload
def voxel_to_atlas(u: int, v: int, w: int) -> tuple[int, int]: ...
@overload
def voxel_to_atlas(u: AnyInt, v: AnyInt, w: AnyInt) -> tuple[Int, Int]: ...
def voxel_to_atlas(u: int | AnyInt, v: int | AnyInt, w: int | AnyInt) -> tuple[int | Int, int | Int]:
    """Texel (x, y) of a voxel (u, v, w) of a region.

    Python ints give ints; arrays of any integer dtype, broadcast together, give int64.
    ValueError: not an integer, or outside [0, 256).
    """
    iu, iv, iw = (_checked(n, a, REGION) for n, a in zip("uvw", (u, v, w), strict=True))
    x, y = iw % TILES * REGION + iu, iw // TILES * REGION + iv
    if isinstance(u, int) and isinstance(v, int) and isinstance(w, int):
        return int(x), int(y)
    return x, y


@overload
def atlas_to_voxel(x: int, y: int) -> tuple[int, int, int]: ...
@overload
def atlas_to_voxel(x: AnyInt, y: AnyInt) -> tuple[Int, Int, Int]: ...
def atlas_to_voxel(x: int | AnyInt, y: int | AnyInt) -> tuple[int | Int, int | Int, int | Int]:
    """Inverse of `voxel_to_atlas`. ValueError: not an integer, or outside [0, 4096)."""
    ix, iy = _checked("x", x, ATLAS), _checked("y", y, ATLAS)
    u, v, w = ix % REGION, iy % REGION, iy // REGION * TILES + ix // REGION
    if isinstance(x, int) and isinstance(y, int):
        return int(u), int(v), int(w)
    return u, v, w


def region_to_image(region: NDArray[Scalar]) -> NDArray[Scalar]:
    """A dense region as one image. [256, 256, 256, ...] (z, y, x) -> [4096, 4096, ...] (row y, column x)."""
    if region.shape[:3] != (REGION,) * 3:
        raise ValueError(f"a region is [256, 256, 256, ...], not {region.shape}")
    rest = region.shape[3:]
    tiles = region.reshape(TILES, TILES, REGION, REGION, *rest)  # tile row, tile column, v, u
    return tiles.swapaxes(1, 2).reshape(ATLAS, ATLAS, *rest)


def image_to_region(image: NDArray[Scalar]) -> NDArray[Scalar]:
    """Inverse of `region_to_image`. [4096, 4096, ...] -> [256, 256, 256, ...] (z, y, x)."""
    if image.shape[:2] != (ATLAS, ATLAS):
        raise ValueError(f"a region's image is [4096, 4096, ...], not {image.shape}")
    rest = image.shape[2:]
    tiles = image.reshape(TILES, REGION, TILES, REGION, *rest)  # tile row, v, tile column, u
    return tiles.swapaxes(1, 2).reshape(REGION, REGION, REGION, *rest)
