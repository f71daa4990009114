"""Tell how faithful a world is to the scene it was baked from.

Both are drawn from the same cameras and compared: PSNR, SSIM, distance, coverage. Splats are drawn by an
exact splatter, points and voxel files as cubes, meshes by rays; the world by Voxtide's renderer, unlit. The
cameras stand on all sides, framed; another --seed gives others. Posed RGB-D is compared with its own frames.
Where the source lies is read from the world.

-o draws a sheet (source, world, difference); --report writes sheet, table and what is lost into a folder.
docs/fidelity.md says how to read the figures.
"""

import argparse
import json
from pathlib import Path

from ..errors import UserError
from . import arguments
from .reporting import BadChunks

DEFAULT_SIZE = (640, 360)
DEFAULT_VIEWS = 8
MAX_VIEWS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", metavar="WORLD", help="a baked world (.vxt)")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the scene's file that it was baked from")
    add = parser.add_argument
    add("--views", type=arguments.count, default=DEFAULT_VIEWS, metavar="N", help="cameras (default 8)")
    add(
        "--size",
        type=arguments.size,
        default=DEFAULT_SIZE,
        metavar="WxH",
        help="pixels of a view (default 640x360)",
    )
    add("--seed", type=arguments.natural, default=0, metavar="N", help="which cameras (default 0)")
    add("-o", "--out", type=Path, metavar="SHEET.png", help="draw both and their difference, side by side")
    add("--report", type=Path, metavar="DIR", help="write report.md, report.json and sheet.png there")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from .. import progress
    from ..fidelity import report
    from ..fidelity.compare import compare, facts, overall
    from ..fidelity.provenance import asked_of
    from ..fidelity.sheet import sheet
    from ..opening import open_baked
    from ..shot import save_picture
    from ..sources import open_source

    if args.views > MAX_VIEWS:
        raise UserError(f"--views {args.views}: at most {MAX_VIEWS:,}")
    if args.out and not args.out.parent.is_dir():
        raise UserError(f"{args.out.parent}: no such folder to write to")
    bad = BadChunks()
    world = open_baked(args.world)
    source = open_source(args.source, asked_of(world.meta, args.source))
    with progress.shown(silent=args.json) as show:
        found = compare(world, source, args.views, args.size, args.seed, on_bad=bad, progress=show)
    if args.out:
        save_picture(args.out, sheet(found), with_alpha=False)
    if args.report:
        report.write(args.report, found, Path(args.world).name)
    if args.json:
        print(json.dumps({"world": Path(args.world).name, **facts(found)}))
        return bad.exit_code()
    mean = overall(found)
    print(f"{args.world}: {len(found.views)} views against {args.source.name}, means over the views")
    for key, (name, digits) in report.NAMES.items():
        value = mean[key]
        print(f"  {name:44} {'-' if value is None else f'{value:.{digits}f}':>8}")
    return bad.exit_code()
