"""`.pcd` v0.6 and v0.7 (Point Cloud Library): ascii, binary, binary_compressed.

Colour: `rgb` or `rgba`, 0xAARRGGBB in a uint32 or in the bits of a float32 (in ascii an integer of 1 or more
is the packed number itself); else three columns as in `points`. binary_compressed is LZF over columns,
unpacked at once, hence at most 256 MiB. z points up. Precision: exact.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import ply as p
from . import source as s
from .points import assemble_points, colour_names, unit_colour
from .source import Rows

MAX_UNPACKED_BYTES = 1 << 28
_MAX_NUMBERS = 4096  # per point
_TYPES = {"F2", "F4", "F8", "U1", "U2", "U4", "U8", "I1", "I2", "I4", "I8"}
_KEYS = ("VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA")
_ENCODINGS = ("ascii", "binary", "binary_compressed")


@dataclass(frozen=True, slots=True)
class _Pcd:
    path: Path
    dtype: np.dtype  # of one point; repeated and unnamed fields renamed, COUNT > 1 as a subarray
    n_points: int
    encoding: str
    body_offset: int

    @property
    def width(self) -> int:
        """Numbers per point."""
        return sum(int(np.prod(self.dtype[name].shape)) for name in self.dtype.names or ())


def open_pcd(path: Path) -> s.Source:
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(n_bytes, s.MAX_HEADER_BYTES))
    if s.known_as(head) not in (None, "a .pcd point cloud") or not re.match(rb"\s*(#|VERSION|FIELDS)", head):
        raise s.wrong_magic(path, head, "a .pcd point cloud (a text header with VERSION, FIELDS ... DATA)")
    pcd = _parse(path, head)
    names = tuple(pcd.dtype.names or ())
    if not {"x", "y", "z"} <= set(names):
        raise UserError(f"{shown(path)}: .pcd FIELDS without x, y, z: {shown(' '.join(names))}")
    if any(pcd.dtype[name].shape for name in ("x", "y", "z", "rgb", "rgba") if name in names):
        raise UserError(f"{shown(path)}: .pcd COUNT of x, y, z and rgb must be 1")
    _check_size(pcd, n_bytes - pcd.body_offset)
    unpacked = _unpack(pcd, n_bytes) if pcd.encoding == "binary_compressed" else None
    packed = next((name for name in ("rgb", "rgba") if name in names and pcd.dtype[name].itemsize == 4), None)
    triple = None if packed else colour_names(names)

    def colour_of(rows: Rows) -> NDArray[np.float64] | None:
        if packed:
            return _packed_colour(rows[packed])
        return unit_colour(rows, triple) if triple else None

    def batches(n: int) -> Iterator[s.Points]:
        for rows in _rows(pcd, unpacked, n):
            batch = assemble_points(rows, colour_of(rows))
            if len(batch):
                yield batch

    colour = packed or " ".join(triple or ("none",))
    return s.Source(
        path,
        "points",
        pcd.n_points,
        "z",
        batches,
        {"format": "pcd", "encoding": pcd.encoding, "colour": colour},
    )


def _parse(path: Path, head: bytes) -> _Pcd:
    fields: dict[str, list[str]] = {}
    at = 0
    while "DATA" not in fields:
        end = head.find(b"\n", at)
        if end < 0:
            raise UserError(
                f"{shown(path)}: the .pcd header has no DATA line: the file is cut short or damaged"
            )
        words = head[at:end].decode("ascii", "replace").split()
        at = end + 1
        if not words or words[0].startswith("#"):
            continue
        key = "FIELDS" if words[0] == "COLUMNS" else words[0]
        if key not in _KEYS or key in fields:
            raise UserError(f'{shown(path)}: .pcd header line "{shown(" ".join(words))}" is not understood')
        fields[key] = words[1:]
    encoding = " ".join(fields["DATA"])
    if encoding not in _ENCODINGS:
        raise UserError(
            f"{shown(path)}: .pcd DATA {shown(encoding)}: expected one of {', '.join(_ENCODINGS)}"
        )
    n_points = _count(path, fields, "WIDTH") * _count(path, fields, "HEIGHT", 1)
    if "POINTS" in fields and _count(path, fields, "POINTS") != n_points:
        raise UserError(f"{shown(path)}: .pcd POINTS is not WIDTH x HEIGHT = {n_points:,}")
    s.check_count(path, n_points, "points")
    return _Pcd(path, _dtype(path, fields), n_points, encoding, at)


def _count(path: Path, fields: dict[str, list[str]], key: str, default: int | None = None) -> int:
    words = fields.get(key)
    if words is None and default is not None:
        return default
    if not words or len(words) != 1 or not re.fullmatch(r"[0-9]{1,10}", words[0]):
        raise UserError(f"{shown(path)}: .pcd {key} {shown(' '.join(words or []))}: expected a whole number")
    return int(words[0])


def _dtype(path: Path, fields: dict[str, list[str]]) -> np.dtype:
    names = fields.get("FIELDS", [])
    counts = fields.get("COUNT", ["1"] * len(names))
    sizes, types = fields.get("SIZE", []), fields.get("TYPE", [])
    if not 1 <= len(names) <= p.MAX_PROPERTIES or not len(names) == len(sizes) == len(types) == len(counts):
        raise UserError(f"{shown(path)}: .pcd FIELDS, SIZE, TYPE and COUNT must list the same 1..1024 fields")
    columns: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    seen: set[str] = set()
    for i, (name, size, kind, count) in enumerate(zip(names, sizes, types, counts, strict=True)):
        if kind + size not in _TYPES or not re.fullmatch(r"[0-9]{1,4}", count) or int(count) < 1:
            raise UserError(
                f"{shown(path)}: .pcd field {shown(name)}: type {shown(kind + size + ' x ' + count)}"
            )
        if name in seen or name == "_":  # PCL pads with fields named _
            name = f"_{i}"
        seen.add(name)
        code = f"<{kind.lower()}{size}"
        columns.append((name, code) if count == "1" else (name, code, (int(count),)))
    if sum(int(count) for count in counts) > _MAX_NUMBERS:
        raise UserError(f"{shown(path)}: .pcd COUNT adds up to over {_MAX_NUMBERS:,} numbers a point")
    try:
        return np.dtype(columns)
    except ValueError:  # a field named _3 that meets the padding's new name
        raise UserError(f"{shown(path)}: .pcd FIELDS names a field twice") from None


def _check_size(pcd: _Pcd, body_bytes: int) -> None:
    if pcd.encoding == "binary_compressed":
        return
    needed = pcd.n_points * (2 * pcd.width if pcd.encoding == "ascii" else pcd.dtype.itemsize)
    if needed - (pcd.encoding == "ascii") > body_bytes:
        raise UserError(
            f"{shown(pcd.path)} is cut short: {pcd.n_points:,} points need {needed:,} bytes of data, "
            f"the file has {body_bytes:,}"
        )


def _rows(pcd: _Pcd, unpacked: bytes | None, n: int) -> Iterator[Rows]:
    """Structured arrays of 1..n points."""
    if pcd.encoding == "ascii":
        yield from _ascii_rows(pcd, n)
        return
    for start, count in s.spans(pcd.n_points, n, pcd.dtype.itemsize):
        if unpacked is None:
            yield s.read_rows(pcd.path, pcd.body_offset + start * pcd.dtype.itemsize, pcd.dtype, count)
            continue
        rows = np.empty(count, pcd.dtype)
        column_at = 0
        for name in pcd.dtype.names or ():  # columns, one after the other
            column = pcd.dtype[name]
            rows[name] = np.frombuffer(unpacked, column, count, column_at + start * column.itemsize)
            column_at += pcd.n_points * column.itemsize
        yield rows


def _ascii_rows(pcd: _Pcd, n: int) -> Iterator[Rows]:
    flat = [(f"{name}.{i}", pcd.dtype[name].base) for name in pcd.dtype.names or ()
            for i in range(int(np.prod(pcd.dtype[name].shape)))]  # fmt: skip
    wanted = ["rgb.0", "rgba.0"]
    # A packed colour stays a double until its meaning is known.
    declared = np.dtype(
        [(name, "f8" if name in wanted and kind.kind == "f" else kind) for name, kind in flat]
    )
    with s.opened(pcd.path) as file:
        file.seek(pcd.body_offset)
        for _, count in s.spans(pcd.n_points, min(n, max(1, p.ASCII_VALUES // pcd.width))):
            values: list[float] = []
            for _ in range(count):
                values += p.numbers(p.next_line(file, pcd.path), pcd.width, pcd.path)
            rows = p.typed(np.array(values, np.float64).reshape(count, pcd.width), declared)
            rows.dtype.names = tuple(name.removesuffix(".0") for name in declared.names or ())
            yield rows


def _packed_colour(column: NDArray[Any]) -> NDArray[np.float64]:
    """rgb(a) of any declared type -> [N, 3] 0..1."""
    if column.dtype.itemsize == 8:  # ascii float: the number itself, or the float32 that shares its bits
        with np.errstate(all="ignore"):
            whole = (column >= 1) & (column < 2**32)
            bits = np.where(
                whole, np.where(whole, column, 0).astype(np.uint32), column.astype("<f4").view("<u4")
            )
    else:
        bits = np.ascontiguousarray(column).view("<u4")
    return np.stack([bits >> shift & 255 for shift in (16, 8, 0)], axis=1) / 255


def _unpack(pcd: _Pcd, n_bytes: int) -> bytes:
    """The columns of a binary_compressed file. Raises UserError."""
    if pcd.body_offset + 8 > n_bytes:
        raise UserError(f"{shown(pcd.path)} is cut short: no compressed data after the header")
    packed_bytes, unpacked_bytes = struct.unpack("<II", s.read_bytes(pcd.path, pcd.body_offset, 8))
    if pcd.body_offset + 8 + packed_bytes > n_bytes:
        raise UserError(f"{shown(pcd.path)} is cut short: {packed_bytes:,} compressed bytes are declared")
    if unpacked_bytes != pcd.n_points * pcd.dtype.itemsize:
        raise UserError(
            f"{shown(pcd.path)}: {unpacked_bytes:,} unpacked bytes do not fit {pcd.n_points:,} points"
        )
    if unpacked_bytes > MAX_UNPACKED_BYTES:
        raise UserError(
            f"{shown(pcd.path)}: more than 256 MiB of binary_compressed points: save as `DATA binary`"
        )
    out = lzf(s.read_bytes(pcd.path, pcd.body_offset + 8, packed_bytes), unpacked_bytes)
    if out is None:
        raise UserError(f"{shown(pcd.path)}: the compressed points do not unpack: the file is damaged")
    return out


def lzf(packed: bytes, n_bytes: int) -> bytes | None:
    """Unpack LZF (Marc Lehmann's liblzf) to exactly n_bytes; None if the stream is damaged.

    A control byte below 32 copies that many + 1 literals; else its top 3 bits are a length (7: one more byte
    follows) and its low 5 with the next byte a distance back.
    """
    out = bytearray()
    i, end = 0, len(packed)
    while i < end:
        control = packed[i]
        i += 1
        if control < 32:
            out += packed[i : i + control + 1]
            i += control + 1
        else:
            length = control >> 5
            if length == 7 and i < end:
                length += packed[i]
                i += 1
            if i >= end:
                return None
            distance = ((control & 31) << 8 | packed[i]) + 1
            i += 1
            length += 2
            if distance > len(out):
                return None
            piece = out[-distance:] if distance <= length else out[-distance : len(out) - distance + length]
            out += (piece * (length // distance + 1))[:length]
        if len(out) > n_bytes:
            return None
    return bytes(out) if i == end and len(out) == n_bytes else None
