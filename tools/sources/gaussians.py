"""From raw columns to Gaussians: the one place that decides which splats are dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .source import Gaussians

SH_C0 = 0.28209479177387814  # sqrt(1 / 4 pi): the constant spherical harmonic
TINY_SCALE = 1e-9  # no sigma is smaller: flat (2DGS) and underflowed ones keep an invertible covariance

Float = NDArray[np.float64]


def assemble(
    positions: Float, scales: Float, rotations: Float, opacities: Float, colours: Float
) -> Gaussians:
    """Columns of N raw records (any float type) -> at most N Gaussians.

    positions [N, 3]; scales [N, 3] linear sigma; rotations [N, 4] w, x, y, z of any length; opacities [N]
    0..1; colours [N, 3] sRGB where 0..1 is shown and the rest is clipped.

    Dropped: a position, scale or colour that is NaN or infinite (also once it is a float32), a negative
    scale, a quaternion that is zero, NaN or infinite, an opacity that is NaN.
    """
    with np.errstate(all="ignore"):
        at = positions.astype(np.float32)
        sigma = np.maximum(scales, TINY_SCALE).astype(np.float32)  # NaN stays NaN
        length = np.linalg.norm(np.asarray(rotations, np.float64), axis=1)
        unit = (rotations / length[:, None]).astype(np.float32)
        colour = np.rint(np.clip(colours, 0, 1) * 255)
        keep = np.isfinite(at).all(1) & np.isfinite(sigma).all(1) & (scales >= 0).all(1)
        keep &= np.isfinite(length) & (length > 0) & np.isfinite(colours).all(1)
        keep &= (opacities >= 0) & (opacities <= 1)
    return Gaussians(
        positions=at[keep],
        scales=sigma[keep],
        rotations=unit[keep],
        opacities=opacities[keep].astype(np.float32),
        rgb=colour[keep].astype(np.uint8),
    )


def sigmoid(logit: Float) -> Float:
    """1 / (1 + exp(-x)): +inf is exactly 1, -inf exactly 0, NaN stays NaN."""
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-logit))


def exp_scale(log_scale: Float) -> Float:
    """exp, but NaN where the logarithm was not finite, so that `assemble` drops the splat."""
    with np.errstate(all="ignore"):
        return np.where(np.isfinite(log_scale), np.exp(log_scale), np.nan)


def place_largest(small: Float, largest: NDArray[np.integer]) -> Float:
    """[N, 3] the smaller components in order, [N] the index of the left-out one -> [N, 4] quaternion."""
    out = np.empty((len(small), 4))
    slots = np.arange(3) + (np.arange(3) >= largest.astype(np.int64)[:, None])
    rows = np.arange(len(small))
    out[rows[:, None], slots] = small
    out[rows, largest] = np.sqrt(np.maximum(0, 1 - (small**2).sum(axis=1)))
    return out
