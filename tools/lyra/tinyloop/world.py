"""Procedural worlds that can be ray-cast exactly: boxes, upright cylinders, a hall, a ground, a sky.

z is up. Textures are value noise of the world point and soft stripes, so a surface looks the same from
wherever and whenever it is seen; shading goes by the normal alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..experiment.scene import noise
from ..memory.view import F64, View, rays

I64 = NDArray[np.int64]

HUE = 0.3  # of the noise, what changes the hue; the rest changes the brightness
OCTAVES = ((1.7, 0.55), (0.5, 0.4))  # wavelength in world units, share of the contrast
LIGHT = np.array([0.36, 0.24, 0.90])
GROUND, SKY = 0, -1  # surfaces; box i is 1 + i, cylinder j follows the boxes


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """boxes [B, 7]: centre, half sizes, yaw; cylinders [C, 5]: x, y, radius, low, high.

    hall [2, 3]: seen from inside; None: ground at z = 0 under a sky. palette [1 + B + C, 3] 0..255.
    """

    boxes: F64
    cylinders: F64
    hall: F64 | None
    palette: F64
    sky: F64  # [2, 3] horizon, zenith
    theme: int
    seed: int
    stripes: F64  # [1 + B + C] waves per unit, 0: none

    def cast(self, view: View) -> tuple[F64, NDArray[np.uint8]]:
        """-> depth along the axis [H, W], inf in the sky, and sRGB [H, W, 3]."""
        way = (rays(view).reshape(-1, 3) @ view.w2c[:3, :3]).reshape(-1, 3)
        t, surface, normal = self.hit(view.centre, way)
        points = view.centre + way * np.where(np.isfinite(t), t, 0)[:, None]
        slant = np.abs((way * normal).sum(1)) / np.linalg.norm(way, axis=1)
        footprint = np.where(np.isfinite(t), t, 0) / view.k[0, 0] / np.maximum(slant, 0.05)
        rgb = self.colour(points, surface, normal, footprint)
        lost = surface == SKY
        if lost.any():
            up = way[lost, 2] / np.linalg.norm(way[lost], axis=1)
            rgb[lost] = self.sky[0] + (self.sky[1] - self.sky[0]) * np.sqrt(up.clip(0, 1))[:, None]
        shape = view.size
        return t.reshape(shape), np.rint(rgb.clip(0, 255)).astype(np.uint8).reshape(*shape, 3)

    def hit(self, eye: F64, way: F64) -> tuple[F64, I64, F64]:
        """Rays [N, 3] from an eye -> times along way, surfaces, normals [N, 3]."""
        n = len(way)
        time, surface, normal = np.full(n, np.inf), np.full(n, SKY), np.zeros((n, 3))
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.hall is None:
                down = -eye[2] / way[:, 2]
                time = np.where(down > 0, down, np.inf)
                normal[:, 2] = 1
            else:
                far = np.where(way > 0, self.hall[1] - eye, self.hall[0] - eye) / way
                far = np.where(way == 0, np.inf, far)
                axis = far.argmin(1)
                time = far[np.arange(n), axis]
                normal[np.arange(n), axis] = -np.sign(way[np.arange(n), axis])
            surface[np.isfinite(time)] = GROUND
            middle = way.mean(0) / np.linalg.norm(way.mean(0))
            wide = np.arccos((way @ middle / np.linalg.norm(way, axis=1)).min().clip(-1, 1))
            for i, (x, y, z, a, b, c, yaw) in enumerate(self.boxes):
                off, radius = np.array((x, y, z)) - eye, np.sqrt(a * a + b * b + c * c)
                distance = np.linalg.norm(off)
                if distance > radius and np.arccos(off @ middle / distance) > wide + np.arcsin(
                    radius / distance
                ):
                    continue  # not in view
                turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
                from_eye, along = turn @ (eye - (x, y, z)), way @ turn.T
                half = np.array([a, b, c])
                near = np.where(along == 0, -np.inf, (-np.sign(along) * half - from_eye) / along)
                away = np.where(along == 0, np.inf, (np.sign(along) * half - from_eye) / along)
                outside = ((along == 0) & (np.abs(from_eye) > half)).any(1)
                axis, enter = near.argmax(1), near.max(1)
                there = np.flatnonzero((enter > 0) & (enter < away.min(1)) & (enter < time) & ~outside)
                time[there], surface[there] = enter[there], 1 + i
                side = np.zeros((len(there), 3))
                side[np.arange(len(there)), axis[there]] = -np.sign(along[there, axis[there]])
                normal[there] = side @ turn
            for j, (x, y, radius, low, high) in enumerate(self.cylinders):
                a = (way[:, :2] ** 2).sum(1)
                b = way[:, :2] @ (eye[:2] - (x, y))
                c = ((eye[:2] - (x, y)) ** 2).sum() - radius**2
                enter = (-b - np.sqrt(b * b - a * c)) / a
                z = eye[2] + enter * way[:, 2]
                there = np.flatnonzero((enter > 0) & (enter < time) & (z > low) & (z < high))
                time[there], surface[there] = enter[there], 1 + len(self.boxes) + j
                normal[there] = 0
                normal[there, :2] = (eye[:2] + enter[there, None] * way[there, :2] - (x, y)) / radius
        return time, surface, normal

    def colour(self, points: F64, surface: I64, normal: F64, footprint: F64) -> F64:
        """sRGB 0..255 of surface points [N, 3]; the sky's mean nothing. footprint [N]: of a pixel there.

        What is finer than a few pixels fades, or a warp would be blamed for aliasing.
        """
        of = np.maximum(surface, 0)
        tone = np.zeros(points.shape)
        for octave, (length, share) in enumerate(OCTAVES):
            found = noise(points / length, self.seed * 4 + octave) - 0.5
            grey = found[:, :1] * (1 - HUE) + found * HUE
            tone += share * _fade(length / np.maximum(footprint, 1e-6))[:, None] * grey
        waves = self.stripes[of]
        seen = (waves > 0) * _fade(1 / np.maximum(waves, 0.1) / np.maximum(footprint, 1e-6))
        tone += (0.13 * np.sin(2 * np.pi * waves * (points[:, 2] + 0.5 * points[:, 0])) * seen)[:, None]
        shade = 0.72 + 0.28 * (normal @ LIGHT)
        return np.asarray((self.palette[of] + 190 * tone) * shade[:, None])

    def clearance(self, points: F64) -> F64:
        """Distance [N] to the nearest thing, below 0 inside; the ground does not count."""
        out = np.full(len(points), np.inf)
        if self.hall is not None:
            out = np.minimum(points - self.hall[0], self.hall[1] - points).min(1)
        for x, y, z, a, b, c, yaw in self.boxes:
            turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
            off = np.abs((points - (x, y, z)) @ turn.T) - (a, b, c)
            out = np.minimum(out, np.linalg.norm(off.clip(0), axis=1) + np.minimum(off.max(1), 0))
        for x, y, radius, low, high in self.cylinders:
            across = np.hypot(points[:, 0] - x, points[:, 1] - y) - radius
            along = np.maximum(low - points[:, 2], points[:, 2] - high)
            out = np.minimum(out, np.maximum(across, along))
        return out


def _fade(pixels: F64) -> F64:
    """How much of a wave so many pixels long is drawn."""
    return np.asarray((pixels / 3 - 1).clip(0, 1))
