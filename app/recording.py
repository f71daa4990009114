"""Recording a path from within the viewer: a step a frame, so that the window lives on.

Each recorded frame waits until nothing is missing, however slow the disk is: none is coarse. Meanwhile nobody
else may stream in the scene, or their rays would be heard as these.
"""

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from . import frame
from .camera import IPD_M, look
from .paths import CameraPath, Key
from .render.renderer import Light, Renderer
from .scene import Scene

Put = Callable[[int, Key, NDArray[np.uint8]], None]


class IncompleteError(Exception):
    """A frame that cannot be drawn whole: one line that says what to do."""


def record(
    scene: Scene,
    path: CameraPath,
    size: tuple[int, int],
    light: Light,
    put: Put,
    name: str = "colour",
    projection: str = "planar",
    ipd_m: float = IPD_M,
    timeout_s: float | None = None,
) -> Generator[float, None, None]:
    """Draw every frame at the path's own fps; put gets [height, width, 4] uint8 sRGB. Yields the share done.

    Raises IncompleteError where a frame does not fit the memory, or nothing comes for timeout_s; ValueError
    as app.camera.look does; and what put raises.
    """
    renderer = Renderer(scene.pool.ctx, size)
    try:
        for i, key in enumerate(path.poses()):
            where = scene.voxel_size_m, scene.root.corner_voxel
            view = look(key.pose, size, key.fov_deg, *where, projection=projection, ipd_m=ipd_m)
            if scene.streamer is None:
                report = frame.draw(renderer, scene, view, light, name)
            else:
                steps = frame.settling(renderer, scene, view, light, name, timeout_s)
                while True:
                    try:
                        next(steps)
                    except StopIteration as stop:
                        report = stop.value
                        break
                    yield i / path.n_frames
            if not report.is_settled:
                raise IncompleteError(
                    f"frame {i} cannot be drawn whole: give chunks more video memory, or a smaller picture"
                )
            put(i, key, renderer.read_picture())
            yield (i + 1) / path.n_frames
    finally:
        renderer.release()
