"""What `generate` and `bake lyra:` share: their arguments, and how these become a run of a generator."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError, shown
from ..lyra import backends, trajectory
from ..lyra.backends import Wishes
from ..lyra.loop import Lift, LoopReport, generate
from ..lyra.protocol import Generator, Plan, Seed
from ..lyra.seeding import Picture, frame_0
from ..lyra.steps import Steps
from ..lyra.trajectory import PRESETS, Trajectory
from ..progress import Progress
from . import arguments

STEPS = 3  # unless asked otherwise: a minute without a GPU, half an hour with Lyra 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a generator's run, but not --intrinsics, --depth-scale and --seed, which bake has already."""
    group = parser.add_argument_group("generators (lyra:)")
    add = group.add_argument
    add("--image", type=Path, metavar="FILE", help="the picture to begin with")
    add("--depth", type=Path, metavar="FILE", help="its depth: 16-bit mm, .npy or .exr")
    add("--depth-along", choices=("axis", "ray"), default="axis", help="ray: as `render --pass depth` (axis)")
    add(
        "--trajectory",
        metavar="WAY",
        default="walk",
        help=f"the way: Lyra's .npz, a path's .json (own or nerfstudio's), or {', '.join(PRESETS)} (walk)",
    )
    add(
        "--steps",
        type=arguments.count,
        metavar="N",
        help=f"of 80 frames each (default {STEPS}, or as the way is long)",
    )
    add("--pose-scale", type=arguments.positive, default=1.0, metavar="F", help="times the way's length (1)")
    add("--prompt", default="", metavar="TEXT", help="what is to be seen")
    add("--captions", type=Path, metavar="FILE", help="prompts by frame number, Lyra's .json")
    add("--backend", choices=backends.NAMES, help="default: the best that is installed; it says which")
    add("--size", type=arguments.size, metavar="WxH", help="of warpfill's frames (416x240)")
    add("--weights", type=Path, metavar="FILE", help="of tinyloop: what `voxtide train tinyloop` made")
    add("--server", metavar="URL", help="join this Lyra 2 server instead of starting one")
    add("--dmd", action="store_true", help="Lyra 2 in 4 steps: 15 times as fast, weaker prompts")
    add("--offload", action="store_true", help="Lyra 2 with less GPU memory, slower")
    add("--allow-downloads", action="store_true", help="let Lyra 2 fetch models it lacks")
    add("--lift", choices=("da3",), help="estimate every frame's depth in Lyra 2's environment")
    add("--step-timeout", type=arguments.positive, metavar="S", help="seconds that a step may take")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run that is ready to go."""

    generator: Generator
    seed: Seed
    plan: Plan
    asked: dict[str, Any]
    lift: Lift | None

    def go(self, steps: Steps, progress: Progress, told: Callable[[int], None]) -> LoopReport:
        return generate(self.generator, self.seed, self.plan, steps, self.asked, progress, told, self.lift)


def prepared(args: argparse.Namespace, steps: Steps, tell: Callable[[str], None]) -> Run:
    """Arguments -> a run. UserError, GeneratorError."""
    if args.image is None:
        raise UserError("a generator begins with a picture: pass --image FILE")
    wishes = Wishes(
        size=args.size or backends.SIZE,
        server=args.server,
        dmd=args.dmd,
        offload=args.offload,
        allow_downloads=args.allow_downloads,
        step_timeout_s=args.step_timeout,
        weights=args.weights,
    )
    generator = backends.backend(args.backend, wishes, tell)
    if args.size and generator.info.size not in (None, args.size):
        raise UserError(f"--size is for warpfill: {generator.info.name} makes frames of its own size")
    size = backends.size_of(generator, wishes)
    seed_number = 1 if args.seed is None else args.seed
    lift, how = None, args.lift
    if generator.info.provides_depth == "none":
        how = how or "da3"  # without depth nothing can be baked
    if how:
        from ..lyra.lift import da3_lift

        lift = da3_lift(wishes, steps.path)
    picture = Picture(args.image, args.depth, args.intrinsics, args.depth_scale, args.depth_along == "ray")
    way = None if args.trajectory in PRESETS else open_way(args.trajectory, generator.info.fps)
    aspect = way.size[0] / way.size[1] if way and way.size else size[0] / size[1]
    frame = frame_0(picture, size, aspect)
    if way is None:
        known = frame.depth[frame.depth > 0] if frame.depth is not None else np.ones(1, np.float32)
        way = trajectory.preset(args.trajectory, args.steps or STEPS, float(np.median(known)))
    most = (len(way.w2c) - 1) // 80
    way = way.cut(args.steps or min(STEPS, max(most, 1))).scaled(args.pose_scale)
    k = way.cameras(size)
    if frame.k is not None and way.k is None:
        k = np.repeat(frame.k[None], len(way.w2c), 0)
    own = k[0] if frame.k is None else frame.k
    k = np.concatenate([own[None], k[1:]])
    n_steps = (len(way.w2c) - 1) // 80
    prompts = trajectory.prompts_of(args.prompt, args.captions, n_steps)
    seed = Seed(frame.rgb, frame.depth, way.w2c[0], own, prompts[0], seed_number)
    asked = {"pose_scale": args.pose_scale, "dmd": args.dmd, "lift": how or ""}
    return Run(generator, seed, Plan(way.w2c, k, prompts), asked, lift)


def open_way(name: str, fps: float) -> Trajectory:
    """A trajectory's file. UserError that names the presets, where there is no such file."""
    path = Path(name)
    if not path.is_file():
        raise UserError(f"--trajectory {shown(name)}: no such file, and none of {', '.join(PRESETS)}")
    return trajectory.open_trajectory(path, fps)


def told_on_stderr(line: str) -> None:
    print(line, file=sys.stderr)
