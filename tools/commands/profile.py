"""Walk through a streamed world and tell what each frame cost.

With neither --path nor --walk it is a walk of 10 s at 1.5 m/s: straight across a large world just above the
ground, around a small one. Poses depend on the path and --fps only, so a replay shows the same views.

The JSON: frame_ms is a whole frame without the wait for the next; stream_main_ms what streaming decided on
the main thread; gpu_ms the mean per frame. touched_voxels is counted every 30th frame. unresolved_pixels:
rays that gave up, over all frames; coarse_pixel_fraction: pixels drawn coarser than wanted because the chunk
was missing. vram_bytes and ram_bytes are the most that chunks took. --cold forgets caches once, at the start.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from . import arguments, measuring

if TYPE_CHECKING:
    from ...app.paths import CameraPath
    from ..measure.opening import Opened
    from ..measure.rig import Setup

DEFAULT_SPEED_M_S, DEFAULT_S = 1.5, 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    measuring.add_arguments(parser)
    course = parser.add_mutually_exclusive_group()
    course.add_argument("--path", type=Path, metavar="PATH", help="replay a camera path")
    course.add_argument("--walk", type=arguments.positive, metavar="M/S", help="walk at this speed")
    parser.add_argument("--seconds", type=arguments.positive, metavar="S", help="how long to walk (10)")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw the run: times, chunks, memory")


def run(args: argparse.Namespace) -> int:
    from .. import progress
    from ..measure import profile
    from ..measure.opening import open_measured
    from .reporting import BadChunks

    if args.path and args.seconds:
        raise UserError("--seconds is for walks: a path says itself how long it is")
    if args.plot and not args.plot.parent.is_dir():
        raise UserError(f"{args.plot.parent}: no such folder to write to")
    bad, setup = BadChunks(), measuring.setup_of(args)
    opened = open_measured(args.world)
    path = _course(args, opened, setup)
    with progress.shown(silent=args.json) as show:
        found = profile.profile(opened, setup, path, bad, show)
    told = profile.facts(found)
    if args.plot:
        from ..measure.plot import save_plot

        save_plot(args.plot, found, setup, opened.name)
    print(json.dumps(told) if args.json else _text(opened.name, told))
    return bad.exit_code()


def _course(args: argparse.Namespace, opened: "Opened", setup: "Setup") -> "CameraPath":
    from .. import paths
    from ..measure import places

    if args.path:
        return paths.load(args.path)
    speed, seconds = args.walk or DEFAULT_SPEED_M_S, args.seconds or DEFAULT_S
    measuring.check_length(seconds, args.fps)
    try:
        world = places.outline(opened.source)
        return places.walk(world, measuring.eye_size(setup), speed, seconds, setup.fps, setup.fov_deg)
    except ValueError as error:
        raise UserError(str(error)) from None


def _text(name: str, told: dict[str, Any]) -> str:
    frame, main, gpu = told["frame_ms"], told["stream_main_ms"], told["gpu_ms"]
    parts = ", ".join(f"{part} {ms:.1f}" for part, ms in gpu.items())
    return (
        f"{name}: {told['frames']} frames, p50 {frame['p50']:.1f} ms, p99 {frame['p99']:.1f}, "
        f"max {frame['max']:.1f} ({told['gl_renderer']})\n"
        f"  GPU ms     {parts}\n"
        f"  streaming  p50 {main['p50']:.2f} ms on the main thread, p99 {main['p99']:.2f}; "
        f"{told['chunks_loaded']:,} chunks in, {told['chunks_evicted']:,} out, "
        f"{told['read_bytes'] / 1e6:.2f} MB read\n"
        f"  pixels     {told['coarse_pixel_fraction']:.2%} coarser than wanted, "
        f"{told['unresolved_pixels']} unresolved\n"
        f"  memory     {told['vram_bytes'] / 2**20:.0f} MiB of VRAM, {told['ram_bytes'] / 2**20:.0f} MiB of "
        f"chunks in RAM, {told['rss_bytes'] / 2**20:.0f} MiB in all"
    )
