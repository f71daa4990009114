"""One run of TinyLoop: a step of 80 frames is made in chunks, each of which the memory shows what is known.

A pixel that no memory covered is kept as a patch when it is first made, and warped from then on (as WarpFill
does), so what was made up stays as it was, and nothing is warped twice.
"""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from .. import cloud as clouds
from ..cloud import Cloud
from ..memory import ARMS, FrameMemory, Memory, Retrieved
from ..memory.view import Frame, View
from ..problems import Code, GeneratorError
from ..protocol import F32, F64, Mask, Plan, Rgb, Seed, StepRequest, StepResult
from ..warpfill import WarpFillSession
from .chunks import chunk_of, mask, palette_of, past_ids, routed, seen_pictures
from .condition import Seen, begun, depth_out, of_arm, of_patches, warped
from .config import SLOTS
from .flow import Source
from .model import TinyLoop
from .prompt import theme_of, unknown_words

Finish = Literal["refined", "decoded", "blended"]
FINISHES: tuple[Finish, ...] = ("refined", "decoded", "blended")
PATCHES = "patches"  # WarpFill's memory
MEMORIES = (PATCHES, *ARMS)
STORED = 8  # of the frames, one in so many is remembered whole
TAIL = 20  # frames that history is made of


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is made. memory: of MEMORIES; finish: what becomes of decoded frames.

    refined: by the network's last part; decoded: nothing; blended: covered pixels are the warp's.
    """

    memory: str = PATCHES
    source: Source = "warp"
    finish: Finish = "refined"


@dataclass(slots=True)
class Held:
    """All that a run remembers; a copy of it undoes a step."""

    patches: dict[int, list[Cloud]]
    frames: FrameMemory = field(default_factory=FrameMemory)  # shown whole, retrieved by visibility
    arm: Memory | None = None
    tail: dict[int, tuple[Rgb, F32]] = field(default_factory=dict)  # the last TAIL frames, and frame 0


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
        self.before = copy.copy(self.held)
        self.before.patches = {key: list(parts) for key, parts in self.held.patches.items()}
        self.before.tail = dict(self.held.tail)
        self.before.frames, self.before.arm = copy.deepcopy(self.held.frames), copy.deepcopy(self.held.arm)
        retrieved = [0] if self.manner.memory != PATCHES else self.of_warpfill().retrieve(request.w2c, request.k)
        known = clouds.joined([part for key in retrieved for part in self.held.patches[key]])
        columns: list[tuple[Any, ...]] = []
        spent = {"warp": 0.0, "network": 0.0}
        chunk = self.model.config.chunk
        for first in range(0, len(request.w2c), chunk):
            of = slice(first, first + chunk)
            made = self.chunk(request.w2c[of], request.k[of], request.frame_ids[of], known, request, spent)
            known = clouds.joined([known, *self.remember(*made[:3], request.w2c[of], request.k[of], request.frame_ids[of])])
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
        self, w2c: F64, k: F64, ids: np.ndarray, known: Cloud, request: StepRequest, spent: dict[str, float]
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
        fill = seen_pictures(shown.rgb, shown.depth, self.reference, config).to(device)
        covered = mask(shown.covered, config).to(device)
        told = chunk_of(
            model, fill, covered, self.latents([(s.rgb, s.depth) for s in slots]),
            self.latents([self.held.tail[i] for i in past_ids(int(ids[0]))]), where,
            theme_of(request.prompt), palette_of(self.seed.rgb),
        )  # fmt: skip
        made = model.decode(model.sample(told, (request.seed << 8) + int(ids[0]) % 80, self.manner.source)[0])
        if self.manner.finish == "refined":
            made = model.refine(made, fill, covered)
        elif self.manner.finish == "blended":
            made = torch.where(covered > 0, fill, made)
        out = made[:, :, config.above : config.above + config.height].cpu().numpy()
        rgb = np.rint((np.moveaxis(out[:, :3], 1, -1) + 1) * 127.5).clip(0, 255).astype(np.uint8)
        depth = depth_out(np.where(out[:, 4] > 0, np.inf, out[:, 3]), self.reference)
        spent["network"] += time.perf_counter() - began
        return rgb, depth, shown.new, shown.covered

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

    def remember(self, rgb: Rgb, depth: F32, new: Mask, w2c: F64, k: F64, ids: np.ndarray) -> list[Cloud]:
        """Take frames in -> the patches of what they made up."""
        parts, size = [], (self.model.config.height, self.model.config.width)
        for at, number in enumerate(map(int, ids)):
            self.held.tail[number] = rgb[at], depth[at]
            if new[at].any():
                parts.append(clouds.cloud_of(rgb[at], depth[at], new[at], w2c[at], k[at], number))
                self.held.patches.setdefault((number - 1) // STORED * STORED + 1, []).append(parts[-1])
            if number % STORED == 0 or at == len(ids) - 1:
                frame = Frame(number, rgb[at], depth[at], View(w2c[at], k[at], size))
                self.held.frames.add(frame)
                if self.held.arm is not None:
                    self.held.arm.add(frame)
        for old in [i for i in self.held.tail if 0 < i <= int(ids[-1]) - TAIL]:
            del self.held.tail[old]
        return parts

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
            Code.VIDEO_LAYOUT, f"a picture of {seed.size} where these weights make {config.width} x {config.height}"
        )
    patches, far, whole = begun(seed.rgb, seed.depth, seed.w2c, seed.k)
    known = seed.depth[seed.depth > 0]
    near = known[known < known.max()]  # the sky, where there is one, is the farthest
    reference = float(np.median(near if near.size else known))
    held = Held({0: [patches]}, arm=None if manner.memory == PATCHES else ARMS[manner.memory]())
    session = TinyLoopSession(model, manner, seed, far, reference, held)
    first = Frame(0, seed.rgb, whole, View(seed.w2c, seed.k, (config.height, config.width)))
    held.tail[0] = seed.rgb, whole
    held.frames.add(first)
    if held.arm is not None:
        held.arm.add(first)
    for result in done:
        if result.index >= 0:
            if result.depth is None or result.made is None or len(result.depth) != len(result.frames):
                raise GeneratorError(Code.DEPTH_MISSING, f"step {result.index} on disk was not made by TinyLoop")
            for at in range(0, len(result.frames), config.chunk):
                of = slice(at, at + config.chunk)
                session.remember(
                    result.frames[of], result.depth[of], result.made[of], result.w2c[of], result.k[of],
                    result.frame_ids[of],
                )  # fmt: skip
    return session
