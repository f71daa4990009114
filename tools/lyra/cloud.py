"""Pixels with depth as small patches of surface in the world, which may be seen from anywhere.

A patch knows how far its pixel reaches (two vectors) and how its colour changes over it: where a camera comes
closer the patch is drawn as several points, so that a surface stays closed and smooth.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protocol import F32, F64, Mask, Rgb, inverse

EDGE = 0.04  # of z: neighbours that differ by more are on two surfaces
WINDOW = 3  # pixels around one that its normal is the mean of
MAX_REACH = 4.0  # pixels' widths that a patch seen aslant may be long


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """N patches, all float32; lengths in the world's unit."""

    at: F32  # [N, 3] centre
    right: F32  # [N, 3] one pixel to the right on the surface
    down: F32  # [N, 3] one pixel down
    normal: F32  # [N, 3] of the surface around, unit, towards the eye
    rgb: F32  # [N, 3] 0..255 sRGB
    rgb_right: F32  # [N, 3] its change over one pixel
    rgb_down: F32  # [N, 3]
    frame: NDArray[np.int32]  # [N] the frame that a patch was first seen in

    def __len__(self) -> int:
        return len(self.at)

    def part(self, chosen: NDArray[Any]) -> "Cloud":
        return Cloud(*(getattr(self, f.name)[chosen] for f in fields(Cloud)))


def joined(clouds: list[Cloud]) -> Cloud:
    """One cloud of several; at least one."""
    return Cloud(*(np.concatenate([getattr(c, f.name) for c in clouds]) for f in fields(Cloud)))


def cloud_of(
    rgb: Rgb, depth: F32, chosen: Mask, w2c: F64, k: F64, frame: int, normal: F32 | None = None
) -> Cloud:
    """The chosen pixels [H, W] of a frame; where depth is 0 there is no patch.

    normal [H, W, 3]: of the surface in the camera's axes, where it is known already.
    """
    chosen = chosen & (depth > 0)
    fx, fy, cx, cy = (np.float32(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    height, width = depth.shape
    x = np.broadcast_to((np.arange(width, dtype=np.float32) - cx) / fx, depth.shape)[chosen]
    y = np.broadcast_to(((np.arange(height, dtype=np.float32) - cy) / fy)[:, None], depth.shape)[chosen]
    z = depth[chosen]
    q = np.where(depth > 0, 1 / np.where(depth > 0, depth, np.float32(1)), np.float32(0))
    pose = inverse(w2c)
    turn, eye = pose[:3, :3].astype(np.float32), pose[:3, 3].astype(np.float32)
    ray = np.stack([x, y, np.ones_like(x)], 1)
    colour = rgb.astype(np.float32)
    reach, change = [], []
    for axis, focal in ((1, fx), (0, fy)):
        slope, shade = _slopes(q, colour, axis)
        moved = -slope[chosen] * z * z  # dz per pixel
        one = ray * moved[:, None]
        one[:, 1 - axis] += z / focal
        length = np.sqrt((one * one).sum(1))
        one *= np.minimum(1, MAX_REACH * z / (focal * np.maximum(length, np.float32(1e-9))))[:, None]
        reach.append(one @ turn.T)
        change.append(shade[chosen])
    at = (ray * z[:, None]) @ turn.T + eye
    upright = (normals(q, k) if normal is None else normal)[chosen] @ turn.T
    frames = np.full(len(z), frame, np.int32)
    return Cloud(at, reach[0], reach[1], upright, colour[chosen], change[0], change[1], frames)


def normals(q: F32, k: F64) -> F32:
    """Normals [H, W, 3] in the camera's axes, unit, towards the eye, of inverse depth [H, W].

    A plane's inverse depth is linear in the image: q = N . (x, y, 1). Its slopes are the mean of those in a
    window on the same surface; where there is none, the surface faces the camera.
    """
    height, width = q.shape
    x = (np.arange(width, dtype=np.float32) - np.float32(k[0, 2])) / np.float32(k[0, 0])
    y = (np.arange(height, dtype=np.float32) - np.float32(k[1, 2])) / np.float32(k[1, 1])
    slopes = [np.float32(k[1 - axis, 1 - axis]) * _mean_slope(q, axis) for axis in (1, 0)]
    n = np.stack([*slopes, q - x * slopes[0] - y[:, None] * slopes[1]], -1)
    length = np.sqrt((n * n).sum(-1, keepdims=True))
    facing = np.array([0, 0, 1], np.float32)
    return -np.where(length > 0, n / np.maximum(length, np.float32(1e-12)), facing)


def _mean_slope(q: F32, axis: int) -> F32:
    """Mean change of inverse depth per pixel around each pixel, 0 where no surface goes on."""
    back, ahead = (slice(None, -1), slice(1, None)) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
    step = np.zeros_like(q)
    there = np.zeros_like(q)
    joint = (q[ahead] > 0) & (np.abs(q[ahead] - q[back]) <= np.float32(EDGE) * np.maximum(q[ahead], q[back]))
    step[back] = np.where(joint, q[ahead] - q[back], 0)
    there[back] = joint
    n = _box(there)
    found: F32 = np.where(n > 0.5, _box(step) / np.maximum(n, 1), np.float32(0))
    return found


def _box(a: F32) -> F32:
    """Sums over windows of 2 WINDOW + 1 pixels a side."""
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (WINDOW + 1, WINDOW)
        total = np.cumsum(np.pad(a, pad), axis=axis, dtype=np.float64)
        low, high = (slice(None, -2 * WINDOW - 1), slice(2 * WINDOW + 1, None))
        a = (total[high] - total[low] if axis == 0 else total[:, high] - total[:, low]).astype(np.float32)
    return a


def _slopes(q: F32, colour: F32, axis: int) -> tuple[F32, F32]:
    """Change per pixel of inverse depth [H, W] and colour [H, W, 3]: the smaller one of both sides.

    0 for colour where both sides disagree in sign (it would overshoot), and for both across depth edges.
    """
    back, ahead = (slice(None, -1), slice(1, None)) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
    step = q[ahead] - q[back]
    joint = (q[ahead] > 0) & (q[back] > 0) & (np.abs(step) <= EDGE * np.maximum(q[ahead], q[back]))
    shade = np.where(joint[..., None], colour[ahead] - colour[back], np.float32(0))
    far = np.float32(np.inf)
    after, before = np.full_like(q, far), np.full_like(q, far)
    after[back] = np.where(joint, step, far)
    before[ahead] = np.where(joint, step, far)
    slope = np.where(np.abs(after) <= np.abs(before), after, before)
    slope[~np.isfinite(slope)] = 0
    rgb_after, rgb_before = np.zeros_like(colour), np.zeros_like(colour)
    rgb_after[back], rgb_before[ahead] = shade, shade
    smaller = np.where(np.abs(rgb_after) <= np.abs(rgb_before), rgb_after, rgb_before)
    smaller[rgb_after * rgb_before < 0] = 0
    return slope, smaller


def settled(depth: F32) -> F32:
    """Depth [H, W] whose pixels at edges lie on one of the two surfaces, and not between them.

    Sensors and estimators mix both there. A pixel that no neighbour within two agrees with takes the nearest
    of the depths around it; the rest stays as it is, bit for bit.
    """
    out = depth.copy()
    padded = np.pad(depth, 1)
    height, width = depth.shape
    around = np.stack(
        [padded[r : r + height, c : c + width] for r in range(3) for c in range(3) if (r, c) != (1, 1)]
    )
    near = (np.abs(around - depth) <= EDGE * depth) & (around > 0)
    lone = (near.sum(0) < 3) & (depth > 0)
    if not lone.any():
        return out
    others = around[:, lone]
    # of the neighbours that have company themselves
    company = np.pad(near.sum(0), 1)
    firm = np.stack(
        [company[r : r + height, c : c + width] for r in range(3) for c in range(3) if (r, c) != (1, 1)]
    )
    gap = np.where((firm[:, lone] >= 3) & (others > 0), np.abs(others - depth[lone]), np.float32(np.inf))
    best = gap.argmin(0)
    picked = others[best, np.arange(len(best))]
    out[lone] = np.where(np.isfinite(gap.min(0)), picked, depth[lone])
    return out
