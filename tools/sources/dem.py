"""USGS `.dem`: an ASCII elevation model in blocks of 1024 bytes (Digital Elevation Model Data Users Guide 5).

One A record, then a B record per profile: from south to north, profiles from west to east. A field has 6, 12
or 24 characters; a D in a number is its exponent. Height = datum of the profile + value * z resolution;
-32767 is unknown. A profile that begins further north than another leaves unknown heights below it: a map
sheet is not upright in its grid.

Arc seconds become metres, with the length of a degree at the sheet's middle. Precision: exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .geography import DEGREE_M, FOOT_M
from .heights import MAX_SAMPLES, heights_source

MAX_DEM_BYTES = 1 << 29
_BLOCK = 1024
_HEAD = 144  # characters of a B record before its heights
_VOID = -32767
_EMPTY_PER_HEIGHT = 16  # unknown samples that a turned sheet may have for each that it gives


@dataclass(frozen=True, slots=True)
class _Profile:
    x: float  # of all its heights
    y: float  # of its first
    heights: NDArray[np.float64]  # [N] in units of height; NaN unknown


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    ground_unit: int  # 0 radians, 1 feet, 2 metres, 3 arc seconds
    height_unit: int  # 1 feet, 2 metres
    step: tuple[float, float, float]
    n_profiles: int


def open_dem(path: Path) -> s.Source:
    n_bytes = s.file_bytes(path)
    if n_bytes > MAX_DEM_BYTES:
        raise UserError(f"{shown(path)} has {n_bytes:,} bytes: the limit of .dem is {MAX_DEM_BYTES:,}")
    if n_bytes < 2 * _BLOCK:
        raise UserError(f"{shown(path)} has {n_bytes:,} bytes: a USGS .dem has at least two blocks of 1024")
    head = s.read_bytes(path, 0, _BLOCK)
    if s.known_as(head) or not head.isascii():
        raise s.wrong_magic(path, head, "a USGS .dem (ASCII blocks of 1024 characters)")
    sheet = _read_sheet(head, path)
    profiles = _read_profiles(s.read_bytes(path, 0, n_bytes), sheet, path)
    heights, corner = _grid(profiles, sheet, path)
    step = (sheet.step[0], sheet.step[1])
    up_m = FOOT_M if sheet.height_unit == 1 else 1.0
    notes: dict[str, str | int] = {"format": "usgs dem", "name": sheet.name}
    across_m: float | None = FOOT_M if sheet.ground_unit == 1 else 1.0
    if sheet.ground_unit in (0, 3):
        degrees = 180 / math.pi if sheet.ground_unit == 0 else 1 / 3600
        middle = math.radians((corner[1] + step[1] * heights.shape[0] / 2) * degrees)
        factor = (DEGREE_M * degrees * max(math.cos(middle), 1e-3), DEGREE_M * degrees)
        corner = (corner[0] * factor[0], corner[1] * factor[1])
        step = (step[0] * factor[0], step[1] * factor[1])
        notes["crs_unit"] = "radian" if sheet.ground_unit == 0 else "arc second"
    assert across_m is not None
    return heights_source(path, heights, corner, step, notes, unit_m=across_m, z_per_xy=up_m / across_m)


def _read_sheet(head: bytes, path: Path) -> _Sheet:
    ground, height = (_whole(head, at, path) for at in (528, 534))
    step = tuple(_number(head, at, 12, path) for at in (816, 828, 840))
    rows, n_profiles = (_whole(head, at, path) for at in (852, 858))
    if ground not in (0, 1, 2, 3) or height not in (1, 2) or rows < 1 or not 1 <= n_profiles <= 1 << 16:
        raise UserError(f"{shown(path)}: the A record of the .dem is damaged: units {ground}, {height}; "
                        f"{rows} x {n_profiles} profiles")  # fmt: skip
    if not all(1e-9 < value < 1e6 for value in step):
        raise UserError(f"{shown(path)}: the A record of the .dem has the resolution {shown(step)}")
    name = " ".join(head[:144].decode("ascii", "replace").split())
    return _Sheet(shown(name), ground, height, (step[0], step[1], step[2]), n_profiles)


def _read_profiles(data: bytes, sheet: _Sheet, path: Path) -> list[_Profile]:
    profiles = []
    at = _BLOCK
    for number in range(1, sheet.n_profiles + 1):
        where = f"{shown(path)}: profile {number:,} of the .dem"
        if len(data) < at + _HEAD:
            raise UserError(f"{where} is missing: the file is cut short")
        n, wide = _whole(data, at + 12, path), _whole(data, at + 18, path)
        n_blocks = 1 + -(-max(0, n - 146) // 170)
        if n < 1 or wide != 1 or at + (n_blocks - 1) * _BLOCK + _HEAD > len(data):
            raise UserError(f"{where} declares {n:,} x {wide:,} heights: the file is damaged or cut short")
        x, y, datum = (_number(data, at + k, 24, path) for k in (24, 48, 72))
        if not (abs(x) < 1e12 and abs(y) < 1e12 and abs(datum) < 1e6):
            raise UserError(f"{where} stands at {x:g}, {y:g}, {datum:g}: the file is damaged")
        text = data[at + _HEAD : at + _HEAD + 6 * min(n, 146)] + b"".join(
            data[at + k * _BLOCK : at + k * _BLOCK + 1020] for k in range(1, n_blocks)
        )
        if len(text) < 6 * n or b"\0" in text:
            raise UserError(f"{where} is cut short or damaged")
        try:
            values = np.frombuffer(text[: 6 * n], "S6").astype(np.int64)
        except ValueError:
            raise UserError(f"{where} holds something else than whole numbers of 6 characters") from None
        heights = np.where(values == _VOID, np.nan, datum + values * sheet.step[2])
        profiles.append(_Profile(x, y, heights))
        at += n_blocks * _BLOCK
    return profiles


def _grid(
    profiles: list[_Profile], sheet: _Sheet, path: Path
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Heights [R, C] from the south, and x, y of [0, 0]."""
    x0, y0 = min(p.x for p in profiles), min(p.y for p in profiles)
    places = [(round((p.y - y0) / sheet.step[1]), round((p.x - x0) / sheet.step[0])) for p in profiles]
    rows = max(row + len(p.heights) for (row, _), p in zip(places, profiles, strict=True))
    columns = 1 + max(column for _, column in places)
    given = sum(len(p.heights) for p in profiles)
    if rows * columns > min(MAX_SAMPLES, 4096 + _EMPTY_PER_HEIGHT * given):
        raise UserError(
            f"{shown(path)}: profiles of {given:,} heights lie scattered over {rows:,} x {columns:,}: damaged"
        )
    heights = np.full((rows, columns), np.nan, np.float32)
    for (row, column), profile in zip(places, profiles, strict=True):
        heights[row : row + len(profile.heights), column] = profile.heights
    return heights, (x0, y0)


def _whole(data: bytes, at: int, path: Path) -> int:
    text = data[at : at + 6].strip()
    if not text.lstrip(b"-+").isdigit() or len(text) - len(text.lstrip(b"-+")) > 1:
        raise UserError(
            f"{shown(path)}: expected a whole number at byte {at:,} of the .dem, got {shown(text)}"
        )
    return int(text)


def _number(data: bytes, at: int, width: int, path: Path) -> float:
    text = data[at : at + width].strip().replace(b"D", b"E").replace(b"d", b"e")
    try:
        value = float(text) if b"_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{shown(path)}: expected a number at byte {at:,} of the .dem, got {shown(text)}")
    return value
