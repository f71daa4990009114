"""Draw one picture of a world, without a display.

With no --pose and no --orbit the world is framed from three quarters. Yaw 0 looks along +x and grows
counter-clockwise seen from above, pitch grows upwards. The passes depth (float32 metres along the ray,
inf for sky) and uvw (uint8 RGBA: the voxel's bytes, alpha 0 for sky) may also be written as .npy.

The projection 360 is equirectangular: every direction, the yaw in the middle column, straight up in row 0;
it is level whatever the pitch. stereo is two eyes with parallel axes, side by side.
"""

import argparse
import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...app import frame
from ...app.camera import IPD_M, Pose
from ...atlas.layout import HIT_NONE, PASSES
from ...streamer.world import World, open_world
from ..errors import UserError
from ..shot import Shot, framed_pose, save_picture, studio
from . import arguments
from .reporting import BadChunks

ARRAY_PASSES = ("depth", "uvw")
PROJECTIONS = {"planar": "planar", "stereo": "stereo", "360": "equirect"}  # as typed -> layout.PROJECTIONS
DEFAULT_SIZES = {"planar": (1280, 720), "stereo": (2560, 720), "equirect": (2048, 1024)}
FRAMED_360_DEG = 90.0  # a panorama's own height would frame from inside the middle of the world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", metavar="WORLD", help="a baked world (.vxt)")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="OUT.png", help="picture to write")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--pose",
        type=arguments.pose,
        metavar="X,Y,Z,YAW,PITCH",
        help="metres and degrees, as --pose=-1,2,...",
    )
    where.add_argument(
        "--orbit", type=arguments.fraction, metavar="I/N", help="picture I of N around the world, I from 0"
    )
    parser.add_argument(
        "--size",
        type=arguments.size,
        metavar="WxH",
        help="pixels of the whole picture (default 1280x720; stereo 2560x720, two such; 360 2048x1024)",
    )
    parser.add_argument(
        "--projection", choices=tuple(PROJECTIONS), default="planar", help="what kind of camera"
    )
    parser.add_argument(
        "--fov",
        type=arguments.angle,
        default=50.0,
        metavar="DEG",
        help="vertical field of view (default 50); ignored by 360, which sees everything",
    )
    parser.add_argument(
        "--ipd",
        type=arguments.positive,
        default=IPD_M,
        metavar="M",
        help=f"distance of the eyes of stereo, metres (default {IPD_M})",
    )
    parser.add_argument("--pass", dest="name", choices=PASSES, default="colour", help="what to draw")
    parser.add_argument(
        "--quality",
        type=arguments.positive,
        default=1.0,
        metavar="PIXELS",
        help="widest voxel that may be drawn where finer ones exist (default 1: pixel-exact)",
    )
    parser.add_argument("--no-shadows", action="store_true", help="do not march rays to the sun")
    parser.add_argument(
        "--vram", type=arguments.positive, default=1536, metavar="MB", help="budget for chunks (default 1536)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object about the picture")


def run(args: argparse.Namespace) -> int:
    as_array = args.out.suffix == ".npy"
    if as_array and args.name not in ARRAY_PASSES:
        raise UserError(
            f"only the passes {' and '.join(ARRAY_PASSES)} can be written as .npy, not {args.name}"
        )
    if not args.out.parent.is_dir():
        raise UserError(f"{args.out.parent}: no such folder to write the picture to")
    projection = PROJECTIONS[args.projection]
    size = args.size or DEFAULT_SIZES[projection]
    bad = BadChunks()
    world = open_world(arguments.world_path(args.world))
    with studio(world, size, args.vram, bad) as place:
        pose = args.pose or _framed(world, size, projection, args)
        how = args.fov, args.name, args.quality, not args.no_shadows, projection, args.ipd
        shot = place.shoot(pose, *how)
        n_resident = place.scene.n_resident
        corner, voxel_size_m = place.scene.root.corner_voxel, place.scene.voxel_size_m
    _write(args, shot, corner, voxel_size_m)
    pose = shot.pose
    hit_fraction = float((frame.status(shot.hits) != HIT_NONE).mean())
    march_ms = shot.report.march_ms
    facts = {
        "pose": [round(v, 6) for v in astuple(pose)],
        "size": list(size),
        "hit_fraction": hit_fraction,
        "unresolved_pixels": shot.report.feedback.n_unresolved,
        "march_ms": march_ms,
        "resident_chunks": n_resident,
        "mrays_per_s": shot.hits.size / march_ms / 1e3,
    }
    if args.json:
        print(json.dumps(facts))
    else:
        print(
            f"{args.out}: {hit_fraction:.0%} of {shot.hits.size:,} rays hit, march {march_ms:.1f} ms; "
            f"--pose={pose.x:.3f},{pose.y:.3f},{pose.z:.3f},{pose.yaw:.1f},{pose.pitch:.1f}"
        )
    return bad.exit_code()


def _framed(world: World, size: tuple[int, int], projection: str, args: argparse.Namespace) -> Pose:
    """Where to stand when no pose is given: so that each eye sees the world."""
    turn = args.orbit[0] / args.orbit[1] if args.orbit else 0.0
    width, height = size
    if projection == "equirect":
        return framed_pose(world, (height, height), FRAMED_360_DEG, turn)
    return framed_pose(
        world, (max(width // 2, 1) if projection == "stereo" else width, height), args.fov, turn
    )


def _write(args: argparse.Namespace, shot: Shot, corner: NDArray[np.int64], voxel_size_m: float) -> None:
    """Write the picture, or the pass as an array. Raises UserError."""

    if args.out.suffix != ".npy":
        save_picture(args.out, shot.picture, with_alpha=args.name == "uvw")
        return
    array = (
        frame.depth_m(shot.hits, voxel_size_m) if args.name == "depth" else frame.uvw_rgba(shot.hits, corner)
    )
    try:
        np.save(args.out, array, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{args.out}: cannot write this array ({error})") from None
