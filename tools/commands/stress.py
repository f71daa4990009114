"""Do to a streamed world what nobody would, and tell how it copes.

teleport  jumps to seeded places above the ground, each as soon as the view before is whole.
          frames_to_full: frames after a jump's first until none of its pixels is coarser than wanted; a jump
          that is not whole after 120 frames counts as 120, and not_full counts those. stream_ms_to_full: the
          streamer's own work until then: main thread, and CPU time of the loader's threads. chunks_per_jump
          and bytes_per_jump: brought in (as streams) until then. first_frame_level: median level of the first
          frame's pixels. equal_to_resident: the settled picture of 5 jumps is that of the wholly resident
          world, byte for byte; null where the world takes more than --resident-mb, or was never baked.
spin      turns on the spot at 360, 720 and 1440 degrees a second; sprint flies straight at 5, 50, 100 and
          200 m/s, until the world ends. Each run begins with nothing but the coarse levels.
          full_frames_fraction: frames without a pixel coarser than wanted.
thrash    stands still with room for 100, 50, 25 and 10 % of the chunks that the view needs.
          coarse_pixel_fraction is of the last third of the frames, and settles says that it swings by
          less than 2 points there; coarse_over_time is sampled from the first frame to the last.

unresolved_pixels counts holes over all frames: it is 0, or a root chunk could not be read. --cold forgets
the RAM tier and the kernel's cache of the world's files before each jump; elsewhere before each run.
"""

import argparse
import json
from typing import Any

from . import arguments, measuring

KINDS = ("teleport", "spin", "sprint", "thrash")
DEFAULT_RESIDENT_MB = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS, help="what to do to it")
    measuring.add_arguments(parser)
    add = parser.add_argument
    add("--seed", type=arguments.natural, default=0, metavar="S", help="of the places (default 0)")
    add("--jumps", type=arguments.count, default=200, metavar="N", help="of teleport (default 200)")
    add("--seconds", type=arguments.positive, default=3.0, metavar="S", help="of each other run (default 3)")
    add(
        "--resident-mb",
        type=arguments.positive,
        default=DEFAULT_RESIDENT_MB,
        metavar="MB",
        help=f"teleport compares with the whole world if it takes no more (default {DEFAULT_RESIDENT_MB})",
    )


def run(args: argparse.Namespace) -> int:
    from .. import progress
    from ..errors import UserError
    from ..measure.opening import open_measured
    from .reporting import BadChunks

    measuring.check_length(args.seconds, args.fps)
    bad = BadChunks()
    opened = open_measured(args.world)
    with progress.shown(silent=args.json) as show:
        try:
            told = _measure(args, opened, bad, show)
        except ValueError as error:  # of a course
            raise UserError(str(error)) from None
    print(json.dumps(told) if args.json else json.dumps(told, indent=2))
    return bad.exit_code()


def _measure(args: argparse.Namespace, opened: Any, bad: Any, show: Any) -> dict[str, Any]:
    from ..measure import motion, teleport, thrash

    setup = measuring.setup_of(args)
    if args.kind == "teleport":
        resident_bytes = int(args.resident_mb * 2**20)
        made = teleport.teleport(opened, setup, args.jumps, args.seed, resident_bytes, bad, show)
        return teleport.facts(made)
    if args.kind == "spin":
        return motion.spin(opened, setup, args.seed, args.seconds, bad, show)
    if args.kind == "sprint":
        return motion.sprint(opened, setup, args.seconds, bad, show)
    return thrash.thrash(opened, setup, args.seed, args.seconds, bad, show)
