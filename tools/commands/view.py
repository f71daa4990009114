"""Fly through a world in a window.

W A S D and Q E move, dragging the mouse looks, the wheel sets the speed, Shift is ten times faster and
Alt ten times slower. H goes home, P prints the pose for `voxtide render`, L switches shadows, 1 to 8 show
the passes, Escape closes. The window's resolution falls while you move if drawing is slow.
"""

import argparse

from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_world(parser)
    parser.add_argument(
        "--pose",
        type=arguments.viewpoint,
        metavar="X,Y,Z,YAW,PITCH",
        help="where to start, or a .png taken there; default: framed",
    )
    parser.add_argument(
        "--size", type=arguments.size, default=(1280, 720), metavar="WxH", help="window, pixels"
    )
    parser.add_argument(
        "--fov", type=arguments.angle, default=60.0, metavar="DEG", help="vertical (default 60)"
    )
    arguments.add_budgets(parser)
    parser.add_argument("--seconds", type=arguments.positive, metavar="S", help="close after this long")


def run(args: argparse.Namespace) -> int:
    from ...app.settings import Settings
    from ...app.viewer import view_world
    from ..opening import open_chunks
    from ..shot import framed_pose
    from .reporting import BadChunks

    bad = BadChunks()
    source = open_chunks(args.world)
    home = args.pose.pose if args.pose else framed_pose(source, args.size, args.fov)
    budgets = int(args.vram * 2**20), int(args.ram * 2**20)
    settings = Settings(fov_deg=args.fov)
    view_world(source, args.world.rstrip("/"), home, settings, args.size, *budgets, args.seconds, bad)
    return bad.exit_code()
