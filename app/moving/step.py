"""One frame of moving, whatever the mode: what the viewer's loop calls. Pure."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .fly import eased_near, fly, glided, orbit
from .solid import near_voxels
from .state import STILL, Manner, Metres3, Mode, Moving, Steer, position
from .walk import Ground, stand, walk

DEGREES_PER_PIXEL = 0.15
MAX_SECONDS = 0.1  # of one frame: after a long one nobody flies through a wall
_NEAR_VOXELS = 8.0  # flying among voxels is not slower than this near

# What a key or a button may ask for, in the words of the help overlay.
ASKS: dict[str, str] = {
    "orbit": "turn about a point, and back to flying",
    "walk": "walk on the ground, and back to flying",
    "focus": "turn to what is under the cursor, and come half way",
    "home": "back to where it began",
}


def keyboard(
    move: Metres3, turn_pixels: tuple[float, float], scroll: float, fast: bool, slow: bool,
    degrees_per_pixel: float = DEGREES_PER_PIXEL,
) -> Steer:  # fmt: skip
    """What keys and mouse ask of a frame."""
    right, down = turn_pixels
    return Steer(move, (right * degrees_per_pixel, down * degrees_per_pixel), scroll, fast, slow)


def advance(
    state: Moving, steer: Steer, manner: Manner, seconds: float, ground: Ground, extent_m: float
) -> Moving:
    """Where the input of one frame takes the user.

    ground    who knows what is solid; extent_m: of the world, beyond which nothing is far
    """
    seconds = min(seconds, MAX_SECONDS)
    size = ground.voxel_size_m
    near = None
    if state.mode != "walk" and (any(steer.move) or state.velocity != STILL):
        eye = np.array(position(state.pose)) / size
        near = near_voxels(ground.ask, ground.n_levels, eye, state.near_m / size)
    if near is not None:
        near_m = min(max(near, _NEAR_VOXELS) * size, max(extent_m, _NEAR_VOXELS * size))
        state = eased_near(state, near_m, manner, seconds)
    if state.glide is not None:
        if not any(steer.move) and not any(steer.turn_deg):
            return glided(state, seconds)
        state = replace(state, glide=None)  # who takes the wheel has it
    if state.mode == "walk":
        return walk(state, steer, manner, seconds, ground)
    step = orbit if state.mode == "orbit" else fly
    return step(state, steer, manner, seconds)


def switched(state: Moving, mode: Mode, manner: Manner, ground: Ground, pivot: Metres3 | None) -> Moving:
    """Toggle a mode: from it, back to flying. pivot: what orbit turns about; None: what is near, ahead."""
    if state.mode == mode or mode == "fly":
        return replace(state, mode="fly", velocity=STILL, dip_m=0.0, is_grounded=False)
    if mode == "walk":
        return stand(state, manner, ground)
    if pivot is None or not all(map(math.isfinite, pivot)):
        x, y, z = (a + f * state.near_m for a, f in _pairs(position(state.pose), state.pose.forward))
        pivot = x, y, z
    return replace(state, mode="orbit", pivot=pivot, velocity=STILL, glide=None, dip_m=0.0, is_grounded=False)


def _pairs(a: Iterable[float], b: Iterable[float]) -> Iterable[tuple[float, float]]:
    return zip(a, b, strict=True)
