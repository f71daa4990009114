"""Drawing coloured points into a view: from frames (a forward warp) or from voxels. Nearest surface wins.

Pixels take the weighted mean of what lies within TOLERANCE of the nearest point there, so the two sides of a
depth edge never mix. Nothing is written into holes: they are told by depth 0, never by a colour.
"""

import numpy as np
from numpy.typing import NDArray

from .view import F32, F64, NEAR, Frame, Picture, View, project, smooth, unproject

I64 = NDArray[np.int64]

TOLERANCE = 0.05  # of z: nearer together is one surface
MIN_WEIGHT = 0.05  # of a pixel: less does not count as covered
IN_FRONT = 0.10  # of z: a layer below shows through only if it is nearer by more
MAX_FOOTPRINT = 12  # pixels a side of one voxel


def warp(frame: Frame, view: View, rgb: NDArray[np.floating] | None = None) -> Picture:
    """A frame as it would look from another view, through its depth. rgb [H, W, 3]: instead of its own."""
    kept = smooth(frame.depth)
    colour = (frame.rgb if rgb is None else rgb)[kept].astype(np.float64)
    tracer = None if frame.tracer is None else frame.tracer[kept].astype(np.float64) * 1e-6
    x, y, z = project(unproject(frame.depth, frame.view)[kept], view)
    height, width = view.size
    at = np.flatnonzero((z > NEAR) & (x > -1) & (x < width) & (y > -1) & (y < height))
    left, top = np.floor(x[at]).astype(np.int64), np.floor(y[at]).astype(np.int64)
    fx, fy = x[at] - left, y[at] - top
    rows, pixels, weights = [], [], []
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):  # the four pixels around the point
        weight = (fx if dx else 1 - fx) * (fy if dy else 1 - fy)
        column, row = left + dx, top + dy
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (weight > 1e-6)
        rows.append(at[inside])
        pixels.append((row * width + column)[inside])
        weights.append(weight[inside])
    return blend(
        np.concatenate(rows), np.concatenate(pixels), np.concatenate(weights), z, colour, tracer, view
    )


def voxels(points: F64, size: float, rgb: F64, tracer: F64 | None, view: View) -> Picture:
    """Draw voxels as squares of their width.

    points [N, 3] centres, rgb [N, 3], tracer [N, 3] or None; size: edge in world units.
    """
    x, y, z = project(points, view)
    height, width = view.size
    reach = 0.55 * size * view.k[0, 0] / np.maximum(z, NEAR)  # a cube looks a little wider than its face
    seen = (z > NEAR) & (x > -reach) & (x < width - 1 + reach) & (y > -reach) & (y < height - 1 + reach)
    at = np.flatnonzero(seen)
    side = np.minimum(np.floor(2 * reach[at]).astype(np.int64) + 1, MAX_FOOTPRINT)
    first = np.cumsum(side * side) - side * side
    row = np.repeat(np.arange(at.size), side * side)
    place = np.arange(row.size) - first[row]
    own = at[row]
    column = np.ceil(x[own] - reach[own]).astype(np.int64) + place % side[row]
    line = np.ceil(y[own] - reach[own]).astype(np.int64) + place // side[row]
    off = np.maximum(np.abs(column - x[own]), np.abs(line - y[own])) / reach[own]
    inside = (off <= 1) & (column >= 0) & (column < width) & (line >= 0) & (line < height)
    own, pixel, weight = own[inside], (line * width + column)[inside], 1.05 - off[inside]
    return blend(own, pixel, weight, z, rgb, tracer, view, slack=size)


def blend(
    rows: I64, pixels: I64, weights: F64, z: F64, rgb: F64, tracer: F64 | None, view: View, slack: float = 0.0
) -> Picture:
    """Contributions (row of a point, pixel, weight), each [M], to a picture. z, rgb, tracer: per point."""
    height, width = view.size
    n = height * width
    nearest = np.full(n, np.inf)
    depth = z[rows]
    np.minimum.at(nearest, pixels, depth)
    front = np.flatnonzero(depth <= nearest[pixels] * (1 + TOLERANCE) + slack)
    rows, pixels, weights = rows[front], pixels[front], weights[front]
    total = np.bincount(pixels, weights, n)
    there = total > MIN_WEIGHT
    share = np.where(there, 1 / np.where(there, total, 1), 0.0)

    def mean(values: F64) -> F64:
        columns = [np.bincount(pixels, weights * values[rows, c], n) * share for c in range(values.shape[1])]
        return np.asarray(np.stack(columns, axis=-1).reshape(height, width, -1), np.float64)

    out_depth: F32 = mean(z[:, None])[..., 0].astype(np.float32)
    return Picture(mean(rgb).astype(np.float32), out_depth, None if tracer is None else mean(tracer))


def over(top: Picture, below: Picture) -> Picture:
    """Two layers: the top one where it has something, unless the one below stands clearly in front of it."""
    front = ~top.covered | (below.covered & (below.depth < top.depth * (1 - IN_FRONT)))
    tracer = None
    if top.tracer is not None and below.tracer is not None:
        tracer = np.where(front[..., None], below.tracer, top.tracer)
    rgb = np.where(front[..., None], below.rgb, top.rgb)
    return Picture(rgb, np.where(front, below.depth, top.depth), tracer)


def nothing(view: View, traced: bool) -> Picture:
    """A picture of holes."""
    height, width = view.size
    empty = np.zeros((height, width, 3))
    return Picture(empty.astype(np.float32), np.zeros(view.size, np.float32), empty if traced else None)
