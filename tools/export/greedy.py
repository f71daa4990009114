"""Greedy meshing: the exposed faces of a block of voxels as few rectangles, and those as triangles.

Faces of one direction, plane and colour are merged along one axis into runs, and equal runs along the other.
So that no triangle's corner lies within another's edge (a T-junction, a crack when drawn, and a leak for a
printer), every rectangle's outline is cut at each corner that lies on it. What a neighbouring region cuts is
not known here; instead, edges on the border between regions are cut at every voxel, on both sides alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...atlas.layout import REGION
from .selection import I64, U8
from .surface import DIRECTIONS, Block

BITS = 9  # of a corner, 0..256
_MASK = (1 << BITS) - 1


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles, counter-clockwise seen from outside."""

    corners: NDArray[np.float32]  # [V, 3] x, y, z in voxels from the region's corner; whole or half
    rgb: U8  # [V, 3] of the voxels that meet there: a corner is shared within one colour
    triangles: NDArray[np.uint32]  # [T, 3]
    n_faces: int  # of voxels, before merging


def mesh(block: Block) -> Mesh:
    """The surface of a block that lies in one region."""
    rectangles, colours, n_faces = [], [], 0
    for axis, sign in DIRECTIONS:
        corners, colour, n = _rectangles(block, axis, sign)
        rectangles.append(corners)
        colours.append(colour)
        n_faces += n
    outline = np.concatenate(rectangles)  # [R, 4, 3]
    points, first, n_points = _cut(outline)
    doubled, colour, triangles = _triangles(outline, points, first, n_points, np.concatenate(colours))
    key = ((doubled[:, 2] << 10 | doubled[:, 1]) << 10 | doubled[:, 0]) << 24 | colour
    unique, at = np.unique(key, return_inverse=True)
    corners = np.stack([unique >> shift & 1023 for shift in (24, 34, 44)], axis=-1)
    rgb = np.stack([unique >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)
    return Mesh((corners / 2).astype(np.float32), rgb, at[triangles].astype(np.uint32), n_faces)


def _rectangles(block: Block, axis: int, sign: int) -> tuple[I64, I64, int]:
    """Faces of one direction, merged: (corners [R, 4, 3] in the region, colours [R], number of faces)."""
    u_axis, v_axis = (axis + 1) % 3, (axis + 2) % 3
    order = (2 - axis, 2 - v_axis, 2 - u_axis)  # array axes (z, y, x) -> plane, v, u
    faces = block.exposed(axis, sign).transpose(order)
    at = np.flatnonzero(faces)
    plane, v, u = (a.astype(np.int64) for a in np.unravel_index(at, faces.shape))
    rgb = block.rgba[1:-1, 1:-1, 1:-1, :3].transpose(*order, 3)[plane, v, u].astype(np.int64)
    colour = rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]
    # runs along u: faces come by plane, v, u
    follows = (np.diff(at) == 1) & (u[1:] != 0) & (colour[1:] == colour[:-1])
    start = np.flatnonzero(np.append(True, ~follows)) if len(at) else at
    length = np.diff(np.append(start, len(at)))
    plane, v, u, colour = plane[start], v[start], u[start], colour[start]
    # equal runs along v; v is lowest, so the next one's key is one more
    key = (((plane << BITS | u) << BITS | length) << 24 | colour) << BITS | v
    by = np.argsort(key)
    first = np.flatnonzero(np.append(True, np.diff(key[by]) != 1)) if len(by) else by
    height = np.diff(np.append(first, len(by)))
    by = by[first]
    local = block.low & (REGION - 1)  # of the block in its region
    p = plane[by] + local[axis] + (sign > 0)
    u0, v0 = u[by] + local[u_axis], v[by] + local[v_axis]
    u1, v1 = u0 + length[by], v0 + height
    corners = np.empty((len(by), 4, 3), np.int64)
    corners[:, :, axis] = p[:, None]
    corners[:, :, u_axis] = np.stack([u0, u1, u1, u0], axis=1)
    corners[:, :, v_axis] = np.stack([v0, v0, v1, v1], axis=1)
    return corners if sign > 0 else corners[:, ::-1], colour[by], len(at)


def _cut(outline: I64) -> tuple[I64, I64, I64]:
    """Cut outlines [R, 4, 3] where corners lie on them.

    -> (points [P, 3] of all outlines in turn, first point of each [R], number of points of each [R])
    """
    start = outline.reshape(-1, 3)
    end = np.roll(outline, -1, axis=1).reshape(-1, 3)
    along = np.abs(end - start).argmax(axis=1)
    rows = np.arange(len(start))
    line = _line(along, start)
    a, b = start[rows, along], end[rows, along]
    low, high = np.minimum(a, b), np.maximum(a, b)
    key = _distinct((start[:, 2] << BITS | start[:, 1]) << BITS | start[:, 0])
    corners = np.stack([key & _MASK, key >> BITS & _MASK, key >> 2 * BITS], axis=-1)
    cuts = [_line(np.full(len(corners), d), corners) << BITS | corners[:, d] for d in range(3)]
    cuts.append(_border_cuts(along, start, line, low, high))
    cut = _distinct(np.concatenate(cuts))
    begin = np.searchsorted(cut, line << BITS | low, "right")
    n_inner = np.searchsorted(cut, line << BITS | high, "left") - begin
    side = np.repeat(rows, n_inner + 1)
    nth = np.arange(len(side)) - np.repeat(np.cumsum(n_inner + 1) - (n_inner + 1), n_inner + 1)
    inner = np.where(a[side] < b[side], begin[side] + nth - 1, begin[side] + n_inner[side] - nth)
    points = start[side].copy()
    is_inner = nth > 0
    points[is_inner, along[side[is_inner]]] = cut[inner[is_inner]] & _MASK
    n_points = (n_inner + 1).reshape(-1, 4).sum(axis=1)
    return points, np.cumsum(n_points) - n_points, n_points


def _distinct(values: I64) -> I64:
    """As np.unique, which hashes: with millions of values, sorting takes a third of the time."""
    ordered = np.sort(values)
    first: I64 = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return first


def _line(along: I64, point: I64) -> I64:
    """A number for the line through a point [N, 3] along an axis [N]."""
    rows = np.arange(len(point))
    first, second = point[rows, (along + 1) % 3], point[rows, (along + 2) % 3]
    return (along << BITS | first) << BITS | second


def _border_cuts(along: I64, start: I64, line: I64, low: I64, high: I64) -> I64:
    """Every voxel's corner on the sides that lie in a plane between regions."""
    on_border = (start == 0) | (start == REGION)
    on_border[np.arange(len(start)), along] = False
    sides = np.flatnonzero(on_border.any(axis=1))
    n = high[sides] - low[sides] + 1
    which = np.repeat(sides, n)
    t = low[which] + np.arange(len(which)) - np.repeat(np.cumsum(n) - n, n)
    cuts: I64 = line[which] << BITS | t
    return cuts


def _triangles(outline: I64, points: I64, first: I64, n_points: I64, colours: I64) -> tuple[I64, I64, I64]:
    """(corners doubled [V, 3], colours [V], triangles [T, 3]): two for a plain rectangle, else a fan.

    A fan starts in the middle: from a corner it would have triangles without area.
    """
    plain = np.flatnonzero(n_points == 4)
    two = first[plain][:, None] + np.array([0, 1, 2, 0, 2, 3])
    fans = np.flatnonzero(n_points > 4)
    n = n_points[fans]
    fan = np.repeat(np.arange(len(fans)), n)
    nth = np.arange(len(fan)) - np.repeat(np.cumsum(n) - n, n)
    base = first[fans][fan]
    spokes = np.stack([len(points) + fan, base + nth, base + (nth + 1) % n[fan]], axis=-1)
    middles = outline[fans, 0] + outline[fans, 2]
    doubled = np.concatenate([2 * points, middles])
    colour = np.concatenate([np.repeat(colours, n_points), colours[fans]])
    return doubled, colour, np.concatenate([two.reshape(-1, 3), spokes])
