"""The headset's frame loop: ask where the eyes are, move, draw both, show; until someone leaves."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...atlas.layout import RAY
from .. import frame
from ..camera import Pose, View
from ..render.context import Context
from ..render.eye_pictures import EyePictures
from ..render.rays import Rays
from ..render.renderer import light_of
from ..scene import Scene
from .drawing import draw_eyes
from .rig import Rig, head_of, moved, placed, put, view_of
from .runtime import Frame, Runtime, Size
from .teleport import Throw, is_aiming, throw

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """What a frame may cost: the share of the headset's resolution along an edge, and how wide a voxel may be
    in pixels."""

    name: str
    resolution: float
    pixels: float


QUALITIES = (Quality("low", 0.5, 2.0), Quality("medium", 0.7, 1.5), Quality("high", 1.0, 1.0))
_GREEN, _RED = (90, 230, 120), (240, 80, 70)
_DOT = 3  # pixels from the middle of a mark to its edge
_RING_M, _RING_DOTS = 0.25, 24  # around where one will stand


def run(
    runtime: Runtime,
    ctx: Context,
    scene: Scene,
    home: Pose,
    quality: str = "medium",
    heard: Callable[[Rig, Throw | None], None] = lambda rig, thrown: None,
) -> int:
    """Draw for a headset until its user leaves. -> frames drawn

    home   where the head is at the beginning; quality: a name of QUALITIES
    heard  told of each frame that is drawn, before it is shown
    Raises what the runtime raises when it is lost.
    """
    preset = next(q for q in QUALITIES if q.name == quality)
    rays = Rays(ctx)
    pictures = EyePictures(ctx, _sizes(runtime, preset))
    rig, aiming, thrown, n_frames = Rig((home.x, home.y, home.z), home.yaw), False, None, 0
    is_placed = False
    try:
        while (now := runtime.begin()) is not None:
            if now.hands.leave:
                runtime.end(None)
                break
            if now.eyes is None:
                runtime.end(None)
                continue
            head = head_of(now.eyes)
            if not is_placed:
                rig, is_placed = placed(rig, head, home), True
            if now.hands.quality and not rig.held.quality:
                preset = QUALITIES[(QUALITIES.index(preset) + 1) % len(QUALITIES)]
                pictures.resize(_sizes(runtime, preset))
            before, rig = rig, moved(rig, now.hands, head, now.seconds)
            was_aiming, aiming = aiming, is_aiming(now.hands.aim, aiming)
            if aiming and now.hands.hand is not None:
                thrown = throw(rig, now.hands.hand, _firing(rays, scene))
            elif was_aiming and thrown is not None and thrown.landing is not None:
                feet = (head.position[0], 0.0, head.position[2])
                x, y, z = thrown.landing.tolist()
                rig, thrown = put(rig, feet, (x, y, z)), None
            else:
                thrown = None
            try:
                _draw(pictures, scene, rig, now, preset, thrown)
            except ValueError:  # so far away that floats end: stay where it was
                rig = replace(before, held=now.hands)
                runtime.end(None)
                continue
            heard(rig, thrown)
            for eye, size in enumerate(runtime.sizes):
                pictures.copy(eye, runtime.texture(eye), size)
            pictures.finish()
            runtime.end(pictures.sizes)
            n_frames += 1
    finally:
        rays.release()
        pictures.release()
    return n_frames


def _draw(
    pictures: EyePictures, scene: Scene, rig: Rig, now: Frame, preset: Quality, thrown: Throw | None
) -> None:
    assert now.eyes is not None
    where = scene.voxel_size_m, scene.root.corner_voxel
    left, right = (
        view_of(rig, eye, size, *where, preset.pixels)
        for eye, size in zip(now.eyes, pictures.sizes, strict=True)
    )
    draw_eyes(pictures, scene, (left, right), light_of(scene.extent_voxels, shadows=False))
    if thrown is not None:
        for eye, view in enumerate((left, right)):
            colour = _RED if thrown.landing is None else _GREEN
            dots = thrown.points if thrown.landing is None else _with_ring(thrown, rig.scale)
            pictures.mark(eye, _seen(view, dots / scene.voxel_size_m), _DOT, colour)


def _with_ring(thrown: Throw, scale: float) -> F64:
    assert thrown.landing is not None
    angle = np.arange(_RING_DOTS) / _RING_DOTS * 2 * np.pi
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(_RING_DOTS)], axis=1) * _RING_M * scale
    return np.concatenate([thrown.points, thrown.landing + ring])


def _seen(view: View, points: F64) -> NDArray[np.int64]:
    """Where points [N, 3], level-0 voxels of the world, are in a flat picture: [M, 2] column, row."""
    away = points - view.eyes_voxels[0]
    x, y, depth = np.linalg.inv(np.array([view.right, view.up, view.forward]).T) @ away.T
    ahead = depth > 1e-6
    at = np.stack([x[ahead] / depth[ahead], -y[ahead] / depth[ahead]], axis=1)
    at = at[(np.abs(at) <= 1).all(axis=1)]
    return np.asarray(np.floor((at + 1) / 2 * view.size), np.int64)


def _sizes(runtime: Runtime, preset: Quality) -> tuple[Size, Size]:
    left, right = (
        (max(int(w * preset.resolution), 8), max(int(h * preset.resolution), 8)) for w, h in runtime.sizes
    )
    return left, right


def _firing(rays: Rays, scene: Scene) -> Callable[[F64, F64], F64]:
    def fire(points: F64, directions: F64) -> F64:
        at = points / scene.voxel_size_m
        voxel = np.floor(at)
        out = np.zeros(len(points), RAY)
        out["voxel"] = voxel.astype(np.int64) - scene.root.corner_voxel
        out["frac"] = np.minimum(at - voxel, 1 - 2**-24)
        out["direction"] = directions
        out["cone"] = 1e-3
        return frame.depth_m(rays.fire(scene.pool, out), scene.voxel_size_m).astype(np.float64)

    return fire
