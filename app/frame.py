"""One frame, as a walk, and what a frame knows as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas import layout
from .camera import View
from .render.pool import Feedback
from .render.renderer import Light, Renderer
from .scene import Scene


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What one frame did."""

    march_ms: float
    feedback: Feedback


def draw(renderer: Renderer, scene: Scene, view: View, light: Light, name: str = "colour") -> FrameReport:
    """March, shade, and hear what the rays asked for. The picture is left in the renderer."""
    march_ms = renderer.march(scene.pool, view)
    renderer.shade(scene.pool, view, light, name)
    feedback = scene.pool.read_feedback()
    scene.pool.clear_feedback()
    return FrameReport(march_ms, feedback)


def status(hits: NDArray[np.void]) -> NDArray[np.uint32]:
    """[...] layout.HIT -> [...] uint32, one of layout.HIT_*"""
    return np.asarray(hits["info"] & (1 << layout.HIT_STATUS_BITS) - 1)


def level(hits: NDArray[np.void]) -> NDArray[np.int64]:
    """[...] layout.HIT -> [...] int64 level of the voxel that was hit."""
    return (hits["info"] >> layout.HIT_LEVEL_SHIFT & 31).astype(np.int64)


def depth_m(hits: NDArray[np.void], voxel_size_m: float) -> NDArray[np.float32]:
    """[...] layout.HIT -> [...] float32 metres along the ray, inf where it found nothing."""
    t = hits["t"].astype(np.float64) * voxel_size_m
    return np.where(status(hits) == layout.HIT_NONE, np.inf, t).astype(np.float32)


def uvw_rgba(hits: NDArray[np.void], corner_voxel: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The canonical pass: RGB is the voxel's UVW at its own level, A is 255; a hole is all 0.

    [...] layout.HIT, [3] int64 -> [..., 4] uint8
    """
    k = level(hits)
    out = np.zeros((*hits.shape, 4), np.uint8)
    for axis, name in enumerate("xyz"):
        out[..., axis] = hits[name] + (corner_voxel[axis] >> k) & (layout.REGION - 1)
    out[..., 3] = 255
    out[status(hits) == layout.HIT_NONE] = 0
    return out
