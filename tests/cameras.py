"""Twin of shaders/include/camera.glsl: every pixel's ray in float64, from what the shader was given."""

import numpy as np
from voxtide.atlas.layout import PROJECTIONS

# Each face of a cube as the head that looks there, in (right, up, forward) of the pose: ahead, right, up.
CUBE_TURNS = [
    [(1, 0, 0), (0, 0, -1), (0, 1, 0)],  # turned right
    [(-1, 0, 0), (0, 0, 1), (0, 1, 0)],  # turned left
    [(0, 1, 0), (1, 0, 0), (0, 0, -1)],  # head tilted back
    [(0, -1, 0), (1, 0, 0), (0, 0, 1)],  # and down
    [(0, 0, 1), (1, 0, 0), (0, 1, 0)],
    [(0, 0, -1), (-1, 0, 0), (0, 1, 0)],  # turned around
]


def sent(v):
    """A vector as the shader gets it: rounded to float32."""
    return np.array(v, np.float32).astype(np.float64)


def rays(view):
    """-> origins [H, W, 3], voxels from the root grid's corner, and unit directions [H, W, 3]"""
    width, height = view.size
    kind = PROJECTIONS[view.projection]
    eye = np.array(view.eye) + sent(view.eye_frac)
    right, up, forward = sent(view.right), sent(view.up), sent(view.forward)
    y, x = np.mgrid[0:height, 0:width]
    o = np.broadcast_to(eye, (height, width, 3))
    if kind == "stereo":
        width //= 2
        right_eye = np.array(view.right_eye) + sent(view.right_eye_frac)
        o = np.where((x < width)[..., None], eye, right_eye)
        x = x % width
    sx, sy = ((2 * (p + 0.5) - n)[..., None] / n for p, n in ((x, width), (y, height)))
    if kind == "equirect":
        longitude, latitude = np.pi * sx, -np.pi / 2 * sy
        level = np.cos(longitude) * forward + np.sin(longitude) * right
        d = np.cos(latitude) * level + np.sin(latitude) * up
    elif kind == "cube":
        face, n = x // height, height
        sx = ((2 * (x % n + 0.5) - n) / n)[..., None]
        d = np.zeros((height, width, 3))
        for i, turn in enumerate(CUBE_TURNS):
            ahead, side, over = (np.array(row) @ (right, up, forward) for row in turn)
            d = np.where((face == i)[..., None], ahead + sx * side - sy * over, d)
    else:
        d = forward + sx * right - sy * up
    return o, d / np.linalg.norm(d, axis=-1, keepdims=True)
