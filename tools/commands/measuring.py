"""What `profile` and `stress` have in common: which world, and how it is drawn."""

import argparse
from typing import TYPE_CHECKING

from ..errors import UserError
from . import arguments

if TYPE_CHECKING:
    from ..measure.rig import Setup

MAX_FRAMES = 1_000_000
PROJECTIONS = {"planar": "planar", "stereo": "stereo", "360": "equirect"}  # as typed -> layout.PROJECTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "world", metavar="WORLD", help="a baked world (.vxt), or procedural://island?seed=1&size_km=1"
    )
    add = parser.add_argument
    add("--size", type=arguments.size, default=(320, 180), metavar="WxH", help="pixels (default 320x180)")
    add("--projection", choices=tuple(PROJECTIONS), default="planar", help="what kind of camera")
    add("--fov", type=arguments.angle, default=60.0, metavar="DEG", help="vertical (default 60)")
    add(
        "--vram",
        type=arguments.positive,
        default=256,
        metavar="MB",
        help="for chunks on the GPU (default 256); may be far less than the world takes",
    )
    add("--ram", type=arguments.positive, default=512, metavar="MB", help="for chunks in RAM (default 512)")
    add("--fps", type=arguments.fps, default=60.0, metavar="HZ", help="frames a second at most (default 60)")
    add(
        "--paced",
        action="store_true",
        help="where drawing is slow: let reading have 1/fps in each frame and no more, as beside a fast GPU",
    )
    add("--cold", action="store_true", help="forget the RAM tier and the kernel's cache of the world's files")
    add("--json", action="store_true", help="print one JSON object")


def setup_of(args: argparse.Namespace) -> "Setup":
    from ..measure.rig import Setup

    return Setup(
        size=args.size,
        projection=PROJECTIONS[args.projection],
        fov_deg=args.fov,
        vram_bytes=int(args.vram * 2**20),
        ram_bytes=int(args.ram * 2**20),
        fps=args.fps,
        paced=args.paced,
        cold=args.cold,
    )


def check_length(seconds: float, fps: float) -> None:
    """UserError for a run that would never end."""
    if seconds * fps > MAX_FRAMES:
        raise UserError(f"{seconds:g} s at {fps:g} Hz are over {MAX_FRAMES:,} frames: make --seconds less")


def eye_size(setup: "Setup") -> tuple[int, int]:
    """The picture of one eye, by which a world is framed."""
    width, height = setup.size
    return {
        "planar": (width, height),
        "stereo": (max(width // 2, 1), height),
        "equirect": (height, height),
    }[setup.projection]
