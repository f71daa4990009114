"""Pictures on triangles: found beside the scene, decoded within limits, halved down to one texel.

Levels are averaged in linear light. Where alpha cuts holes, colours are weighted by alpha, so that what is
cut away does not bleed in, and each level has the cutoff that leaves as large a share of it as of level 0
(I. Castano, "Computing Alpha Mipmaps", 2010): averaged leaves would otherwise thin out and vanish.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...atlas.lod import LINEAR_OF_SRGB, SRGB_OF_LINEAR
from ..errors import UserError, shown
from . import source as s
from .source import Texture, Wrap

U8 = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "TIFF", "GIF")
MAX_PICTURE_BYTES = 1 << 28
MAX_TEXELS = 1 << 26  # 8192 x 8192
ROWS = 256  # of a picture that are halved at a time


def beside(scene: Path, name: str) -> Path:
    """The file that a scene names, which must lie in the scene's folder or below; UserError otherwise."""
    refused = f"{shown(scene)} refers to {shown(name)}"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", name):
        raise UserError(f"{refused}: nothing is fetched; save it beside the scene and name it there")
    name = unquote(name)
    parts = Path(name).parts
    if not parts or "\\" in name or "\0" in name or Path(name).is_absolute() or ".." in parts:
        raise UserError(f"{refused}: only files in its own folder are read")
    folder, found = scene.parent.resolve(), (scene.parent / name).resolve()
    if not found.is_relative_to(folder):
        raise UserError(f"{refused}: that leads out of its folder")
    return found


def picture(data: bytes, where: str) -> U8:
    """An encoded picture -> pixels [h, w, 4] uint8, first row on top. UserError, naming `where`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's advice on large and odd files: the limits are ours
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_TEXELS:
                    raise UserError(
                        f"{where}: {width} x {height} texels: make it smaller than {MAX_TEXELS:,}"
                    )
                return np.asarray(image.convert("RGBA"))
    except (
        OSError,
        ValueError,
        SyntaxError,
        IndexError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        if data[:12] == b"\xabKTX 20\xbb\r\n\x1a\n":
            raise UserError(f"{where} is a KTX2 texture: export with PNG, JPEG or WebP textures") from None
        if isinstance(error, UnidentifiedImageError):
            raise UserError(f"{where} cannot be decoded: expected a {', '.join(FORMATS)} picture") from None
        raise UserError(f"{where} cannot be decoded: {shown(error)}") from None


def texture(pixels: U8, cutoff: float = 0.0, wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")) -> Texture:
    """Pixels [h, w, 4] sRGB and alpha -> the texture at every size; cutoff 0: alpha means nothing."""
    levels = [pixels]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(halved(levels[-1], cutoff > 0))
    cutoffs = tuple(_cutoff(level, pixels, cutoff) for level in levels) if cutoff > 0 else ()
    return Texture(tuple(levels), cutoffs, wrap)


def halved(level: U8, by_alpha: bool) -> U8:
    """The mean of every 2 x 2 texels in linear light; an odd last row or column counts twice."""
    even = np.pad(level, ((0, level.shape[0] % 2), (0, level.shape[1] % 2), (0, 0)), mode="edge")
    out = np.empty((even.shape[0] // 2, even.shape[1] // 2, 4), np.uint8)
    for at in range(0, len(out), ROWS):
        rows = even[2 * at : 2 * (at + ROWS)]
        four = np.stack([rows[y::2, x::2] for y in (0, 1) for x in (0, 1)])
        weight = four[..., 3:].astype(np.int64)
        alpha = weight.sum(0)[..., 0]
        if not by_alpha:
            weight = np.ones_like(weight)
        weight += weight.sum(0) == 0  # where nothing is opaque, all four count
        total = weight.sum(0)
        light = (LINEAR_OF_SRGB[four[..., :3]] * weight).sum(0)
        out[at : at + ROWS, :, :3] = SRGB_OF_LINEAR[(2 * light + total) // (2 * total)]
        out[at : at + ROWS, :, 3] = (alpha + 2) // 4
    return out


def _cutoff(level: U8, finest: U8, cutoff: float) -> float:
    """The alpha above which lies the same share of this level as of the finest above `cutoff`."""
    if level is finest:
        return cutoff
    hidden = float((finest[..., 3] < cutoff * 255).mean())
    alphas = np.sort(level[..., 3], axis=None)
    place = round(hidden * alphas.size)
    if place >= alphas.size:
        return 2.0  # nothing of it is seen
    return max(float(alphas[place]) - 0.5, 0.5) / 255


def read_beside(scene: Path, name: str, most: int = MAX_PICTURE_BYTES) -> bytes:
    """The bytes of a file that a scene names; UserError if it is missing, too large or not beside it."""
    path = beside(scene, name)
    n_bytes = s.file_bytes(path)
    if n_bytes > most:
        raise UserError(f"{shown(path)} has {n_bytes:,} bytes: the limit is {most:,}")
    return s.read_bytes(path, 0, n_bytes)
