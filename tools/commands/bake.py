"""Turn a scene into a world: splats, points, heights, volumes, meshes or voxels into chunks at every level.

A Gaussian becomes the voxels that its ellipsoid covers. Each voxel adds up the opacity it receives, and is
kept when that reaches --threshold. Floaters are left out by two rules: Gaussians fainter than --min-opacity,
and Gaussians whose largest sigma is above --max-scale. Formats: splat .ply of every layout, compressed .ply,
.splat, .spz, .sog (also its folders); coloured points in .ply, .pcd, .las, .laz, .npz; heights in .dem and
GeoTIFF; volumes in .npy, .npz, Zarr, .vdb; MagicaVoxel .vox; meshes in .glb, .gltf, .obj, .stl, .off and
.ply; folders of posed RGB-D (docs/rgbd.md). docs/sources.md says more.

`lyra:` is a scene that is generated from one picture (--image, --trajectory): docs/generators.md.
`procedural:island` is a scene without a file: an island of --size-km, another one for each --seed.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..bake import BakeOptions, BakeReport, Progress
from ..errors import UserError, shown
from . import arguments, generating

PREFIX, GENERATED = "procedural:", "lyra:"
DEFAULT_SIZE_KM, DEFAULT_SEED = 0.2, 1
ONLY_SCENES = {  # what only the voxeliser reads, and its defaults
    "up": "auto", "scale": None, "at": (0.0, 0.0, 0.0), "origin": None, "bounds": None,
    "threshold": 0.5, "min_opacity": 0.1, "max_scale": None,
    "pose_convention": None, "intrinsics": None, "depth_scale": None, "max_depth": None, "no_carve": False,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SRC", type=Path, help="the scene's file, procedural:island, or lyra:"
    )
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
    generating.add_arguments(parser)
    splats.add_argument(
        "--align",
        type=Path,
        metavar="CAMERAS.npz",
        help="of Lyra 2's reconstruction: put its .ply into the frame of --trajectory FILE",
    )
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="lyra: where its steps are kept (OUT.steps)"
    )
    made = parser.add_argument_group("procedural:island")
    made.add_argument(
        "--size-km", type=arguments.positive, metavar="KM", help="edge of its square (default 0.2)"
    )
    made.add_argument("--seed", type=arguments.natural, metavar="N", help="which island (default 1)")
    parser.add_argument("-f", "--overwrite", action="store_true", help="replace the world that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from .. import progress

    with progress.shown(silent=args.json) as show:
        report = _baked(args, show)
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


def _baked(args: argparse.Namespace, show: Progress) -> BakeReport:
    """By what kind of source it is."""
    if str(args.source) == GENERATED:
        from .generated import bake_generated

        return bake_generated(args, options_of(args), show)
    if args.image is not None:
        raise UserError(f"--image is for {GENERATED}: voxtide bake {GENERATED} --image ... {shown(args.out)}")
    return _procedural(args, show) if str(args.source).startswith(PREFIX) else _scene(args, show)


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
    from ..bake import bake
    from ..sources import is_recording, open_source
    from ..sources.rgbd import Asked, open_rgbd

    if args.seed is not None or args.size_km is not None:
        raise UserError(f"--size-km and --seed are for {PREFIX} worlds, like {PREFIX}island")
    asked = Asked(args.pose_convention, args.intrinsics, args.depth_scale)
    if args.align is not None:
        from ..lyra.reconstruction import open_reconstruction

        source = open_reconstruction(args.source, args.align, generating.open_way(args.trajectory, 16))
    elif is_recording(args.source):
        source = open_rgbd(args.source, asked, tell=lambda line: print(line, file=sys.stderr))
    elif asked != Asked():
        raise UserError("--pose-convention, --intrinsics and --depth-scale are for folders of posed RGB-D")
    else:
        source = open_source(args.source)
    return bake(source, args.out, options_of(args), show)


def options_of(args: argparse.Namespace) -> BakeOptions:
    """What a scene is baked with."""
    return BakeOptions(
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
