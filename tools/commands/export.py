"""Write a world, or a part of it, for other tools; the name of OUT says the format.

.ome.zarr   OME-Zarr 0.5 with levels: neuroglancer, napari, tensorstore, zarr
.glb        the surface as a mesh with colours: Blender, browsers, trimesh
.ply        a point per surface voxel; .splat.ply or --gaussians: a Gaussian each
.vox        MagicaVoxel, in models of 256 voxels, at most 255 colours
.png        one region as a 4096 x 4096 image, and OUT.bitmap beside it
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("world", metavar="WORLD", help="a baked world (.vxt)")
    add("out", metavar="OUT", type=Path, help="what to write, ending as above")
    add("--level", type=arguments.natural, default=0, metavar="L", help="level of detail (0, the finest)")
    add(
        "--bounds",
        type=arguments.box,
        metavar="X0,Y0,Z0,X1,Y1,Z1",
        help="only voxels whose centre lies in this box, world metres; write --bounds=-1,...",
    )
    add(
        "--region",
        type=arguments.region,
        metavar="X,Y,Z",
        help="only this region of the level; --region=-1,...",
    )
    add("--gaussians", action="store_true", help="a .ply of Gaussians instead of points")
    add("-f", "--overwrite", action="store_true", help="replace what an export wrote there before")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from .. import progress
    from ..export import ExportOptions, export
    from ..opening import open_baked

    options = ExportOptions(args.level, args.bounds, args.region, args.gaussians, args.overwrite)
    with progress.shown(silent=args.json) as show:
        report = export(open_baked(args.world), args.out, options, show)
    if args.json:
        print(json.dumps(asdict(report) | {"files": [str(f) for f in report.files]}))
        return 0
    facts = ", ".join(f"{v:,} {k}" for k, v in report.facts.items() if type(v) is int)
    print(
        f"{' and '.join(map(str, report.files))}: {report.format}, {report.voxels:,} voxels of level "
        f"{report.level}{', ' + facts if facts else ''}, {report.bytes / 1e6:.2f} MB, {report.seconds:.1f} s"
    )
    if report.facts.get("exact_colours") is False:
        print(f"  {report.facts['colours']:,} colours became {report.facts['palette']}: a .vox holds no more")
    if report.facts.get("beyond_the_editor"):
        print("  it reaches beyond what MagicaVoxel's editor shows, 1,000 voxels around the origin")
    return 0
