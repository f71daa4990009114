"""Forward warp: patches into a new view, with a soft z-buffer.

Twice over the points. First each point sets the depth of the pixel that it falls into, the nearest one wins.
Then each point spreads over the four pixels around it (bilinear) where it lies at most SOFT behind that
depth: so surfaces cover one another cleanly, and within a surface colours blend.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cloud import Cloud
from .protocol import F32, F64, Mask

SOFT = 0.03  # of z: what lies behind the nearest point by less is the same surface
NEAR = 1e-3  # units in front of the eye
FAINT = np.float32(1e-3)  # weights below it are rounding
MAX_SPLIT = 8  # points per side of a patch
SLACK = 0.08  # pixels that points may be farther than one apart


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a camera sees of a cloud; depth and rgb are 0 where it covers nothing."""

    rgb: F32  # [H, W, 3] 0..255
    depth: F32  # [H, W]
    normal: F32  # [H, W, 3] of the surface, unit, in the camera's axes
    covered: Mask  # [H, W]
    frames: NDArray[np.int32]  # sorted numbers of the frames that its patches come from


def seen(cloud: Cloud, w2c: F64, k: F64, size: tuple[int, int]) -> View:
    """A cloud as a camera of (width, height) pixels sees it."""
    width, height = size
    points, shades = _points(cloud, w2c, k, size)
    column, row, z = points[0], points[1], points[2]
    n_pixels = width * height
    # one more row and column on every side, so that no neighbour needs a test
    wide = width + 3
    left, top = np.floor(column), np.floor(row)
    across, along = column - left, row - top
    corner = (top.astype(np.int32) + 1) * wide + left.astype(np.int32) + 1
    nearest = np.full(wide * (height + 3), np.float32(np.inf), np.float32)
    np.minimum.at(nearest, corner + (across > 0.5) + (along > 0.5) * np.int32(wide), z)
    total = np.zeros(nearest.size)
    values = (*shades, z)  # colour, normal, depth
    sums = np.zeros((len(values), nearest.size))
    for right, low in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = (across if right else 1 - across) * (along if low else 1 - along)
        pixel = corner + np.int32(right + low * wide)
        taken = np.flatnonzero((weight > FAINT) & (z <= nearest.take(pixel) * np.float32(1 + SOFT)))
        at, weight = pixel.take(taken), weight.take(taken)
        total += np.bincount(at, weight, nearest.size)
        for channel, value in enumerate(values):
            sums[channel] += np.bincount(at, weight * value.take(taken), nearest.size)
    covered = np.isfinite(nearest) & (total > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(covered, sums / total, 0).astype(np.float32)
    inner = means.reshape(len(values), height + 3, wide)[:, 1 : height + 1, 1 : width + 1]
    inside = covered.reshape(height + 3, wide)[1 : height + 1, 1 : width + 1]
    assert inside.size == n_pixels
    frames = np.unique(cloud.frame) if len(cloud) else np.zeros(0, np.int32)
    rgb, normal = (np.ascontiguousarray(np.moveaxis(inner[i : i + 3], 0, -1)) for i in (0, 3))
    normal /= np.maximum(np.sqrt((normal * normal).sum(-1, keepdims=True)), np.float32(1e-6))
    return View(rgb, inner[6].copy(), normal, inside.copy(), frames)


def _points(cloud: Cloud, w2c: F64, k: F64, size: tuple[int, int]) -> tuple[F32, F32]:
    """Patches as points: [3, P] column, row, z of those in view, and [6, P] colours, normals in its axes."""
    turn, shift = w2c[:3, :3].astype(np.float32), w2c[:3, 3].astype(np.float32)
    fx, fy, cx, cy = (np.float32(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    at = (cloud.at @ turn.T + shift).T
    z = at[2]
    ahead = np.flatnonzero(z > NEAR)
    inv = 1 / z[ahead]
    u, v = at[0, ahead] * inv * fx + cx, at[1, ahead] * inv * fy + cy
    margin = 8
    near = (u > -margin) & (u < size[0] + margin) & (v > -margin) & (v < size[1] + margin)
    kept, inv = ahead[near], inv[near]
    at = at[:, kept]
    reach = [(side[kept] @ turn.T).T for side in (cloud.right, cloud.down)]
    spread = np.zeros(len(kept), np.float32)
    for one in reach:
        du = (one[0] - at[0] * inv * one[2]) * inv * fx
        dv = (one[1] - at[1] * inv * one[2]) * inv * fy
        np.maximum(spread, du * du + dv * dv, out=spread)
    n_split = np.ceil(np.sqrt(spread) - np.float32(SLACK)).clip(1, MAX_SPLIT).astype(np.int32)
    points, shades = [], []
    for n in np.unique(n_split):
        mine = np.flatnonzero(n_split == n)
        of = kept[mine]
        rgb, by_right, by_down = cloud.rgb[of].T, cloud.rgb_right[of].T, cloud.rgb_down[of].T
        normal = turn @ cloud.normal[of].T
        for j in range(n):
            for i in range(n):
                a, b = np.float32((i + 0.5) / n - 0.5), np.float32((j + 0.5) / n - 0.5)
                points.append(at[:, mine] + a * reach[0][:, mine] + b * reach[1][:, mine])
                shades.append(np.concatenate([rgb + a * by_right + b * by_down, normal]))
    if not points:
        return np.zeros((3, 0), np.float32), np.zeros((6, 0), np.float32)
    where = np.concatenate(points, axis=1)
    where[2] = np.maximum(where[2], np.float32(NEAR))
    where[0] = where[0] / where[2] * fx + cx
    where[1] = where[1] / where[2] * fy + cy
    inside = (where[0] > -1) & (where[0] < size[0]) & (where[1] > -1) & (where[1] < size[1])
    return where[:, inside], np.concatenate(shades, axis=1)[:, inside]
