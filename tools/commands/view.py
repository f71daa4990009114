"""Fly through a world in a window.

W A S D and Q E move, dragging the mouse looks, the wheel sets the speed, Shift is ten times faster and
Alt ten times slower. H goes home, P prints the pose for `voxtide render`, L switches shadows, 1 to 8 show
the passes, Escape closes. The window's resolution falls while you move if drawing is slow.
"""

import argparse

from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", metavar="WORLD", help="a baked world (.vxt)")
    parser.add_argument(
        "--pose", type=arguments.pose, metavar="X,Y,Z,YAW,PITCH", help="where to start; default: framed"
    )
    parser.add_argument(
        "--size", type=arguments.size, default=(1280, 720), metavar="WxH", help="window, pixels"
    )
    parser.add_argument(
        "--fov", type=arguments.angle, default=60.0, metavar="DEG", help="vertical (default 60)"
    )
    parser.add_argument(
        "--vram", type=arguments.positive, default=1536, metavar="MB", help="budget for chunks (default 1536)"
    )
    parser.add_argument("--seconds", type=arguments.positive, metavar="S", help="close after this long")


def run(args: argparse.Namespace) -> int:
    from ...app.viewer import fly_through
    from ...streamer.world import open_world
    from ..shot import framed_pose
    from .reporting import BadChunks

    bad = BadChunks()
    world = open_world(arguments.world_path(args.world))
    home = args.pose or framed_pose(world, args.size, args.fov)
    fly_through(world, home, args.size, args.fov, int(args.vram * 2**20), args.seconds, bad)
    return bad.exit_code()
