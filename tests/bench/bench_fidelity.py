"""How faithful baked splats are, as JSON: python tests/bench/bench_fidelity.py [SCENE] [--views N]

Bakes a scene of Gaussians at a voxel of half a pixel (the median over what the cameras see), compares it with
the exact splatter, and does the same with the baseline: only the voxels that hold the Gaussians' centres.
Both are seen by the same cameras. --report DIR keeps both reports and sheets.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.bake_options import checked, place
from voxtide.tools.fidelity import baseline, report, splats
from voxtide.tools.fidelity.cameras import Camera, around
from voxtide.tools.fidelity.compare import Comparison, compare, overall
from voxtide.tools.shot import body
from voxtide.tools.sources import Source, open_source


def cameras_of(
    source: Source, n_views: int, size: tuple[int, int], folder: Path, seed: int
) -> tuple[tuple[Camera, ...], float]:
    """Cameras around the scene, and half a pixel in metres: the median over what they see."""
    coarse = BakeOptions(voxel_size_m=0.02)
    bake(source, folder / "coarse.vxt", coarse)
    cameras = around(*body(open_world(folder / "coarse.vxt")), n_views, size, seed)
    scene = splats.gather(source.batches(1 << 17), place(checked(coarse, source)))
    seen = [(splats.draw(scene, c), c) for c in cameras]
    pixels_m = [(p.depth_m / c.ray_lengths() / c.focal[1])[np.isfinite(p.depth_m)] for p, c in seen]
    return tuple(cameras), float(f"{np.median(np.concatenate(pixels_m)) / 2:.3g}")


def figures(found: Comparison, began: float) -> dict:
    told = {name: round(value, 4) for name, value in overall(found).items() if value is not None}
    return told | {"compare_s": round(time.perf_counter() - began, 2)}


def measure(
    scene: Path,
    n_views: int = 16,
    width: int = 320,
    seed: int = 0,
    voxel_m: float | None = None,
    threshold: float = 0.5,
    reports: Path | None = None,
) -> dict:
    """The figures of the bake and of its baseline, seen by the same cameras."""
    source, size = open_source(scene), (width, width * 9 // 16)
    out: dict = {"scene": scene.name, "views": n_views, "size": list(size), "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        cameras, half_m = cameras_of(source, n_views, size, Path(folder), seed)
        options = BakeOptions(voxel_size_m=voxel_m or half_m, threshold=threshold)
        out["voxel_size_m"] = options.voxel_size_m
        known = checked(options, source)
        kinds = {
            "bake": (source, options),
            "centres": (baseline.centres(source, options), replace(options, up=known.up, scale=known.scale)),
        }
        for name, (of, how) in kinds.items():
            done = bake(of, Path(folder) / f"{name}.vxt", how)
            began = time.perf_counter()
            world = open_world(Path(folder) / f"{name}.vxt")
            found = compare(world, source, n_views, size, cameras=cameras)
            out[name] = {"voxels": done.voxels, **figures(found, began)}
            if reports:
                report.write(reports / name, found, f"{name}.vxt")
    out["gain_db"] = round(out["bake"]["psnr_db"] - out["centres"]["psnr_db"], 3)
    out["gain_covered_db"] = round(out["bake"]["psnr_covered_db"] - out["centres"]["psnr_covered_db"], 3)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shipped = Path(__file__).resolve().parents[2] / "assets" / "biker.compressed.ply"
    parser.add_argument("scene", nargs="?", type=Path, default=shipped)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="other cameras")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--voxel-size", type=float)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--report", type=Path)
    a = parser.parse_args()
    print(json.dumps(measure(a.scene, a.views, a.width, a.seed, a.voxel_size, a.threshold, a.report)))


if __name__ == "__main__":
    main()
