"""Trees, bushes and rocks as solids, twice: as they look, and a few coarse ones that hold those.

Every function takes feet: x, y, z [N] level-0 voxels, size [N] of 1000, group [N] (a hash that sets shades).
"""

import numpy as np
from numpy.typing import NDArray

from . import island_colours as colours
from .island_shape import Shape
from .solids import BOWL, CONE, DISC, DOME, PILLAR, SPIKE, Solids, made

I64 = NDArray[np.int64]
Fields = dict[str, I64 | int]
Both = tuple[list[Solids], list[Solids]]  # as they look, and coarse ones that hold them

# Of a crown's lobes: their middles and radii, in parts of the crown's.
LOBES = ((0.0, 0.0, 0.45, 1.0), (0.55, 0.25, -0.1, 0.72), (-0.45, 0.5, 0.0, 0.68), (-0.15, -0.6, -0.15, 0.7))
LOBES_WIDE, LOBES_LOW, LOBES_HIGH = 1.36, 0.69, 1.46  # of them all, a little more
TIERS = ((0.14, 0.52, 1.0), (0.36, 0.78, 0.76), (0.6, 1.0, 0.5))  # bottom and top of the height; radius
TIERS_WIDE = 1.15  # a cone from the lowest to the highest, this much wider, holds them


def broadleaf(shape: Shape, x: I64, y: I64, z: I64, size: I64, group: I64) -> Both:
    """A trunk and four lobes."""
    trunk = _between(shape, 1.2, 2.3, size)
    half = np.maximum(_between(shape, 0.10, 0.20, size), 1)
    radius = _between(shape, 0.9, 1.5, size)
    foot = z - shape.length(0.5)
    parts = _trunk(x, y, foot, z + trunk + (radius >> 1), half, group)
    middle = z + trunk + (radius * 3 >> 2)
    turned, mirrored = (group & 1) == 1, np.where(group & 2, -1, 1)
    for i, (dx, dy, dz, part) in enumerate(LOBES):
        a, b = _part(radius, dx), _part(radius, dy)
        at_x = x + mirrored * np.where(turned, b, a)
        at_y = y + mirrored * np.where(turned, -a, b)
        r = _part(radius, part)
        up = middle + _part(radius, dz)
        parts += _ball(at_x, at_y, up, r, r, r * 3 >> 2, colours.LEAVES, group + 977 * i)
    low, high = middle - _part(radius, LOBES_LOW) - 2, middle + _part(radius, LOBES_HIGH) + 2
    wide = _part(radius, LOBES_WIDE) + 3
    crown = _pillar(x, y, low, high, wide, colours.LEAVES, group, PILLAR)
    return parts, [_post(x, y, foot, z + trunk + (radius >> 1), half, group), crown]


def conifer(shape: Shape, x: I64, y: I64, z: I64, size: I64, group: I64) -> Both:
    """A trunk and three tiers."""
    height = _between(shape, 3.2, 6.0, size)
    radius = np.maximum(_between(shape, 0.9, 1.6, size), 2)
    half = np.maximum(_between(shape, 0.08, 0.16, size), 1)
    foot = z - shape.length(0.5)
    parts = _trunk(x, y, foot, z + (height >> 1), half, group)
    for i, (start, stop, part) in enumerate(TIERS):
        bottom, top = z + _part(height, start), z + _part(height, stop)
        r = np.maximum(_part(radius, part), 1)
        for kind in (DISC, CONE):
            tier = _pillar(x, y, bottom, top, r, colours.NEEDLES, group + 331 * i, kind)
            parts.append(tier)
    wide = _part(radius, TIERS_WIDE) + 2
    crown = _pillar(x, y, z + _part(height, TIERS[0][0]), z + height + 1, wide, colours.NEEDLES, group, SPIKE)
    return parts, [_post(x, y, foot, z + (height >> 1), half, group), crown]


def bush(shape: Shape, x: I64, y: I64, z: I64, size: I64, group: I64) -> Both:
    """A ball and a smaller one beside it."""
    radius = _between(shape, 0.3, 0.75, size)
    small, up, down = radius * 5 >> 3, radius * 7 >> 3, radius >> 1
    near = shape.length(0.35)
    side = np.where(group & 4, near, -near)
    fine = _ball(x, y, z + (radius >> 2), radius, up, down, colours.SHRUB, group)
    fine += _ball(x + side, y + near, z + (radius >> 3), small, up * 5 >> 3, down, colours.SHRUB, group + 7)
    wide = np.maximum(radius, near + (near >> 1) + small) + 2
    return fine, [_pillar(x, y, z - down - 1, z + (radius >> 2) + up, wide, colours.SHRUB, group, PILLAR)]


def rock(shape: Shape, x: I64, y: I64, z: I64, size: I64, group: I64) -> Both:
    """A flat ball and a smaller one in it."""
    radius = _between(shape, 0.2, 0.9, size)
    half, small = radius >> 1, radius * 5 >> 3
    fine = _ball(x, y, z, radius, small, half, colours.BOULDER, group)
    fine += _ball(x + half, y - half, z, small, half, radius >> 2, colours.BOULDER, group + 9)
    wide = _part(radius, 1.35) + 2
    return fine, [_pillar(x, y, z - half - 1, z + small, wide, colours.BOULDER, group, PILLAR)]


def _between(shape: Shape, low_m: float, high_m: float, size: I64) -> I64:
    a, b = shape.length(low_m), shape.length(high_m)
    return a + ((b - a) * size) // 1000


def _part(length: I64, part: float) -> I64:
    return length * round(part * 1024) >> 10


def _post(x: I64, y: I64, low: I64, high: I64, half: I64, group: I64) -> Solids:
    """A trunk, filled."""
    square: Fields = {"x0": x - half, "x1": x + half, "y0": y - half, "y1": y + half}
    return made(len(x), bottom=low, top=high, group=group, colour=colours.BARK, **square)


def _trunk(x: I64, y: I64, low: I64, high: I64, half: I64, group: I64) -> list[Solids]:
    """A trunk, hollow: four walls."""
    thin = np.minimum(2, half)
    x0, x1, y0, y1 = x - half, x + half, y - half, y + half
    sides = (
        (x0, x1, y0, y0 + thin),
        (x0, x1, y1 - thin, y1),
        (x0, x0 + thin, y0, y1),
        (x1 - thin, x1, y0, y1),
    )
    common: Fields = {"bottom": low, "top": high, "group": group, "colour": colours.BARK}
    return [made(len(x), x0=a, x1=b, y0=c, y1=d, **common) for a, b, c, d in sides]


def _pillar(x: I64, y: I64, low: I64, high: I64, radius: I64, colour: int, group: I64, kind: int) -> Solids:
    """Something round between two heights."""
    square: Fields = {"x0": x - radius, "x1": x + radius, "y0": y - radius, "y1": y + radius}
    common: Fields = {"cx": x, "cy": y, "radius": radius, "bottom": low, "top": high, "rise": high - low}
    return made(len(x), kind=kind, colour=colour, group=group, **common, **square)


def _ball(x: I64, y: I64, z: I64, radius: I64, up: I64, down: I64, colour: int, group: I64) -> list[Solids]:
    """A bowl and a dome on it."""
    r = np.maximum(radius, 1)
    common: Fields = {"x0": x - r, "x1": x + r, "y0": y - r, "y1": y + r, "cx": x, "cy": y, "radius": r}
    common |= {"top": z, "colour": colour, "group": group}
    return [made(len(x), kind=BOWL, rise=down, **common), made(len(x), kind=DOME, rise=up, **common)]
