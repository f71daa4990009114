"""What a bake does with each kind of batch: one row per kind, so that a new one is a module and a line here.

survey(batches, source, placement, options)   one look before the work -> what its voxelise wants
voxelise(batch, placement, limits)            -> (sums to be merged, items left out by reason)
resolve(sums, options)                        -> (solid [M] bool, coverage [M] uint8 >= 1)
colour(sums)                                  -> the colours [M, 3] uint8 sRGB
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bake_options import BakeOptions
from ..sources.source import Frames, Gaussians, Heights, Points, Source, Triangles, Voxels
from . import frames, gaussians, heights, points, survey, triangles, voxels
from .placement import Placement
from .sums import Sums, mean_srgb

Batches = Callable[[], Iterable[Any]]  # the source's batches, as often as wanted
Dropped = dict[str, int]
Solid = tuple[NDArray[np.bool_], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of source becomes voxels."""

    survey: Callable[[Batches, Source, Placement, BakeOptions], Any]
    voxelise: Callable[[Any, Placement, Any], tuple[Iterable[Sums], Dropped]]
    resolve: Callable[[Sums, BakeOptions], Solid]
    looks_first: bool = False  # its survey reads the batches
    limits: Callable[..., Any] | None = None  # the dataclass of plain numbers that its survey returns
    colour: Callable[[Sums], NDArray[np.uint8]] = mean_srgb
    observes: bool = False  # voxelise gives one Sums per item, in order: item n is the n-th observation
    carves: bool = False  # its items look once more at what became solid: see carve.py
    held: bool = True  # small sources are read once and held; not frames, which are large
    span: int = 1 << 19  # items that one unit of work reads, of a source that can be read from anywhere


def _no_survey(batches: Batches, source: Source, placement: Placement, options: BakeOptions) -> None:
    """Nothing has to be known before."""


def _survey_gaussians(
    batches: Batches, source: Source, placement: Placement, options: BakeOptions
) -> gaussians.Limits:
    return survey.limits_of(batches, placement, options.min_opacity, options.max_scale_m)


def _voxelise_gaussians(
    batch: Gaussians, placement: Placement, limits: gaussians.Limits
) -> tuple[Iterable[Sums], Dropped]:
    keep, dropped = gaussians.kept(batch, placement, limits)
    shape, n_cropped = gaussians.shapes(batch, placement, keep)
    return gaussians.voxelise(shape), {**dropped, "cropped": n_cropped}


def _voxelise_points(batch: Points, placement: Placement, limits: None) -> tuple[Iterable[Sums], Dropped]:
    part, n_cropped = points.voxelise(batch, placement)
    return [part], {"cropped": n_cropped}


def _survey_voxels(batches: Batches, source: Source, placement: Placement, options: BakeOptions) -> None:
    survey.check_cells(source.n_items, placement)


def _voxelise_voxels(batch: Voxels, placement: Placement, limits: None) -> tuple[Iterable[Sums], Dropped]:
    parts, n_cropped = voxels.voxelise(batch, placement)
    return parts, {"cropped": n_cropped}


def _survey_heights(batches: Batches, source: Source, placement: Placement, options: BakeOptions) -> None:
    first: Heights = next(iter(batches()))
    survey.check_heights(source.n_items, first.step, placement)


def _voxelise_heights(batch: Heights, placement: Placement, limits: None) -> tuple[Iterable[Sums], Dropped]:
    parts, n_cropped = heights.voxelise(batch, placement)
    return parts, {"cropped": n_cropped}


def _survey_triangles(batches: Batches, source: Source, placement: Placement, options: BakeOptions) -> None:
    triangles.check_work(batches(), placement)


def _voxelise_triangles(
    batch: Triangles, placement: Placement, limits: None
) -> tuple[Iterable[Sums], Dropped]:
    parts, n_cropped = triangles.voxelise(batch, placement)
    return parts, {"cropped": n_cropped}


def _survey_frames(
    batches: Batches, source: Source, placement: Placement, options: BakeOptions
) -> frames.Limits:
    return frames.Limits(options.max_depth_m)


def _voxelise_frames(
    batch: Frames, placement: Placement, limits: frames.Limits
) -> tuple[Iterable[Sums], Dropped]:
    return frames.voxelise(batch, placement, limits.max_depth_m), {}


KINDS: dict[str, Kind] = {
    "gaussians": Kind(
        _survey_gaussians,
        _voxelise_gaussians,
        lambda summed, options: gaussians.resolve(summed, options.threshold),
        looks_first=True,
        limits=gaussians.Limits,
        colour=gaussians.mean_srgb,
    ),
    "points": Kind(_no_survey, _voxelise_points, lambda summed, options: points.resolve(summed)),
    "voxels": Kind(_survey_voxels, _voxelise_voxels, lambda summed, options: voxels.resolve(summed)),
    "heights": Kind(_survey_heights, _voxelise_heights, lambda summed, options: heights.resolve(summed)),
    "triangles": Kind(
        _survey_triangles,
        _voxelise_triangles,
        lambda summed, options: triangles.resolve(summed),
        looks_first=True,
    ),
    "frames": Kind(
        _survey_frames,
        _voxelise_frames,
        lambda summed, options: frames.resolve(summed),
        limits=frames.Limits,
        observes=True,
        carves=True,
        held=False,
        span=16,
    ),
}
