"""From a grid of heights to a Source: what .dem and GeoTIFF share.

Colour says how high and how steep: lowland green to snow, bare rock where it is steeper than about 35
degrees. Rows run along +y, columns along +x. A NaN is a place where nothing is known: no surface, and no
hole's wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .geography import far_origin

MAX_SAMPLES = 1 << 27
TILE = 512  # patches along an edge of a batch, at most
_RAMP = np.array(  # fraction of the relief, sRGB
    [
        (0.0, 92, 122, 70),
        (0.3, 128, 140, 84),
        (0.55, 150, 130, 100),
        (0.8, 140, 132, 126),
        (1.0, 240, 242, 246),
    ]
)
_ROCK = np.array([118.0, 108.0, 98.0])
_STEEP = (0.55, 1.1)  # rise over run: where rock begins, where all is rock


def heights_source(
    path: Path,
    heights: NDArray[np.float32],
    corner: tuple[float, float],
    step: tuple[float, float],
    notes: dict[str, str | int],
    *,
    unit_m: float | None,
    z_per_xy: float = 1.0,
) -> s.Source:
    """heights [R, C], row 0 in the south, NaN unknown; corner: x, y of sample [0, 0]; step > 0: along x, y.

    z_per_xy: length of a unit of height in units of x and y (heights in metres over feet: 3.28).
    """
    if min(heights.shape) < 2:
        raise UserError(f"{shown(path)} holds {heights.shape[0]} x {heights.shape[1]} heights: no surface")
    heights = (heights * np.float32(z_per_xy)).astype(np.float32, copy=False)
    known = np.isfinite(heights)
    if not known.any():
        raise UserError(f"{shown(path)} holds no height that is known")
    low, high = float(heights[known].min()), float(heights[known].max())
    rows, columns = heights.shape

    def batches(n: int) -> Iterator[s.Heights]:
        height = max(1, min(TILE, n))
        width = max(1, min(TILE, n // height))
        for row in range(0, rows - 1, height):
            for column in range(0, columns - 1, width):
                inside = (slice(row, row + height + 1), slice(column, column + width + 1))
                batch = s.Heights(
                    heights[inside], _coloured(heights, inside, step, low, high), corner, step, (row, column)
                )
                if len(batch):
                    yield batch

    north_east = (corner[0] + (columns - 1) * step[0], corner[1] + (rows - 1) * step[1])
    origin = far_origin((*corner, low), (*north_east, high))
    n_patches = (rows - 1) * (columns - 1)
    notes = {**notes, "rows": rows, "columns": columns, "lowest": f"{low:g}", "highest": f"{high:g}"}
    return s.Source(path, "heights", n_patches, "z", batches, notes, unit_m=unit_m, origin=origin)


def _coloured(
    heights: NDArray[np.float32],
    inside: tuple[slice, slice],
    step: tuple[float, float],
    low: float,
    high: float,
) -> NDArray[np.uint8]:
    """[r, c, 3]: a sample's colour does not depend on the rectangle that it is asked in."""
    grown = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in inside)
    around = heights[grown].astype(np.float64)
    with np.errstate(all="ignore"):
        along_y, along_x = np.gradient(around, step[1], step[0])
        top, left = inside[0].start - grown[0].start, inside[1].start - grown[1].start
        shape = heights[inside].shape
        own = (slice(top, top + shape[0]), slice(left, left + shape[1]))
        rise = np.asarray(np.hypot(along_y, along_x))[own]
        slope = np.nan_to_num(rise, nan=0.0, posinf=9.0)
        level = np.asarray(np.nan_to_num((around - low) / max(high - low, 1e-30)))[own]
    base = np.stack([np.interp(level, _RAMP[:, 0], _RAMP[:, k]) for k in (1, 2, 3)], axis=-1)
    rock = np.clip((slope - _STEEP[0]) / (_STEEP[1] - _STEEP[0]), 0, 1)[..., None]
    return np.asarray(np.rint(base + (_ROCK - base) * rock), np.uint8)
