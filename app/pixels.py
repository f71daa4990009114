"""From a pixel to its ray, on the CPU: what is fired when one pixel is asked about. Pure.

The rule is that of shaders/include/camera.glsl, computed in float64; a test compares the two.
"""

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import CUBE_FACES, PROJECTIONS, RAY
from .camera import View

F64 = NDArray[np.float64]


def rays_of(view: View, pixels: NDArray[np.integer]) -> NDArray[np.void]:
    """[N, 2] int (column, row from the top) -> [N] layout.RAY. ValueError for a pixel outside the picture."""
    at = np.asarray(pixels, np.int64).reshape(-1, 2)
    if at.size and ((at < 0) | (at >= view.size)).any():
        raise ValueError(f"pixel outside the picture of {view.size[0]}x{view.size[1]}")
    rays = np.zeros(len(at), RAY)
    rays["voxel"], rays["frac"] = view.eye, view.eye_frac
    rays["level_min"] = view.level_min
    if PROJECTIONS[view.projection] == "stereo":
        on_the_right = at[:, 0] >= view.size[0] // 2
        rays["voxel"][on_the_right], rays["frac"][on_the_right] = view.right_eye, view.right_eye_frac
    d = directions(view, at.astype(np.float64) + 0.5)
    length = np.linalg.norm(d, axis=1, keepdims=True)
    rays["direction"] = d / length
    rays["cone"] = view.cone / length[:, 0]
    return rays


def directions(view: View, at: F64) -> F64:
    """Places in a picture [N, 2], pixels from its upper left -> [N, 3] which way they look, of any length.

    Of a flat picture: as long as it takes to be 1 ahead. Stereo: of the eye in whose half it is.
    """
    kind = PROJECTIONS[view.projection]
    width, height = view.size
    x, y = at[:, 0], at[:, 1]
    face = np.zeros(len(at), np.int64)
    if kind == "stereo":
        width //= 2
        x = np.where(x >= width, x - width, x)
    elif kind == "cube":
        width //= CUBE_FACES
        face = np.clip(x // width, 0, CUBE_FACES - 1).astype(np.int64)
        x = x - face * width
    s = 2 * np.stack([x, y], axis=1) / (width, height) - 1
    return _direction(view, kind, s, face)


def _direction(view: View, kind: str, s: F64, face: NDArray[np.int64]) -> F64:
    """s [N, 2] from -1 to 1, to the right and down -> [N, 3]"""
    right, up, forward = (
        np.array(v, np.float32).astype(np.float64) for v in (view.right, view.up, view.forward)
    )
    across, down = s[:, :1], s[:, 1:]
    if kind == "equirect":
        longitude, latitude = np.pi * across, -np.pi / 2 * down
        level = np.cos(longitude) * forward + np.sin(longitude) * right
        return np.asarray(np.cos(latitude) * level + np.sin(latitude) * up)
    if kind == "cube":
        axes = cube_axes(right, up, forward)[face]
        return np.asarray(axes[:, 0] + across * axes[:, 1] - down * axes[:, 2])
    return np.asarray(forward + across * right - down * up)


def cube_axes(right: F64, up: F64, forward: F64) -> F64:
    """Ahead, to the right and up of each face of a cube, in the order of camera.glsl: [6, 3, 3]"""
    return np.array(
        [
            (right, -forward, up),
            (-right, forward, up),
            (up, right, -forward),
            (-up, right, forward),
            (forward, right, up),
            (-forward, -right, up),
        ]
    )
