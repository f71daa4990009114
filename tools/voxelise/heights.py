"""A height field to voxels: a surface without holes, at any voxel size.

Between four samples the surface is bilinear. The lines of the samples and the walls of the columns of voxels
cut it into rectangles, each inside one patch and one column. Over a rectangle parallel to the axes a
bilinear function is lowest and highest at corners, so a column is filled exactly from the lowest to the
highest voxel that the surface passes in it. Neighbours share a wall and with it a height: no ray slips
between them. Colours are bilinear too, in linear light.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB
from ..errors import UserError
from ..sources.source import Heights
from . import runs, sums
from .placement import Placement, check_addressable, to_voxels
from .sums import Sums

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

RECTANGLES = 1 << 18  # looked at at a time
PENDING = 1 << 21  # voxels filled at a time
SNAP = 1 << 20  # per voxel: sample lines are rounded to this, so that 30 m / 10 m is three voxels


def voxelise(batch: Heights, placement: Placement) -> tuple[Iterator[Sums], int]:
    """Patches -> (sums with weight 1 per rectangle, to be merged; how many patches lay outside the crop)."""
    axes = _axes(placement)
    lines = [_lines(batch, placement, axis) for axis in (0, 1)]  # world x, world y of source x, source y
    heights = to_voxels(_along(batch.heights.astype(np.float64).ravel(), 2), placement)[:, 2]
    heights = heights.reshape(batch.heights.shape)
    if placement.bounds_m is None:
        low, high = (np.array([f(lines[a]) for a in axes] + [g(heights)]) for f, g in
                     ((np.min, np.nanmin), (np.max, np.nanmax)))  # fmt: skip
        check_addressable(low, high - 0.5, placement.voxel_size_m)
    return _filled(batch, placement, axes, lines, heights), _n_cropped(batch, placement, axes, lines, heights)


def _axes(placement: Placement) -> tuple[int, int]:
    """Which source axis becomes world x, and which world y. UserError where height is not height any more."""
    turn = np.asarray(placement.rotation, np.float64)
    upright = np.array_equal(turn[2], (0, 0, 1))
    if not upright or not np.array_equal(np.abs(turn).round(12) % 1, np.zeros((3, 3))):
        raise UserError(
            "heights must stand upright: --up z, and turns by 90, 180 or 270 degrees about z only"
        )
    return int(np.argmax(np.abs(turn[0]))), int(np.argmax(np.abs(turn[1])))


def _along(values: NDArray[Any], axis: int) -> F64:
    """[N] -> [N, 3] source positions with these numbers on one axis."""
    out = np.zeros((len(values), 3))
    out[:, axis] = values
    return out


def _lines(batch: Heights, placement: Placement, axis: int) -> F64:
    """Where the lines of samples along source axis 0 (x) or 1 (y) lie in world voxels."""
    count = batch.heights.shape[1 - axis]
    steps = batch.first[1 - axis] + np.arange(count)
    at = to_voxels(_along(batch.corner[axis] + steps * batch.step[axis], axis), placement)
    return np.rint(at[:, _axes(placement).index(axis)] * SNAP) / SNAP


def _cuts(lines: F64, low: int, high: int) -> tuple[F64, I64, I64]:
    """Lines (rising or falling) -> cuts [K + 1] rising, patch [K] and column [K] of what lies between two."""
    ends = np.sort(lines[[0, -1]])
    begin, end = max(ends[0], low), min(ends[1], high)
    if not begin < end:
        return np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    walls = np.arange(np.floor(begin) + 1, np.ceil(end))
    inside = lines[(lines > begin) & (lines < end)]
    cuts = np.unique(np.concatenate([[begin, end], walls, inside]))
    middle = (cuts[1:] + cuts[:-1]) / 2
    rising = lines if lines[0] < lines[-1] else lines[::-1]
    patch = np.clip(np.searchsorted(rising, middle, side="right") - 1, 0, len(lines) - 2)
    if lines[0] > lines[-1]:
        patch = len(lines) - 2 - patch
    return cuts, patch, np.floor(middle).astype(np.int64)


def _filled(
    batch: Heights, placement: Placement, axes: tuple[int, int], lines: list[F64], heights: F64
) -> Iterator[Sums]:
    lowest, highest = placement.crop()
    cuts = {axis: _cuts(lines[axis], int(lowest[w]), int(highest[w])) for w, axis in enumerate(axes)}
    (at_x, patch_x, column_x), (at_y, patch_y, column_y) = cuts[0], cuts[1]
    if not len(column_x) or not len(column_y):
        return
    light = LINEAR_OF_SRGB[batch.rgb].astype(np.float64)
    wide = max(1, min(len(column_x), RECTANGLES))
    tall = max(1, RECTANGLES // wide)
    for y in range(0, len(column_y), tall):
        for x in range(0, len(column_x), wide):
            in_x, in_y = slice(x, x + wide), slice(y, y + tall)
            patch = (patch_y[in_y], patch_x[in_x])
            at = (at_y[y : y + len(patch[0]) + 1], at_x[x : x + len(patch[1]) + 1])
            corners = np.stack([
                _at(heights, patch, lines, side_x, side_y)
                for side_x in (at[1][:-1], at[1][1:]) for side_y in (at[0][:-1], at[0][1:])
            ])  # fmt: skip
            middle_x, middle_y = ((at[k][1:] + at[k][:-1]) / 2 for k in (1, 0))
            colours = [_at(light[..., k], patch, lines, middle_x, middle_y).ravel() for k in range(3)]
            low, high = corners.min(axis=0), corners.max(axis=0)  # NaN where a sample is unknown
            known = np.flatnonzero(~np.isnan(low).ravel())
            bottom = np.maximum(np.floor(low.ravel()[known]), lowest[2]).astype(np.int64)
            top = np.minimum(np.floor(high.ravel()[known]), highest[2] - 1).astype(np.int64)
            row, column = np.divmod(known, len(patch[1]))
            world = [column_x[in_x][column], column_y[in_y][row]]
            colour = np.rint(np.stack([c[known] for c in colours], axis=1)).astype(np.int64)
            for which, up in runs.slices(np.maximum(top - bottom + 1, 0), PENDING):
                voxels = np.stack([world[axes[0]][which], world[axes[1]][which], bottom[which] + up], axis=1)
                one = np.ones(len(which), np.int64)
                yield sums.collapse(Sums(voxels.astype(np.int32), one, one, colour[which]))


def _at(heights: F64, patch: tuple[I64, I64], lines: list[F64], at_x: F64, at_y: F64) -> F64:
    """Bilinear heights [len(at_y), len(at_x)] in given patches (rows, columns)."""
    rows, columns = patch
    u = ((at_x - lines[0][columns]) / (lines[0][columns + 1] - lines[0][columns]))[None, :]
    v = ((at_y - lines[1][rows]) / (lines[1][rows + 1] - lines[1][rows]))[:, None]
    a, b = heights[np.ix_(rows, columns)], heights[np.ix_(rows, columns + 1)]
    c, d = heights[np.ix_(rows + 1, columns)], heights[np.ix_(rows + 1, columns + 1)]
    # A weight of exactly 0 or 1 gives exactly the sample, so that neighbours agree on what they share.
    south, north = a * (1 - u) + b * u, c * (1 - u) + d * u
    out: F64 = south * (1 - v) + north * v
    return out


def _n_cropped(
    batch: Heights, placement: Placement, axes: tuple[int, int], lines: list[F64], heights: F64
) -> int:
    """Known patches that lie wholly outside the crop."""
    lowest, highest = placement.crop()
    seen = np.ones((heights.shape[0] - 1, heights.shape[1] - 1), bool)
    for world, axis in enumerate(axes):
        low, high = np.sort(np.stack([lines[axis][1:], lines[axis][:-1]]), axis=0)
        along = (high > lowest[world]) & (low < highest[world])
        seen &= along[None, :] if axis == 0 else along[:, None]
    corners = np.stack([heights[1:, 1:], heights[:-1, 1:], heights[1:, :-1], heights[:-1, :-1]])
    known = ~np.isnan(corners).any(axis=0)
    with np.errstate(invalid="ignore"):
        seen &= (corners.max(axis=0) >= lowest[2]) & (corners.min(axis=0) < highest[2])
    return int((known & ~seen).sum())


def resolve(summed: Sums) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Every voxel that the surface passes is solid: ([M] True, [M] coverage 255)."""
    return np.ones(len(summed.n), bool), np.full(len(summed.n), 255, np.uint8)
