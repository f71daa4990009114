"""The files of a SOG scene, in a folder or in a .sog zip: every size is checked before it is unpacked."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import UserError, shown
from . import source as s

MAX_MEMBERS = 1024
MAX_MEMBER_BYTES = 1 << 29
_PIXELS_PER_BYTE = 4  # of an image that holds splats; one that is denser holds nothing but its own size
_SMALL_PIXELS = 1 << 20

Read = Callable[[str], bytes]  # by the name that meta.json gives


def in_folder(folder: Path) -> Read:
    """Reads plain file names from a folder."""

    def read(name: str) -> bytes:
        path = folder / checked_name(name, shown(folder))
        n_bytes = s.file_bytes(path)
        if n_bytes > MAX_MEMBER_BYTES:
            raise UserError(f"{shown(path)} has {n_bytes:,} bytes: the limit is {MAX_MEMBER_BYTES:,}")
        return s.read_bytes(path, 0, n_bytes)

    return read


def in_zip(path: Path) -> Read:
    """Reads the members of a zip file; nothing is written to disk."""

    def read(name: str) -> bytes:
        try:
            with s.opened(path) as file, zipfile.ZipFile(file) as archive:
                if len(archive.infolist()) > MAX_MEMBERS:
                    raise UserError(f"{shown(path)} holds more than {MAX_MEMBERS} files: is it a .sog scene?")
                info = archive.getinfo(name)
                if info.file_size > MAX_MEMBER_BYTES or info.flag_bits & 1:
                    raise UserError(
                        f"{shown(path)}: {shown(name)} is encrypted or over {MAX_MEMBER_BYTES:,} bytes"
                    )
                with archive.open(info) as member:
                    data = member.read(info.file_size + 1)
        except KeyError:
            raise UserError(
                f"{shown(path)} holds no {shown(name)}: it is no .sog scene, or damaged"
            ) from None
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            ValueError,
            NotImplementedError,
            RuntimeError,
        ):
            raise UserError(f"{shown(path)} is damaged: its zip archive does not unpack") from None
        if len(data) != info.file_size:
            raise UserError(f"{shown(path)}: {shown(name)} does not have the size that the archive declares")
        return data

    return read


def checked_name(name: str, where: str) -> str:
    """A relative path that stays below its folder."""
    parts = name.split("/")
    if (
        not parts[0]
        or any(p in ("", ".", "..") for p in parts)
        or re.search(r"[\\:\0]", name)
        or len(name) > 255
    ):
        raise UserError(f"{where} names the file {shown(name)}: expected a plain relative path")
    return name


def pixels(data: bytes, n_splats: int, where: str) -> NDArray[np.uint8]:
    """The first n pixels, row by row, of a WebP or PNG image: [n, 4] uint8 RGBA. Raises UserError."""
    size = _webp_size(data) if data[:4] == b"RIFF" else _png_size(data)
    if size is None:
        raise UserError(f"{where} is neither a WebP nor a PNG image: it is damaged")
    n_pixels = size[0] * size[1]
    if n_pixels < n_splats:
        raise UserError(f"{where} has {size[0]} x {size[1]} pixels, too few for {n_splats:,} splats")
    if n_pixels > max(_SMALL_PIXELS, _PIXELS_PER_BYTE * len(data)):
        raise UserError(
            f"{where} declares {size[0]} x {size[1]} pixels in {len(data):,} bytes: it is damaged"
        )
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as image:
            if image.size != size or getattr(image, "n_frames", 1) != 1:
                raise UserError(f"{where}: expected one still image")
            rgba = np.asarray(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        raise UserError(f"{where} does not unpack: it is damaged") from None
    return rgba.reshape(-1, 4)[:n_splats]


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the first chunk (RFC 9649), read before a decoder may allocate for them."""
    kind, body = data[12:16], data[20:30]
    if data[8:12] != b"WEBP" or len(body) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
