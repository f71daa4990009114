"""One frame for two eyes: what streams is decided once, what is marched and shaded is each eye's own."""

import time

import numpy as np

from ...streamer.view import Sight
from ..camera import View
from ..frame import FrameReport
from ..render.eye_pictures import EyePictures
from ..render.renderer import Light
from ..render.ring import NO_FEEDBACK
from ..scene import Scene


def draw_eyes(pictures: EyePictures, scene: Scene, views: tuple[View, View], light: Light) -> FrameReport:
    """As frame.draw_streamed, for two views: one set of requests, heard and sent once."""
    assert scene.streamer is not None, "this scene is not streamed"
    start, cpu_start = time.perf_counter(), time.thread_time()
    feedback = scene.pool.ring.pop() or NO_FEEDBACK
    said = feedback.touched_slots, feedback.requests, feedback.frame
    update = scene.streamer.update(*said, sight_of_both(views), scene.pool.frame)
    decided = time.perf_counter()
    scene.apply(update)
    applied = time.perf_counter()
    scene.streamer.spent(update, (time.thread_time() - cpu_start) * 1e3)
    march_ms = 0.0
    for renderer, view in zip(pictures.renderers, views, strict=True):
        march_ms += renderer.march(scene.pool, view, scene.start_of(view))
        renderer.shade(scene.pool, view, light)
    scene.pool.send_feedback()
    return FrameReport(march_ms, feedback, (decided - start) * 1e3, (applied - decided) * 1e3, update)


def sight_of_both(views: tuple[View, View]) -> Sight:
    """What two eyes see together: bounded by the widest of their angles about the middle of their axes."""
    eyes = np.concatenate([view.eyes_voxels for view in views])
    cone = min(view.cone for view in views)
    ahead = views[0].axis + views[1].axis
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, np.array(views[0].up))
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    corners = np.array(
        [
            np.array(view.forward) + x * np.array(view.right) + y * np.array(view.up)
            for view in views
            for x in (-1, 1)
            for y in (-1, 1)
        ]
    )
    depth = corners @ ahead
    if depth.min() < 0.05 * np.linalg.norm(corners, axis=1).max():  # as good as all around
        return Sight(eyes, np.zeros((0, 3)), None, cone)
    across, along = corners @ right / depth, corners @ up / depth
    normals = np.stack(
        [
            right - across.min() * ahead,
            across.max() * ahead - right,
            up - along.min() * ahead,
            along.max() * ahead - up,
        ]
    )
    return Sight(eyes, normals / np.linalg.norm(normals, axis=1, keepdims=True), ahead, cone)
