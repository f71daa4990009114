"""The ground of an island, column by column, at any level: bounds that hold what is below, and its looks.

The ground and the sea are one surface, max(ground, sea). A column of level k is occupied from `low` to
`high`, which bound that surface over the column's whole square: so level 0 is a closed shell, and coarser
levels hold every finer one. To be tight as well, bounds are taken further down (`lookahead`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import CHUNK, CHUNK_BITS
from .island_shape import (
    CENTRE,
    COAST_STEEP,
    MIDDLE_M,
    SEA_Z,
    SEABED_M,
    UNIT,
    WEIGHT,
    Shape,
    coast_distance,
    coast_weight,
    displacement,
    middles,
    profiled,
    residue,
    steepness,
)
from .lattice import hull, middle, pooled, refined

I64 = NDArray[np.int64]

TOP = 19  # level at which refinement starts: a chunk of the coarsest level is inside one of its cells


@dataclass(frozen=True, slots=True)
class Columns:
    """N chunk columns, [N, 16, 16] int64 each, rows y, columns x."""

    low: I64  # level-0 voxel
    high: I64  # level-0 voxel, inclusive
    height: I64  # of the ground above the sea in the middle of the column, 1 / UNIT voxel
    slope: I64  # of the ground, * 1024
    tone: I64  # noise for colours


@dataclass(frozen=True, slots=True)
class Ground:
    """The surface. `base`: what makes the middle MIDDLE_M high, 1 / UNIT voxel."""

    shape: Shape
    base: int


def make_ground(shape: Shape) -> Ground:
    """Measure the middle, then set its height."""
    level = shape.coast_level + 4
    x = np.array([CENTRE >> level])
    found = int(_descend(Ground(shape, 0), x, x, level, level, 1)[level][0, 0, 1, 1])
    return Ground(shape, round(MIDDLE_M / shape.voxel_size_m * UNIT) - found)


def lookahead(shape: Shape, level: int) -> int:
    """How many levels further down bounds are taken. Grows by at most 1 a level, or bounds would not nest.

    The first level that would stop above the coast's goes down to it: there the coast is exact.
    """
    return 2 if level == shape.coast_level + 2 else min(level, 1)


def _step(ground: Ground, level: int, patch: I64, x: I64, y: I64) -> None:
    """Add a level's own displacement and, at its level, the coast. patch [2, N, n, n] (height, tone)."""
    shape = ground.shape
    octave = shape.octaves[level]
    if octave.low or octave.high or octave.tone:
        height, tone = displacement(shape, level, x, y)
        patch[0] += height
        patch[1] += tone
    if level == shape.coast_level:
        weight = coast_weight(shape, coast_distance(shape, *middles(x, y, level)))
        patch[0] = _coast(shape, patch[0], weight)


def _coast(shape: Shape, height: I64, weight: I64) -> I64:
    bed = round(SEABED_M / shape.voxel_size_m * UNIT)
    return ((height + bed) * weight >> 12) - bed


def _around(corner: I64, level: int, size: int) -> I64:
    """Coordinates of a patch with its ring: first cell [N] -> [N, size + 2]."""
    return corner[:, None] + np.arange(-1, size + 1)


def _descend(ground: Ground, x: I64, y: I64, level: int, stop: int, size: int) -> dict[int, I64]:
    """Patches from TOP down to level `stop`. x, y [N] cells of `level`, first of `size` -> level -> patch.

    Patches [2, N, n + 2, n + 2]; above the level where `size` cells are one, n = 1.
    """
    bits = size.bit_length() - 1
    patch = np.zeros((2, len(x), 3, 3), np.int64)
    patch[0] = ground.base
    patches: dict[int, I64] = {}
    start = next(k for k in range(TOP, -1, -1) if ground.shape.octaves[k].high or k <= level + bits)
    for k in range(start, stop - 1, -1):
        up = k - level
        n = max(1, size >> up) if up >= 0 else size << -up
        cx, cy = (x >> up, y >> up) if up >= 0 else (x << -up, y << -up)
        if k < start:
            flat = refined(patch.reshape(-1, *patch.shape[2:]))
            if n == 1:
                flat = middle(flat, np.tile(cx & 1 == 1, 2), np.tile(cy & 1 == 1, 2))
            patch = flat.reshape(2, len(x), *flat.shape[1:])
        _step(ground, k, patch, _around(cx, k, n)[:, None, :], _around(cy, k, n)[:, :, None])
        patches[k] = patch.copy() if k in (level, stop) else patch
    return patches


def heights_at(ground: Ground, x: I64, y: I64, level: int) -> tuple[I64, I64, I64]:
    """The ground at level-0 columns [N], as cells of `level` see it -> (height, slope * 1024, tone) [N].

    The same whichever chunk asks: what stands on the ground is put there by this.
    """
    patch = _descend(ground, x >> level, y >> level, level, level, 1)[level]
    height, slope, tone = _seen(ground.shape, patch, level)
    return height[:, 0, 0], slope[:, 0, 0], tone[:, 0, 0]


def tones(ground: Ground, level: int, chunks: I64) -> I64:
    """The tone of every cell of chunk columns [N, 2] of a level -> [N, 16, 16], rows y."""
    x, y = chunks[:, 0] << CHUNK_BITS, chunks[:, 1] << CHUNK_BITS
    found: I64 = _descend(ground, x, y, level, level, CHUNK)[level][1][:, 1:-1, 1:-1]
    return found


def _seen(shape: Shape, patch: I64, level: int) -> tuple[I64, I64, I64]:
    """(height, slope * 1024, tone) of a patch's own cells."""
    raw, tone = patch[0], patch[1][:, 1:-1, 1:-1]
    dx = np.abs(raw[:, 1:-1, 2:] - raw[:, 1:-1, :-2])
    dy = np.abs(raw[:, 2:, 1:-1] - raw[:, :-2, 1:-1])
    own = raw[:, 1:-1, 1:-1]
    # the longer leg and half the other: within 12 % of the length, and no root
    leg = np.maximum(dx, dy) + (np.minimum(dx, dy) >> 1)
    slope = (leg * steepness(shape, own)) // (2 * UNIT << level)
    return profiled(shape, own), slope, tone


def columns(ground: Ground, level: int, x: I64, y: I64) -> Columns:
    """The surface in chunk columns x, y [N] of a level, coordinates in chunks."""
    shape = ground.shape
    ahead = lookahead(shape, level)
    stop = level - ahead
    patches = _descend(ground, x << CHUNK_BITS, y << CHUNK_BITS, level, stop, CHUNK)
    low, high = hull(patches[stop][0])
    if stop > shape.coast_level:
        low, high = _coastal(shape, low, high, x << CHUNK_BITS << ahead, y << CHUNK_BITS << ahead, stop)
    down, up = residue(shape, 0, min(stop, shape.coast_level))
    low, high = pooled(low - 4 * down, high + 4 * up, 1 << ahead)
    # exact quarters; floor, so that a coarser level's bound is never the tighter one
    low = profiled(shape, low >> 2) // UNIT
    high = profiled(shape, -(-high >> 2)) // UNIT
    if level > shape.coast_level:  # what is drawn of it; its bounds are above
        around = [_around(c << CHUNK_BITS, level, CHUNK) for c in (x, y)]
        place = middles(around[0][:, None, :], around[1][:, :, None], level)
        patches[level][0] = _coast(
            shape, patches[level][0], coast_weight(shape, coast_distance(shape, *place))
        )
    height, slope, tone = _seen(shape, patches[level], level)
    return Columns(SEA_Z + np.maximum(low, 0), SEA_Z + np.maximum(high, 0), height, slope, tone)


def _coastal(shape: Shape, low: I64, high: I64, x: I64, y: I64, level: int) -> tuple[I64, I64]:
    """Bounds above the coast's level: with every weight that the cells below may have. In quarters."""
    down, up = residue(shape, shape.coast_level, level)
    cells = np.arange(low.shape[1])
    place = middles(x[:, None, None] + cells, y[:, None, None] + cells[:, None], level)
    # half a diagonal, and half a cell of the coast's level: there lie the middles of a patch's ring
    reach = COAST_STEEP * 0.708 * (2.0**level + 2.0**shape.coast_level)
    distance = coast_distance(shape, *place)
    most, least = coast_weight(shape, distance - reach), coast_weight(shape, distance + reach)
    bed = 4 * round(SEABED_M / shape.voxel_size_m * UNIT)
    low, high = low - 4 * down + bed, high + 4 * up + bed
    low = np.where(low >= 0, low * least, low * most) // WEIGHT
    high = -(-np.where(high >= 0, high * most, high * least) // WEIGHT)
    return low - bed - 4, high - bed + 4
