"""The paths of the experiment: where the camera is in each of 1 + 80 k frames, and a scene that fits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..memory.view import F64, View
from .scene import Scene, scene

STEP_FRAMES = 80
EYE = 1.6  # above the floor
FOV_DEG = 75.8  # across, as Lyra's example has


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """eyes [N, 3] world units, yaw [N] radians from +x towards +y; N = 1 + 80 k. revisits: places recur."""

    name: str
    scene: Scene
    eyes: F64
    yaw: F64
    revisits: bool

    @property
    def n_steps(self) -> int:
        return (len(self.yaw) - 1) // STEP_FRAMES

    def view(self, frame: int, size: tuple[int, int]) -> View:
        """The camera of a frame, level; size (height, width)."""
        return camera(self.eyes[frame], float(self.yaw[frame]), size)


def camera(eye: F64, yaw: float, size: tuple[int, int]) -> View:
    """A level camera; yaw in radians from +x, counter-clockwise seen from above."""
    height, width = size
    focal = 0.5 * width / np.tan(np.radians(FOV_DEG) / 2)
    ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    right, down = np.array([np.sin(yaw), -np.cos(yaw), 0.0]), np.array([0.0, 0.0, -1.0])
    turn = np.stack([right, down, ahead])
    w2c = np.eye(4)
    w2c[:3, :3], w2c[:3, 3] = turn, -turn @ eye
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return View(w2c, k, size)


def out_and_back(seed: int) -> Course:
    """160 frames straight on, 160 backwards on the same poses, and out again 80: revisits after up to 400."""
    there = np.linspace(2.0, 7.0, 161)
    x = np.concatenate([there, there[-2::-1], there[1:81]])
    return _course(
        "out-and-back", scene((14, 7, 3.2), [(10, 2.5, 11, 4, 2.2)], 0.5, seed), _at(x, 3.4), 0 * x
    )


def loop(seed: int) -> Course:
    """Once around a block in 400 frames, and the first 80 again."""
    eyes, yaw = _circle((7.0, 6.0), 4.2, np.linspace(0, 2 * np.pi * 480 / 400, 481))
    return _course("loop", scene((14, 12, 3.2), [(5, 4, 9, 8, 2.6)], 0.5, seed), eyes, yaw)


def figure_8(seed: int) -> Course:
    """Around two pillars, crossing in the middle, 400 frames, and the first 80 again."""
    t = np.linspace(0, 2 * np.pi * 480 / 400, 481)
    x, y = 9 + 6.2 * np.sin(t), 6 + 3.8 * np.sin(2 * t)
    yaw = np.unwrap(np.arctan2(7.6 * np.cos(2 * t), 6.2 * np.cos(t)))
    blocks = [(3.6, 5.2, 6.4, 6.8, 3.4), (11.6, 5.2, 14.4, 6.8, 3.4)]
    return _course("figure-8", scene((18, 12, 3.4), blocks, 0.5, seed), _at(x, y), yaw)


def look_around(seed: int) -> Course:
    """On the spot: twice around in 320 frames."""
    yaw = np.linspace(0, 4 * np.pi, 321)
    built = scene((11, 9, 3.2), [(7.5, 6, 8.5, 7, 2.0), (2, 2, 3, 2.8, 1.2)], 0.5, seed)
    return _course("look-around", built, _at(0 * yaw + 5.5, 4.5), yaw)


def corridor(seed: int, n_steps: int = 8) -> Course:
    """Straight on, 4.8 units a step, never back."""
    x = 1 + np.linspace(0, 4.8 * n_steps, STEP_FRAMES * n_steps + 1)
    built = scene((float(x[-1]) + 9, 4.0, 3.0), [], 0.7, seed)
    return _course("corridor", built, _at(x, 2.0), 0 * x, revisits=False)


COURSES: dict[str, Callable[[int], Course]] = {
    "out-and-back": out_and_back,
    "loop": loop,
    "figure-8": figure_8,
    "look-around": look_around,
    "corridor": corridor,
}


def _at(x: F64, y: F64 | float) -> F64:
    return np.stack([x, np.broadcast_to(y, x.shape), np.full(x.shape, EYE)], axis=-1)


def _circle(centre: tuple[float, float], radius: float, t: F64) -> tuple[F64, F64]:
    return _at(centre[0] + radius * np.cos(t), centre[1] + radius * np.sin(t)), t + np.pi / 2


def _course(name: str, built: Scene, eyes: F64, yaw: F64, revisits: bool = True) -> Course:
    assert built.is_free(eyes, 0.3), f"{name}: the path runs into something"
    return Course(name, built, eyes, yaw, revisits)
