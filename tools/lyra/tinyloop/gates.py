"""The four gates of TinyLoop on held-out scenes, beside WarpFill and the warp: `voxtide experiment tinyloop`.

1 a static camera gives the seed; 2 with a small motion, what frame 0 shows is as good as its warp; 3 depth is
right where frame 0 saw; 4 six steps without divergence. Weights are only shipped when they pass all four,
and when what the network alone decodes passes them too: mixed with the warp, untrained weights pass.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..experiment.scores import decibels
from ..protocol import F32, Mask, Rgb, Session, StepRequest, StepResult
from ..warp import seen
from ..warpfill import WarpFill
from .condition import begun
from .courses import COURSES, Course, course
from .held import Manner
from .model import TinyLoop, built, load, n_parameters
from .session import open_session
from .stamp import read_stamp

STATIC_DB = 30.0
SMALL_DB = 0.5  # below the warp, at most
SMALL_COVERED = 0.95
ABS_REL = 0.1
DRIFT = 0.05  # of mean colour and of the depth's scale
SECONDS = 60.0  # for 80 frames: the issue's, not one of the four
GREY = 128
SAME_BYTE, SAME_DEPTH = 1.0, 0.01  # CPU and GPU: mean difference of colours in bytes, of depth relative
GATED = "tinyloop"
MANNERS: dict[str, Manner] = {
    GATED: Manner(),
    "tinyloop, decoded only": Manner(finish="decoded"),
    "tinyloop, blended with the warp": Manner(finish="blended"),
    "tinyloop, from noise": Manner(source="noise"),
}
UNTRAINED = "tinyloop, untrained"  # tells what the gates owe to the warp alone
LONG_SCENES = 2  # that are walked for six steps


@dataclass(slots=True)
class WarpOnly:
    """Frame 0 warped, grey and the mean depth where it shows nothing."""

    first: Course

    def step(self, request: StepRequest) -> StepResult:
        seed = self.first.seed
        assert seed.depth is not None
        known, _, _ = begun(seed.rgb, seed.depth, seed.w2c, seed.k)
        frames, depths = [], []
        for w2c, k in zip(request.w2c, request.k, strict=True):
            view = seen(known, w2c, k, seed.size)
            there = view.covered[..., None]
            frames.append(np.rint(np.where(there, view.rgb, GREY)).astype(np.uint8))
            depths.append(np.where(view.covered, view.depth, seed.depth.mean()))
        return StepResult(
            request.index, np.stack(frames), request.w2c, request.k, np.stack(depths), request.frame_ids
        )


Open = Callable[[Course], Any]


def methods(model: TinyLoop, memory: str) -> dict[str, Open]:
    """By name, what begins a run on a course."""

    def tiny(network: TinyLoop, manner: Manner) -> Open:
        held = Manner(memory, manner.source, manner.finish)
        return lambda way: open_session(network, held, way.seed, way.plan, ())

    return {
        "warp only": WarpOnly,
        "warpfill": lambda way: WarpFill().open(way.seed, Path(), way.plan),
        **{name: tiny(model, manner) for name, manner in MANNERS.items()},
        UNTRAINED: tiny(built(model.config, 0).to(model.mean.device).eval(), Manner()),
    }


def walked(session: Session, way: Course) -> tuple[Rgb, F32, list[float]]:
    """Frames and depth of all steps, and the seconds of each."""
    frames, depths, seconds = [], [], []
    for index in range(way.plan.n_steps):
        began = time.perf_counter()
        result = session.step(way.plan.request(index, way.seed.seed))
        seconds.append(time.perf_counter() - began)
        assert result.depth is not None
        frames.append(result.frames)
        depths.append(result.depth)
    return np.concatenate(frames), np.concatenate(depths), seconds


def measured(way: Course, frames: Rgb, depth: F32) -> dict[str, Any]:
    """Figures of a walk, None where there are no pixels to tell them of."""
    truth, z, known = way.rgb[1:], way.depth[1:], way.known[1:]
    off = (frames.astype(np.float32) - truth) ** 2
    rel = np.abs(depth - z) / z
    return {
        "known": round(float(known.mean()), 4),
        "psnr_db": round(decibels(float(off.mean())), 2),
        "psnr_known_db": _mean(off, known, lambda e: round(decibels(e), 2)),
        "psnr_unknown_db": _mean(off, ~known, lambda e: round(decibels(e), 2)),
        "abs_rel_known": _mean(rel, known, lambda e: round(e, 4)),
        "log_unknown": _mean(np.abs(np.log(np.maximum(depth, 1e-3) / z)), ~known, lambda e: round(e, 3)),
        "steps": [_drift(way, frames, depth, i) for i in range(way.plan.n_steps)],
    }


def _drift(way: Course, frames: Rgb, depth: F32, index: int) -> dict[str, float]:
    """How far a step is off: mean colour of what frame 0 shows, of the whole, and the depth's scale."""
    of = slice(80 * index, 80 * index + 80)
    truth, z, known = way.rgb[1:][of], way.depth[1:][of], way.known[1:][of]
    made = frames[of].astype(np.float64)
    off = np.abs(made[known].mean(0) - truth[known].mean(0)).max() / 255
    whole = np.abs(made.mean((0, 1, 2)) - truth.mean((0, 1, 2))).max() / 255
    scale = float(np.median(depth[of][known] / z[known]))
    return {"colour": round(float(off), 4), "colour_whole": round(float(whole), 4), "scale": round(scale, 4),
            "psnr_known_db": round(decibels(float(((made - truth)[known] ** 2).mean())), 2)}  # fmt: skip


def _mean(values: np.ndarray, where: Mask, told: Callable[[float], float]) -> float | None:
    return told(float(values[where].mean())) if where.any() else None


def experiment(
    weights: Path, device: str, scenes: list[int], memory: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Every method on every course and scene, and whether the gates hold. UserError: not weights."""
    model = load(weights, device)
    config, stamp = read_stamp(weights)
    rows, runs = [], methods(model, memory)
    for name in COURSES:
        for scene in scenes[:LONG_SCENES] if COURSES[name] > 1 else scenes:
            way = course(name, scene, config)
            for method, begin in runs.items():
                frames, depth, seconds = walked(begin(way), way)
                told = {"course": name, "scene": scene, "method": method}
                rows.append(told | {"seconds": [round(s, 2) for s in seconds]} | measured(way, frames, depth))
            tell(f"{name}, scene {scene}")
    return {
        "weights": stamp | {"parameters": n_parameters(model)},
        "size": list(config.size),
        "scenes": scenes,
        "memory": memory,
        "device": device,
        "threads": torch.get_num_threads(),
        "rows": rows,
        "gates": {method: gates(rows, method) for method in runs},
        "agreement": agreement(weights, config.chunk),
    }


def gates(rows: list[dict[str, Any]], method: str = GATED) -> dict[str, dict[str, Any]]:
    """Each gate's figure (the worst scene's), its limit, whether it holds."""

    def worst(course: str, key: str, of: str, pick: Callable[..., float]) -> float:
        return float(pick(r[key] for r in rows if r["course"] == course and r["method"] == of))

    scenes = {r["scene"] for r in rows if r["course"] == "small"}
    held = {(r["scene"], r["method"]): r for r in rows if r["course"] == "small"}
    below, below_fill = (
        max(held[s, base]["psnr_known_db"] - held[s, method]["psnr_known_db"] for s in scenes)
        for base in ("warp only", "warpfill")
    )
    steps = [s for r in rows if r["course"] == "there-and-back" and r["method"] == method for s in r["steps"]]
    every = [r for r in rows if r["method"] == method and r["abs_rel_known"] is not None]
    seconds = max(s for r in every for s in r["seconds"])
    return {
        "1 static camera, dB": _gate(worst("static", "psnr_db", method, min), STATIC_DB, above=True),
        "2 small motion, dB below the warp": _gate(below, SMALL_DB)
        | {"known": worst("small", "known", method, min)},
        "2 the same, dB below WarpFill": _gate(below_fill, SMALL_DB),
        "3 depth, mean relative error": _gate(max(r["abs_rel_known"] for r in every), ABS_REL),
        "4 six steps, shift of the mean colour": _gate(max(s["colour"] for s in steps), DRIFT),
        "4 six steps, depth's scale off by": _gate(max(abs(s["scale"] - 1) for s in steps), DRIFT),
        "seconds for 80 frames": _gate(seconds, SECONDS),
    }


def _gate(value: float, limit: float, above: bool = False) -> dict[str, Any]:
    holds = value > limit if above else value <= limit
    return {"value": round(value, 4), "limit": limit, "holds": bool(holds)}


def agreement(weights: Path, chunk: int) -> dict[str, Any]:
    """CPU and GPU on one chunk, or why not."""
    if not torch.cuda.is_available():
        return {"skipped": "no GPU on this machine"}
    config, _ = read_stamp(weights)
    way = course("walk", 0, config)
    made = []
    for device in ("cpu", "cuda"):
        session = open_session(load(weights, device), Manner(), way.seed, way.plan, ())
        made.append(session.step(way.plan.request(0, 0)))
    one, other = made
    assert one.depth is not None and other.depth is not None
    colour = float(np.abs(one.frames[:chunk].astype(float) - other.frames[:chunk]).mean())
    depth = float((np.abs(one.depth[:chunk] - other.depth[:chunk]) / one.depth[:chunk]).mean())
    return {"bytes": colour, "depth": depth, "holds": colour <= SAME_BYTE and depth <= SAME_DEPTH}
