"""A sheet of pictures: each row one view; the source, the world, and where they differ."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .compare import Comparison, View

MAX_ROWS = 16
GAIN = 3.0  # the difference is shown so many times brighter
_BAR = 18  # pixels of a line of text
_GAP = 4
_INK, _PAPER = (235, 235, 235), (28, 28, 30)


def sheet(comparison: Comparison) -> NDArray[np.uint8]:
    """-> [height, width, 3] uint8. Of more than MAX_ROWS views, so many evenly chosen ones."""
    n = len(comparison.views)
    chosen = np.unique(np.linspace(0, n - 1, min(n, MAX_ROWS)).round().astype(int)).tolist()
    width, height = comparison.views[0].camera.size
    row = height + _BAR + _GAP
    page = Image.new("RGB", (3 * width + 4 * _GAP, row * len(chosen) + _BAR + _GAP), _PAPER)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(12)
    titles = ("source", f"world, {comparison.told['voxel_size_m']:g} m voxels", f"difference x {GAIN:g}")
    columns = [_GAP + i * (width + _GAP) for i in range(3)]
    for x, title in zip(columns, titles, strict=True):
        pen.text((x, 3), title, _INK, font)
    for i, number in enumerate(chosen):
        view, y = comparison.views[number], _BAR + _GAP + i * row
        source, world = view.source.over(), view.world.over()
        for x, picture in zip(columns, (source, world, GAIN * np.abs(source - world)), strict=True):
            page.paste(_image(picture), (x, y))
        pen.text((_GAP, y + height + 2), _line(number, view), _INK, font)
    return np.asarray(page)


def _line(number: int, view: View) -> str:
    f = view.figures
    parts = [f"view {number}", f"PSNR {f.psnr_db:.1f} dB"]
    if f.psnr_covered_db is not None:
        parts.append(f"covered {f.psnr_covered_db:.1f} dB")
    if f.ssim is not None:
        parts.append(f"SSIM {f.ssim:.3f}")
    if f.depth_median_voxels is not None:
        parts.append(f"depth {f.depth_median_voxels:.1f} voxels")
    return "   ".join(parts)


def _image(picture: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
