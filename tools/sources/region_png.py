"""A region's image: 4096 x 4096 texels that are 256^3 voxels (`atlas.uvw`); `voxtide export` writes them.

RGBA: A is coverage, 0 is empty. RGB: needs the bitmap beside it, `NAME.bitmap` (`atlas.bitmap`, one or two
bits a voxel, told by its size), and every voxel is solid. Where both are there they must agree. The text
chunk `voxtide` says which region it is; without one it lies at the origin. z points up; a cell is a voxel.
Precision: exact. Memory: the image, 64 MiB, and a batch.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...atlas.bitmap import OccupancyBitmap
from ...atlas.layout import ATLAS, ORIGIN_BITS, REGION
from ...atlas.uvw import image_to_region
from ..errors import UserError, shown
from . import source as s

KEY, FORMAT = "voxtide", 1
MAX_PNG_BYTES = 1 << 27  # incompressible texels and their row headers stay below
MAX_TEXT_BYTES = 1 << 12
MAX_CHUNKS = 1 << 16
_IHDR = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def open_region_png(path: Path) -> s.Source:
    """A region's image as cells; raises UserError for any other PNG."""
    pixels, text = _read_chunks(path)
    region, notes = _described(path, text)
    rgba = _decode(path, pixels)
    bitmap = path.with_suffix(".bitmap")
    occupied = _read_bitmap(bitmap).to_dense() if bitmap.exists() else None
    if rgba.shape[-1] == 3:
        if occupied is None:
            raise UserError(f"{shown(path)} has no alpha: put {shown(bitmap.name)} beside it, or write RGBA")
        rgba = np.concatenate([rgba, np.where(occupied, np.uint8(255), np.uint8(0))[..., None]], axis=-1)
    elif occupied is not None and (occupied != (rgba[..., 3] != 0)).any():
        raise UserError(f"{shown(path)}: its alpha and {shown(bitmap.name)} disagree: export both again")
    corner = np.array(region, np.int64) * REGION
    cells = rgba.reshape(-1, 4)
    n_items = int(np.count_nonzero(cells[:, 3]))
    s.check_count(path, n_items, "voxels")

    def batches(n: int) -> Iterator[s.Voxels]:
        for start in range(0, len(cells), REGION * REGION):  # a slice of constant z
            at = np.flatnonzero(cells[start : start + REGION * REGION, 3]) + start
            for first, count in s.spans(len(at), n, 32):
                some = at[first : first + count]
                xyz = np.stack([some & 255, some >> 8 & 255, some >> 16], axis=-1)
                yield s.Voxels(xyz + corner, cells[some])

    return s.Source(path, "voxels", n_items, "z", batches, {"format": "region png", **notes})


def _read_chunks(path: Path) -> tuple[bytes, bytes | None]:
    """As `_chunks`, of a file whose size and type are those of a region's image."""
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(n_bytes, 26))
    if not head.startswith(_IHDR[:8]):
        raise s.wrong_magic(path, head, f"a region's image, {ATLAS} x {ATLAS} PNG")
    width, height = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    if (
        not head.startswith(_IHDR)
        or (width, height) != (ATLAS, ATLAS)
        or head[24:26] not in (b"\x08\x02", b"\x08\x06")
    ):
        raise UserError(
            f"{shown(path)} is no region: expected a PNG of {ATLAS} x {ATLAS}, RGB or RGBA of 8 bits"
        )
    if n_bytes > MAX_PNG_BYTES:
        raise UserError(
            f"{shown(path)} has {n_bytes:,} bytes: a region's image has at most {MAX_PNG_BYTES:,}"
        )
    return _chunks(path, s.read_bytes(path, 0, n_bytes))


def _decode(path: Path, pixels: bytes) -> NDArray[np.uint8]:
    """[256, 256, 256, 3 or 4] uint8 (z, y, x)."""
    try:
        with Image.open(io.BytesIO(pixels), formats=("PNG",)) as image:
            image.load()
            return image_to_region(np.asarray(image))
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError) as error:
        raise UserError(f"{shown(path)} is a damaged PNG ({shown(error)}): export it again") from None


def _chunks(path: Path, data: bytes) -> tuple[bytes, bytes | None]:
    """(a PNG of nothing but the pixels, our text): what else a PNG may hold, no decoder needs to see."""
    kept, text, at = [data[:8]], None, 8
    for _ in range(MAX_CHUNKS):
        n_bytes, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + n_bytes
        if end > len(data):
            raise UserError(f"{shown(path)} is a damaged PNG (cut short): export it again")
        if kind in (b"IDAT", b"IEND") or at == 8:  # one IHDR, the one that was checked
            kept.append(data[at:end])
        if kind == b"tEXt" and data.startswith(KEY.encode() + b"\0", at + 8):
            text = data[at + 9 + len(KEY) : end - 4]
        if kind == b"IEND":
            return b"".join(kept), text
        at = end
    raise UserError(f"{shown(path)} is a damaged PNG (over {MAX_CHUNKS:,} chunks): export it again")


def _described(path: Path, text: bytes | None) -> tuple[tuple[int, int, int], dict[str, str | int]]:
    """The region and level that the text chunk names; the origin and nothing without one."""
    if text is None:
        return (0, 0, 0), {}
    try:
        if len(text) > MAX_TEXT_BYTES:
            raise ValueError("too long")
        says = json.loads(text)
        region, level = tuple(says["region"]), says["level"]
        limit = 1 << (ORIGIN_BITS - 8)
        if says["format"] != FORMAT or len(region) != 3 or type(level) is not int or not 0 <= level < 16:
            raise ValueError("format, region or level")
        if not all(type(c) is int and -limit <= c < limit for c in region):
            raise ValueError("a region outside the world")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{shown(path)}: its text chunk {KEY!r} is damaged ({shown(error)})") from None
    return region, {"region": " ".join(map(str, region)), "level": level}


def _read_bitmap(path: Path) -> OccupancyBitmap:
    bits_of_size = {ATLAS * ATLAS * bits // 8: bits for bits in (1, 2)}
    n_bytes = s.file_bytes(path)
    if n_bytes not in bits_of_size:
        sizes = " or ".join(f"{n:,}" for n in bits_of_size)
        raise UserError(f"{shown(path)} has {n_bytes:,} bytes: a region's bitmap has {sizes}")
    return OccupancyBitmap.from_bytes(s.read_bytes(path, 0, n_bytes), bits_of_size[n_bytes])
