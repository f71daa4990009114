"""One look at all items before the work: what counts as a floater, and is the voxel size sane."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..sources.source import Gaussians
from .gaussians import MIN_ALPHA, Limits, reach_voxels
from .placement import Placement, to_voxels

MAX_CELLS = 1 << 31  # that a bake may look at
MAX_SIGMA_VOXELS = 12_000  # a longer one would cover a box of more than 2^48 cells
ROWS_PER_CELL = 16  # a row of cells that turns out to be empty costs less than a covered cell


def limits_of(
    batches: Iterable[Gaussians], placement: Placement, min_opacity: float, max_sigma_m: float | None
) -> Limits:
    """Look at every Gaussian once and say which are floaters; UserError if the voxels are far too small.

    max_sigma_m None: a Gaussian is huge when its largest sigma is above 5 % of the scene (the longest axis of
    what lies between the 1st and the 99th percentile of the means of Gaussians that are not faint), and also
    above 10 times the median of the largest sigmas, so that a scene of a few Gaussians keeps them all.
    """
    faint = max(min_opacity, MIN_ALPHA)
    lowest, highest = placement.crop()
    means, reaches, sigmas, seen = [], [], [], []
    for batch in batches:
        strong = batch.opacities >= faint
        means.append(batch.positions[strong])
        sigmas.append(batch.scales[strong].max(1, initial=0))
        reach = reach_voxels(batch.scales[strong], batch.opacities[strong], placement)
        mean, radius = to_voxels(means[-1], placement), reach.max(1, initial=0)[:, None]
        seen.append(((mean + radius >= lowest) & (mean - radius < highest)).all(1))
        reaches.append(reach.astype(np.float32))
    sigma = np.concatenate([np.empty(0, np.float32), *sigmas]).astype(np.float64) * placement.scale
    largest = MAX_SIGMA_VOXELS * placement.voxel_size_m
    if max_sigma_m is None:
        max_sigma_m = _usual_sigma(np.concatenate(means), sigma, placement.scale) if sigma.size else largest
    limits = Limits(min_opacity, min(max_sigma_m, largest))
    if sigma.size:
        sane = np.concatenate(seen) & (sigma <= limits.max_sigma_m)
        check_work(np.concatenate(reaches)[sane], placement)
    return limits


def _usual_sigma(means: NDArray[np.float32], sigma: NDArray[np.float64], scale: float) -> float:
    """The larger of 5 % of the scene and 10 median sigmas, in metres. Order statistics: order-independent."""
    n = len(means)
    low, high = n // 100, n - 1 - n // 100
    ranked = np.partition(means.astype(np.float64), [low, high], axis=0)
    extent = float((ranked[high] - ranked[low]).max()) * scale
    return max(0.05 * extent, 10 * float(np.partition(sigma, n // 2)[n // 2]))


def cells_estimate(reach: NDArray[np.float32], factor: float, widest: int) -> float:
    """Cells that Gaussians of these half widths [N, 3] cost to look at, were voxels `factor` times wider.

    widest: voxels along the longest edge of the crop; nothing beyond it is looked at.
    """
    width = np.minimum(1 + (2 * reach.astype(np.float64) - 1) / factor, 1 + widest / factor)
    rows = width.max(1, initial=0) ** 2
    return float(np.sum(width.prod(1) + rows / ROWS_PER_CELL))


def check_work(reach: NDArray[np.float32], placement: Placement) -> None:
    """UserError, with a voxel size that works, if the cells to look at are absurdly many."""
    lowest, highest = placement.crop()
    widest = int((highest - lowest).max())
    cells = cells_estimate(reach, 1, widest)
    if cells > MAX_CELLS:
        factor = 1.25
        while cells_estimate(reach, factor, widest) > MAX_CELLS:
            factor *= 1.25
        raise UserError(too_fine(cells, placement.voxel_size_m, placement.voxel_size_m * factor))


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
