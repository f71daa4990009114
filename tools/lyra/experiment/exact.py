"""The exact generator: ray-cast truth, made wrong by known amounts of depth noise and drift.

It shows what a memory does, and nothing of what a network would: its pictures are perfect, and only what it
believes of them, depth and pose, is off. So all errors that are measured are the memory's.
"""

from dataclasses import dataclass

import numpy as np

from ..memory.view import F64, NEAR, Frame, View, project, unproject
from .courses import STEP_FRAMES, Course


@dataclass(frozen=True, slots=True)
class Errors:
    """What the generator gets wrong. All are standard deviations, of Gaussians; seeds fix them.

    noise: of depth, relative, smooth over a frame (a grid of 4 x 6 values), anew for each frame.
    scale: of the depth scale's random walk, relative, per step of 80 frames.
    shift, turn_deg: of the random walk of where a picture is really taken, world units and degrees per step.
    """

    noise: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    turn_deg: float = 0.0


CONDITIONS = {
    "exact": Errors(),
    "noise": Errors(noise=0.01),
    "drift": Errors(noise=0.01, scale=0.02, shift=0.02, turn_deg=0.3),
}


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """A course as it is generated. size (height, width); walks: one value per step, [n_steps + 1]."""

    course: Course
    errors: Errors
    seed: int
    size: tuple[int, int]

    def truth(self, frame: int) -> Frame:
        """What is really to be seen from the pose that was asked for."""
        return self._seen(frame, self.course.view(frame, self.size))

    def frame(self, frame: int, visit: int = 0) -> Frame:
        """What is generated: a true picture of a slightly other place, with a slightly wrong depth.

        visit: another number, another noise.
        """
        asked, moved, scale, grain = self._wrong(frame, visit)
        made = self._seen(frame, moved)
        height, width = self.size
        depth = (
            made.depth
            * scale
            * _bilinear(grain, np.arange(height)[:, None] / (height - 1), np.arange(width) / (width - 1))
        )
        return Frame(frame, made.rgb, depth.astype(np.float32), asked, made.tracer)

    def believed(self, frame: int, points: F64) -> F64:
        """Where a frame puts true points [N, 3]; NaN where it does not have them in its picture. -> [N, 3]

        Not rounded to pixels: two frames' beliefs of a point differ by their errors alone.
        """
        asked, moved, scale, grain = self._wrong(frame)
        x, y, z = project(points, moved)
        height, width = self.size
        seen = (z > NEAR) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        wrong = z * scale * _bilinear(grain, (y / (height - 1)).clip(0, 1), (x / (width - 1)).clip(0, 1))
        k = asked.k
        local = (
            np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones_like(x)], axis=-1)
            * wrong[:, None]
        )
        world = np.einsum("nc,ca->na", local - asked.w2c[:3, 3], asked.w2c[:3, :3])
        return np.asarray(np.where(seen[:, None], world, np.nan))

    def _wrong(self, frame: int, visit: int = 0) -> tuple[View, View, float, F64]:
        """The pose asked for, the one pictured, the depth scale, and the noise [4, 6] as factors."""
        asked = self.course.view(frame, self.size)
        scale, move = self._drift(frame)
        rng = np.random.default_rng([self.seed, 1, frame, visit])
        return (
            asked,
            View(move @ asked.w2c, asked.k, asked.size),
            scale,
            1 + self.errors.noise * rng.standard_normal((4, 6)),
        )

    def _seen(self, i: int, view: View) -> Frame:
        depth, surface = self.course.scene.cast(view)
        points = unproject(depth, view)
        tracer = np.rint(points * 1e6).astype(np.int32)
        return Frame(i, self.course.scene.colour(points, surface), depth.astype(np.float32), view, tracer)

    def _drift(self, frame: int) -> tuple[float, F64]:
        """The depth scale, and what the camera really did to the world, at a frame; no error at frame 0."""
        steps = np.random.default_rng([self.seed, 2]).standard_normal((self.course.n_steps + 1, 5))
        walk = np.concatenate([np.zeros((1, 5)), steps.cumsum(axis=0)])
        at = frame / STEP_FRAMES
        low = min(int(at), len(walk) - 2)
        now = walk[low] + (at - low) * (walk[low + 1] - walk[low])
        turn = np.radians(self.errors.turn_deg) * now[4]
        move = np.eye(4)
        move[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        move[:3, 3] = self.errors.shift * now[1:4] * [1, 0.2, 1]
        return float(np.exp(self.errors.scale * now[0])), move


def _bilinear(grid: F64, row: F64, column: F64) -> F64:
    """A grid's values at places 0..1 from its first to its last row and column; broadcast together."""
    y, x = row * (grid.shape[0] - 1), column * (grid.shape[1] - 1)
    r = np.minimum(y.astype(np.int64), grid.shape[0] - 2)
    c = np.minimum(x.astype(np.int64), grid.shape[1] - 2)
    fy, fx = y - r, x - c
    above = grid[r, c] * (1 - fx) + grid[r, c + 1] * fx
    return np.asarray(above * (1 - fy) + (grid[r + 1, c] * (1 - fx) + grid[r + 1, c + 1] * fx) * fy)
