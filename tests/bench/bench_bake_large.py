"""A bake of 10 million Gaussians in Lyra 2's layout, as JSON: bench_bake_large.py [SCENE] [--n N]

The scene is tiled from SCENE by make_splats.py: N Gaussians, and a tenth of that, to see whether memory
follows their number. Voxels of 2 cm. Every run is a process of its own, with its workers; cpu_s is of them
all, which other work on the machine changes less than seconds.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from make_splats import make
from voxtide.tools.bake import BakeOptions, Resources, bake
from voxtide.tools.sources import open_source

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "biker.compressed.ply"


def one_run(scene: Path, out: Path, n_jobs: int, sender) -> None:
    """Bake, and send the figures."""
    began = time.perf_counter()
    source = open_source(scene)
    report = asdict(bake(source, out, BakeOptions(voxel_size_m=0.02), means=Resources(n_jobs=n_jobs)))
    seconds = time.perf_counter() - began
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    user_s = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    sender.send(
        {
            "n_items": source.n_items,
            "n_jobs": n_jobs,
            "seconds": round(seconds, 2),
            "items_per_s": round(source.n_items / seconds),
            "cpu_s": round(user_s, 2),
            "items_per_cpu_s": round(source.n_items / user_s),
            "peak_rss_mib": round(report["peak_rss_bytes"] / 2**20, 1),
            "voxels": report["voxels"],
            "stages_s": {name: round(s, 2) for name, s in report["stages_s"].items()},
            "load_1min": round(os.getloadavg()[0], 1),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", nargs="?", type=Path, default=SHIPPED)
    parser.add_argument("--n", type=int, default=10_000_000)
    asked = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (asked.n // 10, asked.n):
            scene = Path(folder) / f"{n}.ply"
            make(asked.scene, scene, n)
            for n_jobs in (1, 2):
                receiver, sender = spawn.Pipe(duplex=False)
                out = Path(folder) / f"{n}.{n_jobs}.vxt"
                child = spawn.Process(target=one_run, args=(scene, out, n_jobs, sender))
                child.start()
                child.join()
                runs.append(receiver.recv())
            scene.unlink()
    growth = {
        f"jobs_{j}": runs[2 + i]["peak_rss_mib"] / runs[i]["peak_rss_mib"] for i, j in enumerate((1, 2))
    }
    print(json.dumps({"runs": runs, "rss_growth": {k: round(v, 3) for k, v in growth.items()}}))


if __name__ == "__main__":
    main()
