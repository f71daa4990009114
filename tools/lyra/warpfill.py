"""WarpFill: the generator without a network. What was seen is warped into the new views, holes are filled.

It is the baseline of every comparison, and the default where nothing else is installed. It invents nothing:
beyond what the picture shows it draws the nearest surfaces on. Each pixel that it makes up is kept as a patch
and warped from then on, so later views agree with earlier ones, and nothing is warped twice.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..progress import Progress
from . import cloud as clouds
from .cloud import Cloud
from .inpaint import filled
from .problems import Code, GeneratorError, Problem
from .protocol import F32, F64, GeneratorInfo, Mask, Plan, Rgb, Seed, StepRequest, StepResult
from .warp import seen

KEEP = 8  # frames whose patches are retrieved together
FAR, FAR_QUANTILE = 1.5, 0.98  # made-up surfaces go on to so many times this quantile of the seed's depth
LOOK = 5  # views of a step that retrieval asks for

INFO = GeneratorInfo(
    name="warpfill",
    size=None,
    fps=16,
    provides_depth="all",
    streaming=True,
    supports_revert=True,
    needs_seed_depth=True,
    weights_id="",
    weights_license="none: no weights",
    deterministic=True,
)


@dataclass(frozen=True, slots=True)
class WarpFill:
    """The backend."""

    info: GeneratorInfo = INFO

    def preflight(self) -> list[Problem]:
        return []

    def open(
        self,
        seed: Seed,
        workdir: Path,
        plan: Plan,
        done: Sequence[StepResult] = (),
        progress: Progress | None = None,
    ) -> "WarpFillSession":
        """GeneratorError where the seed has no depth."""
        session = WarpFillSession.begun(seed)
        for result in done:
            if result.index >= 0:
                session.remember(result)
        return session


@dataclass(slots=True)
class WarpFillSession:
    """The patches so far, by the block of frames that they came with; `before` undoes one step."""

    seed: Seed
    far: float  # nothing that is made up lies deeper
    entries: dict[int, list[Cloud]] = field(default_factory=dict)
    before: dict[int, int] | None = None  # patches per entry before the last step

    @classmethod
    def begun(cls, seed: Seed) -> "WarpFillSession":
        if seed.depth is None or not (seed.depth > 0).any():
            raise GeneratorError(
                Code.DEPTH_MISSING, "WarpFill moves what it knows the depth of, and has none"
            )
        firm = clouds.settled(seed.depth)
        there = firm > 0
        q = np.where(there, 1 / np.where(there, firm, np.float32(1)), np.float32(0))
        far = FAR * float(np.quantile(firm[there], FAR_QUANTILE))
        rgb = seed.rgb.astype(np.float32)
        _, depth, normal = filled(rgb, firm, clouds.normals(q, seed.k), there, seed.k, far)
        session = cls(seed, far)
        whole = np.ones(depth.shape, bool)
        session.entries[0] = [clouds.cloud_of(seed.rgb, depth, whole, seed.w2c, seed.k, 0, normal)]
        return session

    def seed_result(self) -> StepResult:
        assert self.seed.depth is not None
        one = self.seed.w2c[None], self.seed.k[None]
        return StepResult(-1, self.seed.rgb[None], *one, self.seed.depth[None], np.zeros(1, np.int64))

    def step(self, request: StepRequest) -> StepResult:
        began = time.perf_counter()
        self.before = {key: len(parts) for key, parts in self.entries.items()}
        retrieved = self.retrieve(request.w2c, request.k)
        retrieve_s = time.perf_counter() - began
        known = clouds.joined([part for key in retrieved for part in self.entries[key]])
        frames, depths, made, normals = [], [], [], [np.zeros((0, 3), np.float32)]
        for i, number in enumerate(request.frame_ids):
            rgb, depth, normal, new = self.view(known, request.w2c[i], request.k[i])
            frames.append(rgb)
            depths.append(depth)
            made.append(new)
            normals.append(normal[new])
            if new.any():
                patch = clouds.cloud_of(rgb, depth, new, request.w2c[i], request.k[i], int(number), normal)
                self.keep(patch, int(number))
                known = clouds.joined([known, patch])
        return StepResult(
            request.index,
            np.stack(frames),
            request.w2c,
            request.k,
            np.stack(depths),
            request.frame_ids,
            np.stack(made),
            {"normals": np.concatenate(normals)},
            retrieved,
            1 - float(np.mean(made)),
            {"retrieve": retrieve_s, "step": time.perf_counter() - began},
        )

    def view(self, known: Cloud, w2c: F64, k: F64) -> tuple[Rgb, F32, F32, Mask]:
        """One new frame: colours uint8, depth, normals in its axes, and which pixels were made up."""
        found = seen(known, w2c, k, self.seed.size)
        rgb, depth, normal = filled(found.rgb, found.depth, found.normal, found.covered, k, self.far)
        return np.rint(rgb.clip(0, 255)).astype(np.uint8), depth, normal, ~found.covered & (depth > 0)

    def keep(self, patch: Cloud, number: int) -> None:
        """Remember the pixels that a frame made up."""
        self.entries.setdefault((number - 1) // KEEP * KEEP + 1, []).append(patch)

    def remember(self, result: StepResult) -> None:
        """A step of an earlier run, as if it had been made here."""
        normals = result.state.get("normals")
        if (
            result.depth is None
            or result.made is None
            or normals is None
            or normals.shape != (result.made.sum(), 3)
        ):
            raise GeneratorError(Code.DEPTH_MISSING, f"step {result.index} on disk was not made by WarpFill")
        self.before = {key: len(parts) for key, parts in self.entries.items()}
        at = 0
        for i, number in enumerate(result.frame_ids):
            made = result.made[i]
            if made.any():
                upright = np.zeros((*made.shape, 3), np.float32)
                upright[made] = normals[at : at + int(made.sum())]
                at += int(made.sum())
                view = result.frames[i], result.depth[i], made, result.w2c[i], result.k[i]
                self.keep(clouds.cloud_of(*view, int(number), upright), int(number))

    def retrieve(self, w2c: F64, k: F64) -> list[int]:
        """Entries of which a patch may be in view: a simple list, looked through from its oldest."""
        views = np.linspace(0, len(w2c) - 1, LOOK).astype(int)
        width, height = self.seed.size
        found = []
        for key, parts in sorted(self.entries.items()):
            at = np.concatenate([part.at for part in parts])[::7]
            for view in views:
                x, y, z = w2c[view, :3, :3] @ at.T + w2c[view, :3, 3:]
                u, v = k[view, 0, 0] * x + k[view, 0, 2] * z, k[view, 1, 1] * y + k[view, 1, 2] * z
                margin = 0.2 * width * z
                if (
                    (z > 0)
                    & (u > -margin)
                    & (u < width * z + margin)
                    & (v > -margin)
                    & (v < height * z + margin)
                ).any():
                    found.append(key)
                    break
        return found or [0]

    def revert(self) -> None:
        if self.before is None:
            raise GeneratorError(Code.BAD_ANSWER, "there is no step to revert")
        self.entries = {
            key: parts[: self.before[key]] for key, parts in self.entries.items() if key in self.before
        }
        self.before = None

    def close(self) -> None:
        """Nothing is held."""
