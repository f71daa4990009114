"""Fly through a world in a window.

W A S D and Q E move, dragging the mouse looks, the wheel sets the speed, Shift is ten times faster and
Alt ten times slower. H goes home, P prints the pose for `voxtide render`, L switches shadows, 1 to 8 show
the passes, Escape closes. The window's resolution falls while you move if drawing is slow.
"""

import argparse

from ...app.camera import Pose
from ...streamer.chunk_source import ChunkSource
from . import arguments
from .reporting import BadChunks

VR_QUALITIES = ("low", "medium", "high")  # app/vr/loop.py: QUALITIES; a test compares


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_world(parser)
    parser.add_argument(
        "--pose", type=arguments.pose, metavar="X,Y,Z,YAW,PITCH", help="where to start; default: framed"
    )
    parser.add_argument(
        "--size", type=arguments.size, default=(1280, 720), metavar="WxH", help="window, pixels"
    )
    parser.add_argument(
        "--fov", type=arguments.angle, default=60.0, metavar="DEG", help="vertical (default 60)"
    )
    arguments.add_budgets(parser)
    parser.add_argument("--vr", action="store_true", help="in a headset, through OpenXR (extra vr)")
    parser.add_argument(
        "--vr-quality", choices=VR_QUALITIES, default="medium", help="resolution and detail in the headset"
    )
    parser.add_argument("--seconds", type=arguments.positive, metavar="S", help="close after this long")


def _in_headset(args: argparse.Namespace, source: ChunkSource, home: Pose, bad: BadChunks) -> int:
    from ...app.vr.headset import view_in_headset

    budgets = int(args.vram * 2**20), int(args.ram * 2**20)
    view_in_headset(source, args.world.rstrip("/"), home, args.vr_quality, *budgets, bad)
    return bad.exit_code()


def run(args: argparse.Namespace) -> int:
    from ...app.settings import Settings
    from ...app.viewer import view_world
    from ..opening import open_chunks
    from ..shot import framed_pose

    bad = BadChunks()
    source = open_chunks(args.world)
    home = args.pose or framed_pose(source, args.size, args.fov)
    if args.vr:
        return _in_headset(args, source, home, bad)
    budgets = int(args.vram * 2**20), int(args.ram * 2**20)
    settings = Settings(fov_deg=args.fov)
    view_world(source, args.world.rstrip("/"), home, settings, args.size, *budgets, args.seconds, bad)
    return bad.exit_code()
