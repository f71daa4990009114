"""Grammars of scenes: A rooms and B streets to train on; C, several storeys with round pillars, held out.

C differs in what it is built of (slabs, stairs, cylinders: neither A nor B has any) and in its colours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..memory.view import F64
from .world import World

THEMES = {  # words of a prompt -> what a scene is; 0: not known
    "room": 1, "hall": 2, "corridor": 3, "street": 4, "alley": 5, "square": 6,
}  # fmt: skip


APART = np.array([[-0.017, -0.023, -0.012], [0.014, 0.022, 0.016]])  # off the round numbers, as scene.py


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A world and where one may walk in it: low and high corners [2, 2] on the floor, eye height."""

    world: World
    floor: F64
    eye: float
    pace: float  # world units that are walked in 80 frames, typically


def rooms(seed: int) -> Ground:
    """A: a room, hall or corridor with boxes in it, some turned, some hung under the ceiling."""
    rng = np.random.default_rng([seed, 101])
    theme = int(rng.integers(1, 4))
    low, high = (((4.5, 4.0), (8, 7)), ((9, 7), (15, 11)), ((10, 2.6), (18, 3.8)))[theme - 1]
    x, y = rng.uniform(low, high)
    z = rng.uniform(2.5, 3.6)
    boxes = []
    for _ in range(int(x * y / rng.uniform(4, 10))):
        half = rng.uniform((0.15, 0.15, 0.2), (0.6, 0.5, 0.9))
        by_wall = rng.random() < 0.7
        at = rng.uniform((0.4, 0.3), (x - 0.4, y - 0.3))
        if by_wall:
            at[1] = half[1] if rng.random() < 0.5 else y - half[1]
        over = z - half[2] if rng.random() < 0.1 else half[2]
        boxes.append((*at, over, *half, 0.0 if by_wall else rng.uniform(0, np.pi)))
    for _ in range(int(rng.integers(0, 3))):  # square pillars, full height
        boxes.append((*rng.uniform((1, 1), (x - 1, y - 1)), z / 2, 0.25, 0.25, z / 2, 0.0))
    hall = np.array([[0, 0, 0], [x, y, z]]) + APART
    return _ground(rng, boxes, [], hall, theme, seed, [[0, 0], [x, y]], rng.uniform(1.2, 1.7), 1.6)


def streets(seed: int) -> Ground:
    """B: houses on both sides of a street, alley or square, kerbs, carts, posts, under a sky."""
    rng = np.random.default_rng([seed, 202])
    theme = int(rng.integers(4, 7))
    width = (rng.uniform(7, 11), rng.uniform(3, 4.5), rng.uniform(14, 22))[theme - 4]
    length = 40.0
    boxes = []
    for side in (-1, 1):
        x = -4.0
        while x < length:
            front, deep, tall = rng.uniform((3, 3, 3), (8, 6, 12))
            back = rng.uniform(0, 0.8)
            boxes.append(
                (x + front / 2, side * (width / 2 + back + deep / 2), tall / 2, front / 2, deep / 2, tall / 2,
                 rng.uniform(-0.06, 0.06))
            )  # fmt: skip
            x += front + (rng.uniform(0, 2) if rng.random() < 0.4 else 0)
        boxes.append((length / 2, side * (width / 2 - 0.6), 0.06, length / 2 + 4, 0.6, 0.06, 0.0))
        for _ in range(int(rng.integers(2, 7))):
            half = rng.uniform((0.4, 0.3, 0.3), (1.6, 0.8, 0.8))
            at = rng.uniform(0, length), side * rng.uniform(0.3, 0.45) * width
            boxes.append((*at, half[2], *half, rng.uniform(-0.4, 0.4)))
        for x in np.arange(rng.uniform(2, 5), length, rng.uniform(6, 9)):
            boxes.append((x, side * (width / 2 - 0.3), 2.0, 0.08, 0.08, 2.0, 0.0))
    floor = [[1.0, -width / 2 + 1], [length * 0.6, width / 2 - 1]]
    return _ground(rng, boxes, [], None, theme, seed, floor, rng.uniform(1.4, 2.0), 3.5)


def storeys(seed: int) -> Ground:
    """C, held out: a court with galleries on slabs, round pillars, stairs, strong colours."""
    rng = np.random.default_rng([seed, 303])
    x, y, tall = *rng.uniform((11, 8), (18, 13)), rng.uniform(6, 9)
    boxes, round_ones = [], []
    for storey in np.arange(2.8, tall - 1, 2.7):
        deep = rng.uniform(1.2, 2.2)
        boxes.append((x / 2, deep / 2, storey, x / 2, deep / 2, 0.12, 0.0))
        boxes.append((x / 2, y - deep / 2, storey, x / 2, deep / 2, 0.12, 0.0))
        if rng.random() < 0.5:
            boxes.append((x - deep / 2, y / 2, storey, deep / 2, y / 2, 0.12, 0.0))
    for px in np.arange(1.5, x - 1, rng.uniform(2.2, 3.4)):
        for py in (1.6, y - 1.6):
            round_ones.append((px, py, rng.uniform(0.16, 0.35), 0.0, tall))
    at, side = rng.uniform(0.4, 0.7) * x, rng.integers(0, 2)
    for i in range(int(rng.integers(5, 9))):  # stairs
        boxes.append((at + 0.3 * i, 0.9 if side else y - 0.9, 0.1 + 0.1 * i, 0.15, 0.8, 0.1 + 0.1 * i, 0.0))
    for _ in range(int(rng.integers(1, 4))):
        round_ones.append(
            (*rng.uniform((2, 2.5), (x - 2, y - 2.5)), rng.uniform(0.3, 0.7), 0, rng.uniform(0.5, 1.4))
        )
    hall = np.array([[0, 0, 0], [x, y, tall]]) + APART
    return _ground(
        rng, boxes, round_ones, hall, 0, seed, [[1, 2], [x - 1, y - 2]], rng.uniform(1.4, 1.8), 2.4, True
    )


GRAMMARS: dict[str, Callable[[int], Ground]] = {"A": rooms, "B": streets, "C": storeys}


def _ground(
    rng: np.random.Generator,
    boxes: Sequence[tuple[float, ...]],
    cylinders: Sequence[tuple[float, ...]],
    hall: F64 | None,
    theme: int,
    seed: int,
    floor: list[list[float]],
    eye: float,
    pace: float,
    strong: bool = False,
) -> Ground:
    n = 1 + len(boxes) + len(cylinders)
    if strong:  # one channel high, one low: no colour that A or B has
        palette = np.sort(rng.uniform((35, 85, 150), (80, 140, 205), (n, 3)), axis=1)
        palette = rng.permuted(palette, axis=1)
    else:
        palette = rng.uniform(85, 175, (n, 1)) + rng.uniform(-32, 32, (n, 3))
    stripes = np.where(rng.random(n) < 0.35, rng.uniform(0.5, 1.2, n), 0)
    sky = np.array(
        [rng.uniform((170, 180, 190), (225, 225, 235)), rng.uniform((60, 100, 160), (130, 165, 225))]
    )
    world = World(
        np.array(boxes, np.float64).reshape(-1, 7), np.array(cylinders, np.float64).reshape(-1, 5),
        hall, palette, sky, theme, seed, stripes,
    )  # fmt: skip
    return Ground(world, np.array(floor, np.float64), float(eye), pace)
