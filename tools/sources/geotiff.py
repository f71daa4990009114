"""GeoTIFF heights (`.tif`, `.tiff`): one band of 8- to 32-bit integers or float32, strips or tiles.

What Pillow's libtiff unpacks is read: none, LZW, Deflate, PackBits, with predictors. Scale and place come
from ModelPixelScale and ModelTiepoint, or from a ModelTransformation without rotation (OGC 19-008); units
from the GeoKeys; "nothing known" from GDAL_NODATA. Without them a pixel is one unit. Degrees become metres,
with the length of a degree at the raster's middle. x is east, y north, z up. Precision: float32.
"""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from ..errors import UserError, shown
from . import source as s
from .geography import DEGREE_M, Units, described, units_of_keys
from .heights import MAX_SAMPLES, heights_source

_MODES = {"L", "P", "I;16", "I;16B", "I;16L", "I", "F"}
_MAX_RATIO = 1100  # no codec of TIFF unpacks a byte to more pixels, beyond a raster of a few
_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _STRIP_BYTES, _TILE_BYTES = 256, 257, 259, 277, 279, 325
_TILE_SIDES = (322, 323)
_SCALE, _TIEPOINT, _TRANSFORM, _KEYS, _NODATA = 33550, 33922, 34264, 34735, 42113

# What Pillow raises on a damaged file, as found by fuzzing.
_DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, MemoryError, TypeError, KeyError, IndexError, OverflowError,
    ZeroDivisionError, AttributeError, RuntimeError, struct.error, Image.DecompressionBombError,
)  # fmt: skip


def open_geotiff(path: Path) -> s.Source:
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(16, n_bytes))
    if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise s.wrong_magic(path, head, "a TIFF")
    heights, tags = _unpacked(path, n_bytes)
    corner, step = _place(path, tags, heights.shape[0])
    nodata = _nodata(tags)
    with np.errstate(all="ignore"):
        heights[~np.isfinite(heights) | (np.abs(heights) > 1e9)] = np.nan  # 1e9: nodata that nobody declared
        if nodata is not None:
            heights[heights == np.float32(nodata)] = np.nan
    keys = _numbers(tags.get(_KEYS))
    units = units_of_keys([int(v) for v in keys]) if len(keys) >= 4 else Units()
    notes: dict[str, str | int] = {"format": "geotiff", **described(units)}
    unit_m = units.across_m
    if units.degrees:
        if not (
            abs(corner[0]) <= 540 and abs(corner[1]) <= 90 and abs(corner[1] + step[1] * len(heights)) <= 91
        ):
            raise UserError(f"{shown(path)} says degrees, but stands at {corner[0]:g}, {corner[1]:g}")
        cosine = max(math.cos(math.radians(corner[1] + step[1] * len(heights) / 2)), 1e-3)
        corner = (corner[0] * DEGREE_M * cosine, corner[1] * DEGREE_M)
        step = (step[0] * DEGREE_M * cosine, step[1] * DEGREE_M)
        unit_m = 1.0
        units = Units(across_m=1.0, up_m=units.up_m)
    return heights_source(path, heights[::-1], corner, step, notes, unit_m=unit_m, z_per_xy=units.z_per_xy)


def _unpacked(path: Path, n_bytes: int) -> tuple[Any, dict[int, Any]]:
    """float32 [R, C] as stored, north first, and the tags. Raises UserError."""
    bad = f"{shown(path)} is damaged, or a TIFF that is not read: expected one band of heights"
    try:
        with s.opened(path) as file, warnings.catch_warnings(), _tiff(file) as image:
            tags = dict(image.tag_v2.items())  # type: ignore[attr-defined]
            width, height = image.size
            if image.mode not in _MODES or tags.get(_SAMPLES, 1) != 1:
                raise UserError(
                    f"{shown(path)} is a picture ({shown(image.mode)}): expected one band of heights, "
                    "integers or float32"
                )
            _check_size(path, tags, width, height, n_bytes)
            stored = np.asarray(image)
    except _DAMAGE:
        raise UserError(bad) from None
    if stored.shape != (height, width):
        raise UserError(bad)
    return stored.astype(np.float32), tags


def _tiff(file: IO[bytes]) -> Image.Image:
    warnings.simplefilter("ignore")  # tags that are cut short, and pictures of over 89 million pixels
    return Image.open(file, formats=("TIFF",))


def _check_size(path: Path, tags: dict[int, Any], width: int, height: int, n_bytes: int) -> None:
    """Refuse pixels, strips and tiles that the file's bytes cannot hold, before anything is made for them."""
    n_pixels = width * height
    stored = _numbers(tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES))
    sides = [_numbers(tags.get(tag, 1)) for tag in _TILE_SIDES]
    tile = math.prod(int(side[0]) if side and 0 < side[0] < 1 << 16 else 1 << 32 for side in sides)
    ratio = 1 if tags.get(_COMPRESSION, 1) == 1 else _MAX_RATIO
    if n_pixels > MAX_SAMPLES:
        raise UserError(
            f"{shown(path)} has {width:,} x {height:,} heights: the limit is {MAX_SAMPLES:,}; crop it"
        )
    if min(width, height) < 1 or not stored or sum(stored) > n_bytes or max(n_pixels, tile) > ratio * n_bytes:
        raise UserError(
            f"{shown(path)} is cut short: {n_bytes:,} bytes cannot hold {width:,} x {height:,} heights"
        )


def _place(path: Path, tags: dict[int, Any], n_rows: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(x, y) of the centre of the south-western pixel, and the steps east and north, both above 0."""
    scale, tie, matrix = (_numbers(tags.get(tag)) for tag in (_SCALE, _TIEPOINT, _TRANSFORM))
    if len(matrix) == 16:
        if matrix[1] or matrix[4]:
            raise UserError(f"{shown(path)}: a raster that is turned is not read: warp it to north up first")
        step, west, north = (matrix[0], -matrix[5]), matrix[3], matrix[7]
    elif len(scale) >= 2 and len(tie) >= 6:
        step = (scale[0], scale[1])
        west, north = tie[3] - tie[0] * step[0], tie[4] + tie[1] * step[1]
    else:
        step, west, north = (1.0, 1.0), 0.0, float(n_rows)
    if not (all(1e-9 < v < 1e6 for v in step) and abs(west) < 1e12 and abs(north) < 1e12):
        raise UserError(
            f"{shown(path)}: pixels of {step[0]:g} x {step[1]:g} at {west:g}, {north:g}: expected north up"
        )
    return (west + step[0] / 2, north - (n_rows - 0.5) * step[1]), step


def _nodata(tags: dict[int, Any]) -> float | None:
    try:
        return float(str(tags.get(_NODATA, "")).strip("\0 "))
    except ValueError:
        return None


def _numbers(value: Any) -> list[float]:
    """A tag's value as finite floats; empty where it is something else."""
    values = value if isinstance(value, tuple | list) else (value,)
    try:
        out = [float(v) for v in values]
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return []
    return out if all(map(math.isfinite, out)) else []
