"""Holes of a warped view, filled from the nearest farther surface: what comes into view was hidden behind.

From a hole's pixel eight directions are looked along, each to the first pixel that is covered. Of two that
are opposite to each other the farther one in depth counts alone: the hole was hidden by the other. Of all
that count the nearest wins, farther surfaces preferred: its plane goes on through the hole. Colours are mixed
of all that lie as deep.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .protocol import F32, F64, Mask

DEEPER = 3.0  # power of depth against distance: a surface twice as deep wins at eight times the distance
HIDDEN = 1.1  # times as deep as the opposite one: that one hid it
ALIKE = 0.12  # of depth: candidates that give colour together
BENT = 0.1  # what a surface counts whose plane does not go on so far
MOST = 2.0  # depth changes by at most this factor across a hole
SMOOTH = 2  # rounds of smoothing made-up colours


Places = NDArray[np.int64]


def filled(rgb: F32, depth: F32, normal: F32, covered: Mask, k: F64, far: float) -> tuple[F32, F32, F32]:
    """Colours [H, W, 3], depth [H, W], normals [H, W, 3] with every hole filled; the rest stays bit for bit.

    Normals are in the camera's axes. far: nothing that is made up lies deeper. Where nothing at all is
    covered, grey and depth 0.
    """
    holes = np.flatnonzero(~covered)
    if not holes.size:
        return rgb, depth, normal
    if not covered.any():
        return np.full_like(rgb, 127), np.zeros_like(depth), normal
    away, at = _candidates(covered, holes)
    there = np.isfinite(away)
    width = depth.shape[1]
    z_at, n_at = depth.ravel()[at], normal.reshape(-1, 3)[at]
    level = (n_at * _rays(at, width, k)).sum(-1) * z_at  # n . p of the plane there, below 0
    slant = (n_at * _rays(holes, width, k)).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        on_plane = level / slant
    low, high = (
        z_at / np.float32(MOST),
        np.minimum(z_at * np.float32(MOST), np.maximum(z_at, np.float32(far))),
    )
    goes_on = (slant < 0) & (on_plane >= low) & (on_plane <= high)
    z = np.where(there, np.where(goes_on, on_plane, np.where(slant < 0, on_plane, high).clip(low, high)), 0)
    opposite = z[_OPPOSITE]
    hid = (opposite > z * np.float32(HIDDEN)) & there[_OPPOSITE]
    score = np.where(
        there & ~hid, (z / np.maximum(z.max(0), np.float32(1e-9))) ** np.float32(DEEPER) / away, 0
    )
    score *= np.where(goes_on, np.float32(1), np.float32(BENT))
    best, column = score.argmax(0), np.arange(len(holes))
    chosen = z[best, column]
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where((np.abs(z - chosen) <= ALIKE * chosen) & there, 1 / (away * away), 0)
    weight /= np.maximum(weight.sum(0), np.float32(1e-12))
    out_rgb, out_depth, out_normal = rgb.copy(), depth.copy(), normal.copy()
    out_rgb.reshape(-1, 3)[holes] = (rgb.reshape(-1, 3)[at] * weight[..., None]).sum(0)
    out_depth.ravel()[holes] = chosen
    facing = -_rays(holes, width, k)
    facing /= np.sqrt((facing * facing).sum(-1, keepdims=True))
    out_normal.reshape(-1, 3)[holes] = np.where(goes_on[best, column][:, None], n_at[best, column], facing)
    none = holes[~there.any(0)]
    out_rgb.reshape(-1, 3)[none] = rgb[covered].mean(0)
    out_depth.ravel()[none] = min(far, float(depth[covered].max()))
    return smoothed(out_rgb, out_depth, holes), out_depth, out_normal


def _candidates(covered: Mask, holes: NDArray[np.int64]) -> tuple[F32, NDArray[np.int64]]:
    """Per way and hole [8, M]: how far the first covered pixel is (inf: there is none), and which it is."""
    width = covered.shape[1]
    away, at = [], []
    for way, (dr, dc) in enumerate(_WAYS):
        n = _first(covered, way)[holes]
        away.append(np.where(n > 0, n * np.float32(np.hypot(dr, dc)), np.float32(np.inf)))
        at.append(holes + n * (dr * width + dc))
    return np.stack(away), np.stack(at)


def _rays(pixels: NDArray[np.int64], width: int, k: F64) -> F32:
    """Pixels' rays [..., 3], z one."""
    x = ((pixels % width) - np.float32(k[0, 2])) / np.float32(k[0, 0])
    y = ((pixels // width) - np.float32(k[1, 2])) / np.float32(k[1, 1])
    return np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)


def smoothed(rgb: F32, depth: F32, holes: NDArray[np.int64]) -> F32:
    """Colours at `holes`, each the mean of those around it that lie as deep."""
    height, width = depth.shape
    row, column = holes // width, holes % width
    for _ in range(SMOOTH):
        total, n = np.zeros((len(holes), 3), np.float32), np.zeros(len(holes), np.float32)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                r, c = (row + dr).clip(0, height - 1), (column + dc).clip(0, width - 1)
                like = (np.abs(depth[r, c] - depth[row, column]) <= ALIKE * depth[row, column]).astype(
                    np.float32
                )
                total += rgb[r, c] * like[:, None]
                n += like
        rgb = rgb.copy()
        rgb[row, column] = total / np.maximum(n, 1)[:, None]
    return rgb


_WAYS = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (1, 1), (-1, 1), (1, -1))  # rows, columns

_OPPOSITE = [1, 0, 3, 2, 5, 4, 7, 6]


def _first(covered: Mask, way: int) -> NDArray[np.int32]:
    """Steps from each pixel along a way to the first covered one, [H * W]; 0 if there is none."""
    height, width = covered.shape
    order, place = _lines(height, width, way)
    line = np.zeros(order.shape, bool)
    line[order >= 0] = covered.ravel()[order[order >= 0]]
    index = np.arange(len(line[0]), dtype=np.int32)
    last = np.maximum.accumulate(np.where(line, index, np.int32(-1)), axis=1)
    steps = np.where(last >= 0, index - last, 0)
    return steps.ravel()[place]


@lru_cache(16)
def _lines(height: int, width: int, way: int) -> tuple[Places, Places]:
    """Pixels in lines along a way: [lines, length] of pixel or -1, and each pixel's place."""
    dr, dc = _WAYS[way]
    rows, columns = np.divmod(np.arange(height * width), width)
    if dr == 0:
        line, along = rows, columns if dc < 0 else width - 1 - columns
    else:
        line = columns - rows * (dc * dr) if dc else columns
        along = rows if dr < 0 else height - 1 - rows
        line = line - line.min()
    length = int(along.max()) + 1
    place = line * length + along
    order = np.full((int(line.max()) + 1) * length, -1, np.int64)
    order[place] = np.arange(height * width)
    return order.reshape(-1, length), place
