"""Look at worlds and scenes in a window.

What is named first is shown; a scene that is no world yet is baked in the background, coarse first. Without
a name the world that was looked at last is opened. W A S D and Q E move, dragging the mouse looks, the wheel
sets the speed; ? shows every key. The flags of settings count for this start alone; what is chosen in
the window is kept (docs/settings.md).
"""

import argparse
import sys
import time
from pathlib import Path

from ...app.camera import Pose
from ...app.library import Baking, Library, OpenError
from ...app.settings import GROUPS, TABLE, Settings
from . import arguments
from .reporting import BadChunks
from .setting_flags import add_settings, given

_LOOK_S = 0.05
_FRAMED = 1280, 720  # a headset's world is framed as for a window
VR_QUALITIES = ("low", "medium", "high")  # of app/vr/loop.py; a test compares
ISLAND = "procedural://island?seed=1&size_km=0.5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "worlds",
        nargs="*",
        metavar="WORLD|SOURCE",
        help="baked worlds (.vxt), procedural://island?seed=1&size_km=1, or scenes to bake",
    )
    parser.add_argument(
        "--pose",
        type=arguments.viewpoint,
        metavar="X,Y,Z,YAW,PITCH",
        help="where to start, or a .png taken there; default: framed",
    )
    parser.add_argument(
        "--size",
        type=arguments.size,
        metavar="WxH",
        help="window, pixels (default: as it was left)",
    )
    parser.add_argument("--seconds", type=arguments.positive, metavar="S", help="close after this long")
    parser.add_argument(
        "--safe-mode", action="store_true", help="default settings and layout; nothing is read or kept"
    )
    parser.add_argument("--vr", action="store_true", help="in a headset, through OpenXR (the extra vr)")
    parser.add_argument(
        "--vr-quality", choices=VR_QUALITIES, default="medium", help="resolution and detail in the headset"
    )
    add_settings(parser, TABLE, GROUPS)


def run(args: argparse.Namespace) -> int:
    from ...app.settings_file import default_path, load
    from ...app.viewer import Start, view_worlds
    from ..errors import UserError
    from ..path_files import AllFiles
    from ..shelf import Shelf

    bad, shelf = BadChunks(), Shelf()
    memory = None if args.safe_mode else default_path()
    names = args.worlds or (load(memory)[0].recent[:1] if memory else []) or [ISLAND]
    flags = given(args, TABLE)
    try:
        first, baking = names[0].rstrip("/"), None
        if not shelf.is_world(first) and Path(first).exists():
            first, baking = _baked(shelf, first, flags.get("drop_voxel_m", Settings().drop_voxel_m))
        pose = args.pose.pose if args.pose else None
        if args.vr:
            _in_headset(shelf, first, pose, args, Settings(**flags), bad)
            return bad.exit_code()
        start = Start([first, *names[1:]], flags, pose, args.size, args.seconds, memory, baking, AllFiles())
        view_worlds(shelf, start, bad)
    except OpenError as error:
        raise UserError(str(error)) from None
    return bad.exit_code()


def _in_headset(
    shelf: Library, name: str, pose: Pose | None, args: argparse.Namespace, settings: Settings, bad: BadChunks
) -> None:
    from ...app.vr.headset import view_in_headset

    opened = shelf.open(name)
    home = pose or opened.home(args.size or _FRAMED, settings.fov_deg)
    budgets = int(settings.vram_mb * 2**20), int(settings.ram_mb * 2**20)
    view_in_headset(opened.source, opened.name, home, args.vr_quality, *budgets, bad)


def _baked(shelf: Library, name: str, voxel_size_m: float) -> tuple[str, Baking]:
    """Begin to bake a scene and wait for its first, coarse world. -> that world, and the bake that goes on"""
    print(f"baking {name}: the window opens when a coarse world is there", file=sys.stderr)
    baking = shelf.bake(name, voxel_size_m)
    while (world := baking.poll()) is None:
        if baking.is_done:
            raise OpenError(baking.failed or f"{name}: nothing came of it")
        time.sleep(_LOOK_S)
    return world, baking
