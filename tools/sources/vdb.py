"""OpenVDB `.vdb`, through the `openvdb` (or `pyopenvdb`) module where the system has one; PyPI has no wheel.

The grid named density, else the first one of numbers, says where something is: an active cell is solid where
its value is above `?above=` (default 0); a level set is solid inside, where it is below. Colour comes from a
grid of vectors named Cd, color or colour, 0..1 in linear light, else it is grey by value. `?grid=NAME` reads
another grid. A cell is as long as the grid's own says, in metres. y points up, as in the programs that write
VDB.

Values come one by one: copyToArray ends the process where the module was built for another NumPy (Debian's
10.0 with NumPy 2: measured), and the iterator gives 2 million active values a second. The C++ library reads
the bytes itself, so what it does with a damaged file is not Voxtide's.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .volumes import above_of, grey_of

_MAGIC = b" BDV\0\0\0\0"
_COLOURS = ("Cd", "color", "colour")
_NUMBERS = ("float", "double", "half", "int32", "int64", "bool")
_VECTORS = ("vec3s", "vec3d")
_STEP = 1 << 16  # values at a time
_MAX_TILE = 1 << 24  # cells of one active value

Boxes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]  # low, high [N, 3], values [N(, 3)]


def open_vdb(path: Path, grid: str = "", above: str = "") -> s.Source:
    head = s.read_bytes(path, 0, min(8, s.file_bytes(path)))
    if head != _MAGIC:
        raise s.wrong_magic(path, head, "an OpenVDB .vdb file")
    vdb, limit = _library(path), above_of(path, above)
    kinds = {g.name: g.valueTypeName for g in _guarded(path, vdb.readAllGridMetadata, str(path))}
    numbers = [name for name, kind in kinds.items() if kind in _NUMBERS]
    if grid and grid not in numbers:
        raise UserError(
            f"{shown(path)} has no grid of numbers {shown(grid)}: it has {shown(', '.join(kinds))}"
        )
    painted = next((name for name in _COLOURS if kinds.get(name) in _VECTORS), None)
    name = grid or ("density" if "density" in numbers else next(iter(numbers), painted))
    if name is None:
        raise UserError(f"{shown(path)} holds no grid of numbers or colours: {shown(', '.join(kinds))}")
    shape = _guarded(path, vdb.read, str(path), name)
    colour = _guarded(path, vdb.read, str(path), painted) if painted else None
    sign = -1.0 if str(shape.gridClass) == "level set" else 1.0

    def solid() -> Iterator[Boxes]:
        for low, high, values in _boxes(shape):
            level = np.linalg.norm(values, axis=1) if values.ndim == 2 else sign * values
            keep = np.isfinite(level) & (level > limit)
            yield low[keep], high[keep], level[keep]

    n_items, highest = 0, limit
    for low, high, level in solid():
        n_cells = (high - low + 1).prod(axis=1)
        if len(low) and (n_cells.max() > _MAX_TILE or np.abs([low, high]).max() > 1 << 30):
            raise UserError(
                f"{shown(path)}: an active value spans {n_cells.max():,} cells: the limit is {_MAX_TILE:,}"
            )
        n_items += int(n_cells.sum())
        highest = max(highest, float(level.max(initial=limit)))
    s.check_count(path, n_items, "solid cells")

    def batches(n: int) -> Iterator[s.Voxels]:
        paint = colour.getConstAccessor() if colour is not None else None
        for low, high, level in solid():
            size = high - low + 1
            end = np.cumsum(size.prod(axis=1))
            for start, count in s.spans(int(end[-1]) if len(end) else 0, min(n, _STEP)):
                place = np.arange(start, start + count)
                box = np.searchsorted(end, place, side="right")
                local = place - (end[box] - size[box].prod(axis=1))
                rest, x = np.divmod(local, size[box, 0])
                z, y = np.divmod(rest, size[box, 1])
                cells = low[box] + np.stack([x, y, z], axis=1)
                rgba = np.full((count, 4), 255, np.uint8)
                rgba[:, :3] = grey_of(level[box], limit, highest) if paint is None else _painted(paint, cells)
                yield s.Voxels(cells, rgba)

    unit_m = float(shape.transform.voxelSize()[0])
    notes: dict[str, str | int] = {"format": "openvdb", "grid": shown(name), "colour": painted or "none"}
    return s.Source(
        path, "voxels", n_items, "y", batches, notes, unit_m=unit_m if 1e-6 <= unit_m <= 1e6 else None
    )


def _boxes(grid: Any) -> Iterator[Boxes]:
    """Active values, each with the box of cells that has it."""
    values = grid.iterOnValues()
    while some := [(v.min, v.max, v.value) for v in islice(values, _STEP)]:
        low, high, value = zip(*some, strict=True)
        yield np.array(low, np.int64), np.array(high, np.int64), np.array(value, np.float64)


def _painted(paint: Any, cells: NDArray[np.int64]) -> NDArray[np.uint8]:
    """[N, 3] cells -> [N, 3] sRGB (IEC 61966-2-1)."""
    light = np.array([paint.getValue(cell) for cell in map(tuple, cells.tolist())], np.float64)
    v = np.clip(np.nan_to_num(light), 0, 1)
    return np.asarray(
        np.rint(255 * np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055)), np.uint8
    )


def _library(path: Path) -> Any:
    for name in ("openvdb", "pyopenvdb"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise UserError(
        f"{shown(path)}: reading .vdb needs the Python module openvdb, which PyPI does not have: "
        "`conda install -c conda-forge openvdb` or `apt-get install python3-openvdb`"
    )


def _guarded(path: Path, call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise UserError(f"{shown(path)}: the OpenVDB library refuses it: {shown(error)}") from None
