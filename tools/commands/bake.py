"""Turn scenes into a world: splats, points, heights, volumes, meshes, voxels, RGB-D; chunks at every level.

A Gaussian becomes the voxels that its ellipsoid covers. Each voxel adds up the opacity it receives, and is
kept when that reaches --threshold. Floaters are left out by two rules: Gaussians fainter than --min-opacity,
and Gaussians whose largest sigma is above --max-scale. Formats: splat .ply of every layout, compressed .ply,
.splat, .spz, .sog (also its folders); coloured points in .ply, .pcd, .las, .laz, .npz; heights in .dem and
GeoTIFF; volumes in .npy, .npz, Zarr, .vdb; MagicaVoxel .vox; meshes in .glb, .gltf, .obj, .stl, .off and
.ply; folders of posed RGB-D (docs/rgbd.md). docs/sources.md says more.

Several scenes come into one world: --up, --scale, --rotate, --origin and --at are then given once for all of
them, or once for each, in their order. `procedural:island` is a scene without a file: an island of --size-km,
another one for each --seed.

`lyra:` is a scene that is generated from one picture (--image, --trajectory): docs/generators.md.

A bake that was interrupted goes on when the same command is repeated. On many machines that share a file
system, run the command once with each of --task 0/N ... N-1/N, in any order; then `voxtide bake --finish
OUT.vxt`. However it is cut up, the world has the same bytes.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..bake import BakeOptions, BakeReport, Progress, Resources, TaskReport
from ..errors import UserError
from ..sources.source import Source
from . import arguments, generating

PREFIX, GENERATED = "procedural:", "lyra:"
DEFAULT_SIZE_KM, DEFAULT_SEED = 0.2, 1
ONLY_SCENES = {  # what only the voxeliser reads, and its defaults
    "up": None, "scale": None, "at": None, "origin": None, "rotate": None, "bounds": None,
    "threshold": 0.5, "min_opacity": 0.1, "max_scale": None, "task": None, "report": None,
    "pose_convention": None, "intrinsics": None, "depth_scale": None, "max_depth": None, "no_carve": False,
}  # fmt: skip
PLACES = ("up", "scale", "rotate", "origin", "at")  # once for all scenes, or once for each
DEFAULT_MEMORY = 2 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="SRC [SRC ...] OUT.vxt",
        type=Path,
        help="the scenes' files, procedural:island, or lyra:; last, the folder to write the world to",
    )
    add = parser.add_argument
    add("--voxel-size", type=arguments.positive, default=0.01, metavar="M", help="metres (default 0.01)")
    add(
        "--bounds",
        type=arguments.box,
        metavar="X0,Y0,Z0,X1,Y1,Z1",
        help="keep only this box, world metres (z up); write --bounds=-1,...",
    )
    add("--levels", type=arguments.count, metavar="N", help="levels of detail (default: as the size needs)")
    add("--codec", choices=("zstd", "lz4"), default="zstd", help="zstd is smaller, lz4 decodes faster")
    _add_places(parser.add_argument_group("where a scene lies (once for all, or once for each, in order)"))
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
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="lyra: where its steps are kept (OUT.steps)"
    )
    splats.add_argument(
        "--align",
        type=Path,
        metavar="CAMERAS.npz",
        help="of Lyra 2's reconstruction: put its .ply into the frame of --trajectory FILE",
    )
    made = parser.add_argument_group("procedural:island")
    made.add_argument(
        "--size-km", type=arguments.positive, metavar="KM", help="edge of its square (default 0.2)"
    )
    made.add_argument("--seed", type=arguments.natural, metavar="N", help="which island (default 1)")
    _add_means(parser.add_argument_group("what the bake may take, and who does it (the world is the same)"))
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="then compare the world with the scene, and write report.md, report.json and sheet.png there",
    )
    parser.add_argument("-f", "--overwrite", action="store_true", help="replace the world that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_places(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--up",
        choices=("auto", "z", "y", "-y"),
        action="append",
        help="the source's up axis (auto: -y for splats, y for .glb and .obj, else z); write --up=-y",
    )
    group.add_argument(
        "--scale",
        type=arguments.positive,
        metavar="M",
        action="append",
        help="metres per source unit (default 1; a .vox cell is one voxel)",
    )
    group.add_argument(
        "--rotate",
        type=arguments.triple,
        metavar="X,Y,Z",
        action="append",
        help="then turn by degrees about the world's x, then y, then z axis; write --rotate=-90,0,0",
    )
    group.add_argument(
        "--origin",
        type=arguments.triple,
        metavar="X,Y,Z",
        action="append",
        help="the source's point that comes to lie at --at, in its own units (default 0,0,0; scans and maps "
        "that lie over 10 km away: whole thousands near them, see `info`; --origin 0,0,0 keeps theirs)",
    )
    group.add_argument(
        "--at", type=arguments.triple, metavar="X,Y,Z", action="append", help="then move by this, metres"
    )


def _add_means(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--memory",
        type=arguments.n_bytes,
        default=DEFAULT_MEMORY,
        metavar="SIZE",
        help="memory for all workers together, like 512M (2G); what is more goes to disk",
    )
    group.add_argument("--jobs", type=arguments.count, default=1, metavar="N", help="processes (1)")
    group.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="folder for temporary files (default: in OUT.vxt, while it is baked)",
    )
    group.add_argument(
        "--task",
        type=arguments.task,
        metavar="I/N",
        help="do one N-th of the reading, I from 0, and stop; for array jobs",
    )
    group.add_argument(
        "--finish", action="store_true", help="with OUT.vxt alone: all tasks have ended, write the world"
    )
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="let a Ray cluster do it: its address, auto, or local for --jobs workers here",
    )


def run(args: argparse.Namespace) -> int:
    from .. import progress

    *args.sources, args.out = args.paths
    with progress.shown(silent=args.json) as show:
        report = _chosen(args)(args, show)
    if args.json:
        print(json.dumps(asdict(report)))
    elif isinstance(report, TaskReport):
        before = f", {report.spans_before:,} of them earlier" if report.spans_before else ""
        print(f"task {report.task}: {report.spans:,} spans{before}, {report.seconds:.1f} s")
        print(f"  when all tasks have ended: voxtide bake --finish {args.out}")
    else:
        _tell(args.out, report)
    return 0


def _chosen(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    """Which of the ways to bake is asked for. UserError: none of them."""
    procedural = [str(path).startswith(PREFIX) for path in args.sources]
    if [str(path) for path in args.sources] == [GENERATED]:
        return _generated
    if args.image is not None:
        raise UserError(f"--image is for {GENERATED}: voxtide bake {GENERATED} --image ... {args.out}")
    if args.finish:
        if args.sources or args.task or args.report:
            raise UserError("--finish takes the world's folder alone: voxtide bake --finish OUT.vxt")
        return _finish
    if not args.sources:
        raise UserError("name a scene and, last, the folder for its world: voxtide bake SRC OUT.vxt")
    if any(procedural) and len(procedural) > 1:
        raise UserError(f"a {PREFIX} world is baked alone: leave out the other scenes")
    return _procedural if procedural[0] else _scenes


def _generated(args: argparse.Namespace, show: Progress) -> BakeReport:
    """Generate a scene and bake it meanwhile."""
    from .generated import bake_generated

    if args.task or args.report:
        raise UserError(f"--task and --report are for scenes that exist, not for {GENERATED}")
    return bake_generated(args, _options(args, _places(args)[0]), _means(args), show)


def _tell(out: Path, report: BakeReport) -> None:
    print(
        f"{out}: {report.voxels:,} voxels, {sum(report.chunks):,} chunks, {len(report.chunks)} levels, "
        f"{report.bytes / 1e6:.2f} MB ({report.bits_per_voxel:.1f} bits a voxel), {report.seconds:.1f} s"
    )
    if report.plane_bytes:
        print(f"  attributes beside the colour: {report.plane_bytes / 1e6:.2f} MB")
    if any(report.dropped.values()):
        print("  left out: " + ", ".join(f"{n:,} {why}" for why, n in report.dropped.items() if n))


def _means(args: argparse.Namespace) -> Resources:
    return Resources(args.memory, args.jobs, args.scratch, args.ray)


def _finish(args: argparse.Namespace, show: Progress) -> BakeReport:
    """End a bake that tasks began."""
    from ..bake import finish

    return finish(args.out, show, _means(args))


def _check_report(args: argparse.Namespace, opened: list[Source]) -> None:
    """UserError, before a long bake, if its report cannot be made."""
    from ..fidelity.references import check

    if args.task or len(opened) > 1:
        raise UserError("--report compares one scene that is baked in one go: see `voxtide compare`")
    if args.report.exists() and not args.report.is_dir():
        raise UserError(f"--report {args.report} is a file: name a folder")
    check(opened[0])


def _compare(args: argparse.Namespace, source: Source, show: Progress) -> None:
    """Say how faithful the new world is."""
    from ...streamer.world import open_world
    from ..fidelity import report
    from ..fidelity.compare import compare
    from .compare import DEFAULT_SIZE, DEFAULT_VIEWS

    found = compare(open_world(args.out), source, DEFAULT_VIEWS, DEFAULT_SIZE, progress=show)
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
            str(args.sources[0]).removeprefix(PREFIX), seed, args.size_km or DEFAULT_SIZE_KM, args.voxel_size
        )
        world = ProceduralWorld(recipe)
    except ValueError as error:
        raise UserError(str(error)) from None
    return bake_regions(
        world,
        args.out,
        codec=args.codec,
        n_levels=args.levels,
        overwrite=args.overwrite,
        progress=show,
        means=_means(args),
    )


def _scenes(args: argparse.Namespace, show: Progress) -> BakeReport | TaskReport:
    """Bake scenes' files, or one task of that."""
    from ..bake import bake_task, bake_together

    if args.seed is not None or args.size_km is not None:
        raise UserError(f"--size-km and --seed are for {PREFIX} worlds, like {PREFIX}island")
    places = _places(args)
    opened = _opened(args)
    if args.report:
        _check_report(args, opened)
    sources = [(source, _options(args, place)) for source, place in zip(opened, places, strict=True)]
    if args.task:
        return bake_task(sources, args.out, args.task, show, _means(args))
    report = bake_together(sources, args.out, show, _means(args))
    if args.report:
        _compare(args, opened[0], show)
    return report


def _opened(args: argparse.Namespace) -> list[Source]:
    """The scenes. UserError: one cannot be read, or a flag is for recordings and none is there."""
    from ..sources import is_recording, open_source
    from ..sources.rgbd import Asked, aloud, open_rgbd

    asked = Asked(args.pose_convention, args.intrinsics, args.depth_scale)
    if args.align is not None:
        from ..lyra.reconstruction import open_reconstruction

        if len(args.sources) > 1 or args.task or not _means(args).in_process:
            raise UserError("--align is for one scene that is baked by one process")
        return [open_reconstruction(args.sources[0], args.align, generating.open_way(args.trajectory, 16))]
    recordings = [is_recording(path) for path in args.sources]
    if asked != Asked() and not any(recordings):
        raise UserError("--pose-convention, --intrinsics and --depth-scale are for folders of posed RGB-D")
    return [
        open_rgbd(path, asked, aloud) if recorded else open_source(path)
        for path, recorded in zip(args.sources, recordings, strict=True)
    ]


def _places(args: argparse.Namespace) -> list[dict[str, object]]:
    """Where each scene lies. UserError: a flag given neither once nor once for each."""
    n = len(args.sources)
    found: list[dict[str, object]] = [{} for _ in range(n)]
    for name in PLACES:
        values = getattr(args, name) or []
        if len(values) not in (0, 1, n):
            raise UserError(
                f"--{name} is given {len(values)} times for {n} scenes: once for all, or for each"
            )
        for i, place in enumerate(found):
            if values:
                place[name] = values[i % len(values)]
    return found


def _options(args: argparse.Namespace, place: dict[str, object]) -> BakeOptions:
    return BakeOptions(
        voxel_size_m=args.voxel_size,
        bounds_m=args.bounds,
        n_levels=args.levels,
        codec=args.codec,
        threshold=args.threshold,
        min_opacity=args.min_opacity,
        max_scale_m=args.max_scale,
        max_depth_m=args.max_depth,
        carve=not args.no_carve,
        overwrite=args.overwrite,
        **place,  # type: ignore[arg-type]
    )
