"""Procedural scenes that can be ray-cast exactly: a hall with boxes in it, textured by place.

Colour is value noise of the world point, two octaves whose finer one is as wide as several pixels, so that a
picture has no detail that its pixels could not hold and a warp is not blamed for aliasing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..memory.view import F64, View, rays

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

OCTAVES = ((1.6, 0.6), (0.45, 0.4))  # wavelength in world units, share of the contrast


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A hall seen from inside, [2, 3] low and high, and boxes [B, 2, 3] in it.

    palette [B + 1, 3] mean colours 0..255, and entities, a name each: the hall's first.
    """

    hall: F64
    boxes: F64
    palette: F64
    seed: int
    entities: tuple[str, ...]

    def cast(self, view: View) -> tuple[F64, I64]:
        """What each pixel sees -> (depth [H, W] along the axis, surface [H, W]: 0 the hall, i + 1 box i)."""
        way = np.einsum("hwc,ca->hwa", rays(view), view.w2c[:3, :3])
        return self.hit(np.broadcast_to(view.centre, way.shape).reshape(-1, 3), way.reshape(-1, 3), view.size)

    def hit(self, origin: F64, way: F64, size: tuple[int, ...]) -> tuple[F64, I64]:
        """Rays [N, 3] that start in the hall and in no box -> (times along way, surface), shaped as size."""
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / way
            far = np.where(way > 0, self.hall[1] - origin, self.hall[0] - origin) * inverse
            depth = np.nanmin(np.where(way == 0, np.inf, far), axis=1)
            surface = np.zeros(len(way), np.int64)
            for i, (low, high) in enumerate(self.boxes):
                t0, t1 = (low - origin) * inverse, (high - origin) * inverse
                enter = np.nanmax(np.minimum(t0, t1), axis=1)
                leave = np.nanmin(np.maximum(t0, t1), axis=1)
                nearer = (enter > 0) & (enter < leave) & (enter < depth)
                depth[nearer], surface[nearer] = enter[nearer], i + 1
        return depth.reshape(size), surface.reshape(size)

    def colour(self, points: F64, surface: I64) -> NDArray[np.uint8]:
        """sRGB of surface points. [..., 3] and [...] -> [..., 3]"""
        tone = np.zeros(points.shape)
        for octave, (length, share) in enumerate(OCTAVES):
            tone += share * (noise(points / length, self.seed * 4 + octave) - 0.5)
        return np.clip(np.rint(self.palette[surface] + 210 * tone), 0, 255).astype(np.uint8)

    def offset(self, points: F64) -> F64:
        """Distance to the nearest surface, positive in the open. [N, 3] -> [N]"""
        out = np.minimum(points - self.hall[0], self.hall[1] - points).min(axis=1)
        for low, high in self.boxes:
            outside = np.maximum(low - points, points - high)
            away = np.linalg.norm(np.maximum(outside, 0), axis=1) + np.minimum(outside.max(axis=1), 0)
            out = np.where(np.abs(away) < np.abs(out), away, out)
        return np.asarray(out)

    def is_free(self, points: F64, margin: float) -> bool:
        """Whether all points [N, 3] are in the hall and at least so far from everything."""
        return bool(self.offset(points).min() >= margin)


def noise(points: F64, seed: int) -> F64:
    """Value noise with a value per channel and lattice point. [..., 3] -> [..., 3] in 0..1"""
    cell = np.floor(points)
    part = points - cell
    part = part * part * (3 - 2 * part)
    corner = cell.astype(np.int64)
    out = np.zeros(points.shape)
    for bits in range(8):
        step = np.array([bits & 1, bits >> 1 & 1, bits >> 2 & 1])
        weight = np.where(step, part, 1 - part).prod(axis=-1)
        out += weight[..., None] * _hash(corner + step, seed)
    return out


def _hash(corner: I64, seed: int) -> F64:
    c = corner.astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = c[..., 0] * np.uint64(0x9E3779B97F4A7C15) ^ c[..., 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed = (
            mixed ^ c[..., 2] * np.uint64(0x165667B19E3779F9) ^ np.uint64((seed * 0x27D4EB2F165667C5) % 2**64)
        )
        mixed ^= mixed >> np.uint64(31)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(32)
    return np.stack([(mixed >> np.uint64(s) & np.uint64(0xFFFF)) / 65535.0 for s in (0, 16, 32)], axis=-1)


def scene(
    hall: tuple[float, float, float], blocks: Sequence[tuple[float, ...]], clutter: float, seed: int
) -> Scene:
    """A hall from 0 to (x, y, z), blocks (x0, y0, x1, y1, height), and crates along the walls.

    clutter: crates per unit of the long walls. Of one seed all is the same.
    """
    rng = np.random.default_rng([seed, 6])
    low, high = np.zeros(3), np.array(hall)
    boxes = [np.array([[x0, y0, 0], [x1, y1, h]]) for x0, y0, x1, y1, h in blocks]
    names = ["wall", *("pillar" if b[4] >= hall[2] else "house" for b in blocks)]
    for side in (0, 1):
        for at in np.arange(1.0, hall[0] - 1.5, 1 / clutter):
            x, width, depth, height = (
                at + rng.uniform(0, 0.6),
                *rng.uniform([0.4, 0.25, 0.3], [1.1, 0.6, 2.0]),
            )
            y0, y1 = (0.0, depth) if side == 0 else (hall[1] - depth, hall[1])
            boxes.append(np.array([[x, y0, 0.0], [x + width, y1, height]]))
            names.append("crate")
    palette = rng.uniform(70, 185, (len(boxes) + 1, 3))
    # Off the round numbers: a wall on the border of two voxels would be in both, by rounding.
    apart = np.array([[-0.0173, -0.0231, -0.0119], [0.0137, 0.0219, 0.0161]])
    return Scene(np.stack([low, high]) + apart, np.stack(boxes) + apart[1], palette, seed, tuple(names))
