"""Colours from a texture, at the level whose texels are about as wide as a voxel: so nothing sparkles."""

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB
from ..sources.source import Texture, Wrap

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

LINEAR = (LINEAR_OF_SRGB / 65535).astype(np.float32)  # of an sRGB byte, 0..1


def sampled(texture: Texture, uv: F64, texels_per_voxel: F32, alpha: F32) -> tuple[F32, NDArray[np.bool_]]:
    """Bilinear samples at uv [M, 2] -> (linear light [M, 3], seen [M]: not cut away).

    texels_per_voxel [M]: how many texels of level 0 a voxel's width crosses, along the densest direction.
    alpha [M]: what the texture's alpha is multiplied by before it is compared.
    """
    last = len(texture.levels) - 1
    # The exponent of sqrt(2) x is log2(x) rounded, without the doubt about the last bit of a logarithm.
    level = np.clip(np.frexp(texels_per_voxel * np.float32(2**0.5))[1] - 1, 0, last).astype(np.int64)
    light, seen = np.empty((len(uv), 3), np.float32), np.ones(len(uv), bool)
    for k in np.unique(level):
        rows = np.flatnonzero(level == k)
        light[rows], opaque = _bilinear(texture.levels[k], uv[rows], texture.wrap)
        if texture.cutoffs:
            seen[rows] = opaque * alpha[rows] >= texture.cutoffs[k]
    return light, seen


def _bilinear(pixels: U8, uv: F64, wrap: tuple[Wrap, Wrap]) -> tuple[F32, F32]:
    height, width = pixels.shape[:2]
    columns, right = _neighbours(uv[:, 0], width, wrap[0])
    rows, down = _neighbours(uv[:, 1], height, wrap[1])
    flat = pixels.reshape(-1, 4)
    light, alpha = np.zeros((len(uv), 3), np.float32), np.zeros(len(uv), np.float32)
    for row, wy in ((rows[0], 1 - down), (rows[1], down)):
        for column, wx in ((columns[0], 1 - right), (columns[1], right)):
            texel, weight = flat.take(row * width + column, axis=0), wx * wy
            light += LINEAR.take(texel[:, :3]) * weight[:, None]
            alpha += texel[:, 3] * (weight / np.float32(255))
    return light, alpha


def _neighbours(at: F64, n: int, wrap: Wrap) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], F32]:
    """Along one axis: the two texels beside each place, and the share of the second."""
    period = 1.0 if wrap == "repeat" else 2.0
    at = np.clip(at, 0, 1) if wrap == "clamp" else at - period * np.floor(at / period)
    place = at * n - 0.5
    first = np.floor(place).astype(np.int64)
    share = (place - first).astype(np.float32)

    def inside(i: NDArray[np.int64]) -> NDArray[np.int64]:
        if wrap == "clamp":
            return np.clip(i, 0, n - 1)
        if wrap == "repeat":
            return i % n
        i = i % (2 * n)
        return np.minimum(i, 2 * n - 1 - i)

    return (inside(first), inside(first + 1)), share
