"""Which voxels a triangle touches: so many that nothing is lost and no ray slips through, and no more.

A voxel is the half-open cube [i, i + 1)^3. Solid is every voxel that holds a point of a triangle, found by
the separating axis test (T. Akenine-Moller, "Fast 3D Triangle-Box Overlap Testing", 2001), which is exact for
two convex bodies. Its 13 axes are taken as intervals. With w the axis along which the normal is longest:

    the 3 faces of the box      rows and cells are only counted inside the triangle's bounding box
    edges x the axis w          a row (slab of one voxel along v) cuts the triangle: an interval along u
    edges x the axes u, v       the same cut, and that of a slab along u, are intervals along w
    the triangle's normal       its plane over the cell's square is an interval along w

so work follows the voxels found, and not the volume of the bounding box. What follows from the definition:

    no leak   the step of a flood fill from a voxel's centre to the next one's crosses a surface between them
              at a point, and the voxel that holds the point is one of the two
    no miss   a ray that meets the mesh at p meets the voxel that holds p, hence hits at p or before
    no ghost  a voxel that is hit holds a point of the mesh: at most sqrt(3) voxels away

Why not a thinner shell (Laine 2013; Schwarz and Seidel 2010, "6-separating"): that keeps the voxels whose
centres lie near, and needs |n|_inf voxels per s^2 of surface where touching needs |n|_1 (1 to 1.73); but it
drops wires, leaves and the edges of thin plates, and rays beside an edge miss. Of 26-connected paths none
leaks either, but for those that go exactly through an edge or a corner.

Corners are rounded to 2^-20 voxels first, so a wall of x = 0.3 at voxels of 0.1 is one layer, not two; equal
corners stay equal, hence nothing opens. Intervals are widened by more than their rounding error.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import runs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

SNAP = 1 << 20  # per voxel: corners are rounded to this
SLACK = 2.0**-24  # voxels: more than the rounding error of an interval
ROWS = 1 << 15  # rows of voxels worked on together, unless one triangle has more
CELLS = 1 << 17  # cells, and voxels, worked on together
UVW = np.array([[1, 2, 0], [2, 0, 1], [0, 1, 2]])  # axes u, v, w by the axis that is w
EDGES = ((0, 1), (1, 2), (2, 0))


@dataclass(frozen=True, slots=True)
class Shapes:
    """K triangles, each seen from the lowest voxel that it touches, with its own axes u, v, w. In voxels.

    origin [K, 3] int64: that voxel, by x, y, z
    axes [K, 3] int64: which of x, y, z are u, v, w
    corners [K, 3 corners, 3 u v w] float64 >= 0
    first, last [K, 3 u v w] int64: the cells to look at, inclusive, from origin
    slope [K, 2] float64: dw/du and dw/dv of the plane; reach [K]: half its height over a cell, infinite where
    the triangle is too thin to say
    area [K] float64; source [K] int64: its number in the batch
    """

    origin: I64
    axes: I64
    corners: F64
    first: I64
    last: I64
    slope: F64
    reach: F64
    area: F64
    source: I64

    def __len__(self) -> int:
        return len(self.origin)

    def part(self, start: int, stop: int) -> "Shapes":
        """Some of them."""
        return Shapes(*(getattr(self, name)[start:stop] for name in self.__slots__))


def snapped(corners: F64) -> F64:
    """Corners in voxels, rounded to 1 / SNAP."""
    with np.errstate(over="ignore"):
        rounded: F64 = np.rint(corners * SNAP) / SNAP
    return rounded


def shapes(corners: F64, lowest: I64, highest: I64) -> Shapes:
    """Prepare triangles [N, 3, 3] for the crop [lowest, highest); those outside are left out."""
    inside = ((np.floor(corners.max(1)) >= lowest) & (corners.min(1) < highest)).all(1)
    source = np.flatnonzero(inside)
    corners = corners[source]
    origin = np.floor(corners.min(1)).astype(np.int64)
    local = corners - origin[:, None]
    edge1, edge2 = local[:, 1] - local[:, 0], local[:, 2] - local[:, 0]
    normal = np.cross(edge1, edge2)
    axes = UVW.take(np.abs(normal).argmax(1), axis=0)
    turned = np.take_along_axis(local, axes[:, None], axis=2)
    normal = np.take_along_axis(normal, axes, axis=1)
    last = np.floor(local.max(1)).astype(np.int64)
    first, last = np.maximum(0, lowest - origin), np.minimum(last, highest - 1 - origin)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = -normal[:, :2] / normal[:, 2:]
        # Rounding of the normal, relative to its length, times how far the plane is followed.
        longest = np.maximum(dot(edge1, edge1), dot(edge2, edge2))
        unsure = 2.0**-48 * longest * np.sqrt(longest) / np.abs(normal[:, 2])
        reach = np.abs(slope).sum(1) / 2 + unsure + SLACK
    flat = np.isfinite(reach)
    area = np.sqrt(dot(normal, normal)) / 2
    return Shapes(
        origin,
        axes,
        turned,
        np.take_along_axis(first, axes, axis=1),
        np.take_along_axis(last, axes, axis=1),
        np.where(flat[:, None], slope, 0),
        np.where(flat, reach, np.inf),
        area,
        source,
    )


def cut(corners: F64, along: int, slab: I64, *across: int) -> list[tuple[F64, F64]]:
    """Triangles [R, 3, 3] cut by slabs [slab, slab + 1] -> lowest and highest of what is left, per axis.

    Exact but for rounding, and widened by SLACK within the triangle's bounding box. A slab that misses gives
    (inf, -inf).
    """
    low = [np.full(len(slab), np.inf) for _ in across]
    high = [np.full(len(slab), -np.inf) for _ in across]
    for a, b in EDGES:
        start, stop = corners[:, a, along], corners[:, b, along]
        begin = np.maximum(np.minimum(start, stop), slab)
        end = np.minimum(np.maximum(start, stop), slab + 1)
        step = stop - start
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = [(begin - start) / step, (end - start) / step]
        level = step == 0  # the edge lies in the slab with its whole length, or not at all
        shares = [np.where(level, whole, share) for whole, share in zip((0, 1), shares, strict=True)]
        met = begin <= end
        for k, axis in enumerate(across):
            at, to = corners[:, a, axis], corners[:, b, axis]
            for share in shares:
                value = at + share * (to - at)
                low[k] = np.where(met, np.minimum(low[k], value), low[k])
                high[k] = np.where(met, np.maximum(high[k], value), high[k])
    return [
        (
            np.maximum(low[k] - SLACK, corners[:, :, axis].min(1)),
            np.minimum(high[k] + SLACK, corners[:, :, axis].max(1)),
        )
        for k, axis in enumerate(across)
    ]


def _counted(low: F64, high: F64, first: I64, last: I64) -> tuple[I64, I64]:
    """Intervals [R] -> (first cell, number of cells) within first..last."""
    start = np.floor(np.clip(low, first, last + 1)).astype(np.int64)
    stop = np.floor(np.clip(high, first - 1, last)).astype(np.int64)
    return start, np.maximum(stop - start + 1, 0)


def touched(shape: Shapes) -> Iterator[tuple[I64, I64]]:
    """Every (triangle, voxel) that touch -> (numbers [P], cells [P, 3 u v w] from origin), bounded."""
    rows = shape.last - shape.first + 1
    end = np.cumsum(np.maximum(rows[:, 0], rows[:, 1]))
    start = 0
    while start < len(shape):
        done = int(end[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(end, done + ROWS, side="right")))
        for ids, cells in _touched(shape.part(start, stop), rows[start:stop]):
            yield ids + start, cells
        start = stop


def _touched(shape: Shapes, n_rows: I64) -> Iterator[tuple[I64, I64]]:
    u_ids, u_local = _whole(n_rows[:, 0])
    ((u_low, u_high),) = cut(shape.corners[u_ids], 0, u_local + shape.first[u_ids, 0], 2)
    u_begin = np.cumsum(n_rows[:, 0]) - n_rows[:, 0] - shape.first[:, 0]
    for ids, local in runs.slices(n_rows[:, 1], ROWS):
        v = local + shape.first[ids, 1]
        (low, high), (v_low, v_high) = cut(shape.corners[ids], 1, v, 0, 2)
        first_u, n_u = _counted(low, high, shape.first[ids, 0], shape.last[ids, 0])
        for row, step in runs.slices(n_u, CELLS):
            tri, u = ids.take(row), first_u.take(row) + step
            column = u_begin.take(tri) + u
            lowest = np.maximum(v_low.take(row), u_low.take(column))
            highest = np.minimum(v_high.take(row), u_high.take(column))
            base = shape.corners[:, 0].take(tri, axis=0)
            slope, reach = shape.slope.take(tri, axis=0), shape.reach.take(tri)
            v_cell = v.take(row)
            height = base[:, 2] + slope[:, 0] * (u + 0.5 - base[:, 0])
            height += slope[:, 1] * (v_cell + 0.5 - base[:, 1])
            low, high = np.maximum(lowest, height - reach), np.minimum(highest, height + reach)
            first_w, n_w = _counted(low, high, shape.first[tri, 2], shape.last[tri, 2])
            for cell, rise in runs.slices(n_w, CELLS):
                yield tri.take(cell), np.stack([u[cell], v_cell[cell], first_w[cell] + rise], axis=1)


def _whole(n: I64) -> tuple[I64, I64]:
    """Runs laid end to end, at once: (which run, place in it)."""
    run = np.repeat(np.arange(n.size), n)
    return run, np.arange(run.size) - (np.cumsum(n) - n).take(run)


def dot(a: F64, b: F64) -> F64:
    """Products [P] of vectors [P, 3]. Not einsum, whose last bit may depend on the place in the array."""
    product: F64 = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
    return product
