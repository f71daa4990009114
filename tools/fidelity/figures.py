"""How alike two pictures are: PSNR, SSIM, distance, coverage. Pure; float64."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .picture import Picture

F64 = NDArray[np.float64]

WINDOW, WINDOW_SIGMA = 11, 1.5  # pixels
K1, K2 = 0.01, 0.03
MAX_PSNR_DB = 100.0  # equal pictures: infinity is no number in JSON, and no mean can bear it


@dataclass(frozen=True, slots=True)
class Figures:
    """One view. None: no pixel to measure on."""

    psnr_db: float  # the whole picture, on BACKGROUND
    psnr_covered_db: float | None  # pixels that both cover
    psnr_opaque_db: float  # the source against itself made opaque: what no opaque world exceeds by much
    ssim: float | None  # None: the picture is smaller than the window
    depth_median_voxels: float | None  # |world - source| along the ray, on pixels that both cover
    depth_p95_voxels: float | None
    coverage_iou: float | None  # covered by both / covered by either
    source_pixels: float  # share of the picture that the source covers
    translucent_pixels: float | None  # of what the source shows at all, the share with alpha 0.1 .. 0.9


def mse(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Mean squared difference of values in 0..1; of nothing it is not defined."""
    return float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


def psnr_db(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Peak signal-to-noise ratio of values in 0..1, at most MAX_PSNR_DB."""
    error = mse(a, b)
    return MAX_PSNR_DB if error <= 10 ** (-MAX_PSNR_DB / 10) else float(-10 * np.log10(error))


def ssim(a: NDArray[np.floating], b: NDArray[np.floating]) -> float | None:
    """Structural similarity of two pictures [h, w, channels] with values in 0..1.

    Wang, Bovik, Sheikh, Simoncelli 2004: an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03,
    windows that lie wholly inside; the mean over windows and channels. None if there is no such window.
    """
    if min(a.shape[:2]) < WINDOW:
        return None
    x, y = a.astype(np.float64), b.astype(np.float64)
    mx, my = _windowed(x), _windowed(y)
    vx, vy = _windowed(x * x) - mx * mx, _windowed(y * y) - my * my
    cov = _windowed(x * y) - mx * my
    c1, c2 = K1**2, K2**2
    found = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(found.mean())


def _windowed(picture: F64) -> F64:
    """Gaussian means of every window that lies wholly inside. [h, w, c] -> [h - 10, w - 10, c]"""
    at = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-(at**2) / (2 * WINDOW_SIGMA**2))
    kernel /= kernel.sum()
    height, width = (n - WINDOW + 1 for n in picture.shape[:2])
    rows: F64 = sum(k * picture[i : i + height] for i, k in enumerate(kernel))
    both: F64 = sum(k * rows[:, i : i + width] for i, k in enumerate(kernel))
    return both


def compare(source: Picture, world: Picture, voxel_size_m: float) -> Figures:
    """The figures of one view."""
    a, b = source.over(), world.over()
    both = source.covered & world.covered
    either = int((source.covered | world.covered).sum())
    off = np.abs(source.depth_m[both].astype(np.float64) - world.depth_m[both]) / voxel_size_m
    off = off[np.isfinite(off)]
    shown = source.alpha > 0.1
    return Figures(
        psnr_db=psnr_db(a, b),
        psnr_covered_db=psnr_db(a[both], b[both]) if both.any() else None,
        psnr_opaque_db=psnr_db(a, source.opaque().over()),
        ssim=ssim(a, b),
        depth_median_voxels=float(np.median(off)) if off.size else None,
        depth_p95_voxels=float(np.percentile(off, 95)) if off.size else None,
        coverage_iou=int(both.sum()) / either if either else None,
        source_pixels=float(source.covered.mean()),
        translucent_pixels=float((source.alpha[shown] < 0.9).mean()) if shown.any() else None,
    )
