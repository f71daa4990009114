"""Posed depth images to voxels: every pixel fills the piece of surface that it sees.

Inverse depth is linear in the image on any plane, q(i, j) = N . ((i - cx)/fx, (j - cy)/fy, 1), and the plane
is then N . p = 1 in camera axes. So one gradient of q gives a pixel its normal N, the cosine to its ray, and
where on its plane any point of its square lies.

Validity is slope-aware: a pixel is dropped where the gradients to its two sides disagree (a depth edge, with
whatever the sensor mixed there) and where the surface is seen at a grazing angle, but not for being steep.

Weight of a pixel: cos / z^2. The axial noise of structured light grows with z^2 (Nguyen, Izadi, Lovell,
"Modeling Kinect sensor noise", 3DIMPVT 2012) and surfaces seen aslant are uncertain in proportion to the
cosine (Curless, Levoy, "A volumetric method for building complex models from range images", SIGGRAPH 1996).

A pixel whose square is wider than SPACING voxels on the surface is filled by n x n points of its plane that
lie at most SPACING apart: no hole, except where a surface clips less than that off a voxel's corner. A pixel
that would need more than MAX_SPLIT points a side is too far for these voxels, and is dropped.

What was seen through is carved: see carve.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB
from ..sources.source import Frames
from . import sums
from .placement import Placement, check_addressable, to_voxels
from .sums import Sums

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

EDGE = 0.02  # of z: sides that differ by more are a depth edge,
EDGE_PIXELS = 4.0  # unless that is less than so many pixels are wide (small images)
MIN_COS = 0.15  # 81 degrees; beyond it a pixel is smeared over seven times its width
SPACING = 0.6  # voxels between the points that fill a pixel's square
MAX_SPLIT = 16  # points per side of a pixel
WEIGHT_ONE = 1 << 14  # weight of a pixel seen straight on from 1 m
MAX_WEIGHT = 1 << 20
NEAR_M = 0.25  # closer counts no more than this


@dataclass(frozen=True, slots=True)
class Limits:
    """What a bake says to every frame."""

    max_depth_m: float | None = None


@dataclass(frozen=True, slots=True)
class Camera:
    """Camera axes (source units) -> voxels: p -> turn @ p + own, of which own is split to keep float32 exact.

    turn [3, 3] float64 voxels per source unit; own [3] int64 the eye's voxel; rest [3] float64 in 0..1
    """

    turn: F64
    own: I64
    rest: F64

    @property
    def voxels_per_unit(self) -> float:
        return float(np.sqrt((self.turn[:, 2] ** 2).sum()))


@dataclass(frozen=True, slots=True)
class Surface:
    """What a depth image says of each pixel; [H, W] each, float32 in source units.

    x, y: the ray is (x, y, 1). q: 1 / depth, 0 where invalid. qx, qy: its change per pixel.
    cosine: between ray and normal. valid: may be used.
    """

    x: F32
    y: F32
    q: F32
    qx: F32
    qy: F32
    cosine: F32
    valid: NDArray[np.bool_]


def camera_of(camera_to_world: F64, placement: Placement) -> Camera:
    """Where the placement puts a camera; camera_to_world [4, 4]."""
    origin = to_voxels(np.zeros((1, 3)), placement)[0]
    axes = to_voxels(np.eye(3), placement) - origin  # row a: where source axis a goes
    rotation, eye = camera_to_world[:3, :3], camera_to_world[:3, 3]
    at = to_voxels(eye[None], placement)[0]
    if placement.bounds_m is None:
        check_addressable(at, at, placement.voxel_size_m)
    own = np.floor(at)
    return Camera(np.einsum("ai,ab->ib", axes, rotation), own.astype(np.int64), at - own)


def _gradient(q: F32, seen: NDArray[np.bool_], axis: int) -> tuple[F32, F32]:
    """Change of q per pixel along an axis, and how far the two sides disagree (0 where only one is seen)."""
    step = np.diff(q, axis=axis)
    both = np.logical_and(*(np.take(seen, r, axis=axis) for r in _sides(q.shape[axis])))
    step[~both] = np.nan
    pad = [(0, 0), (0, 0)]
    pad[axis] = (1, 1)
    step = np.pad(step, pad, constant_values=np.nan)
    before, after = (np.take(step, r, axis=axis) for r in _sides(step.shape[axis]))
    only_after, only_before = np.isnan(before), np.isnan(after)
    mean = np.where(only_after, after, np.where(only_before, before, (before + after) * np.float32(0.5)))
    apart = np.where(only_after | only_before, np.float32(0), np.abs(before - after))
    return mean.astype(np.float32), apart.astype(np.float32)


def _sides(n: int) -> tuple[range, range]:
    return range(n - 1), range(1, n)


@np.errstate(invalid="ignore", divide="ignore")
def surface_of(depth: F32, intrinsics: tuple[float, float, float, float], far: float) -> Surface:
    """Depth [H, W] -> what may be used of it. far: greatest depth, source units."""
    fx, fy, cx, cy = intrinsics
    height, width = depth.shape
    x = np.broadcast_to(((np.arange(width) - cx) / fx).astype(np.float32), depth.shape)
    y = np.broadcast_to(((np.arange(height) - cy) / fy).astype(np.float32)[:, None], depth.shape)
    seen = (depth > 0) & (depth <= far)
    q = np.where(seen, np.float32(1) / np.where(seen, depth, np.float32(1)), np.float32(0))
    qx, apart_x = _gradient(q, seen, 1)
    qy, apart_y = _gradient(q, seen, 0)
    edge = np.maximum(apart_x, apart_y) > q * np.float32(max(EDGE, EDGE_PIXELS / min(fx, fy)))
    nx, ny = qx * np.float32(fx), qy * np.float32(fy)
    nz = q - x * nx - y * ny
    cosine = q / np.sqrt((nx * nx + ny * ny + nz * nz) * (x * x + y * y + 1))
    valid = seen & ~edge & (cosine >= MIN_COS)  # NaN, where no neighbour was seen, is not
    return Surface(x, y, q, qx, qy, cosine, valid)


def splits(surface: Surface, fx: float, fy: float, spacing: float) -> NDArray[np.int32]:
    """Points per side [P] that fill the squares of the valid pixels [P], at most `spacing` apart."""
    x, y, q, qx, qy = (a[surface.valid] for a in (surface.x, surface.y, surface.q, surface.qx, surface.qy))
    widest = np.zeros_like(q)
    for slope, focal, across in ((qx, fx, x), (qy, fy, y)):
        # d(ray / q): the ray moves by 1/focal across, and z by -slope / q^2 along the ray
        moved = slope / q
        other = x * x + y * y + 1 - across * across
        length2 = (np.float32(1 / focal) - across * moved) ** 2 + other * moved * moved
        widest = np.maximum(widest, length2)
    n: NDArray[np.int32] = (
        np.ceil(np.sqrt(widest) / (q * np.float32(spacing))).clip(1, MAX_SPLIT + 1).astype(np.int32)
    )
    return n


def voxelise(batch: Frames, placement: Placement, max_depth_m: float | None = None) -> Iterator[Sums]:
    """Frames -> sums to be merged: n = frames that saw the voxel, weight = their confidence."""
    for i in range(len(batch)):
        view = batch.rgb[i], batch.depth[i], batch.intrinsics, batch.camera_to_world[i]
        yield _fused(*view, placement, max_depth_m)


def far_of(placement: Placement, max_depth_m: float | None) -> float:
    """Greatest depth in source units."""
    return np.inf if max_depth_m is None else max_depth_m / placement.scale


def _fused(
    rgb: NDArray[np.uint8],
    depth: F32,
    intrinsics: tuple[float, float, float, float],
    camera_to_world: F64,
    placement: Placement,
    max_depth_m: float | None,
) -> Sums:
    """One frame [H, W] -> its voxels, each once, n = 1."""
    camera = camera_of(camera_to_world, placement)
    surface = surface_of(depth, intrinsics, far_of(placement, max_depth_m))
    fx, fy = intrinsics[:2]
    n_split = splits(surface, fx, fy, SPACING / camera.voxels_per_unit)
    pixels = np.flatnonzero(surface.valid)
    metres = np.float32(placement.scale)
    z = np.maximum(metres / surface.q.ravel()[pixels], np.float32(NEAR_M))
    confidence = WEIGHT_ONE * surface.cosine.ravel()[pixels] / (z * z)
    parts, weights, ids = [], [], []
    for n in np.unique(n_split[n_split <= MAX_SPLIT]):
        mine = np.flatnonzero(n_split == n)
        own_pixels = pixels[mine]
        columns = [a.ravel()[own_pixels] for a in (surface.x, surface.y, surface.q, surface.qx, surface.qy)]
        weight = np.rint(confidence[mine] / np.float32(n * n)).clip(1, MAX_WEIGHT).astype(np.int64)
        for j in range(n):
            for i in range(n):
                parts.append(_points(columns, (i + 0.5) / n - 0.5, (j + 0.5) / n - 0.5, fx, fy, camera))
                weights.append(weight)
                ids.append(own_pixels)
    if not parts:
        return sums.empty()
    voxels = np.concatenate(parts, axis=1)
    light = LINEAR_OF_SRGB[rgb.reshape(-1, 3)]
    return _summed(voxels, np.concatenate(weights), np.concatenate(ids), light, camera, placement)


def _points(
    columns: list[F32], right: float, down: float, fx: float, fy: float, camera: Camera
) -> NDArray[np.int32]:
    """Points `right`, `down` pixels off the centres, on their planes -> voxels [3, P] from the eye's."""
    x, y, q, qx, qy = columns
    z = 1 / np.maximum(q + (qx * np.float32(right) + qy * np.float32(down)), q * np.float32(0.5))
    px = (x + np.float32(right / fx)) * z
    py = (y + np.float32(down / fy)) * z
    turn, rest = camera.turn.astype(np.float32), camera.rest.astype(np.float32)
    out = np.empty((3, z.size), np.int32)
    for axis in range(3):
        at = px * turn[axis, 0] + py * turn[axis, 1] + z * turn[axis, 2] + rest[axis]
        out[axis] = np.floor(at.clip(-(2.0**30), 2.0**30))
    return out


def _summed(
    voxels: NDArray[np.int32],
    weight: I64,
    pixels: I64,
    light: NDArray[np.uint32],
    camera: Camera,
    placement: Placement,
) -> Sums:
    """Samples [3, S] from the eye's voxel -> sums of one frame."""
    lowest, highest = placement.crop()
    low, high = voxels.min(1).astype(np.int64), voxels.max(1).astype(np.int64)
    if placement.bounds_m is None:
        check_addressable(
            (low + camera.own).astype(float), (high + camera.own).astype(float), placement.voxel_size_m
        )
    elif (low + camera.own < lowest).any() or (high + camera.own >= highest).any():
        edge_low, edge_high = (lowest - camera.own)[:, None], (highest - camera.own)[:, None]
        inside = ((voxels >= edge_low) & (voxels < edge_high)).all(0)
        voxels, weight, pixels = voxels[:, inside], weight[inside], pixels[inside]
        if not pixels.size:
            return sums.empty()
        low, high = voxels.min(1).astype(np.int64), voxels.max(1).astype(np.int64)
    size = high - low + 1
    key = sums.keys(voxels.T, low, size)
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    weight = weight[order]
    shade = light[pixels[order]]
    colour = np.stack([np.add.reduceat(shade[:, c] * weight, starts) for c in range(3)], axis=-1)
    found = sums.voxels_of(key[starts], low, size) + camera.own.astype(np.int32)
    return Sums(found, np.ones(len(starts), np.int64), np.add.reduceat(weight, starts), colour)


def resolve(summed: Sums) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Every voxel that a frame saw is solid, until it is carved: ([M] True, [M] coverage 255)."""
    return np.ones(len(summed.n), bool), np.full(len(summed.n), 255, np.uint8)
