"""`.las`, `.laz` and COPC, versions 1.0 to 1.4, read in pieces by laspy and lazrs (extra `bake`).

The header is checked here, by the specification (ASPRS LAS 1.4-R15), before either library sees the file:
they believe what it declares. x y z = integer * scale + offset in float64. Colours are 16 bit where one of a
file's first million points goes beyond 255, else 8; a file without colour, or with all of it black, is
coloured by class, or by intensity where nothing is classified. A class is also a point's entity
(`semantic`), 0 where it is "never classified". Withheld and synthetic points are read. z points up.

Units are the coordinate system's: `unit_m` says how long one is. Heights in another unit are brought to that
of x and y; degrees become metres. A survey lies 10^5 to 10^7 m from 0, so `origin` says what to take off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .geography import DEGREE_M, Units, described, far_origin, units_of_keys, units_of_wkt
from .las_header import LasHeader, read_las_header
from .laz_layers import check_layers
from .points import GREY

_LOOK = 1 << 20  # points that decide what a colour's white is
_CLASSES = {  # ASPRS standard classes, LAS 1.4-R15 table 17, and colours that a map would use
    1: ("unclassified", 170, 170, 170), 2: ("ground", 140, 112, 84), 3: ("low vegetation", 150, 190, 96),
    4: ("medium vegetation", 98, 160, 72), 5: ("high vegetation", 52, 120, 54), 6: ("building", 200, 104, 84),
    7: ("low noise", 120, 60, 120), 8: ("key point", 150, 150, 110), 9: ("water", 70, 130, 200),
    10: ("rail", 110, 96, 130), 11: ("road surface", 104, 104, 110), 13: ("wire guard", 230, 200, 90),
    14: ("wire conductor", 235, 180, 60), 15: ("transmission tower", 180, 150, 70),
    16: ("wire connector", 220, 160, 90), 17: ("bridge deck", 160, 140, 150),
    18: ("high noise", 160, 60, 160), 19: ("overhead structure", 190, 130, 120),
    20: ("ignored ground", 150, 130, 110), 21: ("snow", 240, 244, 250),
    22: ("temporal exclusion", 130, 130, 150),
}  # fmt: skip


def open_las(path: Path) -> s.Source:
    header = read_las_header(path)
    if header.compressed:
        check_layers(path, header.laszip, header.at_points, header.n_points, _chunk_table(path, header))
    units = _units(header)
    factor, unit_m = _factors(header, units)
    look = _look(path, header)
    table = _class_colours()

    def batches(n: int) -> Iterator[s.Points]:
        for rows in _rows(path, header, n):
            raw = np.stack([np.asarray(rows[axis], np.float64) for axis in "XYZ"], axis=1)
            with np.errstate(all="ignore"):
                positions = (raw * header.scale + header.offset) * factor
            classes = np.asarray(rows["classification"]).astype(np.uint32)
            keep = np.isfinite(positions).all(1)
            if keep.any():
                yield s.Points(positions[keep], look.colours(rows, table)[keep], classes[keep])

    notes: dict[str, str | int] = {
        "format": f"las {header.version[0]}.{header.version[1]}" + (", laz" if header.compressed else ""),
        "point_format": header.point_format,
        "colour": look.name,
        **described(units),
    }
    origin = far_origin(*(tuple((np.array(end) * factor).tolist()) for end in (header.low, header.high)))
    if any(origin):
        notes["origin"] = " ".join(f"{v:.0f}" for v in origin)
    names = {k: (_CLASSES[k][0] if k in _CLASSES else f"class {k}") for k in look.classes if k}
    return s.Source(
        path, "points", header.n_points, "z", batches, notes, unit_m=unit_m, origin=origin, entities=names
    )


def _units(header: LasHeader) -> Units:
    """WKT where there is some, else GeoTIFF keys."""
    if header.wkt:
        found = units_of_wkt(header.wkt)
        if found.across_m or found.degrees:
            return found
    return units_of_keys(list(header.geo_keys)) if len(header.geo_keys) >= 4 else Units()


def _factors(header: LasHeader, units: Units) -> tuple[NDArray[np.float64], float | None]:
    """What x, y, z are multiplied by, so that one unit is one length; and its metres."""
    west, south, _ = header.low
    east, north, _ = header.high
    if units.degrees and -540 <= west <= east <= 540 and -90 <= south <= north <= 90:
        cosine = max(math.cos(math.radians((south + north) / 2)), 1e-3)
        return np.array([DEGREE_M * cosine, DEGREE_M, units.up_m or 1.0]), 1.0
    return np.array([1.0, 1.0, units.z_per_xy]), units.across_m


@dataclass(frozen=True, slots=True)
class _Look:
    """How points are coloured, decided once for a file, so that batches do not differ."""

    name: str
    white: float
    classes: tuple[int, ...]  # that may come

    def colours(self, rows: Any, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """[N, 3] sRGB."""
        if self.name.startswith("rgb"):
            rgb = np.stack([np.asarray(rows[k]) for k in ("red", "green", "blue")], axis=1) / self.white
            return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
        if self.name == "classification":
            return np.asarray(table[np.asarray(rows["classification"])])
        if self.name == "intensity":
            level = np.clip(np.asarray(rows["intensity"]) / self.white, 0, 1)
            return np.repeat(np.rint(40 + 215 * np.sqrt(level)).astype(np.uint8)[:, None], 3, axis=1)
        return np.full((len(rows), 3), GREY, np.uint8)


def _look(path: Path, header: LasHeader) -> _Look:
    """Look at the first million points."""
    white = brightest = 0
    seen: set[int] = set()
    n = 0
    for rows in _rows(path, header, 1 << 16):
        seen.update(np.unique(np.asarray(rows["classification"])).tolist())
        if header.has_colour:
            white = max(white, *(int(np.max(rows[k])) for k in ("red", "green", "blue")))
        intensity = np.asarray(rows["intensity"])
        brightest = max(brightest, int(np.quantile(intensity, 0.99)))
        n += len(intensity)
        if n >= _LOOK:
            break
    classes = tuple(sorted(seen)) if n == header.n_points else tuple(range(1, 256))
    if white:
        return _Look("rgb 16 bit" if white > 255 else "rgb 8 bit", 65535.0 if white > 255 else 255.0, classes)
    if len(seen) > 1 and seen - {0, 1}:
        return _Look("classification", 1.0, classes)
    if brightest:
        return _Look("intensity", float(brightest), classes)
    return _Look("none", 1.0, classes)


def _rows(path: Path, header: LasHeader, n: int) -> Iterator[Any]:
    """laspy's records, 1..n at a time. Raises UserError."""
    laspy = _laspy(path)
    # One thread: other cores may be at work on other regions.
    backend = [laspy.LazBackend.Lazrs] if header.compressed else None
    with ExitStack() as stack:
        with _damage(path):  # EVLRs: las_header has read what matters
            file = stack.enter_context(s.opened(path))
            reader = laspy.open(file, closefd=False, laz_backend=backend, read_evlrs=False)
        for _, count in s.spans(header.n_points, n, max(64, header.record_bytes)):
            with _damage(path):
                rows = reader.read_points(count)
            if len(rows) != count:
                raise UserError(f"{shown(path)} is cut short: it declares {header.n_points:,} points")
            yield rows


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever the libraries raise is the file's fault; a panic of Rust is no Exception."""
    try:
        yield
    except (UserError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(f"{shown(path)} is damaged: its points do not unpack") from None


def _chunk_table(path: Path, header: LasHeader) -> list[tuple[int, int]]:
    """(points, bytes) of each chunk."""
    _laspy(path)
    import lazrs

    with _damage(path), s.opened(path) as file:
        file.seek(header.at_points)
        return list(lazrs.read_chunk_table(file, lazrs.LazVlr(header.laszip)))


def _laspy(path: Path) -> Any:
    try:
        import laspy
        import lazrs  # noqa: F401
    except ImportError:
        raise UserError(f"{shown(path)}: to read LAS, type: pip install 'voxtide[bake]'") from None
    return laspy


def _class_colours() -> NDArray[np.uint8]:
    table = np.full((256, 3), GREY, np.uint8)
    for number, (_, *rgb) in _CLASSES.items():
        table[number] = rgb
    return table
