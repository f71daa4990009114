"""One run of TinyLoop: a step of 80 frames is made in chunks, each of which the memory shows what is known.

A pixel that no memory covered is kept as a patch when it is first made, and warped from then on (as WarpFill
does), so what was made up stays as it was, and nothing is warped twice.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import cloud as clouds
from ..cloud import Cloud
from ..memory import Memory, Retrieved
from ..memory.view import Frame, View
from ..problems import Code, GeneratorError
from ..protocol import F32, F64, Mask, Plan, Rgb, Seed, StepRequest, StepResult
from ..warpfill import WarpFillSession
from .chunks import chunk_of, mask, palette_of, past_ids, routed, seen_pictures
from .condition import Seen, allowed, begun, closed, depth_out, of_arm, of_patches, warped
from .config import SLOTS
from .held import PATCHES, Held, Manner
from .model import TinyLoop
from .prompt import theme_of, unknown_words


@dataclass(slots=True)
class TinyLoopSession:
    """For one thread. `open_session` begins one."""

    model: TinyLoop
    manner: Manner
    seed: Seed
    far: float
    reference: float
    held: Held
    before: Held | None = None

    def seed_result(self) -> StepResult:
        assert self.seed.depth is not None
        one = self.seed.w2c[None], self.seed.k[None]
        return StepResult(-1, self.seed.rgb[None], *one, self.seed.depth[None], np.zeros(1, np.int64))

    def step(self, request: StepRequest) -> StepResult:
        began = time.perf_counter()
        self.before = self.held.copied()
        retrieved = [0]
        if self.manner.memory == PATCHES:
            retrieved = self.of_warpfill().retrieve(request.w2c, request.k)
        known = clouds.joined([part for key in retrieved for part in self.held.patches[key]])
        columns: list[tuple[Any, ...]] = []
        spent = {"warp": 0.0, "network": 0.0}
        chunk = self.model.config.chunk
        for first in range(0, len(request.w2c), chunk):
            of = slice(first, first + chunk)
            made = self.chunk(request.w2c[of], request.k[of], request.frame_ids[of], known, request, spent)
            rgb, depth, new, _ = made
            parts = self.held.remember(rgb, depth, new, request.w2c[of], request.k[of], request.frame_ids[of])
            known = clouds.joined([known, *parts])
            columns.append(made)
        frames, depth, new, covered = (np.concatenate(c) for c in zip(*columns, strict=True))
        result = StepResult(
            request.index, frames, request.w2c, request.k, depth, request.frame_ids, new, {}, retrieved,
            float(np.mean(covered)), spent | {"step": time.perf_counter() - began},
        )  # fmt: skip
        if unknown_words(request.prompt):
            result.warnings.append("TinyLoop was not trained on these words: the prompt is not used")
        return result

    @torch.no_grad()
    def chunk(
        self,
        w2c: F64,
        k: F64,
        ids: NDArray[np.int64],
        known: Cloud,
        request: StepRequest,
        spent: dict[str, float],
    ) -> tuple[Rgb, F32, Mask, Mask]:
        """Frames, depth, which pixels are made up for the first time, which ones the memory covered."""
        began, config, model = time.perf_counter(), self.model.config, self.model
        views = [View(p, q, (config.height, config.width)) for p, q in zip(w2c, k, strict=True)]
        memory = self.held.arm or self.held.frames
        found = memory.retrieve([views[-1]], SLOTS - 1)
        shown = warped(self.show(known, found, views), w2c, k, ids, config.size, self.far)
        slots = self.slots(memory, found, int(ids[0]) - 1)
        where = routed(views, list(shown.depth), slots, slots[0].view, self.reference, config)
        spent["warp"] += time.perf_counter() - began
        began = time.perf_counter()
        device = model.mean.device
        known_too = closed(shown.covered, shown.depth)
        fill = seen_pictures(shown.rgb, shown.depth, self.reference, config).to(device)
        covered = mask(known_too, config).to(device)
        told = chunk_of(
            model, fill, covered, self.latents([(s.rgb, s.depth) for s in slots]),
            self.latents([self.held.tail[i] for i in past_ids(int(ids[0]))]), where,
            theme_of(request.prompt), palette_of(self.seed.rgb),
        )  # fmt: skip
        drawn = ((request.seed << 8) + int(ids[0]) % 80) % (1 << 63)
        made = model.decode(model.sample(told, drawn, self.manner.source)[0])
        if self.manner.finish == "refined":
            made = model.refine(made, fill, covered)
        elif self.manner.finish == "blended":
            made = torch.where(covered > 0, fill, made)
        out = made[:, :, config.above : config.above + config.height].cpu().numpy()
        rgb = np.rint((np.moveaxis(out[:, :3], 1, -1) + 1) * 127.5).clip(0, 255).astype(np.uint8)
        depth = depth_out(np.where(out[:, 4] > 0, np.inf, out[:, 3]), self.reference)
        spent["network"] += time.perf_counter() - began
        new = shown.new & ~known_too
        for at in np.flatnonzero(new.any((1, 2))):
            new[at] &= allowed(depth[at], views[at], slots)
        return rgb, depth, new, known_too

    def show(self, known: Cloud, found: Retrieved, views: Sequence[View]) -> Any:
        """A function of the view's number that gives what the memory shows there."""
        arm, size = self.held.arm, self.model.config.size

        def one(at: int) -> Seen:
            if arm is None:
                return of_patches(known, views[at].w2c, views[at].k, size)
            return of_arm(arm, found, views[at])

        return one

    def slots(self, memory: Memory, found: Retrieved, last: int) -> list[Frame]:
        """Frames shown whole: the last one, and what was retrieved where the memory keeps frames."""
        kept: dict[int, Frame] = getattr(memory, "frames", {})
        rgb, depth = self.held.tail[last]
        newest = self.held.frames.frames[last]
        return [Frame(last, rgb, depth, newest.view), *(kept[i] for i in found.frames if i in kept)][:SLOTS]

    def latents(self, frames: list[tuple[Rgb, F32]]) -> torch.Tensor:
        rgb, depth = (np.stack(column) for column in zip(*frames, strict=True))
        config = self.model.config
        return self.model.encode(seen_pictures(rgb, depth, self.reference, config).to(self.model.mean.device))

    def of_warpfill(self) -> WarpFillSession:
        """WarpFill's retrieval over our patches."""
        return WarpFillSession(self.seed, self.far, self.held.patches)

    def revert(self) -> None:
        if self.before is None:
            raise GeneratorError(Code.BAD_ANSWER, "there is no step to revert")
        self.held, self.before = self.before, None

    def close(self) -> None:
        """Nothing is held."""


def open_session(
    model: TinyLoop, manner: Manner, seed: Seed, plan: Plan, done: Sequence[StepResult]
) -> TinyLoopSession:
    """Begin, or go on after results that are done. GeneratorError where the seed has no depth or no fit."""
    config = model.config
    if seed.depth is None or not (seed.depth > 0).any():
        raise GeneratorError(Code.DEPTH_MISSING, "TinyLoop moves what it knows the depth of, and has none")
    if seed.size != config.size:
        raise GeneratorError(
            Code.VIDEO_LAYOUT,
            f"a picture of {seed.size} where these weights make {config.width} x {config.height}",
        )
    patches, far, whole = begun(seed.rgb, seed.depth, seed.w2c, seed.k)
    known = seed.depth[seed.depth > 0]
    near = known[known < known.max()]  # the sky, where there is one, is the farthest
    reference = float(np.median(near if near.size else known))
    held = Held.begun(seed, patches, whole, manner.memory)
    session = TinyLoopSession(model, manner, seed, far, reference, held)
    for result in done:
        if result.index >= 0:
            if result.depth is None or result.made is None or len(result.depth) != len(result.frames):
                raise GeneratorError(
                    Code.DEPTH_MISSING, f"step {result.index} on disk was not made by TinyLoop"
                )
            for at in range(0, len(result.frames), config.chunk):
                of = slice(at, at + config.chunk)
                session.held.remember(
                    result.frames[of], result.depth[of], result.made[of], result.w2c[of], result.k[of],
                    result.frame_ids[of],
                )  # fmt: skip
    return session
