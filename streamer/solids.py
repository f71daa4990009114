"""What stands on the ground, as surfaces over rectangles, and their voxels at any level.

A solid is z = f(t) over a rectangle, where t is the distance from a vertical axis, from a plane, or 0, and f
never increases. Over a square of columns t lies in an interval that is known exactly, and so does z. Hence a
coarse voxel is occupied exactly where the surface passes through it, at every level, and every surface is
closed. Coordinates are level-0 voxels; a rectangle is half open.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import CHUNK, CHUNK_BITS

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

# Kinds: how t is measured, and what lies between its ends.
BOX = 0  # t = 0: from `bottom` to `top`
DOME = 1  # t from the axis: top + rise * sqrt(1 - (t / radius)^2)
BOWL = 2  # the same, downwards from `top`
CONE = 3  # t from the axis: top - rise * t / radius
DISC = 4  # inside the radius: at `bottom`
GABLE_X = 5  # t = |x - cx|: a roof, top - rise * t / radius
GABLE_Y = 6  # t = |y - cy|
WALL_X = 7  # t = |x - cx|: from `bottom` up to such a roof
WALL_Y = 8
PILLAR = 9  # inside the radius: from `bottom` to `top`
SPIKE = 10  # inside the radius: from `bottom` up to such a cone
_RADIAL = (DOME, BOWL, CONE, DISC, PILLAR, SPIKE)


@dataclass(frozen=True, slots=True)
class Solids:
    """M solids, [M] int64 each. A later one hides an earlier one."""

    kind: I64
    x0: I64  # rectangle
    y0: I64
    x1: I64
    y1: I64
    cx: I64  # axis or plane
    cy: I64
    radius: I64  # >= 1
    top: I64  # f(0), but DOME and BOWL: where t = radius
    rise: I64
    bottom: I64
    colour: I64  # row of the palette
    group: I64  # of what stands here: a hash, so that each tree has its own shade

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, at: I64 | Bool | slice) -> "Solids":
        return Solids(*(getattr(self, f.name)[at] for f in fields(Solids)))

    def z_range(self) -> tuple[I64, I64]:
        """Lowest and highest voxel that each may occupy."""
        up = self.top + np.where(self.kind == DOME, self.rise, 0)
        down = np.where(self.kind == BOWL, self.top - self.rise, self.bottom)
        sloping = np.isin(self.kind, (CONE, GABLE_X, GABLE_Y))
        down = np.where(self.kind == DOME, self.top, np.where(sloping, self.top - self.rise, down))
        return down - 1, np.where(self.kind == DISC, self.bottom, up) + 1


def joined(parts: list[Solids]) -> Solids:
    """Several lists as one, in order."""
    return Solids(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Solids)))


def made(n: int, **values: I64 | int) -> Solids:
    """n solids; what is not given is 0, a radius 1."""
    zero = {f.name: 0 for f in fields(Solids)} | {"radius": 1}
    return Solids(*(np.broadcast_to(np.asarray(v, np.int64), n) for v in (zero | values).values()))


def boxes(solids: Solids) -> I64:
    """Bounding boxes, inclusive: [M, 6] x0 y0 z0 x1 y1 z1."""
    low, high = solids.z_range()
    return np.column_stack([solids.x0, solids.y0, low, solids.x1 - 1, solids.y1 - 1, high])


def _interval(low: I64, high: I64, centre: I64) -> tuple[F64, F64]:
    """Least and greatest distance of [low, high] from a centre."""
    a, b = low - centre, high - centre
    least = np.maximum(np.maximum(a, -b), 0)
    return least.astype(np.float64), np.maximum(np.abs(a), np.abs(b)).astype(np.float64)


def _z_bounds(s: Solids, x0: I64, x1: I64, y0: I64, y1: I64) -> tuple[I64, I64, Bool]:
    """Voxels of each solid over its rectangle [x0, x1] x [y0, y1] -> (low, high, whether any)."""
    near_x, far_x = _interval(x0, x1, s.cx)
    near_y, far_y = _interval(y0, y1, s.cy)
    radius = s.radius.astype(np.float64)
    near2, far2 = near_x * near_x + near_y * near_y, far_x * far_x + far_y * far_y
    far2 = np.minimum(far2, radius * radius)
    radial = np.isin(s.kind, _RADIAL)
    inside = ~radial | (near2 < radius * radius)
    near2 = np.minimum(near2, far2)
    along_x = (s.kind == GABLE_X) | (s.kind == WALL_X)
    round_ = (s.kind == CONE) | (s.kind == SPIKE)
    linear_near = np.where(round_, np.sqrt(near2), np.where(along_x, near_x, near_y))
    linear_far = np.where(round_, np.sqrt(far2), np.where(along_x, far_x, far_y))
    steep = s.rise / radius
    ball_near = np.floor(np.sqrt(radius * radius - near2) * steep).astype(np.int64)
    ball_far = np.floor(np.sqrt(radius * radius - far2) * steep).astype(np.int64)
    slope_near = s.top - np.ceil(linear_near * steep).astype(np.int64)
    slope_far = s.top - np.ceil(linear_far * steep).astype(np.int64)
    sloping = (s.kind == CONE) | (s.kind == GABLE_X) | (s.kind == GABLE_Y)
    walls = (s.kind == WALL_X) | (s.kind == WALL_Y) | (s.kind == SPIKE)
    low = np.select(
        [s.kind == DOME, s.kind == BOWL, sloping], [s.top + ball_far, s.top - ball_near, slope_far], s.bottom
    )
    high = np.select(
        [s.kind == DOME, s.kind == BOWL, sloping | walls, s.kind == DISC],
        [s.top + ball_near, s.top - ball_far, slope_near, s.bottom],
        s.top,
    )
    return low, high, inside & (high >= low)


def ragged(counts: I64) -> tuple[I64, I64]:
    """counts [N] -> (which item, its own running number), both [sum of counts]."""
    item = np.repeat(np.arange(len(counts)), counts)
    return item, np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)


def voxels_in(solids: Solids, level: int, corner: I64) -> tuple[I64, I64]:
    """The voxels of M solids, each in one chunk.

    corner [M, 3]: chunk of `level`, as its first voxel -> (which solid [K], local x y z [K, 3], all in 0..15)
    """
    first = [np.maximum(lo >> level, c) for lo, c in ((solids.x0, corner[:, 0]), (solids.y0, corner[:, 1]))]
    last = [
        np.minimum((hi - 1) >> level, c + CHUNK - 1)
        for hi, c in ((solids.x1, corner[:, 0]), (solids.y1, corner[:, 1]))
    ]
    size = [np.maximum(b - a + 1, 0) for a, b in zip(first, last, strict=True)]
    which, place = ragged(size[0] * size[1])
    width = size[0][which]
    x, y = first[0][which] + place % width, first[1][which] + place // width
    s, at = solids.take(which), corner[which]
    x0, x1 = np.maximum(x << level, s.x0), np.minimum((x + 1) << level, s.x1)
    y0, y1 = np.maximum(y << level, s.y0), np.minimum((y + 1) << level, s.y1)
    low, high, occupied = _z_bounds(s, x0, x1, y0, y1)
    low = np.maximum((low >> level) - at[:, 2], 0)
    high = np.minimum((high >> level) - at[:, 2], CHUNK - 1)
    column, up = ragged(np.where(occupied, np.maximum(high - low + 1, 0), 0))
    local = np.column_stack([x - at[:, 0], y - at[:, 1], low])[column]
    local[:, 2] += up
    assert local.size == 0 or (local.min() >= 0 and local.max() < 1 << CHUNK_BITS)
    return which[column], local
