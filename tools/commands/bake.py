"""Turn a scene into a world: Gaussian splats, point clouds or voxel files into chunks at every level.

A Gaussian becomes the voxels that its ellipsoid covers. Each voxel adds up the opacity it receives, and is
kept when that reaches --threshold. Floaters are left out by two rules: Gaussians fainter than --min-opacity,
and Gaussians whose largest sigma is above --max-scale. Formats: splat .ply of every layout, compressed .ply,
.splat, .spz; coloured points in .ply and .pcd; MagicaVoxel .vox.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", type=Path, help="the scene's file")
    parser.add_argument("out", metavar="OUT.vxt", type=Path, help="folder to write the world to")
    add = parser.add_argument
    add("--voxel-size", type=arguments.positive, default=0.01, metavar="M", help="metres (default 0.01)")
    add(
        "--up",
        choices=("auto", "z", "y", "-y"),
        default="auto",
        help="the source's up axis (auto: -y for splats, z for points and voxels); write --up=-y",
    )
    add(
        "--scale",
        type=arguments.positive,
        metavar="M",
        help="metres per source unit (default 1; a .vox cell is one voxel)",
    )
    add("--at", type=arguments.triple, default=(0.0, 0.0, 0.0), metavar="X,Y,Z", help="move by this, metres")
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
    parser.add_argument("-f", "--overwrite", action="store_true", help="replace the world that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from .. import progress
    from ..bake import BakeOptions, bake
    from ..sources import open_source

    options = BakeOptions(
        voxel_size_m=args.voxel_size,
        up=args.up,
        scale=args.scale,
        at=args.at,
        bounds_m=args.bounds,
        n_levels=args.levels,
        codec=args.codec,
        threshold=args.threshold,
        min_opacity=args.min_opacity,
        max_scale_m=args.max_scale,
        overwrite=args.overwrite,
    )
    source = open_source(args.source)
    with progress.shown(silent=args.json) as show:
        report = bake(source, args.out, options, show)
    if args.json:
        print(json.dumps(asdict(report)))
        return 0
    print(
        f"{args.out}: {report.voxels:,} voxels, {sum(report.chunks):,} chunks, {len(report.chunks)} levels, "
        f"{report.bytes / 1e6:.2f} MB ({report.bits_per_voxel:.1f} bits a voxel), {report.seconds:.1f} s"
    )
    if any(report.dropped.values()):
        print("  left out: " + ", ".join(f"{n:,} {why}" for why, n in report.dropped.items() if n))
    return 0
