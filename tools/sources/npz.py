"""NumPy's .npy and .npz, of which nothing is believed: no pickle, and a declared shape must fit the bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from .source import file_bytes

MAX_ARRAY_BYTES = 1 << 27
_BROKEN = (
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    zlib.error,
    zipfile.BadZipFile,
)


def names(path: Path) -> list[str]:
    """The arrays in an .npz file. Raises UserError."""
    file_bytes(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
    except _BROKEN as error:
        raise UserError(f"{shown(path)} is not an .npz file that can be read: {shown(error)}") from None


def load(path: Path, name: str, ndim: int) -> NDArray[Any]:
    """One array of an .npz file, by name, of so many axes. Raises UserError."""
    return array(read_member(path, name + ".npy", MAX_ARRAY_BYTES), f"{path}:{name}", ndim)


def read_member(path: Path, name: str, most_bytes: int) -> bytes:
    """The bytes of one member of a zip file, refused if there are more than most_bytes. Raises UserError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > most_bytes:
                raise UserError(f"{shown(path)}: {shown(name)} is larger than {most_bytes:,} bytes")
            with archive.open(name) as member:
                data = member.read(most_bytes + 1)
    except _BROKEN as error:
        raise UserError(f"{shown(path)}: {shown(name)} cannot be unpacked: {shown(error)}") from None
    if len(data) > most_bytes:
        raise UserError(f"{shown(path)}: {shown(name)} is larger than {most_bytes:,} bytes")
    return data


def array(data: bytes, what: str, ndim: int) -> NDArray[Any]:
    """The array in the bytes of an .npy file: numbers, of `ndim` axes. Raises UserError, naming `what`."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, by_column, dtype = read(file)
    except (
        ValueError,
        TypeError,
        SyntaxError,
        EOFError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        raise UserError(f"{shown(what)} is not an .npy array that can be read: {shown(error)}") from None
    if dtype.kind not in "fiu" or len(shape) != ndim:
        raise UserError(
            f"{shown(what)} holds {shown(dtype)} of {len(shape)} axes: expected numbers of {ndim}"
        )
    body = data[file.tell() :]
    n_items = 1
    for n in shape:
        n_items *= int(n)
    if min((0, *shape)) < 0 or n_items * dtype.itemsize != len(body):
        raise UserError(f"{shown(what)} declares {shown(shape)} {shown(dtype)} but has {len(body):,} bytes")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if by_column else "C")
