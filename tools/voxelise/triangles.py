"""Triangles to voxels: every voxel that a triangle touches (`overlap`), coloured by the nearest point of it.

Weight: the triangle's area, spread over as many voxels as it touches on average, less where it only grazes
one. Integers, from numbers that do not depend on a triangle's place in its batch: any order, the same bytes.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..sources.source import Triangles
from . import sums, survey, textures
from .overlap import EDGES, Shapes, dot, shapes, snapped, touched
from .placement import Placement, check_addressable, to_voxels
from .sums import Sums

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

WEIGHT_ONE = 1 << 20  # of one voxel's square of surface
GRAZED = 1 / 16  # least share of its weight that a triangle gives to a voxel
CORNER2 = 0.75  # squared distance from a voxel's centre to its corner


def corners_voxels(batch: Triangles, placement: Placement) -> F64:
    """World corners [N, 3, 3] in voxels, rounded."""
    return snapped(to_voxels(batch.positions.reshape(-1, 3), placement).reshape(-1, 3, 3))


def touched_estimate(corners: F64, size: F64 | None = None) -> F64:
    """Voxels that each triangle [N, 3, 3] touches, on average over its offsets, [N].

    The volume of triangle + cube (Minkowski): 1 + widths of the bounding box + areas of the three shadows.
    size [3]: nothing beyond a box as large is counted.
    """
    widths = np.ptp(corners, axis=1)
    shadows = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])) / 2
    if size is not None:
        widths = np.minimum(widths, size)
        shadows = np.minimum(shadows, widths[:, [1, 2, 0]] * widths[:, [2, 0, 1]])
    total: F64 = 1 + widths.sum(1) + shadows.sum(1)
    return total


def check_work(batches: Iterable[Triangles], placement: Placement) -> None:
    """UserError, with a voxel size that works, if the voxels to fill are absurdly many."""
    lowest, highest = placement.crop()
    n, width, area = 0, 0.0, 0.0
    for batch in batches:
        corners = corners_voxels(batch, placement)
        inside = ((corners.max(1) >= lowest) & (corners.min(1) < highest)).all(1)
        corners = corners[inside]
        size = (highest - lowest).astype(np.float64)
        n += len(corners)
        width += float(np.minimum(np.ptp(corners, axis=1), size).sum())
        area += float(touched_estimate(corners, size).sum())
    area -= width + n
    cells, factor = n + width + area, 1.0
    while n + width / factor + area / factor**2 > survey.MAX_CELLS:
        factor *= 1.25
        if factor > 1e12:
            raise UserError(f"{n:,} triangles are too many to bake at once: crop with --bounds")
    if factor > 1:
        raise UserError(survey.too_fine(cells, placement.voxel_size_m, placement.voxel_size_m * factor))


def blended(weights: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Weights [P, 3] of the corners, values there [P, 3, C] -> [P, C]."""
    mixed: NDArray[Any] = weights[:, :1] * values[:, 0]
    mixed += weights[:, 1:2] * values[:, 1]
    mixed += weights[:, 2:] * values[:, 2]
    return mixed


def nearest(corners: F64, points: F64) -> tuple[F64, F64]:
    """A triangle's [P, 3, 3] point nearest to `points` [P, 3] -> (corners' weights [P, 3], distance^2)."""
    edge1, edge2, away = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    g11, g12, g22 = dot(edge1, edge1), dot(edge1, edge2), dot(edge2, edge2)
    d1, d2 = dot(away, edge1), dot(away, edge2)
    with np.errstate(divide="ignore", invalid="ignore"):
        over = 1 / (g11 * g22 - g12 * g12)
        b, c = (g22 * d1 - g12 * d2) * over, (g11 * d2 - g12 * d1) * over
        weights = np.stack([1 - b - c, b, c], axis=1)
        within = (weights >= 0).all(1)  # false where the triangle has no area
    out = np.flatnonzero(~within)
    best = np.full(out.size, np.inf)
    for i, j in EDGES:
        start, edge = corners[out, i], corners[out, j] - corners[out, i]
        length = dot(edge, edge)
        share = np.clip(dot(points[out] - start, edge) / np.where(length > 0, length, 1), 0, 1)
        beside = start + share[:, None] * edge - points[out]
        far = dot(beside, beside)
        closer = far < best
        best = np.where(closer, far, best)
        rows = out[closer]
        weights[rows] = 0
        weights[rows, i], weights[rows, j] = 1 - share[closer], share[closer]
    beside = blended(weights, corners) - points
    return weights, dot(beside, beside)


def texels_per_voxel(corners: F64, uv: F64, size: tuple[int, int]) -> F32:
    """The most texels that a step of one voxel on the triangle crosses: J's larger singular value. [N]

    corners [N, 3, 3] voxels, uv [N, 3, 2], size (width, height) of level 0.
    """
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    texels = (uv[:, 1:] - uv[:, :1]) * np.asarray(size, np.float64)
    s, t = texels[:, 0], texels[:, 1]
    g11, g12, g22 = dot(edge1, edge1), dot(edge1, edge2), dot(edge2, edge2)
    with np.errstate(all="ignore"):
        # J J^T = D G^-1 D^T with D the texels along the edges and G the edges' products
        over = 1 / (g11 * g22 - g12**2)

        def product(i: int, j: int) -> F64:
            inner: F64 = g22 * s[:, i] * s[:, j] + g11 * t[:, i] * t[:, j]
            return (inner - g12 * (s[:, i] * t[:, j] + s[:, j] * t[:, i])) * over

        half, differ = (product(0, 0) + product(1, 1)) / 2, (product(0, 0) - product(1, 1)) / 2
        most = np.sqrt(half + np.sqrt(differ**2 + product(0, 1) ** 2))
    return np.nan_to_num(most, nan=1.0, posinf=1e9).astype(np.float32)


def voxelise(batch: Triangles, placement: Placement) -> tuple[Iterator[Sums], int]:
    """Triangles -> (sums to be merged, how many triangles lay outside the crop)."""
    corners = corners_voxels(batch, placement)
    lowest, highest = placement.crop()
    if placement.bounds_m is None and len(corners):
        check_addressable(corners.min((0, 1)), corners.max((0, 1)), placement.voxel_size_m)
    shape = shapes(corners, lowest, highest)
    return _summed(shape, batch, corners), len(corners) - len(shape)


def _summed(shape: Shapes, batch: Triangles, corners: F64) -> Iterator[Sums]:
    dense = None
    if batch.texture is not None:
        height, width = batch.texture.levels[0].shape[:2]
        dense = texels_per_voxel(corners, batch.uv, (width, height))
    most = WEIGHT_ONE * shape.area / touched_estimate(shape.corners)
    for ids, cells in touched(shape):
        weights, distance2 = nearest(shape.corners.take(ids, axis=0), cells.astype(np.float64) + 0.5)
        source = shape.source.take(ids)
        colour = blended(weights.astype(np.float32), batch.colours.take(source, axis=0))
        if batch.texture is None:
            seen = colour[:, 3] >= batch.cutoff
        else:
            assert dense is not None
            uv = blended(weights, batch.uv.take(source, axis=0))
            light, seen = textures.sampled(batch.texture, uv, dense.take(source), colour[:, 3])
            colour[:, :3] *= light
        voxels = np.empty((len(ids), 3), np.int32)
        np.put_along_axis(voxels, shape.axes.take(ids, axis=0), cells.astype(np.int32), axis=1)
        voxels += shape.origin.take(ids, axis=0).astype(np.int32)
        share = np.maximum(
            1 - distance2 / 0.75, GRAZED
        )  # the corner of a voxel is sqrt(0.75) from its centre
        weight = np.maximum(np.rint(most.take(ids) * share), 1).astype(np.int64)
        light16 = np.rint(np.clip(colour[:, :3], 0, 1) * 65535).astype(np.int64) * weight[:, None]
        one = np.ones(len(ids), np.int64)
        yield sums.collapse(Sums(voxels[seen], one[seen], weight[seen], light16[seen]))


def resolve(summed: Sums) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Every voxel that a triangle touches is solid: ([M] True, [M] coverage 255)."""
    return np.ones(len(summed.n), bool), np.full(len(summed.n), 255, np.uint8)
