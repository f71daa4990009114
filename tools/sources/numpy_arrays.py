"""NumPy `.npy` and `.npz`: volumes [z, y, x] or [z, y, x, 3 or 4 channels], and clouds of points in an .npz.

An .npy is mapped, an .npz read in slabs; nothing is unpickled. An .npz holds a volume if it has one such
array (`?array=NAME` names one of several), or points: an array [N, 3] called points, positions, xyz or
means3d, and beside it colors, colours or rgb [N, 3], integers 0..255 or floating point 0..1. Format: NumPy
enhancement 1. What the numbers of a volume mean stands in `volumes.py`. z points up.
"""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .points import GREY
from .volumes import Block, Blocks, Scalars, above_of, volume_source

_MAX_MEMBERS = 1024
_MAX_HEADER = 1 << 14
_DEFLATE_RATIO = 1032
_POSITIONS = ("points", "positions", "xyz", "means3d")
_COLOURS = ("colors", "colours", "rgb")

Header = tuple[tuple[int, ...], bool, np.dtype]  # shape, Fortran order, type


def open_npy(path: Path, above: str = "") -> s.Source:
    n_bytes = s.file_bytes(path)
    with s.opened(path) as file:
        shape, fortran, dtype = _header(file, shown(path))
        at = file.tell()
    _check_volume(shape, dtype, shown(path))
    if n_bytes - at < math.prod(shape) * dtype.itemsize:
        needed = math.prod(shape) * dtype.itemsize
        raise UserError(f"{shown(path)} is cut short: {shown(shape)} of {dtype} needs {needed:,} bytes")

    def blocks() -> Iterator[Block]:
        array = np.memmap(path, dtype, "r", at, shape, "F" if fortran else "C")
        for z, depth in s.spans(shape[0], shape[0], max(1, math.prod(shape[1:]) * dtype.itemsize)):
            yield (z, 0, 0), np.asarray(array[z : z + depth])

    return _volume(path, shape, dtype, blocks, {"format": "npy"}, above)


def open_npz(path: Path, array: str = "", above: str = "") -> s.Source:
    head = s.read_bytes(path, 0, min(16, s.file_bytes(path)))
    if not head.startswith(b"PK\x03\x04"):
        raise s.wrong_magic(path, head, "an .npz (a zip of NumPy arrays)")
    headers = _headers(path)
    positions = next((k for k in _POSITIONS if k in headers and _is_points(headers[k])), None)
    volumes = [k for k, (shape, _, dtype) in headers.items() if _is_volume(shape, dtype)]
    if not array:  # lists of matrices are cameras
        volumes = [k for k in volumes if not (len(headers[k][0]) == 3 and {*headers[k][0][1:]} <= {3, 4})]
    if array and array not in volumes:
        raise UserError(f"{shown(path)} has no volume {shown(array)}: it holds {_listing(headers)}")
    if positions and not array:
        return _points(path, headers, positions)
    if not array and len(volumes) != 1:
        hint = (
            "name one with ?array="
            if volumes
            else "expected [z, y, x] of numbers, or points and colors [N, 3]"
        )
        raise UserError(f"{shown(path)} holds {_listing(headers)}: {hint}")
    name = array or volumes[0]
    shape, fortran, dtype = headers[name]
    if fortran:
        raise UserError(
            f"{shown(path)}: {shown(name)} is in Fortran order: save it with np.ascontiguousarray"
        )
    _check_volume(shape, dtype, f"{shown(path)}: {shown(name)}")
    row_bytes = math.prod(shape[1:]) * dtype.itemsize

    def blocks() -> Iterator[Block]:
        with _member(path, name) as file:
            _header(file, shown(path))
            for z, depth in s.spans(shape[0], shape[0], max(1, row_bytes)):
                yield (z, 0, 0), _taken(file, path, depth * row_bytes, dtype).reshape(depth, *shape[1:])

    return _volume(path, shape, dtype, blocks, {"format": "npz", "array": shown(name)}, above)


def _volume(
    path: Path, shape: Any, dtype: np.dtype, blocks: Blocks, notes: dict[str, str | int], above: str
) -> s.Source:
    notes = {**notes, "dtype": str(dtype)}
    return volume_source(path, shape[:3], blocks, notes, Scalars(above_of(path, above)))


def _points(path: Path, headers: dict[str, Header], name: str) -> s.Source:
    shape, _, dtype = headers[name]
    colour = next((k for k in _COLOURS if k in headers and headers[k][0] == shape), None)
    s.check_count(path, shape[0], "points")

    def batches(n: int) -> Iterator[s.Points]:
        with _member(path, name) as file, _member(path, colour or name) as colours:
            kind = headers[colour or name][2]
            for each in (file, colours):
                _header(each, shown(path))
            for _, count in s.spans(shape[0], n, 3 * dtype.itemsize + 3 * kind.itemsize):
                with np.errstate(all="ignore"):
                    at = (
                        _taken(file, path, count * 3 * dtype.itemsize, dtype)
                        .reshape(-1, 3)
                        .astype(np.float64)
                    )
                    rgb = (
                        _taken(colours, path, count * 3 * kind.itemsize, kind)
                        .reshape(-1, 3)
                        .astype(np.float64)
                    )
                    rgb = rgb * (255 if kind.kind == "f" else 1) if colour else np.full_like(rgb, GREY)
                keep = np.isfinite(at).all(1) & np.isfinite(rgb).all(1)
                if keep.any():
                    yield s.Points(at[keep], np.rint(np.clip(rgb[keep], 0, 255)).astype(np.uint8))

    notes: dict[str, str | int] = {"format": "npz points", "array": name, "colour": colour or "none"}
    return s.Source(path, "points", shape[0], "z", batches, notes)


def _is_points(header: Header) -> bool:
    shape, fortran, dtype = header
    return len(shape) == 2 and shape[1] == 3 and dtype.kind in "fiu" and not fortran


def _is_volume(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    if dtype.kind not in "fiub" or not all(shape):
        return False
    return len(shape) == 3 or (len(shape) == 4 and shape[3] in (3, 4) and dtype == np.uint8)


def _check_volume(shape: tuple[int, ...], dtype: np.dtype, where: str) -> None:
    if not _is_volume(shape, dtype):
        raise UserError(
            f"{where} is {shown(dtype)} {shown(shape)}: expected numbers [z, y, x] or bytes [z, y, x, 3 or 4]"
        )
    if math.prod(shape[1:]) * dtype.itemsize > s.READ_BYTES * 8:
        raise UserError(f"{where}: a layer of {shown(shape)} is over {s.READ_BYTES * 8:,} bytes: split it")


def _listing(headers: dict[str, Header]) -> str:
    return shown(", ".join(f"{name} {list(shape)}" for name, (shape, _, _) in headers.items()) or "nothing")


def _header(file: IO[bytes], where: str) -> Header:
    """Of the array that begins here; the file stands behind it afterwards. Raises UserError."""
    try:
        version = np.lib.format.read_magic(file)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it was written by Python 2
            shape, fortran, dtype = read(file, max_header_size=_MAX_HEADER)
    except (*_BAD_HEADER, OSError, *_ZIP):
        raise UserError(f"{where}: expected a NumPy array; its header is damaged") from None
    if any(type(n) is not int or not 0 <= n <= s.MAX_ITEMS for n in shape) or len(shape) > 32:
        raise UserError(f"{where}: an array of {shown(shape)} is not read")
    if dtype.hasobject or dtype.itemsize == 0:
        raise UserError(f"{where} holds Python objects, which are never loaded: expected numbers")
    return shape, fortran, dtype


# What NumPy raises on a damaged header, as found by fuzzing: it evaluates a literal.
_BAD_HEADER = (
    ValueError, KeyError, EOFError, SyntaxError, TypeError, MemoryError, RecursionError, TokenError,
)  # fmt: skip
_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@contextmanager
def _member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """An array of the zip, unpacked as it is read."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(s.opened(path))))
            member = stack.enter_context(archive.open(name + ".npy"))
        except (*_ZIP, OSError, EOFError, KeyError, ValueError):
            raise UserError(f"{shown(path)} is damaged: its array {shown(name)} does not unpack") from None
        yield member


def _headers(path: Path) -> dict[str, Header]:
    """Every array's header, sizes checked against the archive's. Raises UserError."""
    try:
        with s.opened(path) as file, zipfile.ZipFile(file) as archive:
            infos = {i.filename[:-4]: i for i in archive.infolist() if i.filename.endswith(".npy")}
            if len(archive.infolist()) > _MAX_MEMBERS:
                raise UserError(f"{shown(path)} holds more than {_MAX_MEMBERS:,} arrays")
    except (*_ZIP, OSError, EOFError, ValueError):
        raise UserError(f"{shown(path)} is damaged: its zip archive does not open") from None
    headers: dict[str, Header] = {}
    for name, info in infos.items():
        with _member(path, name) as member:
            try:
                headers[name] = _header(member, f"{shown(path)}: {shown(name)}")
            except UserError:
                continue  # objects, which are not for us
        shape, _, dtype = headers[name]
        needed = math.prod(shape) * dtype.itemsize
        if needed > info.file_size or info.file_size > _DEFLATE_RATIO * info.compress_size + 64:
            raise UserError(f"{shown(path)} is cut short: {shown(name)} needs {needed:,} bytes")
    return headers


def _taken(file: IO[bytes], path: Path, n_bytes: int, dtype: np.dtype) -> NDArray[Any]:
    """The next bytes as numbers [N]. Raises UserError."""
    try:
        data = file.read(n_bytes)
    except (*_ZIP, OSError, EOFError):
        data = b""
    if len(data) != n_bytes:
        raise UserError(f"{shown(path)} is damaged or cut short: an array does not unpack")
    return np.frombuffer(data, dtype)
