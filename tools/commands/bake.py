"""Turn a scene into a world: splats, points, heights, volumes, meshes or voxels into chunks at every level.

A Gaussian becomes the voxels that its ellipsoid covers. Each voxel adds up the opacity it receives, and is
kept when that reaches --threshold. Floaters are left out by two rules: Gaussians fainter than --min-opacity,
and Gaussians whose largest sigma is above --max-scale. Formats: splat .ply of every layout, compressed .ply,
.splat, .spz, .sog (also its folders); coloured points in .ply, .pcd, .las, .laz, .npz; heights in .dem and
GeoTIFF; volumes in .npy, .npz, Zarr, .vdb; MagicaVoxel .vox; meshes in .glb, .gltf, .obj, .stl, .off and
.ply; folders of posed RGB-D (docs/rgbd.md). docs/sources.md says more.

`procedural:island` is a scene without a file: an island of --size-km, another one for each --seed.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..bake import BakeReport, Progress
from ..errors import UserError
from . import arguments

if TYPE_CHECKING:
    from ..sources import Source

PREFIX = "procedural:"
DEFAULT_SIZE_KM, DEFAULT_SEED = 0.2, 1
ONLY_SCENES = {  # what only the voxeliser reads, and its defaults
    "up": "auto", "scale": None, "at": (0.0, 0.0, 0.0), "origin": None, "bounds": None,
    "threshold": 0.5, "min_opacity": 0.1, "max_scale": None, "report": None,
    "pose_convention": None, "intrinsics": None, "depth_scale": None, "max_depth": None, "no_carve": False,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", type=Path, help="the scene's file, or procedural:island")
    parser.add_argument("out", metavar="OUT.vxt", type=Path, help="folder to write the world to")
    add = parser.add_argument
    add("--voxel-size", type=arguments.positive, default=0.01, metavar="M", help="metres (default 0.01)")
    add(
        "--up",
        choices=("auto", "z", "y", "-y"),
        default="auto",
        help="the source's up axis (auto: -y for splats, y for .glb and .obj, else z); write --up=-y",
    )
    add(
        "--scale",
        type=arguments.positive,
        metavar="M",
        help="metres per source unit (default 1; a .vox cell is one voxel)",
    )
    add("--at", type=arguments.triple, default=(0.0, 0.0, 0.0), metavar="X,Y,Z", help="move by this, metres")
    add(
        "--origin",
        type=arguments.triple,
        metavar="X,Y,Z",
        help="the source's point that comes to lie at --at, in its own units (default 0,0,0; scans and maps "
        "that lie over 10 km away: whole thousands near them, see `info`; --origin 0,0,0 keeps theirs)",
    )
    add(
        "--bounds",
        type=arguments.box,
        metavar="X0,Y0,Z0,X1,Y1,Z1",
        help="keep only this box, world metres (z up); write --bounds=-1,...",
    )
    add("--levels", type=arguments.count, metavar="N", help="levels of detail (default: as the size needs)")
    add("--codec", choices=("zstd", "lz4"), default="zstd", help="zstd is smaller, lz4 decodes faster")
    splats = parser.add_argument_group("Gaussian splats")
    splats.add_argument(
        "--threshold",
        type=arguments.positive,
        default=0.5,
        metavar="A",
        help="opacity of a solid voxel (0.5)",
    )
    splats.add_argument(
        "--min-opacity", type=arguments.number, default=0.1, metavar="A", help="drop fainter Gaussians (0.1)"
    )
    splats.add_argument(
        "--max-scale",
        type=arguments.positive,
        metavar="M",
        help="drop Gaussians with a larger sigma, metres "
        "(default: from the scene: far larger than usual and than its surroundings)",
    )
    rgbd = parser.add_argument_group("posed RGB-D (a folder)")
    rgbd.add_argument(
        "--pose-convention", choices=("c2w", "w2c"), help="poses are camera to world or world to camera"
    )
    rgbd.add_argument(
        "--intrinsics", type=arguments.quad, metavar="FX,FY,CX,CY", help="of the depth images, pixels"
    )
    rgbd.add_argument(
        "--depth-scale",
        type=arguments.positive,
        metavar="N",
        help="depth units per metre (default: the layout's)",
    )
    rgbd.add_argument(
        "--max-depth", type=arguments.positive, metavar="M", help="leave out what is farther, metres"
    )
    rgbd.add_argument("--no-carve", action="store_true", help="keep what other frames saw through")
    made = parser.add_argument_group("procedural:island")
    made.add_argument(
        "--size-km", type=arguments.positive, metavar="KM", help="edge of its square (default 0.2)"
    )
    made.add_argument("--seed", type=arguments.natural, metavar="N", help="which island (default 1)")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="then compare the world with the scene, and write report.md, report.json and sheet.png there",
    )
    parser.add_argument("-f", "--overwrite", action="store_true", help="replace the world that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from .. import progress

    if args.report:
        _check_report(args)
    with progress.shown(silent=args.json) as show:
        report = _procedural(args, show) if str(args.source).startswith(PREFIX) else _scene(args, show)
        if args.report:
            _compare(args, show)
    if args.json:
        print(json.dumps(asdict(report)))
        return 0
    print(
        f"{args.out}: {report.voxels:,} voxels, {sum(report.chunks):,} chunks, {len(report.chunks)} levels, "
        f"{report.bytes / 1e6:.2f} MB ({report.bits_per_voxel:.1f} bits a voxel), {report.seconds:.1f} s"
    )
    if report.plane_bytes:
        print(f"  attributes beside the colour: {report.plane_bytes / 1e6:.2f} MB")
    if any(report.dropped.values()):
        print("  left out: " + ", ".join(f"{n:,} {why}" for why, n in report.dropped.items() if n))
    return 0


def _check_report(args: argparse.Namespace) -> None:
    """UserError, before a long bake, if its report cannot be made."""
    from ..fidelity.references import check

    if args.report.exists() and not args.report.is_dir():
        raise UserError(f"--report {args.report} is a file: name a folder")
    if not str(args.source).startswith(PREFIX):
        check(_opened(args))


def _compare(args: argparse.Namespace, show: Progress) -> None:
    """Say how faithful the new world is."""
    from ...streamer.world import open_world
    from ..fidelity import report
    from ..fidelity.compare import compare
    from .compare import DEFAULT_SIZE, DEFAULT_VIEWS

    found = compare(open_world(args.out), _opened(args), DEFAULT_VIEWS, DEFAULT_SIZE, progress=show)
    report.write(args.report, found, args.out.name)


def _procedural(args: argparse.Namespace, show: Progress) -> BakeReport:
    """Bake a world that is made by rule. UserError: no such world, or a flag that it does not know."""
    from ...streamer.procedural import ProceduralWorld, Recipe
    from ..bake_regions import bake_regions

    other = {name: getattr(args, name) for name in ONLY_SCENES}
    told = [f"--{name.replace('_', '-')}" for name, value in other.items() if value != ONLY_SCENES[name]]
    if told:
        raise UserError(f"{' and '.join(told)} mean nothing to a {PREFIX} world: leave them out")
    seed = DEFAULT_SEED if args.seed is None else args.seed
    try:
        recipe = Recipe(
            str(args.source).removeprefix(PREFIX), seed, args.size_km or DEFAULT_SIZE_KM, args.voxel_size
        )
        world = ProceduralWorld(recipe)
    except ValueError as error:
        raise UserError(str(error)) from None
    return bake_regions(
        world, args.out, codec=args.codec, n_levels=args.levels, overwrite=args.overwrite, progress=show
    )


def _scene(args: argparse.Namespace, show: Progress) -> BakeReport:
    """Bake a scene's file."""
    from ..bake import BakeOptions, bake

    if args.seed is not None or args.size_km is not None:
        raise UserError(f"--size-km and --seed are for {PREFIX} worlds, like {PREFIX}island")
    options = BakeOptions(
        voxel_size_m=args.voxel_size,
        up=args.up,
        scale=args.scale,
        at=args.at,
        origin=args.origin,
        bounds_m=args.bounds,
        n_levels=args.levels,
        codec=args.codec,
        threshold=args.threshold,
        min_opacity=args.min_opacity,
        max_scale_m=args.max_scale,
        max_depth_m=args.max_depth,
        carve=not args.no_carve,
        overwrite=args.overwrite,
    )
    return bake(_opened(args), args.out, options, show)


def _opened(args: argparse.Namespace) -> "Source":
    """The scene that a user names, opened as the flags say."""
    from ..sources import is_recording, open_source
    from ..sources.rgbd import Asked, open_rgbd

    asked = Asked(args.pose_convention, args.intrinsics, args.depth_scale)
    if is_recording(args.source):
        return open_rgbd(args.source, asked, tell=lambda line: print(line, file=sys.stderr))
    if asked != Asked():
        raise UserError("--pose-convention, --intrinsics and --depth-scale are for folders of posed RGB-D")
    return open_source(args.source)
