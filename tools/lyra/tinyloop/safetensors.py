"""Weights on disk: the safetensors format, read and written by ourselves, with NumPy and nothing else.

Eight bytes of header length, a JSON header (name -> dtype, shape, offsets; `__metadata__`: strings), data.
Everything is checked before anything is allocated: sizes, offsets without gaps or overlaps, shapes, names.
"""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError, shown

MAX_HEADER_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30
MAX_TENSORS = 8192
DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "U8": "u1"}
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies: bytes [begin, end) behind the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says it holds; checked against the file's size."""

    metadata: dict[str, str]
    entries: dict[str, Entry]
    data_at: int


def read_header(path: Path) -> Header:
    """UserError: not a safetensors file, or one whose sizes do not fit."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            n = int.from_bytes(file.read(8), "little")
            if not 8 < size <= MAX_FILE_BYTES or not 2 <= n <= min(MAX_HEADER_BYTES, size - 8):
                raise ValueError(f"a header of {n:,} bytes in a file of {size:,}")
            found = json.loads(file.read(n), object_pairs_hook=_once)
        return _checked(found, size - 8 - n, 8 + n)
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)} is no safetensors file of ours: {shown(error)}") from None


def read(path: Path, wanted: Shapes | None = None) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Tensors and metadata. wanted: exactly these names and shapes, or UserError before any data is read."""
    header = read_header(path)
    if wanted is not None:
        have = {name: e.shape for name, e in header.entries.items()}
        for name in sorted(set(wanted) ^ set(have)):
            raise UserError(
                f"{shown(path)}: tensor {shown(name)} is {'missing' if name in wanted else 'unknown'}"
            )
        for name, shape in wanted.items():
            if have[name] != tuple(shape):
                raise UserError(
                    f"{shown(path)}: tensor {shown(name)} is {have[name]} where {tuple(shape)} is due"
                )
    out = {}
    with path.open("rb") as file:
        for name, entry in header.entries.items():
            file.seek(header.data_at + entry.begin)
            array = np.fromfile(file, DTYPES[entry.dtype], prod(entry.shape))
            if array.nbytes != entry.end - entry.begin:
                raise UserError(f"{shown(path)}: cut short at {shown(name)}")
            out[name] = array.reshape(entry.shape)
    return out, header.metadata


def write(path: Path, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """Whole or not at all; the same tensors, the same bytes. OSError."""
    codes = {np.dtype(code): name for name, code in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": codes[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())
    part.replace(path)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _checked(found: Any, n_bytes: int, data_at: int) -> Header:
    if not isinstance(found, dict) or len(found) > MAX_TENSORS:
        raise ValueError("no header")
    metadata = found.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("metadata are strings")
    entries = {name: _entry(name, told) for name, told in found.items()}
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != at:
            raise ValueError(f"{name} begins at {entry.begin}, not at {at}")
        at = entry.end
    if at != n_bytes:
        raise ValueError(f"{at:,} bytes of tensors in {n_bytes:,} bytes of data")
    return Header(metadata, entries, data_at)


def _entry(name: str, told: Any) -> Entry:
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} has no dtype, shape and offsets")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    whole = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2 and len(shape) <= 8
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{name} is of no type that is read here")
    if not whole or not all(type(v) is int and 0 <= v <= MAX_FILE_BYTES for v in (*shape, *offsets)):
        raise ValueError(f"{name} has a bad shape or bad offsets")
    if offsets[1] - offsets[0] != prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f"{name}'s bytes do not fit its shape")
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])
