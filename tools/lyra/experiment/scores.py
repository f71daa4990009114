"""How good a picture is, and how well surfaces are where they belong. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..memory.view import F64, Bool, Frame, Picture, project
from .scene import Scene

GREY = 128.0  # what a hole counts as
MAX_DB = 60.0  # of pictures that are equal
SIGMA, RADIUS = 1.5, 5  # SSIM's window: 11 x 11 (Wang et al., IEEE TIP 13(4), 2004)
PATCH = 0.2  # world units: surface patches for `doubled`
MIN_POINTS = 8  # of a patch, or it is not judged
APART = 0.10  # world units along the normal: thicker is double. Two voxels of 5 cm


def filled(picture: Picture) -> F64:
    """The colours, with grey in the holes. [H, W, 3]"""
    return np.where(picture.covered[..., None], picture.rgb, GREY).astype(np.float64)


def mse(a: NDArray[Any], b: NDArray[Any], where: Bool) -> float:
    """Mean squared difference of [H, W, 3] images over pixels; NaN if there are none."""
    off = (a.astype(np.float64) - b)[where]
    return float((off * off).mean()) if off.size else float("nan")


def decibels(error: float) -> float:
    """PSNR of a mean squared error of bytes."""
    return float(min(MAX_DB, 10 * np.log10(255.0**2 / max(error, 1e-12))))


def ssim_map(a: F64, b: F64) -> F64:
    """SSIM of luma at each pixel, Gaussian window, edges mirrored. [H, W, 3] x 2 -> [H, W]"""
    x, y = (image @ [0.299, 0.587, 0.114] for image in (a, b))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = _blur(x), _blur(y)
    vx, vy, both = _blur(x * x) - mx * mx, _blur(y * y) - my * my, _blur(x * y) - mx * my
    return np.asarray((2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)))


def _blur(image: F64) -> F64:
    taps = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(RADIUS, RADIUS) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(image, pad, mode="symmetric")
        n = image.shape[axis]
        image = sum(t * np.take(wide, range(i, i + n), axis=axis) for i, t in enumerate(taps))
    return image


def known(truth: Frame, before: list[Frame]) -> Bool:
    """Pixels of a true picture whose surface an earlier true picture shows. [H, W]"""
    assert truth.tracer is not None
    points = truth.tracer.reshape(-1, 3) * 1e-6
    out = np.zeros(len(points), bool)
    for frame in before:
        left = np.flatnonzero(~out)
        if not left.size:
            break
        x, y, z = project(points[left], frame.view)
        height, width = frame.view.size
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        inside = np.flatnonzero((z > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height))
        there = frame.depth[row[inside], column[inside]]
        out[left[inside[np.abs(there - z[inside]) < 0.03 * z[inside]]]] = True
    return out.reshape(truth.view.size)


def misplaced_px(picture: Picture, truth: Frame, where: Bool) -> F64:
    """How many pixels from its true place each content is shown. -> [N], of covered pixels in where."""
    assert picture.tracer is not None
    rows, columns = np.nonzero(where & picture.covered)
    x, y, z = project(picture.tracer[rows, columns], truth.view)
    return np.where(z > 0, np.hypot(x - columns, y - rows), np.inf)


def doubled(stored: F64, true: F64, scene: Scene) -> tuple[float, float]:
    """Stored points [N, 3] and where they are in truth -> (share of patches that are double, thickness).

    A patch is 20 cm of true surface; it is double if the middle 90 % of the points stored for it reach over
    more than two voxels along the normal. Thickness: mean over the patches of their standard deviation.
    """
    if not len(stored):
        return float("nan"), float("nan")
    cell = np.floor(true / PATCH).astype(np.int64)
    cell -= cell.min(axis=0)
    size = cell.max(axis=0) + 1
    _, patch = np.unique((cell[:, 2] * size[1] + cell[:, 1]) * size[0] + cell[:, 0], return_inverse=True)
    if np.bincount(patch).max() < MIN_POINTS:
        return float("nan"), float("nan")
    off = scene.offset(stored)
    order = np.lexsort((off, patch))
    n = np.bincount(patch)
    first = np.cumsum(n) - n
    large = np.flatnonzero(n >= MIN_POINTS)
    sorted_off = off[order]
    low = sorted_off[first[large] + (n[large] * 0.05).astype(np.int64)]
    high = sorted_off[first[large] + (n[large] * 0.95).astype(np.int64)]
    mean = np.bincount(patch, off) / n
    spread = np.sqrt(np.maximum(np.bincount(patch, off * off) / n - mean**2, 0))[large]
    return float((high - low > APART).mean()), float(spread.mean())
