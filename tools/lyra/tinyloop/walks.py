"""Ways of a camera through a procedural world: six kinds, none of which touches anything."""

from dataclasses import dataclass

import numpy as np

from ..memory.view import F64, View
from .grammar import Ground

KINDS = ("walk", "look-back", "loop", "figure-8", "stop-and-turn", "strafe")
MARGIN = 0.35  # world units kept from everything
OPEN = 1.8  # world units that are free ahead of the first camera
TRIES = 60


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """w2c [N, 4, 4]; k [3, 3] for `size` (width, height)."""

    kind: str
    w2c: F64
    k: F64
    size: tuple[int, int]

    def view(self, i: int) -> View:
        return View(self.w2c[i], self.k, (self.size[1], self.size[0]))


def walk(ground: Ground, kind: str, n: int, size: tuple[int, int], seed: int, calm: float = 1.0) -> Walk:
    """n poses of a kind. calm: times the pace. Where nothing fits in TRIES attempts, it turns on the spot."""
    rng = np.random.default_rng([seed, 404, KINDS.index(kind)])
    pace = calm * ground.pace * rng.uniform(0.3, 1.5) * (n - 1) / 80
    for attempt in range(TRIES):
        start = rng.uniform(*ground.floor)
        heading = rng.uniform(0, 2 * np.pi)
        if ground.world.hall is None:
            heading = rng.normal(0, 0.5) + (np.pi if rng.random() < 0.3 else 0)
        shrunk = pace * 0.95**attempt
        t = np.linspace(0, 1, n)
        across, yaw = _course(kind, t, shrunk, rng)
        turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
        eyes = np.column_stack([start + across @ turn.T, np.full(n, ground.eye)])
        inside = (eyes[:, :2] >= ground.floor[0]).all() and (eyes[:, :2] <= ground.floor[1]).all()
        if inside and ground.world.clearance(eyes).min() > MARGIN and _ahead(ground, eyes[0], heading) > OPEN:
            break
    else:
        eyes = np.repeat(_freest(ground, rng)[None], n, 0)
    pitch = rng.uniform(-0.10, 0.06) + 0.02 * np.sin(2 * np.pi * t)
    fov = np.radians(rng.uniform(62, 84))
    focal = size[0] / 2 / np.tan(fov / 2)
    k = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    return Walk(kind, poses(eyes, heading + yaw, pitch), k, size)


def _course(kind: str, t: F64, length: float, rng: np.random.Generator) -> tuple[F64, F64]:
    """Places [N, 2] that begin at 0 and look along x, and yaw [N] to the left."""
    side = rng.choice([-1.0, 1.0])
    sway = 0.12 * side * np.sin(2 * np.pi * t)
    straight = np.column_stack([length * t, 0 * t])
    if kind == "walk":
        return straight, sway
    if kind == "look-back":
        turned = np.pi * rng.uniform(0.4, 1.0) * side * np.sin(np.pi * t.clip(0, 1)) ** 2
        return straight, turned
    if kind == "loop":
        angle = 2 * np.pi * t * rng.uniform(0.6, 1.1) * side
        radius = length / 4
        return radius * np.column_stack([np.sin(angle), 1 - np.cos(angle)]) * [1, side], angle * side * side
    if kind == "figure-8":
        angle = 2 * np.pi * t
        place = 0.25 * length * np.column_stack([np.sin(angle), 0.5 * side * np.sin(2 * angle)])
        return place, 0.9 * side * np.sin(angle)
    if kind == "stop-and-turn":
        going = np.minimum(t, 0.35) / 0.35 + np.maximum(t - 0.75, 0) / 0.25
        return np.column_stack([0.4 * length * going, 0 * t]), side * rng.uniform(0.5, 1.6) * _ease(
            (t - 0.35) / 0.4
        )
    return np.column_stack([0.1 * length * t, 0.6 * side * length * np.sin(np.pi * t)]), sway


def _ahead(ground: Ground, eye: F64, heading: float) -> float:
    """How far the first camera looks."""
    return float(ground.world.hit(eye, np.array([[np.cos(heading), np.sin(heading), -1e-3]]))[0][0])


def _ease(t: F64) -> F64:
    t = t.clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _freest(ground: Ground, rng: np.random.Generator) -> F64:
    places = np.column_stack(
        [rng.uniform(ground.floor[0], ground.floor[1], (200, 2)), np.full(200, ground.eye)]
    )
    return np.asarray(places[ground.world.clearance(places).argmax()])


def poses(eyes: F64, yaw: F64, pitch: F64) -> F64:
    """w2c [N, 4, 4] of cameras at eyes [N, 3]; yaw from +x to the left, pitch upwards, radians."""
    zero = np.zeros_like(yaw)
    ahead = np.stack([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)], -1)
    right = np.stack([np.sin(yaw), -np.cos(yaw), zero], -1)
    out = np.zeros((len(yaw), 4, 4))
    out[:, :3, :3] = np.stack([right, np.cross(ahead, right), ahead], 1)
    out[:, :3, 3] = -(out[:, :3, :3] @ eyes[:, :, None])[..., 0]
    out[:, 3, 3] = 1
    return out
