"""Training data: walks with truth, what a memory of the truth shows of each chunk, and which frames it gives.

A walk is one .npz of plain arrays in a folder of the cache; it follows from the grammar, its number and the
sizes alone. Every second walk's memory has wrong depth, as a generator's own would have.
"""

import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import cloud as clouds
from ..memory import FrameMemory
from ..memory.view import Frame
from ..protocol import F32, F64, Mask, Rgb
from ..steps import npz_bytes
from . import walks
from .condition import DEEPEST, REACH, Seen, begun, of_patches, warped
from .config import GRAMMAR, SLOTS, Config
from .grammar import GRAMMARS

CHUNKS = 4  # of a walk
STORED = 8  # of the frames, one in so many is remembered whole
NEW_EVERY = 4  # of a chunk's frames, those whose new pixels the memory takes in
NOISE = 0.01  # of depth that the memory believes, in every second walk


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """N = 1 + CHUNKS * chunk frames of truth, and of all but the first what the memory showed before."""

    rgb: Rgb  # [N, H, W, 3]
    depth: F32  # [N, H, W]; the sky as far as the network can tell
    w2c: F64
    k: F64  # [3, 3]
    fill_rgb: Rgb  # [N - 1, H, W, 3]
    fill_depth: F32
    covered: Mask
    slots: NDArray[np.int64]  # [CHUNKS, SLOTS] frames shown whole, the last one first; -1: none
    reference: float  # distance that the network's depth 0 stands for
    theme: int


def record(grammar: str, number: int, config: Config) -> Recorded:
    """One walk."""
    kind = walks.KINDS[number % len(walks.KINDS)]
    ground = GRAMMARS[grammar](number)
    n = 1 + CHUNKS * config.chunk
    way = walks.walk(ground, kind, n, config.size, number, calm=80 / (n - 1))
    cast = [ground.world.cast(way.view(i)) for i in range(n)]
    rgb = np.stack([c[1] for c in cast])
    z = np.stack([c[0] for c in cast])
    reference = float(np.median(z[0][np.isfinite(z[0])])) if np.isfinite(z[0]).any() else 1.0
    depth = np.minimum(z, reference * np.exp(REACH * DEEPEST)).astype(np.float32)
    rng = np.random.default_rng([number, 505, *map(ord, grammar)])
    wrong = rng.random() < 0.5
    believed = depth * _grain(rng, n, depth.shape[1:]) if wrong else depth
    ks = np.repeat(way.k[None], n, 0)
    known, far, _ = begun(rgb[0], believed[0], way.w2c[0], way.k)
    memory = FrameMemory()
    memory.add(Frame(0, rgb[0], believed[0], way.view(0)))
    shown, chosen = [], []
    for first in range(1, n, config.chunk):
        ids = range(first, first + config.chunk)
        found = memory.retrieve([way.view(ids[-1])], SLOTS - 1)
        chosen.append(([first - 1, *found.frames] + [-1] * SLOTS)[:SLOTS])
        part = warped(_memory(known, way, ids, config), way.w2c[ids], ks[ids], ids, config.size, far)
        shown.append(part)
        for i in ids:
            if (i - first) % NEW_EVERY == NEW_EVERY - 1 or i == ids[-1]:
                new = ~part.covered[i - first]
                patch = clouds.cloud_of(rgb[i], believed[i], new, way.w2c[i], way.k, i)
                known = clouds.joined([known, patch])
            if i % STORED == 0 or i == ids[-1]:
                memory.add(Frame(i, rgb[i], believed[i], way.view(i)))
    return Recorded(
        rgb, depth, way.w2c, way.k, np.concatenate([s.rgb for s in shown]),
        np.concatenate([s.depth for s in shown]), np.concatenate([s.covered for s in shown]),
        np.array(chosen), reference, ground.world.theme,
    )  # fmt: skip


def _memory(known: clouds.Cloud, way: walks.Walk, ids: range, config: Config) -> Callable[[int], Seen]:
    return lambda at: of_patches(known, way.w2c[ids[at]], way.k, config.size)


def _grain(rng: np.random.Generator, n: int, shape: tuple[int, ...]) -> F32:
    """Factors of depth [n, H, W], smooth over a frame."""
    grid = 1 + NOISE * rng.standard_normal((n, 4, 6))
    r, c = np.linspace(0, 2.999, shape[0]), np.linspace(0, 4.999, shape[1])
    r0, c0 = r.astype(int), c.astype(int)
    fr, fc = (r - r0)[:, None], c - c0
    low = grid[:, r0][:, :, c0] * (1 - fc) + grid[:, r0][:, :, c0 + 1] * fc
    high = grid[:, r0 + 1][:, :, c0] * (1 - fc) + grid[:, r0 + 1][:, :, c0 + 1] * fc
    return np.asarray(low * (1 - fr) + high * fr, np.float32)


def folder_of(cache: Path, config: Config) -> Path:
    return cache / f"{GRAMMAR}-{config.width}x{config.height}-{config.chunk}"


def place_of(i: int) -> tuple[str, int]:
    """Grammar and number of the i-th walk of training: A and B in turn."""
    return "AB"[i % 2], i // 2


def made_together(cache: Path, n: int, config: Config, processes: int, tell: Callable[[str], None]) -> None:
    """Make the first n walks that the cache lacks, several at once. OSError."""
    folder = folder_of(cache, config)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        made = [pool.submit(make, folder, *place_of(i), config) for i in range(n)]
        for done, one in enumerate(made, 1):
            one.result()
            tell(f"walks {done:,} of {n:,}")


def make(folder: Path, grammar: str, number: int, config: Config) -> None:
    """Have a walk in the cache."""
    kept(folder, grammar, number, config)


def kept(folder: Path, grammar: str, number: int, config: Config) -> Recorded:
    """A walk of the cache, made where it is missing or cut short. OSError."""
    path = folder / f"{grammar}{number:05d}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return Recorded(**{name: held[name] for name in held.files} | {
                "reference": float(held["reference"]), "theme": int(held["theme"])})  # fmt: skip
    except (FileNotFoundError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile):
        made = record(grammar, number, config)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(made, name) for name in Recorded.__slots__}
    arrays["fill_depth"] = made.fill_depth.astype(np.float32)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(npz_bytes(arrays))
    part.replace(path)
    return made
