"""Meshes, drawn exactly: every pixel's ray met with every triangle it may hit (Möller and Trumbore 1997).

Where alpha is below a material's cutoff a triangle is a hole. A texture is sampled at the level whose texels
are about as wide as rays lie apart, so the reference does not sparkle either.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import SRGB_OF_LINEAR
from ..sources.source import Triangles
from ..voxelise import runs, textures
from ..voxelise.placement import Placement, to_voxels
from .boxes import nearest, opaque_picture, pixels_of
from .cameras import Camera
from .picture import Picture

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PAIRS = 1 << 19  # (pixel, triangle) looked at together
_TINY = 1e-18


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A batch in the world."""

    corners_m: F64  # [N, 3 corners, 3]
    texels_per_m: F64  # [N] of the texture's level 0; 0 where there is none
    batch: Triangles


def gather(batches: Iterable[Triangles], placement: Placement) -> list[Part]:
    """All triangles of a source, in the world, but those whose middle lies outside the crop."""
    lowest, highest = placement.crop()
    parts = []
    for batch in batches:
        voxels = to_voxels(batch.positions.reshape(-1, 3), placement).reshape(-1, 3, 3)
        middle = voxels.mean(1)
        keep = np.flatnonzero(((middle >= lowest) & (middle < highest)).all(1))
        kept = Triangles(
            batch.positions[keep], batch.colours[keep], batch.uv[keep], batch.texture, batch.cutoff
        )
        corners = voxels[keep] * placement.voxel_size_m
        parts.append(Part(corners, _density(corners, kept), kept))
    return parts


def _density(corners: F64, batch: Triangles) -> F64:
    """Texels per metre, along the mean direction: the root of texels per square metre."""
    if batch.texture is None:
        return np.zeros(len(corners))
    height, width = batch.texture.levels[0].shape[:2]
    edges = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    a, b = np.moveaxis((batch.uv[:, 1:] - batch.uv[:, :1]) * (width, height), 1, 0)
    return np.asarray(np.sqrt(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / np.maximum(area, _TINY)))


def draw(scene: list[Part], camera: Camera) -> Picture:
    """The picture of a camera: the nearest triangle of every ray, from either side."""
    n_pixels = camera.size[0] * camera.size[1]
    depth, rgb = np.full(n_pixels, np.inf), np.zeros((n_pixels, 3), np.float32)
    for part in scene:
        _draw_part(part, camera, depth, rgb)
    return opaque_picture(rgb, np.isfinite(depth), depth, camera)


def _draw_part(part: Part, camera: Camera, depth: F64, rgb: NDArray[np.float32]) -> None:
    """Keep, in depth and rgb [n_pixels], what of a part is nearer than what is there."""
    width = camera.size[0]
    rays = camera.directions().reshape(-1, 3)
    first, last, ahead = pixels_of(part.corners_m, camera)
    size = np.maximum(last - first + 1, 0)
    origin = part.corners_m[:, 0] - camera.eye_m
    one, two = (part.corners_m[:, i] - part.corners_m[:, 0] for i in (1, 2))
    across = np.cross(-origin, one)  # of every triangle, once
    for ids, local in runs.slices(size.prod(1), PAIRS):
        row, column = np.divmod(local, size[ids, 0])
        pixel = (first[ids, 1] + row) * width + first[ids, 0] + column
        still = np.flatnonzero(ahead[ids] < depth[pixel])
        ids, pixel = ids[still], pixel[still]
        way, q = rays[pixel], across[ids]
        p = np.cross(way, two[ids])
        det = (one[ids] * p).sum(1)
        scale = 1 / np.where(np.abs(det) < _TINY, np.inf, det)
        u, v, t = (
            (left * right).sum(1) * scale for left, right in ((-origin[ids], p), (way, q), (two[ids], q))
        )
        on = np.flatnonzero((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (scale != 0) & (t < depth[pixel]))
        if not on.size:
            continue
        ids, pixel, t = ids[on], pixel[on], t[on]
        light, seen = _colours(part, ids, u[on], v[on], t / camera.focal[1])
        owner = np.full(depth.size, -1)
        nearest(depth, owner, pixel, t, np.arange(ids.size), seen)
        won = np.flatnonzero(owner >= 0)
        rgb[won] = SRGB_OF_LINEAR[np.rint(np.clip(light[owner[won]], 0, 1) * 65535).astype(np.int64)] / 255.0


def _colours(part: Part, ids: I64, u: F64, v: F64, ray_m: F64) -> tuple[F64, NDArray[np.bool_]]:
    """Linear light [M, 3] at places of triangles, and which are no hole [M]. ray_m: from ray to ray there."""
    batch = part.batch
    weight = np.stack([1 - u - v, u, v], axis=-1)[..., None]
    colour = (batch.colours[ids] * weight).sum(1)
    if batch.texture is None:
        return colour[:, :3], np.asarray(colour[:, 3] >= batch.cutoff)
    dense = np.maximum(part.texels_per_m[ids] * ray_m, 1e-6).astype(np.float32)
    alpha = colour[:, 3].astype(np.float32)
    light, seen = textures.sampled(batch.texture, (batch.uv[ids] * weight).sum(1), dense, alpha)
    return colour[:, :3] * light, seen
