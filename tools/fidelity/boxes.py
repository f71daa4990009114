"""Points and cells, drawn exactly: each an opaque cube, each pixel's ray met with every cube it may hit.

A cell of a voxel file is its own cube; a point is a cube as wide as a voxel, the point in its middle.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sources.source import Points, Voxels
from ..voxelise import runs
from ..voxelise.placement import Placement, to_voxels
from .cameras import Camera
from .picture import Picture

F64 = NDArray[np.float64]

PAIRS = 1 << 20  # (pixel, cube) looked at together
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes along the world's axes."""

    low_m: F64  # [N, 3]
    high_m: F64  # [N, 3]
    rgb: NDArray[np.uint8]  # [N, 3] sRGB

    def __len__(self) -> int:
        return len(self.low_m)


def gather(batches: Iterable[Points | Voxels], placement: Placement) -> Boxes:
    """All points or cells whose middles lie inside the crop, as boxes in the world. 51 bytes each."""
    lowest, highest = placement.crop()
    low, high, colours = [np.empty((0, 3))], [np.empty((0, 3))], [np.empty((0, 3), np.uint8)]
    a: F64
    b: F64
    for batch in batches:
        if isinstance(batch, Points):
            at = to_voxels(batch.positions, placement)
            a, b, rgb = at - 0.5, at + 0.5, batch.rgb
        else:
            ends = [to_voxels((batch.voxels + step).astype(np.float64), placement) for step in (0, 1)]
            a, b = np.asarray(np.minimum(*ends)), np.asarray(np.maximum(*ends))
            rgb = batch.rgba[:, :3]
        middle = (a + b) / 2
        keep = np.flatnonzero(((middle >= lowest) & (middle < highest)).all(1))
        low.append(a[keep] * placement.voxel_size_m)
        high.append(b[keep] * placement.voxel_size_m)
        colours.append(rgb[keep])
    return Boxes(np.concatenate(low), np.concatenate(high), np.concatenate(colours))


def pixels_of(corners: F64, camera: Camera) -> tuple[NDArray[np.int64], NDArray[np.int64], F64]:
    """Which pixels convex things may cover, and how far ahead their nearest corner is.

    Corners [N, K, 3] metres -> first, last [N, 2], metres [N]. last < first: none.
    What reaches behind the eye may be anywhere.
    """
    at = (corners - camera.eye_m) @ camera.axes.T
    z = at[..., 2]
    in_front = np.maximum(z, _TINY)
    uv = np.stack([at[..., i] / in_front * camera.focal[i] + camera.centre[i] for i in (0, 1)], axis=-1)
    behind = np.asarray((z <= _TINY).any(1))
    end = np.array(camera.size) - 1
    first = np.where(behind[:, None], 0, np.ceil(uv.min(1) - 0.5)).clip(0, end + 1)
    last = np.where(behind[:, None], end, np.floor(uv.max(1) - 0.5)).clip(-1, end)
    last[(z <= _TINY).all(1)] = -1
    return first.astype(np.int64), last.astype(np.int64), z.min(1)


def draw(boxes: Boxes, camera: Camera) -> Picture:
    """The picture of a camera: the nearest box of every ray."""
    width, height = camera.size
    rays = camera.directions().reshape(-1, 3)
    depth, owner = np.full(width * height, np.inf), np.zeros(width * height, np.int64)
    inverse = 1 / np.where(np.abs(rays) < _TINY, _TINY, rays)
    pick = np.array(np.meshgrid((0, 1), (0, 1), (0, 1))).reshape(3, -1).T.astype(bool)
    corners = np.where(pick, boxes.high_m[:, None], boxes.low_m[:, None])
    first, last, ahead = pixels_of(corners, camera)
    # Nearest first, so that most of what is hidden is known to be before its rays are met with it.
    order = np.argsort(ahead, kind="stable")
    order = order[(last[order] >= first[order]).all(1)]
    first, size = first[order], (last - first)[order] + 1
    low, high, ahead = boxes.low_m[order] - camera.eye_m, boxes.high_m[order] - camera.eye_m, ahead[order]
    for box, local in runs.slices(size.prod(1), PAIRS):
        row, column = np.divmod(local, size[:, 0].take(box))
        pixel = (first[:, 1].take(box) + row) * width + first[:, 0].take(box) + column
        still = np.flatnonzero(ahead.take(box) < depth.take(pixel))
        box, pixel = box.take(still), pixel.take(still)
        by = inverse[pixel]
        a, b = low[box] * by, high[box] * by
        enter, leave = np.minimum(a, b).max(1), np.maximum(a, b).min(1)
        nearest(depth, owner, pixel, np.maximum(enter, 0), box, (enter <= leave) & (leave > 0))
    hit = np.isfinite(depth)
    owner = order[owner] if len(order) else owner
    rgb = (
        np.where(hit[:, None], boxes.rgb[owner] / np.float32(255), 0)
        if len(boxes)
        else np.zeros((hit.size, 3))
    )
    return opaque_picture(rgb, hit, depth, camera)


def nearest(
    depth: F64,
    owner: NDArray[np.int64],
    pixel: NDArray[np.int64],
    t: F64,
    thing: NDArray[np.int64],
    hit: NDArray[np.bool_],
) -> None:
    """Keep, in depth and owner [n_pixels], the nearest thing that a ray hits; among equals the first."""
    nearer = np.flatnonzero(hit & (t < depth[pixel]))
    order = nearer[np.lexsort((-nearer, -t[nearer]))]  # of repeated places the last assignment stays
    depth[pixel[order]] = t[order]
    owner[pixel[order]] = thing[order]


def opaque_picture(rgb: NDArray[np.floating], hit: NDArray[np.bool_], depth: F64, camera: Camera) -> Picture:
    """Rows of pixels -> a Picture. depth along the forward axis."""
    width, height = camera.size
    shape = (height, width)
    along_ray = depth.reshape(shape) * camera.ray_lengths()
    alpha = hit.astype(np.float32).reshape(shape)
    return Picture(rgb.astype(np.float32).reshape(*shape, 3), alpha, along_ray.astype(np.float32))
