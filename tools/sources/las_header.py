"""The header of a LAS file and the records behind it, by ASPRS LAS 1.4-R15: sizes checked against the file.

For LAZ also what stands before its chunks: the item list (laszip, record 22204) and the length of the chunk
table, because the library makes room for as many chunks as the table declares.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s

_RECORD_BYTES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # by point format, without extra bytes
_WITH_COLOUR = frozenset((2, 3, 5, 7, 8, 10))
_HEAD = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375}  # least bytes of the header, by minor version
_VLR, _EVLR = struct.Struct("<2x16sHH32x"), struct.Struct("<2x16sHQ32x")
_MAX_VLRS = 1 << 12
_MAX_KEPT_BYTES = 1 << 20
_PROJECTION, _LASZIP = "LASF_Projection", "laszip encoded"


@dataclass(frozen=True, slots=True)
class LasHeader:
    """What the readers need. offset, scale: [3], to be applied to integers; low, high as declared."""

    version: tuple[int, int]
    point_format: int
    compressed: bool
    record_bytes: int
    n_points: int
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    at_points: int
    laszip: bytes  # its record; empty where nothing is compressed
    wkt: str
    geo_keys: tuple[int, ...]

    @property
    def has_colour(self) -> bool:
        return self.point_format in _WITH_COLOUR


def read_las_header(path: Path) -> LasHeader:
    """Raises UserError for whatever does not fit the file."""
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(375, n_bytes))
    if not head.startswith(b"LASF"):
        raise s.wrong_magic(path, head, "a LAS or LAZ point cloud")
    if len(head) < 227:
        raise UserError(f"{shown(path)} is cut short: a LAS header has at least 227 bytes")
    major, minor = head[24], head[25]
    head_bytes, at_points, n_vlrs, kind, record_bytes, n_points = struct.unpack_from("<HIIBHI", head, 94)
    if major != 1 or minor not in _HEAD:
        raise UserError(f"{shown(path)} is LAS {major}.{minor}: versions 1.0 to 1.4 are read")
    point_format, compressed = kind & 0x3F, bool(kind & 0xC0)
    if point_format >= len(_RECORD_BYTES) or record_bytes < _RECORD_BYTES[point_format]:
        raise UserError(f"{shown(path)}: LAS point format {point_format} of {record_bytes} bytes is not read")
    if not _HEAD[minor] <= head_bytes <= at_points <= n_bytes or len(head) < _HEAD[minor]:
        raise UserError(
            f"{shown(path)}: the LAS header is damaged: it says that points begin at {at_points:,}"
        )
    at_evlrs, n_evlrs = 0, 0
    if minor == 4:
        at_evlrs, n_evlrs, long_count = struct.unpack_from("<QIQ", head, 235)
        n_points = long_count or n_points
    s.check_count(path, n_points, "points")
    if not compressed and n_points * record_bytes > n_bytes - at_points:
        raise UserError(
            f"{shown(path)} is cut short: {n_points:,} points need {n_points * record_bytes:,} bytes, "
            f"the file has {n_bytes - at_points:,}"
        )
    numbers = struct.unpack_from("<12d", head, 131)
    if not all(map(math.isfinite, numbers)) or 0 in numbers[:3]:
        raise UserError(f"{shown(path)}: scale, offset or bounds of the LAS header are damaged")
    found = dict(_records(path, head_bytes, n_vlrs, at_points, _VLR, "VLR"))
    later = dict(_records(path, at_evlrs, n_evlrs, n_bytes, _EVLR, "EVLR"))
    if compressed:
        _check_laz(path, found.get((_LASZIP, 22204), b""), record_bytes, n_points, at_points, n_bytes)
    wkt = found.get((_PROJECTION, 2112)) or later.get((_PROJECTION, 2112)) or b""
    keys = found.get((_PROJECTION, 34735), b"")
    high, low = numbers[6::2], numbers[7::2]
    return LasHeader(
        (major, minor), point_format, compressed, record_bytes, n_points,
        np.array(numbers[:3]), np.array(numbers[3:6]),
        (low[0], low[1], low[2]), (high[0], high[1], high[2]),
        at_points, found.get((_LASZIP, 22204), b"") if compressed else b"",
        wkt.decode("utf-8", "replace").rstrip("\0"),
        tuple(v[0] for v in struct.iter_unpack("<H", keys[: len(keys) // 2 * 2])),
    )  # fmt: skip


def _records(
    path: Path, at: int, n: int, end: int, head: struct.Struct, what: str
) -> Iterator[tuple[tuple[str, int], bytes]]:
    """(user, number) and content of variable length records; only what is needed is read."""
    if n > _MAX_VLRS:
        raise UserError(f"{shown(path)} declares {n:,} {what}s: the limit is {_MAX_VLRS:,}")
    for _ in range(n):
        if at + head.size > end:
            raise UserError(
                f"{shown(path)}: the {what}s of the LAS file do not fit: it is damaged or cut short"
            )
        user, number, length = head.unpack(s.read_bytes(path, at, head.size))
        at += head.size
        if at + length > end:
            raise UserError(f"{shown(path)}: a {what} of {length:,} bytes does not fit the LAS file")
        name = user.rstrip(b"\0").decode("ascii", "replace")
        if name in (_PROJECTION, _LASZIP):
            yield (name, number), s.read_bytes(path, at, min(length, _MAX_KEPT_BYTES))
        at += length


def _check_laz(path: Path, record: bytes, record_bytes: int, n_points: int, at: int, n_bytes: int) -> None:
    """The laszip record names items that make up a point; the chunk table fits the file."""

    def bad(why: str) -> UserError:
        return UserError(f"{shown(path)}: the LAZ compression is damaged: {why}")

    if len(record) < 34:
        raise bad("no laszip record")
    compressor, coder, chunk_points, n_items = struct.unpack_from("<HH8xI16xH", record, 0)
    items = list(struct.iter_unpack("<HHH", record[34 : 34 + 6 * n_items]))
    if compressor not in (2, 3) or coder != 0 or len(items) != n_items or not 1 <= n_items <= 16:
        raise bad(f"compressor {compressor} with {n_items} items: expected 2 or 3")
    if sum(size for _, size, _ in items) != record_bytes or any(size == 0 for _, size, _ in items):
        raise bad(f"its items do not make {record_bytes} bytes")
    if chunk_points == 0:
        raise bad("chunks of 0 points")
    if at + 8 > n_bytes:
        raise bad("no chunk")
    table = struct.unpack("<q", s.read_bytes(path, at, 8))[0]
    if table == -1:  # written while streaming: its place stands at the end
        table = struct.unpack("<q", s.read_bytes(path, n_bytes - 8, 8))[0]
    if not at + 8 <= table <= n_bytes - 8:
        raise bad("its chunk table lies outside the file")
    n_chunks = struct.unpack("<4xI", s.read_bytes(path, table, 8))[0]
    # A chunk begins with one whole point.
    if n_chunks > n_points or n_chunks * record_bytes > n_bytes or n_chunks < 1:
        raise bad(f"{n_chunks:,} chunks for {n_points:,} points in {n_bytes:,} bytes")
