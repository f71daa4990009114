"""One channel of an OpenEXR image: scan lines, half or float, uncompressed, RLE, ZIPS or ZIP.

The file (openexr.com, "OpenEXR File Layout"): magic, version, attributes (name, type, size, bytes) up to an
empty name, an offset per block of lines, then blocks (first line, size, bytes). In a block each line holds
each channel in order of its name. ZIP and RLE blocks: the bytes' even half before their odd half, then
differences plus 128, then the compression. PIZ and the lossy ones go through the package OpenEXR where it is
installed.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown

MAX_PIXELS = 1 << 24
_LINES = {0: 1, 1: 1, 2: 1, 3: 16}  # compression: none, RLE, ZIPS, ZIP -> lines per block
_NAMES = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
_TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))


@dataclass(frozen=True, slots=True)
class Header:
    """What is needed of a header. channels: name -> type, in file order; table_at: of the offsets."""

    size: tuple[int, int]  # width, height
    top: int  # number of the first line
    compression: int
    channels: dict[str, np.dtype]
    table_at: int


def header(data: bytes, what: str) -> Header:
    """Check and read a header. Raises UserError, naming `what`."""
    if data[:4] != b"v/1\x01":
        raise UserError(f"{shown(what)} is not an OpenEXR image")
    try:
        (flags,) = struct.unpack_from("<I", data, 4)
        if flags & 0xFF != 2 or flags & 0x1A00:
            raise UserError(
                f"{shown(what)}: tiled, deep and multi-part EXR are not read: save it as scan lines"
            )
        attributes, at = _attributes(data)
        x0, y0, x1, y1 = struct.unpack("<4i", attributes[b"dataWindow"])
        (compression,) = struct.unpack("<B", attributes[b"compression"])
        channels = _channels(attributes[b"channels"])
    except (struct.error, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{shown(what)}: the EXR header is damaged: {shown(error)}") from None
    width, height = x1 - x0 + 1, y1 - y0 + 1
    if width < 1 or height < 1 or width * height > MAX_PIXELS or compression >= len(_NAMES):
        raise UserError(f"{shown(what)}: {width} x {height} pixels: 1 to {MAX_PIXELS:,} are read")
    return Header((width, height), y0, compression, channels, at)


def _attributes(data: bytes) -> tuple[dict[bytes, bytes], int]:
    """-> (value by name, where the header ends). Raises ValueError, struct.error."""
    found: dict[bytes, bytes] = {}
    at = 8
    while True:
        end = data.index(b"\0", at, at + 256)
        name = data[at:end]
        if not name:
            return found, end + 1
        at = data.index(b"\0", end + 1, end + 257) + 1
        (size,) = struct.unpack_from("<I", data, at)
        if at + 4 + size > len(data):
            raise ValueError("cut short")
        found[name] = data[at + 4 : at + 4 + size]
        at += 4 + size


def _channels(value: bytes) -> dict[str, np.dtype]:
    found: dict[str, np.dtype] = {}
    at = 0
    while value[at]:
        end = value.index(b"\0", at, at + 256)
        kind, _, xs, ys = struct.unpack_from("<iIii", value, end + 1)
        if not 0 <= kind <= 2 or (xs, ys) != (1, 1):
            raise ValueError("subsampled or unknown channel")
        found[value[at:end].decode("latin-1")] = _TYPES[kind]
        at = end + 17
    return found


def read(data: bytes, names: tuple[str, ...], what: str) -> NDArray[np.float32]:
    """The first channel [H, W] of these names that is there. Raises UserError, naming `what`."""
    head = header(data, what)
    name = next((n for n in names if n in head.channels), None)
    if name is None:
        there = ", ".join(head.channels)
        raise UserError(f"{shown(what)} has the channels {shown(there)}: expected one of {', '.join(names)}")
    if head.compression not in _LINES:
        return _through_package(data, head, name, what)
    try:
        return _scan_lines(data, head, name)
    except (struct.error, ValueError, zlib.error) as error:
        raise UserError(f"{shown(what)}: the EXR image is damaged: {shown(error)}") from None


def _scan_lines(data: bytes, head: Header, name: str) -> NDArray[np.float32]:
    width, height = head.size
    dtype = head.channels[name]
    before = 0
    for other, kind in head.channels.items():
        if other == name:
            break
        before += width * kind.itemsize
    line_bytes = width * sum(kind.itemsize for kind in head.channels.values())
    lines = _LINES[head.compression]
    n_blocks = -(-height // lines)
    offsets = struct.unpack_from(f"<{n_blocks}Q", data, head.table_at)
    out = np.zeros((height, width), np.float32)
    for offset in offsets:
        if offset + 8 > len(data):
            raise ValueError("cut short")
        first, size = struct.unpack_from("<iI", data, offset)
        row = first - head.top
        if not 0 <= row < height or row % lines or offset + 8 + size > len(data):
            raise ValueError("a block lies outside the image or the file")
        n = min(lines, height - row)
        block = _unpacked(data[offset + 8 : offset + 8 + size], head.compression, n * line_bytes)
        rows = np.frombuffer(block, np.uint8).reshape(n, line_bytes)
        mine = np.ascontiguousarray(rows[:, before : before + width * dtype.itemsize])
        out[row : row + n] = mine.view(dtype)
    return out


def _unpacked(block: bytes, compression: int, n_bytes: int) -> bytes:
    """A block's bytes. Raises ValueError, zlib.error."""
    if compression == 0 or len(block) == n_bytes:  # stored plainly where packing does not pay
        raw = block
    else:
        if compression == 1:
            packed = _run_lengths(block, n_bytes)
        else:
            packed = zlib.decompressobj().decompress(block, n_bytes + 1)
        if len(packed) != n_bytes:
            raise ValueError("a block has the wrong size")
        step = np.frombuffer(packed, np.uint8).copy()
        step[1:] -= 128  # wraps, as do the sums
        mixed = np.cumsum(step, dtype=np.uint8)
        out = np.empty(n_bytes, np.uint8)
        half = (n_bytes + 1) // 2
        out[0::2], out[1::2] = mixed[:half], mixed[half:]
        raw = out.tobytes()
    if len(raw) != n_bytes:
        raise ValueError("a block has the wrong size")
    return raw


def _run_lengths(block: bytes, n_bytes: int) -> bytes:
    """Undo RLE: a signed count, then -count literals or one byte count + 1 times."""
    out = bytearray()
    at = 0
    while at + 1 < len(block) and len(out) <= n_bytes:
        count = block[at]
        if count >= 128:
            out += block[at + 1 : at + 1 + 256 - count]
            at += 1 + 256 - count
        else:
            out += block[at + 1 : at + 2] * (count + 1)
            at += 2
    return bytes(out)


def _through_package(data: bytes, head: Header, name: str, what: str) -> NDArray[np.float32]:
    """Any other compression."""
    packing = _NAMES[head.compression]
    try:
        import OpenEXR
    except ImportError:
        raise UserError(
            f"{shown(what)} is EXR packed with {packing}: pip install OpenEXR, or save it with ZIP"
        ) from None
    try:
        file = OpenEXR.InputFile(io.BytesIO(data))
        raw = file.channel(name)
        file.close()
        return np.frombuffer(raw, head.channels[name]).reshape(head.size[::-1]).astype(np.float32)
    except Exception as error:  # a C++ library: it names no types
        raise UserError(f"{shown(what)}: this EXR image ({packing}) cannot be read: {shown(error)}") from None
