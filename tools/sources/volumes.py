"""From a grid of values to a Source of voxels: what NumPy arrays, Zarr arrays and OpenVDB grids share.

Arrays are [z, y, x] or [z, y, x, channel], as everywhere in Voxtide. With 4 channels of bytes they are sRGB
and coverage, and 0 coverage is empty; with 3, sRGB where black is empty. Numbers and booleans: a cell is
solid where it is above a limit (0, or `?above=`), grey by its value between that and the highest, NaN is
empty.

A cell is as long as a voxel of the world, unless the file gives it a size. Cells of unequal edges are
repeated along the longer ones, so that what is drawn keeps its proportions: every edge stands within half of
the shortest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...streamer.metadata import MIN_VOXEL_SIZE_M
from ..errors import UserError, shown
from . import source as s

MAX_STRETCH = 64.0
_DARKEST = 56.0  # grey of a cell that is just above the limit

Block = tuple[
    tuple[int, int, int], NDArray[Any]
]  # where (z, y, x) it begins, [z, y, x] or [z, y, x, channels]
Blocks = Callable[[], Iterator[Block]]  # all of the array, each cell once, as often as it is called


@dataclass(frozen=True, slots=True)
class Scalars:
    """How numbers become cells."""

    above: float = 0.0


def above_of(path: Path, text: str) -> float:
    """The value of ?above=; UserError if it is no number."""
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{shown(path)}: ?above={shown(text)}: expected a number")
    return value


def volume_source(
    path: Path,
    shape: tuple[int, int, int],
    blocks: Blocks,
    notes: dict[str, str | int],
    scalars: Scalars,
    *,
    up: s.Up = "z",
    first: tuple[int, int, int] = (0, 0, 0),
    spacing: tuple[float, float, float] | None = None,
    unit_m: float | None = None,
    files: tuple[Path, ...] = (),
) -> s.Source:
    """shape and spacing: (z, y, x); first: x, y, z of cell [0, 0, 0]; unit_m: metres per unit of spacing.

    Walks the array once: how many cells are solid, and the highest value.
    """
    edges, cell_m = _edges(path, shape, spacing, unit_m)
    highest, n_solid = -math.inf, 0
    for first_cell, block in blocks():
        solid = _solid(block, scalars.above)
        if block.ndim == 3 and solid.any():
            highest = max(highest, float(block[solid].max()))
        if spacing is None:
            n_solid += int(np.count_nonzero(solid))
        else:
            lengths = (np.diff(e)[a : a + n] for e, a, n in zip(edges, first_cell, solid.shape, strict=True))
            n_solid += int(np.einsum("zyx,z,y,x->", solid, *lengths, dtype=np.int64, casting="unsafe"))
    if not n_solid:
        raise UserError(f"{shown(path)}: no cell is above {scalars.above:g}: nothing to read")
    s.check_count(path, n_solid, "cells")
    offset = np.array(first, np.int64)

    def batches(n: int) -> Iterator[s.Voxels]:
        for (z, y, x), block in blocks():
            cells = np.flatnonzero(_solid(block, scalars.above))
            for start, count in s.spans(len(cells), n):
                at = np.unravel_index(cells[start : start + count], block.shape[:3])
                rgba = _rgba(block[at], scalars.above, highest)
                for voxels, which in _repeated((at[0] + z, at[1] + y, at[2] + x), edges, n):
                    yield s.Voxels(voxels + offset, rgba[which])

    notes = {**notes, "shape": " ".join(map(str, shape))}
    return s.Source(path, "voxels", n_solid, up, batches, notes, unit_m=cell_m, files=files)


def _solid(block: NDArray[Any], above: float) -> NDArray[np.bool_]:
    """[z, y, x] bool."""
    if block.ndim == 4:
        return np.asarray(block[..., 3] > 0 if block.shape[-1] == 4 else block.any(axis=-1))
    with np.errstate(all="ignore"):
        solid = np.asarray(block > above, bool)
    return solid & np.isfinite(block) if block.dtype.kind == "f" else solid


def _rgba(values: NDArray[Any], above: float, highest: float) -> NDArray[np.uint8]:
    """[N] numbers or [N, 3 or 4] bytes -> [N, 4]."""
    out = np.full((len(values), 4), 255, np.uint8)
    if values.ndim == 2:
        out[:, : values.shape[1]] = values
        return out
    out[:, :3] = grey_of(values, above, highest)
    return out


def grey_of(values: NDArray[Any], above: float, highest: float) -> NDArray[np.uint8]:
    """[N] numbers -> [N, 1] grey, lighter towards the highest."""
    with np.errstate(all="ignore"):
        level = (values.astype(np.float64) - above) / max(highest - above, 1e-300)
    grey = _DARKEST + (255 - _DARKEST) * np.clip(np.nan_to_num(level, nan=1.0), 0, 1)
    return np.asarray(np.rint(grey), np.uint8)[:, None]


def _edges(
    path: Path, shape: tuple[int, int, int], spacing: tuple[float, float, float] | None, unit_m: float | None
) -> tuple[list[NDArray[np.int64]], float | None]:
    """Per axis z, y, x: where its cells begin and end, [n + 1] in the shortest edge; and metres of that."""
    if spacing is None:
        return [np.arange(n + 1, dtype=np.int64) for n in shape], None
    shortest = min(spacing)
    if not (all(math.isfinite(v) for v in spacing) and shortest > 0) or max(spacing) > MAX_STRETCH * shortest:
        raise UserError(f"{shown(path)}: cells of {shown(spacing)}: expected edges above 0, at most 1 : 64")
    edges = [
        np.rint(np.arange(n + 1) * (v / shortest)).astype(np.int64)
        for n, v in zip(shape, spacing, strict=True)
    ]
    cell_m = shortest * unit_m if unit_m else None
    # Micrographs: no world has such small voxels, so there a cell is a voxel.
    return edges, cell_m if cell_m is not None and MIN_VOXEL_SIZE_M <= cell_m <= 1e6 else None


def _repeated(
    at: tuple[NDArray[np.int64], ...], edges: list[NDArray[np.int64]], n: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Cells (z, y, x) -> (cells [M, 3] x, y, z of the shortest edge, which of the given [M]), M <= n."""
    low = np.stack([e[a] for e, a in zip(edges, at, strict=True)], axis=1)[:, ::-1]
    size = np.stack([e[a + 1] for e, a in zip(edges, at, strict=True)], axis=1)[:, ::-1] - low
    end = np.cumsum(size.prod(axis=1))
    for start, count in s.spans(int(end[-1]) if len(end) else 0, n):
        place = np.arange(start, start + count)
        which = np.searchsorted(end, place, side="right")
        local = place - (end[which] - size[which].prod(axis=1))
        rest, x = np.divmod(local, size[which, 0])
        z, y = np.divmod(rest, size[which, 1])
        yield low[which] + np.stack([x, y, z], axis=1), which
