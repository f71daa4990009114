"""The PLY container: header and rows of scalars, in ascii and both binary orders.

Format: Greg Turk, "The PLY Polygon File Format" (1994). What the rows mean is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .source import Rows

_SCALARS = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "int64": "i8", "uint64": "u8", "long": "i8", "ulong": "u8", "half": "f2", "float16": "f2",
    "float": "f4", "double": "f8", "float32": "f4", "float64": "f8",
}  # fmt: skip
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
MAX_PROPERTIES = 1024
MAX_ELEMENTS = 64
ASCII_VALUES = 1 << 20  # numbers of text that are parsed at a time


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    code: str  # NumPy code without byte order: "f4"
    length_code: str | None = None  # of the length before a list


@dataclass(frozen=True, slots=True)
class Element:
    name: str
    n_rows: int
    properties: tuple[Property, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(p.name for p in self.properties)

    @property
    def has_lists(self) -> bool:
        return any(p.length_code for p in self.properties)

    @property
    def min_row_bytes(self) -> int:
        """Bytes of one binary row; with lists, of a row whose lists are all empty."""
        return sum(int((p.length_code or p.code)[1:]) for p in self.properties)

    def dtype(self, order: str) -> np.dtype:
        return np.dtype([(p.name, order + p.code) for p in self.properties])


@dataclass(frozen=True, slots=True)
class Ply:
    path: Path
    encoding: str  # "ascii", "binary_little_endian", "binary_big_endian"
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    body_offset: int

    def element(self, name: str) -> Element | None:
        return next((e for e in self.elements if e.name == name), None)

    def before(self, element: Element) -> list[Element]:
        return list(takewhile(lambda e: e is not element, self.elements))


def read_header(path: Path) -> Ply:
    """Parse the header and check every declared count against the file's size. Raises UserError."""
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(n_bytes, s.MAX_HEADER_BYTES))
    start = re.match(rb"ply[ \t]*(\r\n|\n|\r)", head)
    if not start:
        raise s.wrong_magic(path, head, 'a .ply file, which begins with the line "ply"')
    end = re.search(re.escape(start[1]) + rb"end_header[ \t]*" + re.escape(start[1]), head)
    if not end:
        raise UserError(
            f"{shown(path)}: the PLY header has no end_header line: the file is cut short or damaged"
        )
    lines = head[start.end() : end.start()].decode("utf-8", "replace").splitlines()
    ply = _parse(path, lines, end.end())
    _check_size(ply, n_bytes - ply.body_offset)
    return ply


def _parse(path: Path, lines: list[str], body_offset: int) -> Ply:
    def bad(line: str, why: str) -> UserError:
        return UserError(f'{shown(path)}: PLY header line "{shown(line)}": {why}')

    encoding = ""
    comments: list[str] = []
    elements: list[tuple[str, int, list[Property]]] = []
    for line in lines:
        match line.split():
            case []:
                continue
            case ["comment" | "obj_info", *words]:
                comments.append(" ".join(words))
            case ["format", name, "1.0"] if name in _ORDERS and not encoding:
                encoding = name
            case ["element", name, count] if re.fullmatch(r"[0-9]{1,10}", count):
                if int(count) > s.MAX_ITEMS:
                    raise bad(line, f"the limit is {s.MAX_ITEMS:,} rows")
                if len(elements) == MAX_ELEMENTS or any(name == e[0] for e in elements):
                    raise bad(line, "declared twice, or too many elements")
                elements.append((name, int(count), []))
            case ["property", *words] if elements:
                found = _property(words)
                if not found:
                    raise bad(line, "expected `property TYPE NAME` or `property list TYPE TYPE NAME`")
                properties = elements[-1][2]
                if len(properties) == MAX_PROPERTIES or any(found.name == p.name for p in properties):
                    raise bad(line, "declared twice, or too many properties")
                properties.append(found)
            case _:
                raise bad(line, "not understood")
    if not encoding:
        raise UserError(
            f"{shown(path)}: the PLY header has no format line: expected ascii or binary, version 1.0"
        )
    return Ply(
        path, encoding, tuple(Element(n, c, tuple(p)) for n, c, p in elements), tuple(comments), body_offset
    )


def _property(words: list[str]) -> Property | None:
    match words:
        case ["list", length, item, name] if length in _SCALARS and item in _SCALARS:
            return Property(name, _SCALARS[item], _SCALARS[length])
        case [scalar, name] if scalar in _SCALARS:
            return Property(name, _SCALARS[scalar])
    return None


def _check_size(ply: Ply, body_bytes: int) -> None:
    """Refuse counts that the bytes after the header cannot hold, before anything is allocated for them."""
    needed = 0
    for element in ply.elements:
        # A number in ascii is a digit and what parts it from the next; the last may lack that.
        row = 2 * len(element.properties) if ply.encoding == "ascii" else element.min_row_bytes
        needed += element.n_rows * row
        if needed - (ply.encoding == "ascii") > body_bytes:
            raise UserError(
                f"{shown(ply.path)} is cut short: {element.n_rows:,} rows of {shown(element.name)} need "
                f"at least {needed:,} bytes after the header, the file has {body_bytes:,}"
            )


def rows(ply: Ply, name: str, n: int, first: int = 0, count: int | None = None) -> Iterator[Rows]:
    """Structured arrays of 1..n rows of an element whose properties are all scalars. Raises UserError.

    first, count: only these rows of a binary file.
    """
    element = ply.element(name)
    assert element is not None
    if element.has_lists:
        raise UserError(f"{shown(ply.path)}: element {shown(name)} holds lists: expected plain numbers")
    if ply.encoding == "ascii":
        assert count is None, "text is read from its beginning"
        yield from _ascii_rows(ply, element, n)
        return
    last = element.n_rows if count is None else min(first + count, element.n_rows)
    for start, some in s.spans(last, n, max(1, element.min_row_bytes), first):
        yield binary_rows(ply, element, start, some)


def binary_rows(ply: Ply, element: Element, start: int, count: int) -> Rows:
    """Rows start..start+count of an element of a binary file."""
    offset = ply.body_offset + start * element.min_row_bytes
    for earlier in ply.before(element):
        if earlier.has_lists and earlier.n_rows:
            raise UserError(
                f"{shown(ply.path)}: lists stand before element {element.name}: write {element.name} first"
            )
        offset += earlier.n_rows * earlier.min_row_bytes
    return s.read_rows(ply.path, offset, element.dtype(_ORDERS[ply.encoding]), count)


def _ascii_rows(ply: Ply, element: Element, n: int) -> Iterator[Rows]:
    width = len(element.properties)
    with s.opened(ply.path) as file:
        file.seek(ply.body_offset)
        for earlier in ply.before(element):
            for _ in range(earlier.n_rows if earlier.properties else 0):
                next_line(file, ply.path)
        for _, count in s.spans(element.n_rows, min(n, max(1, ASCII_VALUES // max(1, width)))):
            values: list[float] = []
            for _ in range(count):
                values += numbers(next_line(file, ply.path), width, ply.path)
            yield typed(np.array(values, np.float64).reshape(count, width), element.dtype("="))


def next_line(file: BinaryIO, path: Path) -> bytes:
    """The next line that is not blank."""
    while line := file.readline(s.MAX_HEADER_BYTES + 1):
        if len(line) > s.MAX_HEADER_BYTES:
            raise UserError(
                f"{shown(path)}: a line is longer than {s.MAX_HEADER_BYTES:,} bytes: is it a text file?"
            )
        if not line.isspace():
            return line
    raise UserError(f"{shown(path)} is cut short: it has fewer lines than its header declares")


def numbers(line: bytes, width: int, path: Path) -> list[float]:
    """The `width` numbers of a line of text. Raises UserError."""
    words = line.split()
    if len(words) == width:
        try:
            return [float(word) for word in words]
        except ValueError:
            pass
    raise UserError(f'{shown(path)}: expected {width} numbers in the line "{shown(line.strip()[:60])}"')


def typed(values: NDArray[np.float64], dtype: np.dtype) -> Rows:
    """[N, K] numbers of text -> [N] records of K declared types; integers are clipped, NaN becomes 0."""
    out = np.zeros(len(values), dtype)
    with np.errstate(all="ignore"):
        for column, name in zip(values.T, dtype.names or (), strict=True):
            if dtype[name].kind in "iu":
                limits = np.iinfo(dtype[name])
                # 64-bit limits are not doubles; staying below 2^63 keeps the cast defined.
                column = np.clip(np.nan_to_num(column), max(limits.min, -(2.0**62)), min(limits.max, 2.0**62))
            out[name] = column
    return out


def stack(batch: Rows, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Named columns of a structured array side by side: [N] -> [N, len(names)] float64."""
    with np.errstate(all="ignore"):  # a signalling NaN warns when it is widened
        return np.stack([batch[name].astype(np.float64) for name in names], axis=1)


def describe(ply: Ply) -> dict[str, str | int]:
    """The notes that every PLY source carries."""
    comment = {"comment": shown("; ".join(ply.comments[:16]))} if ply.comments else {}
    return {"encoding": ply.encoding, **comment}
