"""How fast exports are, as JSON: python tests/bench/bench_export.py [WORLD]

Every export is a process of its own, so that peak_rss_bytes is its own. Without WORLD, the shipped scan at
5 mm is baked first. voxels_per_s counts the voxels that are in the export; a surface's are fewer.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
from pathlib import Path

from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.export import FORMATS, ExportOptions, export
from voxtide.tools.sources import open_source

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "biker.compressed.ply"


def bake_shipped(world: str) -> None:
    """In a process of its own: a child's peak begins at its parent's."""
    bake(open_source(SHIPPED), Path(world), BakeOptions(voxel_size_m=0.005))


def one_run(world: str, suffix: str) -> dict:
    opened = open_world(Path(world))
    region = opened.regions[0].region if suffix == ".png" else None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"export{suffix}"
        report = export(opened, out, ExportOptions(region=region), lambda *_: None)
    return {
        "seconds": report.seconds,
        "voxels_per_s": report.voxels / report.seconds,
        "bytes": report.bytes,
        "peak_rss_bytes": report.peak_rss_bytes,
        **{k: v for k, v in report.facts.items() if type(v) is int},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", nargs="?")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = asked.world or str(Path(folder) / "biker.vxt")
        figures = {}
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            if not asked.world:
                pool.apply(bake_shipped, (world,))
            for suffix in FORMATS:
                figures[suffix] = pool.apply(one_run, (world, suffix))
    figures["load_1min"] = os.getloadavg()[0]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
