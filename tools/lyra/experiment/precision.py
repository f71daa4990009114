"""One key per point? What quantised world coordinates name, by precision tier.

Two frames at least a step apart see the same true points; each believes them somewhere. `same_key`: how often
they give a point the same key, which is what a memory keyed by the world hopes for. `alone`: how many of a
frame's own pixels share their key with no other pixel, which is what copying by coordinate hopes for. Both
hopes want different cells. And what each tier's coordinates cost, as an image of 832 x 480.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ....atlas.precision import TIERS
from ..memory.frames import world_encoded
from ..memory.keys import cells
from . import scores
from .caches import generated, run, told, truths_of
from .courses import COURSES, STEP_FRAMES
from .exact import CONDITIONS, Exact

BOUNDS = (-32.0, 32.0)
CANONICAL = (480, 832)  # Lyra's size
N_PAIRS = 12
COURSE = "out-and-back"


def image_bytes(tier: str) -> int:
    """A canonical image of Lyra's size: RGBA, as a texture has four channels."""
    return CANONICAL[0] * CANONICAL[1] * 4 * np.dtype(TIERS[tier].dtype).itemsize


def keys(seeds: Iterable[int], size: tuple[int, int], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """-> one row per tier and condition: shares of keys, and PSNR of a memory that copies by them."""
    rows = []
    seeds = list(seeds)
    for condition, errors in CONDITIONS.items():
        same: dict[str, list[float]] = {name: [] for name in TIERS}
        alone: dict[str, list[float]] = {name: [] for name in TIERS}
        copied: dict[str, list[float]] = {name: [] for name in TIERS}
        for seed in seeds:
            course = COURSES[COURSE](seed)
            exact = Exact(course, errors, seed, size)
            truths = truths_of(Exact(course, CONDITIONS["exact"], seed, size))
            frames = generated(exact)
            later = range(2 * STEP_FRAMES, 4 * STEP_FRAMES, 2 * STEP_FRAMES // N_PAIRS)
            for name, tier in TIERS.items():
                for a in later:
                    for share, into in zip(_shares(exact, a - 2 * STEP_FRAMES, a, tier), (same, alone), strict=True):
                        into[name].append(share)
                figures = told(run(exact, frames, truths, world_encoded(name, BOUNDS)))
                copied[name].append(figures["known"]["psnr_db"])
        for name in TIERS:
            rows.append(
                {
                    "tier": name,
                    "condition": condition,
                    "cell_mm": 1e3 * (BOUNDS[1] - BOUNDS[0]) / (1 << TIERS[name].bits),
                    "image_bytes": image_bytes(name),
                    "same_key": round(float(np.mean(same[name])), 4),
                    "alone": round(float(np.mean(alone[name])), 4),
                    "psnr_db": round(float(np.mean(copied[name])), 3),
                }
            )
        tell(f"keys, {condition}")
    return rows


def _shares(exact: Exact, first: int, second: int, tier: Any) -> tuple[float, float]:
    truth = exact.truth(first)
    later = exact.truth(second)
    assert truth.tracer is not None
    both = scores.known(truth, [later])
    points = truth.tracer[both] * 1e-6
    a, b = exact.believed(first, points), exact.believed(second, points)
    there = ~np.isnan(a).any(axis=1) & ~np.isnan(b).any(axis=1)
    key_a, key_b = (cells(p[there], tier, *BOUNDS) for p in (a, b))
    _, n = np.unique(cells(_all(exact, first), tier, *BOUNDS), return_counts=True)
    return float((key_a == key_b).mean()), float((n == 1).sum() / n.sum())


def _all(exact: Exact, frame: int) -> np.ndarray:
    truth = exact.truth(frame)
    assert truth.tracer is not None
    points = exact.believed(frame, truth.tracer.reshape(-1, 3) * 1e-6)
    return points[~np.isnan(points).any(axis=1)]
