"""One look at all items before the work: what counts as a floater, and is the voxel size sane.

What is kept of the look is counts, not items: so it takes the same memory for any number of them, and their
order cannot matter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..sources.source import Gaussians
from .gaussians import MIN_ALPHA, Limits, reach_voxels
from .placement import Placement, to_voxels

MAX_CELLS = 1 << 31  # that a bake may look at
MAX_SIGMA_VOXELS = 3_800  # a longer one could cover a box of more than 2^43 cells, see gaussians.Words
ROWS_PER_CELL = 16  # a row of cells that turns out to be empty costs less than a covered cell
HUGE = 0.15  # of the scene: a sky, a fog; an opaque one shows as a blot a third of the scene wide
SIGMA_BINS = 1 << 19  # of positive float32 by their leading bits: 11 of the mantissa, 0.05 %
HALF_WORLD = 1 << 23

I64 = NDArray[np.int64]


@dataclass(slots=True)
class Look:
    """Counts of everything that is not faint. Zeroed pages cost nothing until they are counted in."""

    n: int = 0
    places: list[NDArray[np.uint32]] = field(  # means per voxel of each axis; what lies outside, at the ends
        default_factory=lambda: [np.zeros(2 * HALF_WORLD, np.uint32) for _ in range(3)]
    )
    sigmas: I64 = field(default_factory=lambda: np.zeros(SIGMA_BINS, np.int64))  # largest ones
    cells: I64 = field(default_factory=lambda: np.zeros(SIGMA_BINS, np.int64))  # to look at, by largest sigma


def limits_of(
    batches: Callable[[], Iterable[Gaussians]],
    placement: Placement,
    min_opacity: float,
    max_sigma_m: float | None,
) -> Limits:
    """Look at every Gaussian and say which are floaters; UserError if the voxels are far too small.

    max_sigma_m None: a Gaussian is huge when its largest sigma is above 15 % of the scene (the longest axis
    of what lies between the 1st and the 99th percentile of the means of those not faint, to a voxel), and
    also above 10 times the median of the largest sigmas: a scene of a few Gaussians keeps them all.
    """
    faint = max(min_opacity, MIN_ALPHA)
    look = Look()
    for batch in batches():
        take(look, batch, placement, faint)
    largest = MAX_SIGMA_VOXELS * placement.voxel_size_m
    if max_sigma_m is None:
        max_sigma_m = usual_sigma_m(look, placement) if look.n else largest
    limits = Limits(min_opacity, min(max_sigma_m, largest))
    if int(look.cells[: _bin(np.float32(limits.max_sigma_m)) + 1].sum()) > MAX_CELLS:
        refuse_work(batches, placement, faint, limits)
    return limits


def take(look: Look, batch: Gaussians, placement: Placement, faint: float) -> None:
    """Count one batch in."""
    reach, mean, sigma_m, seen = _strong(batch, placement, faint)
    look.n += len(sigma_m)
    at = np.floor(np.clip(mean, -HALF_WORLD, HALF_WORLD - 1)).astype(np.int64) + HALF_WORLD
    for axis in range(3):
        np.add.at(look.places[axis], at[:, axis], 1)
    bins = _bin(sigma_m)
    np.add.at(look.sigmas, bins, 1)
    lowest, highest = placement.crop()
    cells = np.ceil(cells_each(reach[seen], 1, int((highest - lowest).max())))
    np.add.at(look.cells, bins[seen], np.minimum(cells, MAX_CELLS + 1).astype(np.int64))


def _strong(batch: Gaussians, placement: Placement, faint: float) -> tuple[Any, Any, Any, Any]:
    """Those not faint: half widths, means [N, 3] in voxels; largest sigma [N] in m; in the crop [N]."""
    strong = batch.opacities >= faint
    scales = batch.scales[strong]
    reach = reach_voxels(scales, batch.opacities[strong], placement)
    mean, radius = to_voxels(batch.positions[strong], placement), reach.max(1, initial=0)[:, None]
    lowest, highest = placement.crop()
    seen = ((mean + radius >= lowest) & (mean - radius < highest)).all(1)
    return reach, mean, (scales.max(1, initial=0) * placement.scale).astype(np.float32), seen


def _bin(sigma_m: NDArray[np.float32] | np.float32) -> NDArray[np.int64]:
    return np.asarray(sigma_m, np.float32).view(np.uint32).astype(np.int64) >> 12


def usual_sigma_m(look: Look, placement: Placement) -> float:
    """The larger of 15 % of the scene and 10 median sigmas, in metres. Order statistics: any order."""
    low, high = look.n // 100, look.n - 1 - look.n // 100
    widths = [_ranked(counts, high) - _ranked(counts, low) for counts in look.places]
    middle = np.uint32((_ranked(look.sigmas, look.n // 2) << 12) + (1 << 11)).view(np.float32)
    return max(HUGE * max(widths) * placement.voxel_size_m, 10 * float(middle))


def _ranked(counts: NDArray[np.integer], rank: int) -> int:
    """The bin that holds the item of this rank, from 0."""
    width = 1 << 12  # a piece at a time: most are empty
    until = counts.reshape(-1, width).sum(1, dtype=np.int64).cumsum()
    piece = int(np.searchsorted(until, rank, side="right"))
    before = int(until[piece - 1]) if piece else 0
    inside = np.cumsum(counts[piece * width : (piece + 1) * width], dtype=np.int64)
    return piece * width + int(np.searchsorted(inside, rank - before, side="right"))


def cells_each(reach: NDArray[np.float64], factor: float, widest: int) -> NDArray[np.float64]:
    """Cells that Gaussians of these half widths [N, 3] cost to look at [N], were voxels `factor` times wider.

    widest: voxels along the longest edge of the crop; nothing beyond it is looked at.
    """
    width = np.minimum(1 + (2 * reach - 1) / factor, 1 + widest / factor)
    cells: NDArray[np.float64] = width.prod(1) + width.max(1, initial=0) ** 2 / ROWS_PER_CELL
    return cells


def refuse_work(
    batches: Callable[[], Iterable[Gaussians]], placement: Placement, faint: float, limits: Limits
) -> None:
    """UserError with a voxel size that works: the cells to look at are absurdly many."""
    lowest, highest = placement.crop()
    widest = int((highest - lowest).max())
    factors = [1.25**k for k in range(1, 64)]
    cells = np.zeros(1 + len(factors))
    for batch in batches():
        reach, _, sigma_m, seen = _strong(batch, placement, faint)
        reach = reach[seen & (sigma_m <= limits.max_sigma_m)]
        for k, factor in enumerate([1.0, *factors]):
            cells[k] += cells_each(reach, factor, widest).sum()
    factor = next(f for f, n in zip(factors, cells[1:], strict=True) if n <= MAX_CELLS)
    raise UserError(too_fine(float(cells[0]), placement.voxel_size_m, placement.voxel_size_m * factor))


def too_fine(cells: float, voxel_size_m: float, better_m: float) -> str:
    """The message for a voxel size far below what the source can fill."""
    return (
        f"{voxel_size_m:g} m voxels mean about {cells:.2g} cells to fill, and {MAX_CELLS:.2g} is the limit: "
        f"use --voxel-size {better_m:.2g} or crop with --bounds"
    )


def check_cells(n_cells: int, placement: Placement) -> None:
    """UserError if n cells of a voxel file, each `scale` wide, would fill absurdly many voxels."""
    lowest, highest = placement.crop()
    width = max(placement.scale / placement.voxel_size_m, 1.0)
    cells = min(n_cells * width**3, float(np.prod((highest - lowest).astype(np.float64))))
    if cells > MAX_CELLS:
        better_m = placement.scale / (MAX_CELLS / n_cells) ** (1 / 3)
        raise UserError(too_fine(cells, placement.voxel_size_m, better_m * 1.1))


def check_heights(n_patches: int, step: tuple[float, float], placement: Placement) -> None:
    """UserError if n patches, each step[0] x step[1] units wide, would fill absurdly many voxels."""
    lowest, highest = placement.crop()
    area = step[0] * step[1] * (placement.scale / placement.voxel_size_m) ** 2
    cells = min(n_patches * max(area, 1.0), float(np.prod((highest - lowest)[:2].astype(np.float64))))
    if cells > MAX_CELLS:
        better_m = placement.voxel_size_m * (cells / MAX_CELLS) ** 0.5
        raise UserError(too_fine(cells, placement.voxel_size_m, better_m * 1.1))
