"""A palette of few colours for many: the colours themselves where they are few enough, else a good choice.

Colours are counted in a table of 2^24. The choice starts from boxes of OKLab (Ottosson 2020), split where the
weighted error is largest, across its main axis, at the mean; then Lloyd's iteration moves the colours. All of
it is weighted by how many voxels a colour has. Same counts, same palette.
"""

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
N_COLOURS = 1 << 24
LLOYD_ROUNDS = 12
MAX_CELLS = 1 << 16  # more colours than this are put together before the choice, the nearest ones first
NEAREST_ROWS = 1 << 15  # colours compared with the palette at a time

# OKLab: linear sRGB -> cone responses -> cube roots -> lightness and two axes of colour
_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def codes(rgba: U8) -> NDArray[np.int64]:
    """Colours [N, 3 or 4] as r << 16 | g << 8 | b, [N]."""
    r, g, b = (rgba[:, i].astype(np.int64) for i in range(3))
    return r << 16 | g << 8 | b


def rgb_of(code: NDArray[np.int64]) -> U8:
    """Inverse of `codes`: [N] -> [N, 3] uint8."""
    return np.stack([code >> 16, code >> 8 & 255, code & 255], axis=-1).astype(np.uint8)


def oklab(rgb: U8) -> F64:
    """sRGB [N, 3] -> OKLab [N, 3] (L 0..1), where distance is roughly what an eye sees."""
    lms = LINEAR_OF_SRGB[rgb] / 65535 @ _LMS.T
    lab: F64 = np.cbrt(lms) @ _LAB.T
    return lab


def choose(counts: NDArray[np.unsignedinteger], n: int) -> tuple[U8, U8, bool]:
    """A palette for colours of which counts [2^24] tells how often each is.

    -> (palette [M, 3] uint8, M <= n <= 256; index into it for each colour [2^24] uint8; is it exact?)
    """
    used = np.flatnonzero(counts)
    index = np.zeros(N_COLOURS, np.uint8)
    if len(used) <= n:
        index[used] = np.arange(len(used))
        return rgb_of(used), index, True
    palette = rgb_of(np.unique(codes(_quantise(used, counts[used].astype(np.float64), n))))
    index[used] = _nearest_of(oklab(rgb_of(used)), oklab(palette))
    return palette, index, False


def _quantise(used: NDArray[np.int64], weight: F64, n: int) -> U8:
    """[n, 3] colours that stand for `used` with little weighted error."""
    cell = _cells(used)
    total = np.bincount(cell, weight).astype(np.float64)
    rgb, lab = rgb_of(used).astype(np.float64), oklab(rgb_of(used))
    means = np.stack([np.bincount(cell, weight * lab[:, i]) / total for i in range(3)], axis=-1)
    colour = np.stack([np.bincount(cell, weight * rgb[:, i]) / total for i in range(3)], axis=-1)
    member = _split(means, total, n)
    for _ in range(LLOYD_ROUNDS):
        member = _nearest_of(means, _centres(means, total, member))
    return np.rint(_centres(colour, total, member)).astype(np.uint8)


def _cells(used: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which cell [N] of the colour cube each colour is in: the smallest cells that are few enough."""
    for lost_bits in range(8):
        low = rgb_of(used).astype(np.int64) >> lost_bits
        cells, member = np.unique(low @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
        if len(cells) <= MAX_CELLS:
            break
    return member


def _centres(points: F64, weight: F64, member: NDArray[np.integer]) -> F64:
    """Weighted means of the groups that have members."""
    _, member = np.unique(member, return_inverse=True)
    total = np.bincount(member, weight)
    return np.stack([np.bincount(member, weight * points[:, i]) / total for i in range(3)], axis=-1)


def _split(points: F64, weight: F64, n: int) -> NDArray[np.int64]:
    """Group [M] of each point: at most n groups, always splitting the one with the largest error."""
    member = np.zeros(len(points), np.int64)
    errors = [_error(points, weight)]
    while len(errors) < n and max(errors) > 0:
        worst = int(np.argmax(errors))
        rows = np.flatnonzero(member == worst)
        at, w = points[rows], weight[rows]
        centred = at - np.average(at, axis=0, weights=w)
        axis = np.linalg.eigh((centred * w[:, None]).T @ centred)[1][:, -1]
        beyond = centred @ axis > 0
        if not beyond.any() or beyond.all():
            errors[worst] = 0.0
            continue
        member[rows[beyond]] = len(errors)
        errors[worst] = _error(at[~beyond], w[~beyond])
        errors.append(_error(at[beyond], w[beyond]))
    return member


def _error(points: F64, weight: F64) -> float:
    return float((weight[:, None] * (points - np.average(points, axis=0, weights=weight)) ** 2).sum())


def _nearest_of(points: F64, centres: F64) -> NDArray[np.int64]:
    """Index of the centre nearest to each point. [N, 3], [M, 3] -> [N] int64."""
    out = np.empty(len(points), np.int64)
    norms = (centres**2).sum(axis=1)
    for start in range(0, len(points), NEAREST_ROWS):
        rows = slice(start, start + NEAREST_ROWS)
        out[rows] = (norms - 2 * points[rows] @ centres.T).argmin(axis=1)
    return out
