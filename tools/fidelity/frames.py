"""Posed RGB-D: a frame is its own picture of the scene, from its own pose. Some frames are chosen, evenly."""

from collections.abc import Iterable

import numpy as np

from ..sources.source import Frames
from ..voxelise.placement import Placement, to_voxels, turn
from .cameras import Camera
from .picture import Picture


def gather(
    batches: Iterable[Frames], placement: Placement, n_items: int, n_views: int
) -> list[tuple[Camera, Picture]]:
    """n views of a recording of n_items frames, or all of them if they are fewer."""
    chosen = set(np.linspace(0, n_items - 1, min(n_views, n_items)).round().astype(int).tolist())
    found, number = [], 0
    for batch in batches:
        for i in range(len(batch)):
            if number in chosen:
                found.append(_view(batch, i, placement))
            number += 1
    return found


def _view(batch: Frames, i: int, placement: Placement) -> tuple[Camera, Picture]:
    """One frame's camera in the world, and what it saw. Pixels without depth are as if nothing was there."""
    pose = batch.camera_to_world[i].astype(np.float64)
    fx, fy, cx, cy = batch.intrinsics
    height, width = batch.depth[i].shape
    eye_m = to_voxels(pose[None, :3, 3], placement)[0] * placement.voxel_size_m
    axes = turn(np.ascontiguousarray(pose[:3, :3].T), placement)
    # A frame's pixel has its middle at whole coordinates, a Camera's at halves.
    camera = Camera((width, height), eye_m, axes, (fx, fy), (cx + 0.5, cy + 0.5))
    measured = batch.depth[i] > 0
    along = batch.depth[i] * np.float64(placement.scale) * camera.ray_lengths()
    rgb = batch.rgb[i].astype(np.float32) / np.float32(255) * measured[..., None]
    depth = np.where(measured, along, np.inf).astype(np.float32)
    return camera, Picture(rgb, measured.astype(np.float32), depth)
