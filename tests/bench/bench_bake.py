"""How fast a bake is, as JSON: python tests/bench/bench_bake.py [SCENE] [--voxel-size M] [--repeat N]

Every run is a process of its own, as a user's is: it opens, reads, voxelises, writes and fsyncs. Stages are
those of the best run; items_per_s is of the median one, and counts every item of the file, dropped ones too.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.sources import open_source


def one_run(scene: str, voxel_size_m: float) -> dict:
    """Bake into a temporary folder; `seconds` is from opening the source to the finished world."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        source = open_source(Path(scene))
        report = bake(source, Path(folder) / "world", BakeOptions(voxel_size_m=voxel_size_m))
        return asdict(report) | {"n_items": source.n_items, "seconds": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shipped = Path(__file__).resolve().parents[2] / "assets" / "biker.compressed.ply"
    parser.add_argument("scene", nargs="?", default=str(shipped))
    parser.add_argument("--voxel-size", type=float, default=0.01)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        runs = [pool.apply(one_run, (asked.scene, asked.voxel_size)) for _ in range(asked.repeat)]
    best = min(runs, key=lambda run: run["seconds"])
    seconds = sorted(run["seconds"] for run in runs)
    best |= {
        "scene": Path(asked.scene).name,
        "voxel_size_m": asked.voxel_size,
        "items_per_s": best["n_items"] / seconds[len(seconds) // 2],
        "best_items_per_s": best["n_items"] / best["seconds"],
        "median_s": seconds[len(seconds) // 2],
        "cpus": os.cpu_count(),
        "load_1min": os.getloadavg()[0],
    }
    print(json.dumps(best))


if __name__ == "__main__":
    main()
