"""Colours of the island: rows of a palette, dark to light, and which row and place a voxel takes."""

import numpy as np
from numpy.typing import NDArray

from .island_shape import SEA_Z, UNIT, Shape
from .lattice import mix
from .solids import Solids

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

SHADES = 32
Rgb = tuple[int, int, int]

# name, darkest, lightest (sRGB)
_ROWS: tuple[tuple[str, Rgb, Rgb], ...] = (
    ("deep", (24, 78, 128), (34, 96, 146)),
    ("water", (38, 122, 158), (52, 140, 172)),
    ("shallow", (84, 178, 186), (112, 200, 200)),
    ("foam", (168, 218, 214), (212, 238, 234)),
    ("wet", (172, 146, 104), (190, 164, 120)),
    ("sand", (214, 190, 140), (236, 216, 170)),
    ("grass", (66, 112, 40), (142, 172, 72)),
    ("alpine", (98, 118, 62), (158, 162, 98)),
    ("snow", (222, 230, 240), (252, 253, 255)),
    ("rock0", (112, 98, 86), (138, 124, 110)),
    ("rock1", (140, 116, 92), (166, 142, 114)),
    ("rock2", (96, 88, 82), (120, 110, 102)),
    ("rock3", (158, 138, 112), (184, 164, 136)),
    ("rock4", (120, 96, 76), (146, 120, 96)),
    ("rock5", (128, 122, 116), (154, 148, 140)),
    ("wall0", (222, 210, 186), (240, 230, 210)),
    ("wall1", (206, 150, 116), (224, 170, 136)),
    ("wall2", (214, 216, 212), (234, 236, 232)),
    ("wall3", (216, 190, 120), (234, 210, 144)),
    ("roof0", (150, 62, 44), (190, 92, 66)),
    ("roof1", (120, 56, 46), (156, 84, 68)),
    ("roof2", (74, 80, 92), (104, 110, 122)),
    ("roof3", (166, 84, 48), (202, 116, 74)),
    ("stone", (118, 112, 104), (152, 146, 136)),
    ("brick", (134, 66, 50), (166, 94, 74)),
    ("soot", (40, 36, 34), (56, 52, 50)),
    ("glass", (52, 78, 104), (92, 124, 150)),
    ("frame", (232, 230, 224), (244, 242, 238)),
    ("door", (92, 58, 36), (116, 78, 50)),
    ("bark", (74, 54, 38), (106, 80, 58)),
    ("leaf0", (44, 92, 34), (112, 158, 58)),
    ("leaf1", (58, 104, 30), (136, 170, 56)),
    ("leaf2", (84, 104, 28), (166, 168, 62)),
    ("leaf3", (36, 80, 40), (92, 142, 64)),
    ("needle0", (24, 62, 44), (66, 112, 70)),
    ("needle1", (30, 70, 40), (78, 120, 66)),
    ("shrub0", (58, 96, 38), (112, 146, 62)),
    ("shrub1", (74, 100, 44), (128, 144, 70)),
    ("boulder", (112, 108, 104), (160, 156, 150)),
)
_ROW = {name: i for i, (name, _, _) in enumerate(_ROWS)}
WALLS, ROOFS = _ROW["wall0"], _ROW["roof0"]
STONE, BRICK, SOOT, BARK, BOULDER = (_ROW[n] for n in ("stone", "brick", "soot", "bark", "boulder"))
LEAVES, NEEDLES, SHRUB = _ROW["leaf0"], _ROW["needle0"], _ROW["shrub0"]
_KINDS_OF = np.ones(len(_ROWS), np.int64)  # rows that one name stands for
_KINDS_OF[[LEAVES, NEEDLES, SHRUB]] = 4, 2, 2


def _palette() -> U8:
    table = np.empty((len(_ROWS), SHADES, 4), np.uint8)
    step = np.arange(SHADES)
    for i, (_, dark, light) in enumerate(_ROWS):
        for channel in range(3):
            table[i, :, channel] = dark[channel] + (light[channel] - dark[channel]) * step // (SHADES - 1)
    table[..., 3] = 255
    return table


PALETTE = _palette()  # [rows, SHADES, 4]


def rgba(row: I64, shade: I64, level: int) -> U8:
    """[N] -> [N, 4]; coverage halves a level, as a surface's does."""
    out = PALETTE[row, np.minimum(np.maximum(shade, 0), SHADES - 1)]
    out[:, 3] = max(1, 255 >> level)
    return out


def grain(x: I64, y: I64, z: I64, level: int) -> I64:
    """Noise of single voxels, weaker on coarser levels, because it averages out: -6..6 shades at level 0."""
    bits = mix(x + z * 7919, y - z * 104729, 77 + level) & np.uint32(0xFF)
    amplitude = (14, 11, 9, 7, 6)[min(level, 4)]
    return (bits.astype(np.int64) * amplitude >> 8) - amplitude // 2


def ground_rows(shape: Shape, ground: I64, slope: I64, tone: I64, snow: I64) -> tuple[I64, I64]:
    """Row and shade of the surface; `ROCK` means one of the strata. [N] each -> 2 x [N] int64.

    ground, slope, tone: see `island.Columns`.
    snow: height of the snow line
    """
    metre = UNIT / shape.voxel_size_m
    height = ground + (tone * round(metre * 0.5) >> 11)
    row = np.full(height.shape, _ROW["grass"])
    row[height > (snow * 5 >> 3)] = _ROW["alpine"]
    row[height + (tone * round(metre * 2.0) >> 11) > snow] = _ROW["snow"]
    row[(slope > 620 + (tone >> 4)) & (height > round(0.8 * metre))] = _ROW["rock0"]
    row[height < round(1.15 * metre)] = _ROW["sand"]
    row[ground < round(0.22 * metre)] = _ROW["wet"]
    sea = ground < 0
    row[sea] = _ROW["foam"]
    row[sea & (ground < round(-0.06 * metre))] = _ROW["shallow"]
    row[sea & (ground + (tone * round(metre * 0.2) >> 11) < round(-0.45 * metre))] = _ROW["water"]
    row[sea & (ground + (tone * round(metre * 0.1) >> 11) < round(-0.95 * metre))] = _ROW["deep"]
    return row, SHADES // 2 + (tone >> 7)


def strata(shape: Shape, z: I64, tone: I64) -> I64:
    """Which of the six rocks lies at a height: bands, slightly warped."""
    band = shape.length(0.55)
    at = (z - SEA_Z + (tone * shape.length(0.5) >> 11)) // max(band, 1)
    return _ROW["rock0"] + (mix(at, at, 5) % np.uint32(6)).astype(np.int64)


ROCK = _ROW["rock0"]


def thing_rows(shape: Shape, s: Solids, x: I64, y: I64, z: I64, level: int) -> tuple[I64, I64]:
    """Row and shade of voxels [N] (coordinates of `level`) of solids [N]."""
    row = s.colour + s.group % _KINDS_OF[s.colour]
    shade = SHADES // 2 + (s.group >> 3) % 9 - 4
    half = (1 << level) >> 1
    x0, y0, z0 = (x << level) + half, (y << level) + half, (z << level) + half
    green = (s.colour >= LEAVES) & (s.colour < BOULDER)
    low, high = s.z_range()
    part = (z0 - low) * SHADES // np.maximum(high - low, 1)
    shade = np.where(green, shade + (part - SHADES // 2) // 3, shade)  # lighter above
    if shape.voxel_size_m * 2**level < 0.35:
        row = _openings(shape, s, row, x0, y0, z0)
        course = (z0 // max(shape.length(0.16), 1)) & 1
        shade = shade + np.where((s.colour >= ROOFS) & (s.colour < STONE), 5 * course - 2, 0)
    return row, shade


def _openings(shape: Shape, s: Solids, row: I64, x: I64, y: I64, z: I64) -> I64:
    """Windows and a door in walls."""
    m = shape.length
    wall = (s.colour >= WALLS) & (s.colour < ROOFS) & (s.kind == 0)
    wide_x = s.x1 - s.x0 > s.y1 - s.y0
    along = np.where(wide_x, x - s.cx, y - s.cy)
    up = z - s.bottom
    pitch = m(1.5)
    off = np.abs((along + 8 * pitch) % pitch - pitch // 2)  # a window in every half of the wall
    reach = np.where(wide_x, s.x1 - s.x0, s.y1 - s.y0) // 2 - m(0.35)
    fits = np.abs(np.abs(along) // pitch * pitch + pitch // 2) + m(0.42) < reach + m(0.35)
    framed = wall & fits & (off < m(0.42)) & (up > m(0.85)) & (up < m(2.05))
    pane = (
        (off < m(0.34)) & (off > m(0.03)) & (np.abs(up - m(1.45)) < m(0.52)) & (np.abs(up - m(1.6)) > m(0.03))
    )
    front = wall & wide_x & (y < s.cy) & (np.abs(along + pitch // 2) < m(0.48)) & (up < m(2.1))
    leaf = front & (np.abs(along + pitch // 2) < m(0.4)) & (up < m(2.0))
    row = np.where(framed, _ROW["frame"], row)
    row = np.where(framed & pane, _ROW["glass"], row)
    row = np.where(front, _ROW["frame"], row)
    return np.where(leaf, _ROW["door"], row)
