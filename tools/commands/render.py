"""Draw one picture of a world, or the frames of a camera path, without a display.

With no --pose and no --orbit the world is framed from three quarters. Yaw 0 looks along +x and grows
counter-clockwise seen from above, pitch grows upwards. The passes depth (float32 metres along the ray,
inf for sky) and uvw (uint8 RGBA: the voxel's bytes, alpha 0 for sky) may also be written as .npy.

The projection 360 is equirectangular: every direction, the yaw in the middle column, straight up in row 0;
it is level whatever the pitch. stereo is two eyes with parallel axes, side by side.

--path draws every frame of a camera path (JSON; app/path_file.py has the format), with the path's own fov.
OUT is then a folder, a pattern such as walk_%05d.png, or an .mp4 (which needs PyAV). An .mp4 does not say
that its frames are 360 or stereo: tell the player.
"""

import argparse
import json
import time
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path

import numpy as np

from ...app import frame, path_file
from ...app.camera import IPD_M, Pose
from ...app.paths import CameraPath
from ...atlas.layout import PASSES
from ...streamer.chunk_source import ChunkSource
from .. import film, progress
from ..errors import UserError, shown
from ..opening import open_chunks
from ..shot import Shot, Studio, framed_pose, save_picture, studio
from . import arguments
from .reporting import BadChunks

ARRAY_PASSES = ("depth", "uvw")
PROJECTIONS = {"planar": "planar", "stereo": "stereo", "360": "equirect"}  # as typed -> layout.PROJECTIONS
DEFAULT_SIZES = {"planar": (1280, 720), "stereo": (2560, 720), "equirect": (2048, 1024)}
How = tuple[str, float, bool, str, float]  # what Studio.shoot takes after the pose and the field of view
FRAMED_360_DEG = 90.0  # a panorama's own height would frame from inside the middle of the world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_world(parser)
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="OUT", help="what to write")
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
    where.add_argument("--path", type=Path, metavar="PATH.json", help="draw each frame of a camera path")
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
    arguments.add_budgets(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object about the picture")


def run(args: argparse.Namespace) -> int:
    as_array = args.out.suffix == ".npy"
    if as_array and args.name not in ARRAY_PASSES:
        raise UserError(
            f"only the passes {' and '.join(ARRAY_PASSES)} can be written as .npy, not {args.name}"
        )
    if not args.out.parent.is_dir():
        raise UserError(f"{args.out.parent}: no such folder to write to")
    projection = PROJECTIONS[args.projection]
    size = args.size or DEFAULT_SIZES[projection]
    how = args.name, args.quality, not args.no_shadows, projection, args.ipd
    return _film(args, size, how) if args.path else _picture(args, size, projection, how)


def _picture(args: argparse.Namespace, size: tuple[int, int], projection: str, how: How) -> int:
    bad = BadChunks()
    world = open_chunks(args.world)
    with studio(world, size, args.vram, bad, args.ram) as place:
        pose = args.pose or _framed(world, size, projection, args)
        shot = place.shoot(pose, args.fov, *how)
        n_resident = place.scene.n_resident
        _write(args.out, args.name, shot, place)
    hit_fraction = float(frame.is_hit(shot.hits).mean())
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


def _film(args: argparse.Namespace, size: tuple[int, int], how: How) -> int:
    """Draw every frame of a path."""
    started = time.perf_counter()
    path = read_path(args.path)
    bad = BadChunks()
    world = open_chunks(args.world)
    n_unresolved = 0
    is_video = args.out.suffix.lower() == ".mp4"
    with ExitStack() as open_things:
        name_of = None if is_video else film.frame_names(args.out)
        add = open_things.enter_context(film.open_mp4(args.out, size, path.fps)) if is_video else None
        place = open_things.enter_context(studio(world, size, args.vram, bad, args.ram))
        show = open_things.enter_context(progress.shown(silent=args.json))
        for i, key in enumerate(path.poses()):
            shot = place.shoot(key.pose, key.fov_deg, *how)
            n_unresolved += shot.report.feedback.n_unresolved
            if add:
                add(shot.picture)
            if name_of:
                _write(name_of(i), args.name, shot, place)
            show("frames", i + 1, path.n_frames)
    facts = {
        "frames": path.n_frames,
        "size": list(size),
        "fps": path.fps,
        "unresolved_pixels": n_unresolved,
        "seconds": time.perf_counter() - started,
    }
    if args.json:
        print(json.dumps(facts))
    else:
        print(f"{args.out}: {path.n_frames:,} frames at {path.fps:g} fps, {facts['seconds']:.1f} s")
    return bad.exit_code()


def read_path(file: Path) -> CameraPath:
    """A path file. Raises UserError."""
    try:
        return path_file.load(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{file}: {shown(error)}") from None


def _framed(world: ChunkSource, size: tuple[int, int], projection: str, args: argparse.Namespace) -> Pose:
    """Where to stand when no pose is given: so that each eye sees the world."""
    turn = args.orbit[0] / args.orbit[1] if args.orbit else 0.0
    width, height = size
    if projection == "equirect":
        return framed_pose(world, (height, height), FRAMED_360_DEG, turn)
    return framed_pose(
        world, (max(width // 2, 1) if projection == "stereo" else width, height), args.fov, turn
    )


def _write(out: Path, name: str, shot: Shot, place: Studio) -> None:
    """Write the picture, or the pass as an array. Raises UserError."""
    if out.suffix != ".npy":
        save_picture(out, shot.picture, with_alpha=name in ("uvw", "albedo"))
        return
    scene = place.scene
    array = (
        frame.depth_m(shot.hits, scene.voxel_size_m)
        if name == "depth"
        else frame.uvw_rgba(shot.hits, scene.root.corner_voxel)
    )
    try:
        np.save(out, array, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{out}: cannot write this array ({error})") from None
