"""The loop: ask for step after step, check what came, keep it, tell. It never knows which backend runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..progress import Progress
from .problems import Code, GeneratorError
from .protocol import (
    Generator,
    Plan,
    Seed,
    StepRequest,
    StepResult,
    check_depth,
    check_frames,
    check_plan,
    check_result,
)
from .steps import Steps, digest_of

Lift = Callable[[StepResult], StepResult]  # gives depth to a step that has none


@dataclass(slots=True)
class LoopReport:
    """What a run did. resumed_at: the first step that was made this time."""

    folder: Path
    backend: str
    steps: int
    frames: int
    resumed_at: int
    seconds: float
    step_s: list[float] = field(default_factory=list)
    coverage: list[float | None] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def manifest_of(generator: Generator, seed: Seed, plan: Plan, asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for and who makes it: nothing of this machine, nothing of this hour."""
    info = generator.info
    return {
        "backend": info.name,
        "code": info.version,
        "weights": {"id": info.weights_id, "license": info.weights_license},
        "size": list(seed.size),
        "fps": info.fps,
        "steps": plan.n_steps,
        "seed": seed.seed,
        "sky": info.sky,
        "picture_xxh3_128": digest_of(seed.rgb, seed.depth, seed.k),
        "way_xxh3_128": digest_of(plan.w2c, plan.k),
        "prompts": list(plan.prompts),
        "asked": asked,
    }


def generate(
    generator: Generator,
    seed: Seed,
    plan: Plan,
    steps: Steps,
    asked: dict[str, Any],
    progress: Progress,
    told: Callable[[int], None],
    lift: Lift | None = None,
) -> LoopReport:
    """Make every step that `steps` does not hold. `told` hears of each that is whole: its index, -1 the seed.

    GeneratorError, UserError: what was whole stays, and the same call goes on after it.
    """
    began = time.perf_counter()
    known = seed.depth[seed.depth > 0] if seed.depth is not None else np.zeros(0, np.float32)
    check_plan(plan, seed.size, float(np.median(known)) if known.size else None)
    done = steps.begin(manifest_of(generator, seed, plan, asked))
    at = max(len(done) - 1, 0)
    report = LoopReport(steps.path, generator.info.name, plan.n_steps, 0, at, 0.0)
    if len(done):
        told(len(done) - 2)
    if len(done) - 1 < plan.n_steps:
        session = generator.open(seed, steps.path, plan, done, progress)
        try:
            if not len(done):
                first = session.seed_result()
                check_frames(first.frames, 1, seed.size)
                check_depth(first, seed.size)
                _keep(first, None, steps, report)  # one view alone has no scale: it is not lifted
                told(-1)
            for index in range(at, plan.n_steps):
                progress("steps", index, plan.n_steps)
                step_began = time.perf_counter()
                request = plan.request(index, seed.seed)
                result = session.step(request)
                check_result(result, request, seed.size)
                if lift is not None and (result.depth is None or generator.info.provides_depth != "all"):
                    result = lift(result)
                    check_depth(result, seed.size)
                _keep(result, request, steps, report)
                report.step_s.append(time.perf_counter() - step_began)
                told(index)
        finally:
            session.close()
    progress("steps", plan.n_steps, plan.n_steps)
    report.frames = len(plan.w2c)
    report.seconds = time.perf_counter() - began
    return report


def _keep(result: StepResult, request: StepRequest | None, steps: Steps, report: LoopReport) -> None:
    try:
        steps.write(result, request)
    except OSError as error:
        raise GeneratorError(
            Code.UNKNOWN, f"step {result.index} cannot be written to {steps.path}: {error.strerror or error}"
        ) from error
    if result.index >= 0:
        report.coverage.append(result.coverage)
    report.warnings += [w for w in result.warnings if w not in report.warnings]
