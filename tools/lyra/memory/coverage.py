"""Which stored frames see what a view sees: Lyra 2's rule, and the greedy cover that both keyings use.

The rule (upstream's Sparse3DCache.retrieve with max_coverage, described in docs/experiments/caches.md): the
points of every candidate are drawn into the target as single pixels, nearest integer, nearest point. At a
pixel the candidates within TOLERANCE of the nearest of all see it. The newest entry, whose picture the
generator has anyway, counts as chosen; then whoever sees most of what is still uncovered is chosen, the
oldest of equals, until nobody adds anything.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .view import F32, NEAR, Bool, View, project

I64 = NDArray[np.int64]

TOLERANCE = 0.1  # world units, absolute: upstream's
STRIDE = 4  # upstream's: points and targets at a quarter of the size


def seen_by(points: Sequence[F32], targets: Sequence[View]) -> Bool:
    """Which candidate sees which pixel. points: C arrays [N, 3]; targets: V views -> [C, V * H * W] bool."""
    depths = []
    for cloud in points:
        depths.append(np.concatenate([nearest_depth(cloud, view) for view in targets]))
    z = np.stack(depths)
    return np.asarray(np.isfinite(z) & (z <= z.min(axis=0) + TOLERANCE))


def nearest_depth(points: NDArray[np.floating], view: View) -> NDArray[np.float64]:
    """Depth of the nearest point in each pixel, inf where there is none. [N, 3] -> [H * W]"""
    pixel, z = pixels_of(points, view)
    depth = np.full(view.size[0] * view.size[1], np.inf)
    there = pixel >= 0
    np.minimum.at(depth, pixel[there], z[there])
    return depth


def unhidden(points: NDArray[np.floating], view: View, slack: float) -> Bool:
    """Which points [N, 3] lie at most slack behind the nearest one of their pixel. -> [N]"""
    pixel, z = pixels_of(points, view)
    at = np.flatnonzero(pixel >= 0)
    depth = np.full(view.size[0] * view.size[1], np.inf)
    np.minimum.at(depth, pixel[at], z[at])
    out = np.zeros(len(points), bool)
    out[at] = z[at] <= depth[pixel[at]] + slack
    return out


def pixels_of(points: NDArray[np.floating], view: View) -> tuple[I64, NDArray[np.float64]]:
    """The pixel (row * W + column) nearest to where each point [N, 3] falls, -1 outside; and its depth."""
    height, width = view.size
    x, y, z = project(points, view)
    column, row = np.rint(x), np.rint(y)
    inside = (z > NEAR) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(inside, row * width + column, -1).astype(np.int64), z


def greedy(sees: Bool, covered: Bool, n: int) -> list[int]:
    """Rows of sees [C, P] that cover most, best first, at most n. covered [P]: what need not be covered."""
    left = ~covered
    chosen: list[int] = []
    while len(chosen) < n and len(sees):
        gain = (sees & left).sum(axis=1)
        best = int(gain.argmax())  # the first, hence oldest, of equals
        if not gain[best]:
            break
        chosen.append(best)
        left &= ~sees[best]
    return chosen
