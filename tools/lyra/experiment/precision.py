"""One key per point? What quantised world coordinates name: by precision tier, and by voxel size.

Two frames, two steps apart, see the same true points; each believes them somewhere. `same_key`: how often
they give a point the same key, which is what a memory keyed by the world hopes for. `alone`: how many of a
frame's pixels share their key with no other pixel of it, which is what copying by coordinate hopes for. The
hopes want different cells. And what the coordinates of each tier cost, as an image of 832 x 480.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....atlas import address
from ....atlas.precision import TIERS
from ..memory import AtlasMemory, Memory, world_encoded
from ..memory.keys import cells, key_of
from ..memory.view import F64
from . import scores
from .caches import generated, run, told, truths_of
from .courses import COURSES, STEP_FRAMES
from .exact import CONDITIONS, Exact

BOUNDS = (-32.0, 32.0)  # what a tier's cells divide: the hall of 14 and some room around it
VOXELS = (0.025, 0.05, 0.1, 0.2)
CANONICAL = (480, 832)  # Lyra's size
APART = 2 * STEP_FRAMES
PAIRS = range(APART, 2 * APART, 20)
COURSE = "out-and-back"


@dataclass(frozen=True, slots=True)
class Keying:
    """One way to quantise. keys: [N, 3] -> [N]; memory: one that copies, or stores, by these keys."""

    name: str
    cell_mm: float
    image_bytes: int | None
    keys: Callable[[F64], NDArray[np.uint64]]
    memory: Callable[[], Memory]


def keyings() -> list[Keying]:
    """The tiers, then the voxel sizes."""
    out = []
    for name, tier in TIERS.items():
        cell = 1e3 * (BOUNDS[1] - BOUNDS[0]) / (1 << tier.bits)
        by_cell = partial(cells, tier=tier, low=BOUNDS[0], high=BOUNDS[1])
        out.append(Keying(name, cell, image_bytes(name), by_cell, partial(world_encoded, name, BOUNDS)))
    for size in VOXELS:
        out.append(
            Keying(
                f"voxel {100 * size:g} cm",
                1e3 * size,
                None,
                partial(_voxels, size),
                partial(AtlasMemory, size),
            )
        )
    return out


def image_bytes(tier: str) -> int:
    """A canonical image of Lyra's size: RGBA, as a texture has four channels."""
    return CANONICAL[0] * CANONICAL[1] * 4 * np.dtype(TIERS[tier].dtype).itemsize


def keys(seeds: Iterable[int], size: tuple[int, int], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """-> one row per keying and condition: shares of keys, and PSNR of a memory that goes by them."""
    rows, seeds, ways = [], list(seeds), keyings()
    for condition, errors in CONDITIONS.items():
        found: dict[str, list[list[float]]] = {way.name: [[], [], [], []] for way in ways}
        for seed in seeds:
            exact = Exact(COURSES[COURSE](seed), errors, seed, size)
            for second in PAIRS:
                a, b, everything = _beliefs(exact, second - APART, second)
                for way in ways:
                    found[way.name][0].append(float((way.keys(a) == way.keys(b)).mean()))
                    _, n = np.unique(way.keys(everything), return_counts=True)
                    found[way.name][1].append(float((n == 1).sum() / n.sum()))
            truths = truths_of(Exact(exact.course, CONDITIONS["exact"], seed, size))
            frames = generated(exact)
            for way in ways:
                figures = told(run(exact, frames, truths, way.memory()))
                found[way.name][2].append(figures["remembered"]["psnr_db"])
                found[way.name][3].append(sum(figures["bytes"].values()))
        for way in ways:
            same, alone, psnr, held = (float(np.mean(column)) for column in found[way.name])
            rows.append(
                {
                    "keying": way.name,
                    "condition": condition,
                    "cell_mm": way.cell_mm,
                    "image_bytes": way.image_bytes,
                    "same_key": round(same, 4),
                    "alone": round(alone, 4),
                    "psnr_remembered_db": round(psnr, 3),
                    "bytes": round(held),
                }
            )
        tell(f"keys, {condition}")
    return rows


def _beliefs(exact: Exact, first: int, second: int) -> tuple[F64, F64, F64]:
    """Where two frames put the points that both see, [N, 3] each, and where the first puts all of its own."""
    truth = exact.truth(first)
    assert truth.tracer is not None
    own = truth.tracer.reshape(-1, 3).astype(np.float64) * 1e-6
    both = scores.known(truth, [exact.truth(second)]).ravel()
    a, b = exact.believed(first, own), exact.believed(second, own)
    seen = ~np.isnan(a).any(axis=1)
    both &= seen & ~np.isnan(b).any(axis=1)
    return a[both], b[both], a[seen]


def _voxels(size: float, points: F64) -> NDArray[np.uint64]:
    return key_of(address.voxel_of(points, size))
