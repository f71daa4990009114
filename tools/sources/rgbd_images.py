"""Pictures and depth images of a frame: by Pillow, from .npy or .exr; every size is checked first."""

from __future__ import annotations

import io
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..errors import UserError, shown
from . import exr, npz
from .rgbd_video import VideoFrame
from .source import file_bytes, read_bytes

MAX_PIXELS = 1 << 24  # of one image: twice 4K
MAX_FRAME_BYTES = 1 << 27  # of one image's file
PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".webp", ".bmp", ".tif", ".tiff")
DEPTHS = (".png", ".pgm", ".tif", ".tiff", ".exr", ".npy")
_FORMATS = ("JPEG", "PNG", "PPM", "WEBP", "BMP", "TIFF")
_METRIC = (".exr", ".npy")  # of which depth is in metres by custom


@dataclass(frozen=True, slots=True)
class File:
    """An image on disk, or one member of a zip file that passed `zip_members`."""

    path: Path
    member: str | None = None

    @property
    def suffix(self) -> str:
        return Path(self.member or self.path.name).suffix.lower()

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        """All bytes, at most MAX_FRAME_BYTES. Raises UserError."""
        if self.member is None:
            n_bytes = file_bytes(self.path)
            if n_bytes > MAX_FRAME_BYTES:
                raise UserError(
                    f"{shown(self.path)} has {n_bytes:,} bytes: an image has {MAX_FRAME_BYTES:,} at most"
                )
            return read_bytes(self.path, 0, n_bytes)
        return npz.read_member(self.path, self.member, MAX_FRAME_BYTES)


Still = File | VideoFrame  # a picture


def zip_members(path: Path, suffixes: tuple[str, ...]) -> list[File]:
    """The members of a zip file with these suffixes, by name. Raises UserError."""
    file_bytes(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if Path(n).suffix.lower() in suffixes)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(f"{shown(path)} is not a zip file that can be read: {shown(error)}") from None
    return [File(path, name) for name in names]


def size_of(file: Still) -> tuple[int, int]:
    """(width, height) of an image, from its header. Raises UserError."""
    if isinstance(file, VideoFrame):
        return picture(file).shape[1::-1]
    data = file.read()
    if file.suffix == ".exr":
        return exr.header(data, str(file)).size
    if file.suffix == ".npy":
        height, width = npz.array(data, str(file), 2).shape
        return width, height
    with _opened(file, data) as image:
        return image.size


def picture(file: Still) -> NDArray[np.uint8]:
    """Colours [H, W, 3] sRGB. Raises UserError."""
    if isinstance(file, VideoFrame):
        return file.video.frame(file.number)
    with _opened(file, file.read()) as image:
        return np.asarray(_loaded(file, image, "RGB"))


def depth(file: File, units_per_metre: float | None) -> NDArray[np.float32]:
    """Depth [H, W] in metres, 0 where nothing was measured (NaN, infinite, negative, or 65535 of 16 bits).

    units_per_metre: None is 1 for .exr and .npy, 1000 for pictures. Raises UserError.
    """
    data = file.read()
    if file.suffix == ".exr":
        raw = exr.read(data, ("Z", "Y", "R", "depth"), str(file))
    elif file.suffix == ".npy":
        raw = npz.array(data, str(file), 2)
    else:
        with _opened(file, data) as image:
            if image.mode not in ("I;16", "I;16B", "I", "F"):
                raise UserError(
                    f"{shown(file)} has mode {image.mode}: depth is one channel of 16 bits or more"
                )
            raw = np.asarray(_loaded(file, image, None))
        if raw.dtype.kind != "f":
            raw = np.where(raw == 65535, 0, raw)
    if raw.dtype.kind not in "fiu" or raw.size > MAX_PIXELS:
        raise UserError(f"{shown(file)}: expected numbers, at most {MAX_PIXELS:,} of them")
    scale = units_per_metre or (1.0 if file.suffix in _METRIC else 1000.0)
    with np.errstate(over="ignore", invalid="ignore"):
        metres = raw.astype(np.float32) / np.float32(scale)
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def fitted(
    rgb: NDArray[np.uint8], size: tuple[int, int], own: tuple[float, ...] | None, wanted: tuple[float, ...]
) -> NDArray[np.uint8]:
    """A picture as the depth camera (size (W, H), intrinsics `wanted`) would take it from the same place.

    own: the picture's intrinsics; None: the picture is the depth image, stretched.
    """
    height, width = rgb.shape[:2]
    if (width, height) == size and (own is None or own == wanted):
        return rgb
    if own is None:
        return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
    (fx, fy, cx, cy), (gx, gy, dx, dy) = own, wanted
    # Pillow maps the corner-based (x + 1/2): u + 1/2 = (x + 1/2 - 1/2 - dx) * fx / gx + cx + 1/2
    columns = (fx / gx, 0, cx + 0.5 - (dx + 0.5) * fx / gx, 0, fy / gy, cy + 0.5 - (dy + 0.5) * fy / gy)
    return np.asarray(
        Image.fromarray(rgb).transform(size, Image.Transform.AFFINE, columns, Image.Resampling.BILINEAR)
    )


def _opened(file: File, data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures; ours is the lower limit
        try:
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except UnidentifiedImageError:
            raise UserError(
                f"{shown(file)} is not an image that can be read ({', '.join(_FORMATS)})"
            ) from None
        except _BROKEN as error:
            raise UserError(f"{shown(file)} is a damaged image: {shown(error)}") from None
    if image.width * image.height > MAX_PIXELS:
        raise UserError(
            f"{shown(file)} has {image.width} x {image.height} pixels: the limit is {MAX_PIXELS:,}"
        )
    return image


def _loaded(file: File, image: Image.Image, mode: str | None) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image.load()
            return image.convert(mode) if mode else image
        except _BROKEN as error:
            raise UserError(f"{shown(file)} is a damaged image: {shown(error)}") from None


# What Pillow's decoders raise on damaged bytes.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, OverflowError,
           ZeroDivisionError, AttributeError, MemoryError, Image.DecompressionBombError)  # fmt: skip
