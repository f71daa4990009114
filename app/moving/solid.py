"""What is solid near a walker, asked of the pyramid from coarse to fine. Pure, given who answers.

Whoever answers is `Ask`: (level, voxels [N, 3] int64 of that level) -> (occupied [N] bool, known [N] bool).
He must not wait. What he does not know is told apart, so that a walker can be held rather than dropped.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
Ask = Callable[[int, I64], tuple[Bool, Bool]]

_EIGHT = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
_START_CELLS = 16  # a box is first asked about in cells so large that so many span its longest edge
_NEAR_CELLS, _FAR_CELLS = 2, 6  # how far around the eye each level is looked at; and the coarsest


@dataclass(frozen=True, slots=True)
class Solid:
    """What a box of level-0 voxels holds.

    lo, hi    [M, 3] int64 boxes [lo, hi) of level-0 voxels that are occupied: one voxel each
    unknown_lo, unknown_hi  [U, 3] likewise: something is in there, or may be, but nobody knows where
    """

    lo: I64
    hi: I64
    unknown_lo: I64
    unknown_hi: I64


def solid_in(ask: Ask, n_levels: int, lo: I64, hi: I64) -> Solid:
    """The occupied level-0 voxels of a box [lo, hi): [3] and [3] int64.

    What is empty at a coarse level is empty below, so the cost follows the surface in the box.
    """
    span = int((hi - lo).max())
    level = min(n_levels - 1, max(0, math.ceil(math.log2(max(span, 1) / _START_CELLS))))
    cells = _grid(lo >> level, (hi - 1 >> level) + 1)
    unknown_lo, unknown_hi = [], []
    while True:
        occupied, known = ask(level, cells)
        unknown_lo.append(cells[~known] << level)
        unknown_hi.append(cells[~known] + 1 << level)
        cells = cells[occupied & known]
        if level == 0:
            return Solid(cells, cells + 1, np.concatenate(unknown_lo), np.concatenate(unknown_hi))
        level -= 1
        cells = (cells[:, None, :] * 2 + _EIGHT).reshape(-1, 3)
        cells = cells[((cells + 1 << level > lo) & (cells << level < hi)).all(axis=1)]


def near_voxels(ask: Ask, n_levels: int, eye: NDArray[np.float64], guess: float = 1.0) -> float | None:
    """About how far the nearest occupied voxel is from the eye [3] float64, in level-0 voxels.

    Fine levels answer for what is near, coarse ones for the rest: true to about a cell of the level that
    finds something, and no more than the coarsest reaches. None where nothing is known.
    guess  what it was a moment ago: where the search begins, so that it asks two levels and not all
    """
    level = min(max(math.floor(math.log2(max(guess, 1.0) / _NEAR_CELLS)), 0), n_levels - 1)
    found, known = _nearest_of(ask, n_levels, level, eye)
    while found is None and level + 1 < n_levels:
        level += 1
        found, known = _nearest_of(ask, n_levels, level, eye)
    if found is None:
        return float(_FAR_CELLS << (n_levels - 1)) if known else None
    while level > 0:
        finer, _ = _nearest_of(ask, n_levels, level - 1, eye)
        if finer is None:
            break
        level, found = level - 1, finer
    return found


def _nearest_of(ask: Ask, n_levels: int, level: int, eye: NDArray[np.float64]) -> tuple[float | None, bool]:
    """What is near in one level's few cells around the eye. -> (distance or None, whether any is known)"""
    grid = _FAR_GRID if level + 1 == n_levels else _NEAR_GRID
    cells = (np.floor(eye).astype(np.int64) >> level) + grid
    occupied, known = ask(level, cells)
    lo = cells[occupied & known] << level
    if not len(lo):
        return None, bool(known.any())
    away = np.maximum(np.maximum(lo - eye, eye - (lo + (1 << level))), 0.0)
    # The eye's own cell is occupied at a coarse level although it is not at the finer one below.
    least = 0.0 if level == 0 else float(_NEAR_CELLS << (level - 1))
    return max(float(np.sqrt((away * away).sum(axis=1).min())), least, 1.0), True


def _grid(lo: I64, hi: I64) -> I64:
    """Every cell of [lo, hi). -> [N, 3] int64"""
    axes = [np.arange(a, b) for a, b in zip(lo, hi, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


_NEAR_GRID = _grid(np.full(3, -_NEAR_CELLS), np.full(3, _NEAR_CELLS + 1))
_FAR_GRID = _grid(np.full(3, -_FAR_CELLS), np.full(3, _FAR_CELLS + 1))
