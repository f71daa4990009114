"""Gaussian splats, drawn exactly: the reference that worlds of splats are compared with.

Kerbl et al. 2023 (3D Gaussian Splatting), whose rules are those of its CUDA rasteriser: the covariance is
projected by the Jacobian of the perspective at the mean (Zwicker et al. 2001, EWA), 0.3 square pixels are
added to it, and Gaussians are blended front to back by the depth of their means:

    alpha = min(0.99, opacity exp(-d' C^-1 d / 2))       nothing below 1/255
    a Gaussian after which less than 0.0001 would shine through ends the pixel, and is itself not drawn

One rule is left out, because it depends on the 16 x 16 tiles: the cut at 3 sigma. Here every pixel counts
where alpha reaches 1/255. Colour is that of SH degree 0. Depth is where half of the light is gone: that
Gaussian's most likely depth on the ray, z + cov(z, uv) C^-1 d.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sources.source import Gaussians
from ..voxelise import runs
from ..voxelise.gaussians import axes_of
from ..voxelise.placement import Placement, to_voxels, turn
from .cameras import Camera
from .picture import Picture

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LOW_PASS = 0.3  # square pixels
MIN_ALPHA, MAX_ALPHA = 1 / 255, 0.99
MIN_LIGHT = 1e-4
NEAR = 0.2  # source units: what is nearer is not drawn
WIDE = 1.3  # the Jacobian is taken no farther out than this many half pictures
TILE = 256  # pixels: a pixel's number within a tile is a uint16, which NumPy sorts by radix
PROJECTED = 1 << 18  # Gaussians projected together
PAIRS = 1 << 19  # (pixel, Gaussian) looked at together


@dataclass(frozen=True, slots=True, eq=False)
class Splats:
    """All Gaussians of a scene, in the world."""

    mean_m: F64  # [N, 3]
    axes_m: F32  # [N, 3 (principal axis), 3 (x, y, z)], as long as sigma
    opacity: F32  # [N]
    rgb: NDArray[np.uint8]  # [N, 3] sRGB
    near_m: float

    def __len__(self) -> int:
        return len(self.mean_m)


@dataclass(frozen=True, slots=True, eq=False)
class Flat:
    """K Gaussians on a picture.

    table [9, K]: u, v (pixels), conic xx, xy, yy, opacity, z of the mean and its slope along u and v
    box [4, K]: the pixels to look at: first x, y, last x, y, inclusive
    """

    table: F64
    box: I64
    rgb: F64  # [3, K] 0..1


def gather(batches: Iterable[Gaussians], placement: Placement) -> Splats:
    """All of a source's Gaussians whose means lie inside the crop, placed in the world. 76 bytes each."""
    lowest, highest = placement.crop()
    parts = []
    for batch in batches:
        voxels = to_voxels(batch.positions, placement)
        keep = ((voxels >= lowest) & (voxels < highest)).all(1)
        sigma = batch.scales[keep] * np.float32(placement.scale)
        axes = turn(axes_of(batch.rotations[keep]), placement) * sigma[:, :, None]
        mean_m = voxels[keep] * placement.voxel_size_m
        parts.append((mean_m, axes.astype(np.float32), batch.opacities[keep], batch.rgb[keep]))
    empty = (np.empty((0, 3)), np.empty((0, 3, 3), np.float32), np.empty(0, np.float32))
    columns = zip((*empty, np.empty((0, 3), np.uint8)), *parts, strict=True)
    mean, axes, opacity, rgb = (np.concatenate(column) for column in columns)
    return Splats(mean, axes, opacity, rgb, NEAR * placement.scale)


def draw(splats: Splats, camera: Camera) -> Picture:
    """The picture of a camera. Memory: what is in view, and some 100 MB of pairs at a time."""
    parts = [
        project(splats, camera, slice(at, at + PROJECTED)) for at in range(0, max(len(splats), 1), PROJECTED)
    ]
    table, box, rgb = (
        np.concatenate([getattr(p, n) for p in parts], axis=1) for n in ("table", "box", "rgb")
    )
    order = np.argsort(table[6], kind="stable")
    flat = Flat(table.take(order, axis=1), box.take(order, axis=1), rgb.take(order, axis=1))
    width, height = camera.size
    out = np.zeros((height, width, 3)), np.zeros((height, width)), np.full((height, width), np.inf)
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            tile = (x, y, min(x + TILE, width), min(y + TILE, height))
            for whole, part in zip(out, blend(flat, tile), strict=True):
                whole[tile[1] : tile[3], tile[0] : tile[2]] = part
    depth = out[2] * camera.ray_lengths()
    return Picture(out[0].astype(np.float32), out[1].astype(np.float32), depth.astype(np.float32))


@np.errstate(under="ignore")
def project(splats: Splats, camera: Camera, part: slice) -> Flat:
    """Those of a part of the Gaussians that reach a pixel of the picture, unsorted."""
    (width, height), (fx, fy), (cx, cy) = camera.size, camera.focal, camera.centre
    at = (splats.mean_m[part] - camera.eye_m) @ camera.axes.T
    opacity = splats.opacity[part].astype(np.float64)
    seen = np.flatnonzero((at[:, 2] > splats.near_m) & (opacity >= MIN_ALPHA))
    x, y, z = at[seen].T
    opacity = opacity[seen]
    axes = splats.axes_m[part][seen].astype(np.float64) @ camera.axes.T
    wide, high = WIDE * width / 2 / fx, WIDE * height / 2 / fy
    # How a principal axis lies on the picture: the Jacobian times it.
    along_u = (axes[..., 0] - np.clip(x / z, -wide, wide)[:, None] * axes[..., 2]) * (fx / z)[:, None]
    along_v = (axes[..., 1] - np.clip(y / z, -high, high)[:, None] * axes[..., 2]) * (fy / z)[:, None]
    uu, uv, vv = (along_u**2).sum(1) + LOW_PASS, (along_u * along_v).sum(1), (along_v**2).sum(1) + LOW_PASS
    zu, zv = (along_u * axes[..., 2]).sum(1), (along_v * axes[..., 2]).sum(1)
    det = uu * vv - uv * uv
    xx, xy, yy = vv / det, -uv / det, uu / det
    u, v = fx * x / z + cx, fy * y / z + cy
    reach = 2 * np.log(np.maximum(opacity / MIN_ALPHA, 1))  # of d' C^-1 d
    half_u, half_v = np.sqrt(reach * uu), np.sqrt(reach * vv)
    first = np.ceil(np.stack([u - half_u, v - half_v]) - 0.5)
    last = np.floor(np.stack([u + half_u, v + half_v]) - 0.5)
    end = np.array([[width - 1], [height - 1]])
    hits = np.flatnonzero((first <= np.minimum(last, end)).all(0) & (last >= 0).all(0) & (det > 0))
    box = np.concatenate([first.clip(0, None), np.minimum(last, end)]).take(hits, axis=1)
    table = np.stack([u, v, xx, xy, yy, opacity, z, zu * xx + zv * xy, zu * xy + zv * yy])
    rgb = splats.rgb[part][seen[hits]].T / 255.0
    return Flat(table.take(hits, axis=1), box.astype(np.int64), rgb)


def blend(flat: Flat, tile: tuple[int, int, int, int]) -> tuple[F64, F64, F64]:
    """Blend what reaches a tile (x0, y0, x1, y1; exclusive) -> rgb [h, w, 3], alpha, z of half [h, w]."""
    x0, y0, x1, y1 = tile
    shape = (y1 - y0, x1 - x0)
    n_pixels = shape[0] * shape[1]
    light, z_half = np.ones(n_pixels), np.full(n_pixels, np.inf)
    rgb, live = np.zeros((3, n_pixels)), np.ones(n_pixels, bool)
    for pixel, gaussian, alpha, z in _pairs(flat, tile, live):
        order = np.argsort(pixel, kind="stable")  # by pixel; within one still nearest first
        pixel, gaussian = pixel.take(order), gaussian.take(order)
        alpha, z = alpha.take(order), z.take(order)
        starts = np.flatnonzero(np.diff(pixel.astype(np.int64), prepend=-1))
        n = np.diff(starts, append=pixel.size)
        # What shines through after each: the product of all 1 - alpha of its pixel so far.
        log = np.log1p(-alpha)
        total = np.cumsum(log)
        after = np.exp(total - np.repeat(total[starts] - log[starts], n)) * light.take(pixel)
        before = after / (1 - alpha)
        drawn = after >= MIN_LIGHT
        weight = np.where(drawn, before * alpha, 0)
        where = pixel[starts]
        for channel in range(3):
            rgb[channel, where] += np.add.reduceat(weight * flat.rgb[channel].take(gaussian), starts)
        half = np.flatnonzero((before > 0.5) & (after <= 0.5))
        z_half[pixel[half]] = z[half]
        light[where] = np.minimum(light[where], np.minimum.reduceat(np.where(drawn, after, 1), starts))
        live[pixel[~drawn]] = False
    return rgb.T.reshape(*shape, 3), 1 - light.reshape(shape), z_half.reshape(shape)


def _pairs(
    flat: Flat, tile: tuple[int, int, int, int], live: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.uint16], I64, F64, F64]]:
    """(pixel, Gaussian, alpha, z) where alpha counts, of live pixels; nearest first, PAIRS at a time."""
    x0, y0, x1, y1 = tile
    low = np.maximum(flat.box[:2], [[x0], [y0]])
    size = np.minimum(flat.box[2:], [[x1 - 1], [y1 - 1]]) - low + 1
    for gaussian, local in runs.slices(np.where((size > 0).all(0), size[0] * size[1], 0), PAIRS):
        row, column = np.divmod(local, size[0].take(gaussian))
        x, y = low[0].take(gaussian) + column, low[1].take(gaussian) + row
        pixel = ((y - y0) * (x1 - x0) + (x - x0)).astype(np.uint16)
        on = np.flatnonzero(live.take(pixel))
        pixel, gaussian = pixel.take(on), gaussian.take(on)
        x, y = x.take(on), y.take(on)
        u, v, xx, xy, yy, opacity, z, slope_u, slope_v = flat.table.take(gaussian, axis=1)
        du, dv = x + 0.5 - u, y + 0.5 - v
        with np.errstate(under="ignore"):
            alpha = opacity * np.exp(-0.5 * (xx * du * du + yy * dv * dv) - xy * du * dv)
        on = np.flatnonzero(alpha >= MIN_ALPHA)
        if on.size:
            depth = z + slope_u * du + slope_v * dv
            yield pixel.take(on), gaussian.take(on), np.minimum(alpha.take(on), MAX_ALPHA), depth.take(on)


def facts(splats: Splats, placement: Placement) -> dict[str, float]:
    """What a report says of a scene: which shares of its Gaussians are small or faint."""
    if not len(splats):
        return {}
    sigma = np.linalg.norm(splats.axes_m.astype(np.float64), axis=2) / placement.voxel_size_m
    longest = sigma.max(1)
    return {
        "median_longest_sigma_voxels": float(np.median(longest)),
        "narrower_than_a_voxel": float((2 * longest < 1).mean()),  # one sigma to either side
        "opacity_below_half": float((splats.opacity < 0.5).mean()),
    }
