"""Tell what a world holds, or plan one that does not exist yet (--plan).

--plan needs no world: it prints the sizes, the working set and the bandwidth of a world of the given
area, height, voxel size and occupancy. The arithmetic is atlas/plan.py.
"""

import argparse
import json
from typing import Any

from ...atlas.plan import Question
from ..errors import UserError
from . import arguments

SHOWN_ENTITIES = 12

# flag, metavar, the field of atlas.plan.Question that it sets, what it means
QUESTIONS = (
    ("--area-km2", "KM2", "area_km2", "ground area"),
    ("--height-m", "M", "height_m", "height of the volume"),
    ("--voxel-size", "M", "voxel_size_m", "edge of a level-0 voxel"),
    ("--layers", "N", "surface_layers", "layers of voxels that the surface is worth"),
    ("--occupancy", "F", "occupancy", "fraction of the volume that is occupied, instead of --layers"),
    ("--levels", "N", "n_levels", "levels of detail"),
    ("--speed", "M/S", "speed_m_s", "of walking"),
    ("--radius-m", "M", "radius_m", "how far the finest level reaches"),
    ("--fps", "HZ", "frames_per_s", "frames per second"),
    ("--fov", "DEG", "fov_y_deg", "vertical field of view"),
    ("--vram", "BYTES", "vram_bytes", "memory for chunks"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", metavar="WORLD", nargs="?", help="a baked world (.vxt)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    plan = parser.add_argument_group("planning (with --plan)")
    plan.add_argument("--plan", action="store_true", help="plan a world instead of reading one")
    for flag, metavar, field, text in QUESTIONS:
        default = Question.__dataclass_fields__[field].default
        shown = "" if default is None else f" (default {default:g})"
        plan.add_argument(
            flag, type=arguments.positive, default=default, dest=field, metavar=metavar, help=text + shown
        )
    plan.add_argument(
        "--size", type=arguments.size, default=(1920, 1080), metavar="WxH", help="screen, pixels"
    )


def run(args: argparse.Namespace) -> int:
    if args.plan:
        if args.world:
            raise UserError("--plan plans a world that does not exist: leave WORLD out")
        return _plan(args)
    if not args.world:
        raise UserError("name a world, or use --plan; `voxtide info --help` tells more")
    facts = _facts(args.world)
    if args.json:
        print(json.dumps(facts))
    else:
        _print(args.world, facts)
    return 0


def _facts(path: str) -> dict[str, Any]:
    from ...streamer.metadata import FORMAT
    from ..opening import open_baked

    world = open_baked(path)
    meta, regions = world.meta, world.regions
    level0 = [r for r in regions if r.level == 0]
    return {
        "format": f"voxtide {FORMAT}",
        "voxel_size_m": meta.voxel_size_m,
        "levels": meta.n_levels,
        "bounds_voxels": [list(corner) for corner in meta.bounds_voxels],
        "voxels": sum(r.n_voxels for r in level0),
        "chunks": [sum(r.n_chunks for r in regions if r.level == k) for k in range(meta.n_levels)],
        "regions": len(regions),
        "bytes": sum(r.n_bytes for r in regions),
        "planes": {name: _plane(regions, name) for name in meta.planes},
        "entities": {str(i): name for i, name in sorted(meta.entities.items())},
        "codec": meta.codec,
        "sources": list(meta.sources),
    }


def _plane(regions: Any, name: str) -> dict[str, int]:
    """How much of an attribute there is."""
    records = [p for r in regions for p in r.planes if p.plane == name]
    return {
        "values": sum(p.n_voxels for p in records if p.level == 0),
        "bytes": sum(p.n_bytes for p in records),
    }


def _print(path: str, facts: dict[str, Any]) -> None:
    lo, hi = facts["bounds_voxels"]
    extent = " x ".join(f"{(b - a) * facts['voxel_size_m']:.2f}" for a, b in zip(lo, hi, strict=True))
    n_bits = 8 * facts["bytes"] / max(facts["voxels"], 1)
    print(f"{path}: {facts['format']}")
    print(f"  extent   {extent} m, voxels of {facts['voxel_size_m'] * 100:g} cm, {facts['levels']} levels")
    print(f"  voxels   {facts['voxels']:,} at level 0")
    print(f"  chunks   {sum(facts['chunks']):,} ({', '.join(f'{n:,}' for n in facts['chunks'])})")
    print(
        f"  on disk  {facts['bytes'] / 1e6:.2f} MB in {facts['regions']} regions, {facts['codec']}, "
        f"{n_bits:.1f} bits per voxel, all levels"
    )
    for name, held in facts["planes"].items():
        print(f"  {name:<8} {held['values']:,} voxels at level 0, {held['bytes'] / 1e6:.2f} MB")
    if facts["entities"]:
        names = [f"{i} {name}" for i, name in facts["entities"].items()]
        more = f" and {len(names) - SHOWN_ENTITIES:,} more (--json)" if len(names) > SHOWN_ENTITIES else ""
        print(f"  entities {', '.join(names[:SHOWN_ENTITIES])}{more}")
    for source in facts["sources"]:
        print(f"  source   {', '.join(f'{k}: {v}' for k, v in source.items() if not isinstance(v, dict))}")


def _plan(args: argparse.Namespace) -> int:
    from ..plan_report import report

    fields = {field: getattr(args, field) for _, _, field, _ in QUESTIONS}
    fields["n_levels"] = int(fields["n_levels"])
    try:
        question = Question(**fields, screen_width_px=args.size[0], screen_height_px=args.size[1])
    except ValueError as error:
        raise UserError(str(error)) from None
    print(report(question, args.json))
    return 0
