"""`.spz` versions 2, 3 (one gzip stream) and 4 (one zstd frame per attribute). Layout: nianticlabs/spz, MIT.

Attributes lie one after the other: position 3 x 24-bit fixed point with `fractional_bits`; opacity uint8;
colour 3 x uint8 = (0.15 f_dc + 0.5) * 255; log scale 3 x uint8 = (ln sigma + 10) * 16; rotation x y z w, in
version 2 three bytes (w follows), from 3 on the index of the largest and three times sign and 9 bits; then
the spherical harmonics, which are not read. Axes are right-up-back: y points up, against .ply and .splat.

The streams are read side by side in step, so memory follows the batch; for gzip that means unpacking the
front of the file once per attribute. Precision: position 2^-(fractional_bits + 1), ln sigma 1/32, rotation
1/1446 (version 2: 1/255) per component, f_dc 1/76 (colour 0.95/255), opacity 1/510.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import zstandard
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .gaussians import SH_C0, assemble, place_largest

_HEADER = struct.Struct("<4sIIBBBB")
_HEADER_4 = struct.Struct("<4sIIBBBBI12s")
_COEFFICIENTS = (0, 3, 8, 15, 24)  # per colour, by SH degree, without the constant
_DEFLATE_RATIO = 1032  # deflate cannot do better, so a small file cannot declare much
_ZSTD_WINDOW_BYTES = 1 << 27  # the largest that `zstd --ultra` writes
_DAMAGE = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class _Spz:
    path: Path
    version: int
    n_splats: int
    sh_degree: int
    fractional_bits: int
    flags: int
    offsets: tuple[int, ...]  # of the five attributes: in the unpacked stream (2, 3) or in the file (4)

    @property
    def widths(self) -> tuple[int, ...]:
        """Bytes per splat of position, opacity, colour, scale, rotation."""
        return (9, 1, 3, 3, 3 if self.version == 2 else 4)


def open_spz(path: Path) -> s.Source:
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(_HEADER_4.size, n_bytes))
    if head.startswith(b"\x1f\x8b"):
        spz = _read_gzip_header(path, n_bytes)
    elif head.startswith(b"NGSP"):
        spz = _read_toc(path, n_bytes, head)
    else:
        raise s.wrong_magic(path, head, "an .spz file (gzip, or NGSP for version 4)")

    def batches(n: int) -> Iterator[s.Gaussians]:
        with ExitStack() as stack:
            streams = [_stream(spz, k, stack) for k in range(5)]
            for _, count in s.spans(spz.n_splats, n, sum(spz.widths)):
                columns = [_take(spz, f, count, w) for f, w in zip(streams, spz.widths, strict=True)]
                batch = _decode(spz, *columns)
                if len(batch):
                    yield batch

    notes: dict[str, str | int] = {"format": f"spz v{spz.version}", "sh_degree": spz.sh_degree}
    if spz.flags & 1:
        notes["antialiased"] = 1
    if spz.flags & 2:
        notes["extensions"] = "ignored"
    return s.Source(path, "gaussians", spz.n_splats, "y", batches, notes)


def _check(
    path: Path, versions: tuple[int, ...], version: int, n_splats: int, degree: int, fraction: int
) -> None:
    if version not in versions:
        raise UserError(f"{shown(path)} is .spz version {version}: versions 2, 3 (gzip) and 4 are read")
    s.check_count(path, n_splats, "splats")
    if degree >= len(_COEFFICIENTS) or fraction > 24:
        raise UserError(
            f"{shown(path)}: .spz with SH degree {degree}, {fraction} fractional bits: expected 0..4, 0..24"
        )


def _read_gzip_header(path: Path, n_bytes: int) -> _Spz:
    try:
        with gzip.open(path) as file:
            head = file.read(_HEADER.size)
    except _DAMAGE:
        raise UserError(f"{shown(path)} begins like gzip but does not unpack: download it again") from None
    if len(head) < _HEADER.size or not head.startswith(b"NGSP"):
        raise UserError(f"{shown(path)} is a gzip file without .spz content: expected NGSP inside")
    _, version, n_splats, degree, fraction, flags, _ = _HEADER.unpack(head)
    _check(path, (2, 3), version, n_splats, degree, fraction)
    widths = (9, 1, 3, 3, 3 if version == 2 else 4, 3 * _COEFFICIENTS[degree])
    if n_splats * sum(widths) > n_bytes * _DEFLATE_RATIO:
        raise UserError(f"{shown(path)} is cut short: {n_bytes:,} bytes cannot hold {n_splats:,} splats")
    offsets = tuple(_HEADER.size + n_splats * sum(widths[:k]) for k in range(5))
    return _Spz(path, version, n_splats, degree, fraction, flags, offsets)


def _read_toc(path: Path, n_bytes: int, head: bytes) -> _Spz:
    """Version 4: header, extensions, (packed, unpacked) bytes of each stream, the streams."""
    if len(head) < _HEADER_4.size:
        raise UserError(f"{shown(path)} is cut short: the .spz header needs {_HEADER_4.size} bytes")
    _, version, n_splats, degree, fraction, flags, n_streams, toc, _ = _HEADER_4.unpack(head)
    _check(path, (4,), version, n_splats, degree, fraction)
    at = toc + 16 * n_streams
    if n_streams != 5 + (degree > 0) or toc < _HEADER_4.size or at > n_bytes:
        raise UserError(
            f"{shown(path)}: the .spz table of streams is damaged: expected {5 + (degree > 0)} streams"
        )
    spz = _Spz(path, 4, n_splats, degree, fraction, flags, ())
    sizes = struct.unpack(f"<{2 * n_streams}Q", s.read_bytes(path, toc, 16 * n_streams))
    offsets = []
    for k in range(n_streams):
        offsets.append(at)
        at += sizes[2 * k]
        width = (*spz.widths, 3 * _COEFFICIENTS[degree])[k]
        if sizes[2 * k + 1] != n_splats * width or at > n_bytes:
            raise UserError(
                f"{shown(path)}: .spz stream {k} does not fit {n_splats:,} splats and {n_bytes:,} bytes"
            )
    return _Spz(path, 4, n_splats, degree, fraction, flags, tuple(offsets[:5]))


def _stream(spz: _Spz, k: int, stack: ExitStack) -> IO[bytes]:
    """Attribute k, unpacked, from its first byte."""
    raw = stack.enter_context(s.opened(spz.path))
    try:
        if spz.version == 4:
            raw.seek(spz.offsets[k])
            zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
            return stack.enter_context(io.BufferedReader(zstd.stream_reader(raw)))
        unpacked = stack.enter_context(gzip.GzipFile(fileobj=raw))
        unpacked.seek(spz.offsets[k])
        return io.BufferedReader(unpacked)
    except _DAMAGE:
        raise _damaged(spz) from None


def _take(spz: _Spz, stream: IO[bytes], n_splats: int, width: int) -> NDArray[np.uint8]:
    """The next [n_splats, width] bytes."""
    try:
        data = stream.read(n_splats * width)
    except _DAMAGE:
        raise _damaged(spz) from None
    if len(data) != n_splats * width:
        raise _damaged(spz)
    return np.frombuffer(data, np.uint8).reshape(n_splats, width)


def _damaged(spz: _Spz) -> UserError:
    return UserError(f"{shown(spz.path)} is damaged or cut short: its {spz.n_splats:,} splats do not unpack")


def _decode(
    spz: _Spz,
    position: NDArray[np.uint8],
    opacity: NDArray[np.uint8],
    colour: NDArray[np.uint8],
    scale: NDArray[np.uint8],
    rotation: NDArray[np.uint8],
) -> s.Gaussians:
    low, middle, high = np.moveaxis(position.reshape(-1, 3, 3).astype(np.int64), 2, 0)
    fixed = ((low | middle << 8 | high << 16) ^ 1 << 23) - (1 << 23)  # sign of 24 bits
    xyzw = _rotation_2(rotation) if spz.version == 2 else _rotation_3(rotation)
    return assemble(
        fixed / (1 << spz.fractional_bits),
        np.exp(scale / 16 - 10),
        xyzw[:, [3, 0, 1, 2]],
        opacity[:, 0] / 255,
        0.5 + SH_C0 * (colour / 255 - 0.5) / 0.15,
    )


def _rotation_2(rotation: NDArray[np.uint8]) -> NDArray[np.float64]:
    xyz = rotation / 127.5 - 1
    w = np.sqrt(np.maximum(0, 1 - (xyz**2).sum(axis=1)))
    return np.concatenate([xyz, w[:, None]], axis=1)


def _rotation_3(rotation: NDArray[np.uint8]) -> NDArray[np.float64]:
    packed = rotation.copy().view("<u4")[:, 0].astype(np.int64)
    fields = np.stack([packed >> 20, packed >> 10, packed], axis=1) & 0x3FF
    small = (fields & 0x1FF) / 511 * np.sqrt(0.5) * np.where(fields & 0x200, -1, 1)
    return place_largest(small, packed >> 30)
