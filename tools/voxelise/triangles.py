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


def table(values: NDArray[Any]) -> NDArray[Any]:
    """Values at the corners [N, 3, C] -> [3 C, N]: at the first, and how far the other two differ from it."""
    first = values[:, 0]
    rows = (first, values[:, 1] - first, values[:, 2] - first)
    return np.ascontiguousarray(np.concatenate(rows, axis=1).T)


def blended(columns: NDArray[Any], b: NDArray[Any], c: NDArray[Any]) -> NDArray[Any]:
    """Columns of a `table` [3 C, P], weights of the second and third corner -> [C, P]; exact where equal."""
    n = len(columns) // 3
    mixed: NDArray[Any] = columns[n : 2 * n] * b
    mixed += columns[2 * n :] * c
    mixed += columns[:n]
    return mixed


def reciprocal(corners: F64) -> F64:
    """Triangles [N, 3, 3] -> [6, N]: what a vector from the first corner is multiplied by to give b and c."""
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    g11, g12, g22 = dot(edge1, edge1), dot(edge1, edge2), dot(edge2, edge2)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        over = 1 / (g11 * g22 - g12 * g12)
        rows = [(g22 * edge1.T - g12 * edge2.T) * over, (g11 * edge2.T - g12 * edge1.T) * over]
    return np.concatenate(rows)


def nearest(columns: F64, crossed: F64, points: F64) -> tuple[F64, F64, F64]:
    """Nearest point of a triangle to each of points [3, P] -> (weights b, c of its corners [P], distance^2).

    columns [9, P] of the corners' `table`, crossed [6, P] of `reciprocal`. Infinite or not a number in the
    latter, where a triangle has no area, sends a point to the edges, as for one beside the triangle.
    """
    away = points - columns[:3]
    with np.errstate(invalid="ignore", over="ignore"):
        b, c = dot(away.T, crossed[:3].T), dot(away.T, crossed[3:].T)
        beside = np.flatnonzero(~((b >= 0) & (c >= 0) & (b + c <= 1)))
    b[beside], c[beside] = _on_edges(columns.take(beside, axis=1), away.take(beside, axis=1))
    away -= columns[3:6] * b
    away -= columns[6:] * c
    return b, c, dot(away.T, away.T)


def _on_edges(columns: F64, away: F64) -> tuple[F64, F64]:
    """As `nearest`, on the three edges; away [3, P] from the first corner."""
    zero = np.zeros_like(columns[:3])
    corners, weights = (zero, columns[3:6], columns[6:]), ((0, 0), (1, 0), (0, 1))
    best = np.full(away.shape[1], np.inf)
    b, c = np.zeros_like(best), np.zeros_like(best)
    for i, j in EDGES:
        edge, rest = corners[j] - corners[i], away - corners[i]
        length = dot(edge.T, edge.T)
        share = np.clip(dot(rest.T, edge.T) / np.where(length > 0, length, 1), 0, 1)
        rest = rest - edge * share
        far = dot(rest.T, rest.T)
        closer = far < best
        best = np.where(closer, far, best)
        b = np.where(closer, weights[i][0] + share * (weights[j][0] - weights[i][0]), b)
        c = np.where(closer, weights[i][1] + share * (weights[j][1] - weights[i][1]), c)
    return b, c


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
    most = WEIGHT_ONE * shape.area / touched_estimate(shape.corners)
    places, crossed = table(shape.corners), reciprocal(shape.corners)
    colours, uv = table(batch.colours), table(batch.uv)
    plain = not colours[4:].any() and bool((colours == colours[:, :1]).all())
    dense = np.empty(0, np.float32)
    if batch.texture is not None:
        height, width = batch.texture.levels[0].shape[:2]
        dense = texels_per_voxel(corners, batch.uv, (width, height))
    for ids, cells in touched(shape):
        centres = cells.T.astype(np.float64) + 0.5
        b, c, distance2 = nearest(places.take(ids, axis=1), crossed.take(ids, axis=1), centres)
        source = shape.source.take(ids)
        if plain:
            colour = np.repeat(colours[:4, :1], len(ids), axis=1)
        else:
            colour = blended(colours.take(source, axis=1), b.astype(np.float32), c.astype(np.float32))
        if batch.texture is None:
            seen = colour[3] >= batch.cutoff
        else:
            at = blended(uv.take(source, axis=1), b, c)
            light, seen = textures.sampled(batch.texture, at.T, dense.take(source), colour[3])
            colour[:3] *= light.T
        share = np.maximum(1 - distance2 / CORNER2, GRAZED)
        weight = np.maximum(np.rint(most.take(ids) * share), 1).astype(np.int64)
        light16 = np.rint(np.clip(colour[:3], 0, 1) * 65535).astype(np.int64) * weight
        if not seen.all():
            ids, cells, weight, light16 = ids[seen], cells[seen], weight[seen], light16[:, seen]
        yield sums.collapse(
            Sums(
                _voxels(shape, ids, cells),
                np.ones(len(ids), np.int64),
                weight,
                np.ascontiguousarray(light16.T),
            )
        )


def _voxels(shape: Shapes, ids: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int32]:
    """Cells [P, 3 u v w] from the triangles' origins -> voxels [P, 3 x y z]."""
    voxels = np.empty((len(ids), 3), np.int32)
    np.put_along_axis(voxels, shape.axes.take(ids, axis=0), cells.astype(np.int32), axis=1)
    voxels += shape.origin.take(ids, axis=0).astype(np.int32)
    return voxels


def resolve(summed: Sums) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Every voxel that a triangle touches is solid: ([M] True, [M] coverage 255)."""
    return np.ones(len(summed.n), bool), np.full(len(summed.n), 255, np.uint8)
