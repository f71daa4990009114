"""What the gates are measured on: ways through held-out scenes, with the truth and what frame 0 shows."""

from dataclasses import dataclass

import numpy as np

from ..memory.view import View, project, unproject
from ..protocol import F32, F64, STEP_FRAMES, Mask, Plan, Rgb, Seed
from . import walks
from .config import Config
from .grammar import GRAMMARS, Ground

SAME = 0.03  # of z: frame 0 shows what lies this near to its own depth
HELD_OUT = "C"
COURSES = {"static": 1, "small": 1, "walk": 1, "look-back": 1, "there-and-back": 6}  # steps of each


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """N = 1 + 80 steps true frames. known [N, H, W]: pixels whose surface frame 0 shows."""

    name: str
    scene: int
    rgb: Rgb
    depth: F32
    known: Mask
    seed: Seed
    plan: Plan


def course(name: str, scene: int, config: Config) -> Course:
    """One way in scene `scene` of the held-out grammar."""
    ground = GRAMMARS[HELD_OUT](scene)
    w2c, k = _way(name, ground, scene, config)
    views = [View(pose, k, (config.height, config.width)) for pose in w2c]
    cast = [ground.world.cast(view) for view in views]
    rgb = np.stack([c[1] for c in cast])
    depth = np.stack([c[0] for c in cast]).astype(np.float32)
    known = np.stack([_known(d, v, depth[0], views[0]) for d, v in zip(depth, views, strict=True)])
    ks = np.repeat(k[None], len(w2c), 0)
    n_steps = (len(w2c) - 1) // STEP_FRAMES
    return Course(
        name,
        scene,
        rgb,
        depth,
        known,
        Seed(rgb[0], depth[0], w2c[0], k, "", scene),
        Plan(w2c, ks, ("",) * n_steps),
    )


def _way(name: str, ground: Ground, scene: int, config: Config) -> tuple[F64, F64]:
    n = 1 + STEP_FRAMES * COURSES[name]
    if name in walks.KINDS:
        way = walks.walk(ground, name, n, config.size, 1000 + scene)
        return way.w2c, way.k
    way = walks.walk(ground, "walk", 2, config.size, 1000 + scene)
    c2w = np.linalg.inv(way.w2c[0])
    eye, right, ahead = c2w[:3, 3], c2w[:3, 0], c2w[:3, 2]
    yaw, pitch = np.arctan2(ahead[1], ahead[0]), np.arcsin(ahead[2])
    t = np.linspace(0, 1, n)
    if name == "static":
        return np.repeat(way.w2c[:1], n, 0), way.k
    if name == "small":
        eyes = eye + 0.05 * np.sin(2 * np.pi * t)[:, None] * right + 0.05 * np.sin(np.pi * t)[:, None] * ahead
        return walks.poses(eyes, yaw + 0.015 * np.sin(2 * np.pi * t), np.full(n, pitch)), way.k
    assert name == "there-and-back"
    phase = 1 - np.abs(1 - 2 * ((3 * t) % 1.0))  # out in one step, back in the next
    reach = min(1.6, 0.5 * float(ground.world.hit(eye, ahead[None])[0][0]))
    eyes = eye + reach * phase[:, None] * ahead
    eyes[:, 2] = eye[2]
    return walks.poses(eyes, yaw + 0.35 * np.sin(np.pi * phase), np.full(n, pitch)), way.k


def _known(depth: F32, view: View, first: F32, first_view: View) -> Mask:
    x, y, z = project(unproject(depth, view).reshape(-1, 3), first_view)
    height, width = first.shape
    column, row = np.rint(x), np.rint(y)
    inside = np.flatnonzero((z > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height))
    there = first[row[inside].astype(int), column[inside].astype(int)]
    out = np.zeros(depth.size, bool)
    out[inside[np.abs(there - z[inside]) < SAME * z[inside]]] = True
    return out.reshape(depth.shape)
