"""Trees, rocks and houses: what stands on a tile of the island, as solids.

A tile is a square of 2^tile_level columns; what stands on it has its foot in it and reaches at most REACH_M
beyond. Positions come from absolute coordinates and the seed alone, never from the island's size.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import CHUNK, CHUNK_BITS
from . import island_colours as colours
from . import island_plants
from .island import Ground, heights_at, tones
from .island_shape import CENTRE, SEA_Z, UNIT, Shape, snow_line
from .lattice import mix, scaled
from .solids import GABLE_X, GABLE_Y, WALL_X, WALL_Y, Solids, joined, made

I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

SPOTS = 3  # a tile has 2^SPOTS squares an edge, each with at most one tree
REACH_M = 2.4  # of a crown or a wall beyond its tile
TALLEST_M = 6.6  # above the ground at its foot
FOOT_LEVEL_M = 0.4  # the ground is measured on cells of about this width
GLADE_M = 6.0  # around the island's middle nothing stands: a place to be
APART_M = (39.0, 50.5)  # no house at this distance from the middle: it would feel a small island's coast
WALL, WALL_M, ROOF_SLOPE = 3, 2.7, 0.75


def tile_level(shape: Shape) -> int:
    return shape.coast_level + 5


def _foot_level(shape: Shape) -> int:
    level = 0
    while shape.voxel_size_m * 2 ** (level + 1) <= FOOT_LEVEL_M:
        level += 1
    return level


def _within(shape: Shape, x: I64, y: I64, metres: float) -> Bool:
    """Whether columns are nearer to the middle than this."""
    reach = shape.length(metres)
    return (x - CENTRE) ** 2 + (y - CENTRE) ** 2 < reach * reach


def coarse_level(shape: Shape) -> int:
    """From this level on, whose voxels are wider than a trunk and a crown's lobe, a tree is two solids."""
    return tile_level(shape) - 4


def things_on(ground: Ground, tiles: I64, coarse: bool) -> list[Solids]:
    """Everything that stands on tiles [T, 2] (x, y) -> T lists of solids.

    coarse: few solids, which hold the fine ones.
    """
    plots = _plots(ground, tiles)
    trees, tile_of_tree = _trees(ground, tiles, plots, coarse)
    houses, tile_of_house = _houses(ground.shape, plots)
    tile_of = np.concatenate([tile_of_tree, tile_of_house])
    order = np.argsort(tile_of, kind="stable")
    everything = joined([trees, houses]).take(order)
    ends = np.searchsorted(tile_of[order], np.arange(len(tiles) + 1)).tolist()
    return [everything.take(slice(a, b)) for a, b in pairwise(ends)]


# Houses --------------------------------------------------------------------------------------------


def _plots(ground: Ground, tiles: I64) -> dict[str, I64]:
    """One house for some of the tiles: its middle, half sizes, floor and hash; `tile` says whose."""
    shape = ground.shape
    x, y = tiles[:, 0], tiles[:, 1]
    level = tile_level(shape)
    h1, h2, h3 = (mix(x, y, shape.salt(level, what)) for what in (11, 12, 13))
    edge, room = 1 << level, shape.length(8.0)
    cx = (x << level) + scaled(h1 & np.uint32(0xFFFF), room, edge - room)
    cy = (y << level) + scaled(h1 >> np.uint32(16), room, edge - room)
    home = (x == CENTRE >> level) & (y == CENTRE >> level)
    cx = np.where(home, CENTRE + shape.length(7.5), cx)
    cy = np.where(home, CENTRE + shape.length(9.0), cy)
    half_x = scaled(h2 & np.uint32(0xFFFF), shape.length(2.3), shape.length(3.3))
    half_y = scaled(h2 >> np.uint32(16), shape.length(1.9), shape.length(2.5))
    swap = (h3 & np.uint32(1)) == 1
    half_x, half_y = np.where(swap, half_y, half_x), np.where(swap, half_x, half_y)
    height, slope, _ = heights_at(ground, cx, cy, shape.coast_level)
    height = height // UNIT
    village = _within(shape, cx, cy, 260.0)
    chance = np.where(village, 45000, 9000)
    apart = _within(shape, cx, cy, APART_M[1]) & ~_within(shape, cx, cy, APART_M[0])
    wanted = ((h3 >> np.uint32(16)).astype(np.int64) < chance) & ~apart & ~_within(shape, cx, cy, 8.0)
    firm = (height > shape.length(1.6)) & (height * UNIT * 8 < snow_line(shape, cx, cy) * 5) & (slope < 230)
    at = np.flatnonzero((home | wanted) & firm)
    floor = SEA_Z + height + shape.length(0.45)
    found = {
        "x": cx,
        "y": cy,
        "half_x": half_x,
        "half_y": half_y,
        "floor": floor,
        "hash": h3.astype(np.int64),
    }
    return {name: values[at] for name, values in found.items()} | {"tile": at}


def _houses(shape: Shape, p: dict[str, I64]) -> tuple[Solids, I64]:
    """Solids of the houses on these plots, and each solid's tile."""
    n, m = len(p["tile"]), shape.length
    cx, cy, hx, hy, floor = p["x"], p["y"], p["half_x"], p["half_y"], p["floor"]
    group = p["hash"] & 0xFFFF
    wall_top = floor + m(WALL_M)
    paint = colours.WALLS + (p["hash"] >> 3 & 3)
    tiles = colours.ROOFS + (p["hash"] >> 5 & 3)
    parts = []

    def add(**values: I64 | int) -> None:
        parts.append(made(n, **({"group": group, "cx": cx, "cy": cy} | values)))

    for bottom, top, out, colour in (
        (floor - m(2.2), floor - 1, m(0.12), np.full(n, colours.STONE)),  # a base that reaches into a slope
        (floor, wall_top, 0, paint),
    ):
        x0, x1, y0, y1 = cx - hx - out, cx + hx + out, cy - hy - out, cy + hy + out
        for box in (
            {"x0": x0, "x1": x0 + WALL, "y0": y0, "y1": y1},
            {"x0": x1 - WALL, "x1": x1, "y0": y0, "y1": y1},
            {"x0": x0, "x1": x1, "y0": y0, "y1": y0 + WALL},
            {"x0": x0, "x1": x1, "y0": y1 - WALL, "y1": y1},
        ):
            add(**box, bottom=bottom, top=top, colour=colour)
    base = m(0.12)  # its upper side, around the walls
    add(
        x0=cx - hx - base, x1=cx + hx + base, y0=cy - hy - base, y1=cy + hy + base,
        bottom=floor - 1, top=floor - 1, colour=colours.STONE,
    )  # fmt: skip
    along_x = hx >= hy  # the ridge runs along the longer side
    across = np.where(along_x, hy, hx)
    eaves, gable = m(0.45), m(0.3)
    radius = across + eaves
    ridge = wall_top + (across * round(1024 * ROOF_SLOPE) >> 10) + m(0.12)
    rise = radius * round(1024 * ROOF_SLOPE) >> 10
    # gable ends, below the roof
    for side in (-1, 1):
        ex = np.where(side < 0, cx - hx, cx + hx - WALL)
        ey = np.where(side < 0, cy - hy, cy + hy - WALL)
        add(
            kind=np.where(along_x, WALL_Y, WALL_X),
            x0=np.where(along_x, ex, cx - hx), x1=np.where(along_x, ex + WALL, cx + hx),
            y0=np.where(along_x, cy - hy, ey), y1=np.where(along_x, cy + hy, ey + WALL),
            radius=radius, rise=rise, top=ridge - 1, bottom=wall_top, colour=paint,
        )  # fmt: skip
    out_x, out_y = np.where(along_x, gable, eaves), np.where(along_x, eaves, gable)
    chimney_x, chimney_y = (
        cx + np.where(along_x, hx * 5 >> 3, m(0.5)),
        cy + np.where(along_x, m(0.5), hy * 5 >> 3),
    )
    w = m(0.3)
    for dx0, dx1, dy0, dy1 in (
        (-w, w, -w, WALL - w),
        (-w, w, w - WALL, w),
        (-w, WALL - w, -w, w),
        (w - WALL, w, -w, w),
    ):
        add(
            x0=chimney_x + dx0, x1=chimney_x + dx1, y0=chimney_y + dy0, y1=chimney_y + dy1,
            bottom=wall_top, top=ridge + m(0.6), colour=colours.BRICK,
        )  # fmt: skip
    add(
        x0=chimney_x - w, x1=chimney_x + w, y0=chimney_y - w, y1=chimney_y + w,
        bottom=ridge + m(0.5), top=ridge + m(0.5), colour=colours.SOOT,
    )  # fmt: skip
    for lift in (0, max(1, m(0.06))):  # two skins make the eaves look solid
        add(
            kind=np.where(along_x, GABLE_Y, GABLE_X),
            x0=cx - hx - out_x, x1=cx + hx + out_x, y0=cy - hy - out_y, y1=cy + hy + out_y,
            radius=radius, rise=rise, top=ridge + lift, colour=tiles,
        )  # fmt: skip
    return joined(parts), np.tile(p["tile"], len(parts))


# Trees, bushes, rocks ------------------------------------------------------------------------------


def _trees(ground: Ground, tiles: I64, plots: dict[str, I64], coarse: bool) -> tuple[Solids, I64]:
    shape, m = ground.shape, ground.shape.length
    level = tile_level(shape) - SPOTS
    n_edge = 1 << SPOTS
    sub = np.arange(n_edge)
    tile = np.repeat(np.arange(len(tiles)), n_edge * n_edge)
    sx = (tiles[tile, 0] << SPOTS) + np.tile(np.tile(sub, n_edge), len(tiles))
    sy = (tiles[tile, 1] << SPOTS) + np.tile(np.repeat(sub, n_edge), len(tiles))
    h1, h2 = (mix(sx, sy, shape.salt(level, what)) for what in (21, 22))
    x = (sx << level) + scaled(h1 & np.uint32(0xFFFF), 0, (1 << level) - 1)
    y = (sy << level) + scaled(h1 >> np.uint32(16), 0, (1 << level) - 1)
    kind_bits = (h2 & np.uint32(0xFF)).astype(np.int64)
    luck = (h2 >> np.uint32(8) & np.uint32(0xFF)).astype(np.int64)
    tone_level = tile_level(shape) - CHUNK_BITS
    cell = tile, y >> tone_level & CHUNK - 1, x >> tone_level & CHUNK - 1
    tone = tones(ground, tone_level, tiles)[cell]
    woods = luck < 90 + tone // 6  # woods and meadows
    grows = np.flatnonzero(woods | (luck > 242) | ((luck > 205) & (luck <= 216)))
    x, y, tile, kind_bits, luck = (v[grows] for v in (x, y, tile, kind_bits, luck))
    woods, h2 = woods[grows], h2[grows]
    height, slope, _ = heights_at(ground, x, y, _foot_level(shape))
    height = height // UNIT
    land = (height > m(0.9)) & (height * UNIT < snow_line(shape, x, y)) & ~_within(shape, x, y, GLADE_M)
    house_of_tile = np.full(len(tiles), -1)
    house_of_tile[plots["tile"]] = np.arange(len(plots["tile"]))
    house = house_of_tile[tile]
    if len(plots["tile"]):
        near_x = np.abs(x - plots["x"][house]) < plots["half_x"][house] + m(2.3)
        near_y = np.abs(y - plots["y"][house]) < plots["half_y"][house] + m(2.3)
        land &= ~((house >= 0) & near_x & near_y)
    high = height > m(13.0)
    z = SEA_Z + height
    group = h2.astype(np.int64) & 0xFFFF
    size = scaled(h2 >> np.uint32(16), 0, 1000)  # of 1000
    parts, tile_of = [], []
    dry = height > m(1.7)
    leafy = kind_bits < np.where(high, 40, 135)
    choice = (
        (woods & dry & (slope < 900) & leafy, island_plants.broadleaf),
        (woods & dry & (slope < 1200) & ~leafy & (kind_bits < 215), island_plants.conifer),
        ((woods & (kind_bits >= 215)) | (~woods & (luck > 242)), island_plants.bush),
        (~woods & (luck > 205) & (luck <= 216), island_plants.rock),
    )
    for chosen, builder in choice:
        at = np.flatnonzero(chosen & land)
        fine, rough = builder(shape, x[at], y[at], z[at], size[at], group[at])
        parts += rough if coarse else fine
        tile_of += [tile[at]] * len(rough if coarse else fine)
    return joined(parts), np.concatenate(tile_of)
