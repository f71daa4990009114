"""The protocol of generators: what goes in, what comes out, and what is checked on both sides.

Geometry, in one place: OpenCV axes (x right, y down, z forward); w2c [4, 4] takes world to camera; K is in
pixels of the output's size, pixel (i, j) has image coordinates (i, j); depth is z along the axis, 0 where
nothing is known; the world's unit is the trajectory's, metres or not. Frame 0 is the seed; step k (from 0)
makes frames 80 k + 1 .. 80 k + 80.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .problems import Code, GeneratorError, Problem

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]

STEP_FRAMES = 80
RIGID = 1e-3  # how far R^T R of a pose may be off one
MAX_SPEED = 0.25  # of the median depth, per frame: faster, and frames have little in common
SAME_POSE = 1e-4  # how far a pose that came back may differ: float32 over JSON


@dataclass(frozen=True, slots=True)
class GeneratorInfo:
    """What a backend is. size: (width, height) of its frames, None: as asked."""

    name: str
    size: tuple[int, int] | None
    fps: float
    provides_depth: Literal["all", "last", "none"]
    streaming: bool  # steps come one by one, not all at the end
    supports_revert: bool
    needs_seed_depth: bool
    weights_id: str  # "" where there are none
    weights_license: str
    deterministic: bool
    version: str = ""  # of the code: a commit
    sky: bool = False  # its depth puts the sky at one made-up distance


@dataclass(frozen=True, slots=True, eq=False)
class Seed:
    """Frame 0, of the output's size."""

    rgb: Rgb  # [H, W, 3] sRGB
    depth: F32 | None  # [H, W]
    w2c: F64  # [4, 4]
    k: F64  # [3, 3]
    prompt: str = ""
    seed: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.rgb.shape[1], self.rgb.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class StepRequest:
    """The next 80 frames. seed: the run's, plus the step's number."""

    index: int
    w2c: F64  # [80, 4, 4]
    k: F64  # [80, 3, 3]
    prompt: str
    seed: int

    @property
    def frame_ids(self) -> NDArray[np.int64]:
        return frame_ids_of(self.index)


@dataclass(slots=True, eq=False)
class StepResult:
    """Frames with the poses that were really used. index -1: the seed alone."""

    index: int
    frames: Rgb  # [n, H, W, 3] sRGB
    w2c: F64  # [n, 4, 4]
    k: F64  # [n, 3, 3]
    depth: F32 | None = None  # [m, H, W]
    depth_ids: NDArray[np.int64] | None = None  # [m] numbers of the frames that `depth` is of
    made: Mask | None = None  # [n, H, W] pixels that were made up here, where the backend tells
    state: dict[str, NDArray[Any]] = field(default_factory=dict)  # what the backend needs to go on after it
    retrieved: list[int] = field(default_factory=list)  # frames that the memory gave
    coverage: float | None = None  # part of the pixels that the memory covered
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def frame_ids(self) -> NDArray[np.int64]:
        return frame_ids_of(self.index)


def frame_ids_of(index: int) -> NDArray[np.int64]:
    """Numbers of the frames of a step, of the seed (index -1) just 0."""
    if index < 0:
        return np.zeros(1, np.int64)
    return np.arange(1 + STEP_FRAMES * index, 1 + STEP_FRAMES * (index + 1))


class Session(Protocol):
    """One run of a generator, from its seed on. For one thread."""

    def seed_result(self) -> StepResult:
        """Frame 0 with its depth, the backend's where the seed had none."""
        ...

    def step(self, request: StepRequest) -> StepResult:
        """Make the next 80 frames. GeneratorError."""
        ...

    def revert(self) -> None:
        """Forget the last step. GeneratorError where it cannot."""
        ...

    def close(self) -> None:
        """End; never raises for a backend that has died."""
        ...


class Generator(Protocol):
    """A backend."""

    @property
    def info(self) -> GeneratorInfo: ...

    def preflight(self) -> list[Problem]:
        """What stands in the way, found without loading a model; empty: nothing that can be seen."""
        ...

    def open(
        self,
        seed: Seed,
        workdir: Path,
        plan: "Plan",
        done: Sequence[StepResult] = (),
        progress: Progress | None = None,
    ) -> Session:
        """Begin, or go on after the results that are `done` (seed first). GeneratorError."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The whole way: N = 1 + 80 steps. Backends that make all at once read it; others are asked per step."""

    w2c: F64  # [N, 4, 4]
    k: F64  # [N, 3, 3], in pixels of the output
    prompts: tuple[str, ...]  # one per step

    @property
    def n_steps(self) -> int:
        return (len(self.w2c) - 1) // STEP_FRAMES

    def request(self, index: int, seed: int) -> StepRequest:
        of = slice(1 + STEP_FRAMES * index, 1 + STEP_FRAMES * (index + 1))
        return StepRequest(index, self.w2c[of], self.k[of], self.prompts[index], seed + index)


def inverse(pose: F64) -> F64:
    """Of rigid poses [..., 4, 4]."""
    out = np.zeros_like(pose)
    turn = np.swapaxes(pose[..., :3, :3], -1, -2)
    out[..., :3, :3] = turn
    out[..., :3, 3] = -(turn @ pose[..., :3, 3, None])[..., 0]
    out[..., 3, 3] = 1
    return out


def check_plan(plan: Plan, size: tuple[int, int], median_depth: float | None = None) -> None:
    """GeneratorError if poses or cameras cannot be meant, or frames are not 1 + 80 k."""
    n = len(plan.w2c)
    if (
        n < 1 + STEP_FRAMES
        or (n - 1) % STEP_FRAMES
        or plan.k.shape != (n, 3, 3)
        or plan.w2c.shape[1:] != (4, 4)
    ):
        raise GeneratorError(Code.BAD_LENGTH, f"the way has {n:,} poses")
    if len(plan.prompts) != plan.n_steps:
        raise GeneratorError(Code.BAD_LENGTH, f"{len(plan.prompts)} prompts for {plan.n_steps} steps")
    if not (np.isfinite(plan.w2c).all() and np.isfinite(plan.k).all()):
        raise GeneratorError(Code.BAD_TRAJECTORY, "a pose or a camera is not finite")
    turn = plan.w2c[:, :3, :3]
    off = np.abs(np.swapaxes(turn, 1, 2) @ turn - np.eye(3)).max(axis=(1, 2))
    bad = (off > RIGID) | (np.linalg.det(turn) < 0) | (plan.w2c[:, 3] != [0, 0, 0, 1]).any(1)
    if bad.any():
        raise GeneratorError(Code.BAD_TRAJECTORY, f"pose {int(bad.argmax())} is not a rigid one")
    focal, centre = plan.k[:, [0, 1], [0, 1]], plan.k[:, :2, 2]
    outside = (focal <= 0) | (centre < 0) | (centre > np.array(size))
    if outside.any():
        at = int(outside.any(1).argmax())
        raise GeneratorError(Code.BAD_TRAJECTORY, f"camera {at} is not one of {size[0]} x {size[1]} pixels")
    if median_depth:
        eyes = inverse(plan.w2c)[:, :3, 3]
        speed = np.sqrt((np.diff(eyes, axis=0) ** 2).sum(1))
        if speed.max() > MAX_SPEED * median_depth:
            raise GeneratorError(
                Code.BAD_TRAJECTORY,
                f"frame {int(speed.argmax()) + 1} is {speed.max():.3g} units from the one before, where what "
                f"is seen lies {median_depth:.3g} away",
            )


def check_result(result: StepResult, request: StepRequest, size: tuple[int, int]) -> None:
    """GeneratorError unless the frames are as many and as large as asked for, on the poses asked for."""
    check_frames(result.frames, STEP_FRAMES, size)
    for used, asked in ((result.w2c, request.w2c), (result.k, request.k)):
        if used.shape != asked.shape:
            raise GeneratorError(
                Code.BAD_ANSWER, f"step {request.index} came with {used.shape} poses or cameras"
            )
    off = np.abs(result.w2c - request.w2c).max(axis=(1, 2))
    allowed = SAME_POSE * np.maximum(1, np.abs(request.w2c).max(axis=(1, 2)))
    if (off > allowed).any():
        at = int((off - allowed).argmax())
        raise GeneratorError(
            Code.POSE_CHANGED,
            f"frame {int(request.frame_ids[at])} was made on another pose than asked, off by {off[at]:.3g}",
        )
    check_depth(result, size)


def check_frames(frames: Rgb, n: int, size: tuple[int, int]) -> None:
    """GeneratorError unless there are n frames of this size (width, height)."""
    if frames.ndim != 4 or frames.shape[1:] != (size[1], size[0], 3):
        found = " x ".join(map(str, frames.shape[2:0:-1]))
        raise GeneratorError(
            Code.VIDEO_LAYOUT, f"frames of {found} came where {size[0]} x {size[1]} were due"
        )
    if len(frames) != n:
        raise GeneratorError(Code.SILENT_SKIP, f"{len(frames)} frames came where {n} were due")


def check_depth(result: StepResult, size: tuple[int, int]) -> None:
    """GeneratorError unless depth, where there is any, is of these frames and of numbers from 0 on."""
    if result.depth is None:
        return
    ids = result.depth_ids
    if ids is None or result.depth.shape != (len(ids), size[1], size[0]):
        raise GeneratorError(Code.BAD_ANSWER, f"depth came as {result.depth.shape}")
    if not np.isin(ids, result.frame_ids).all():
        raise GeneratorError(Code.BAD_ANSWER, "depth came of frames that are not this step's")
    if not (np.isfinite(result.depth).all() and (result.depth >= 0).all()):
        raise GeneratorError(Code.BAD_ANSWER, "depth came with numbers that are no distances")
