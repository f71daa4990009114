"""How fast triangles become voxels, as JSON: python tests/bench/bench_triangles.py [MESH] [--voxel-size M]

Without a mesh: a wrinkled ball of 82,418 triangles, a metre wide, each corner of its own colour. Reading and
merging are not counted.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from voxtide.tools.sources import Triangles, open_source
from voxtide.tools.voxelise import triangles
from voxtide.tools.voxelise.placement import Placement

N_SIDE = 203  # quads along each side of the ball's map: 2 * 203^2 triangles


def ball() -> Triangles:
    """A sphere with waves on it."""
    longitude = np.linspace(0, 2 * np.pi, N_SIDE + 1)
    latitude = np.linspace(0, np.pi, N_SIDE + 1)
    a, b = np.meshgrid(longitude, latitude, indexing="ij")
    radius = 0.5 + 0.02 * np.sin(17 * a) * np.sin(13 * b)
    places = np.stack([np.cos(a) * np.sin(b), np.sin(a) * np.sin(b), np.cos(b)], axis=-1) * radius[..., None]
    i, j = np.meshgrid(np.arange(N_SIDE), np.arange(N_SIDE), indexing="ij")
    p, q, r, s = (places[i + di, j + dj].reshape(-1, 3) for di, dj in ((0, 0), (1, 0), (1, 1), (0, 1)))
    corners = np.concatenate([np.stack([p, q, r], axis=1), np.stack([p, r, s], axis=1)])
    colours = np.ones((len(corners), 3, 4), np.float32)
    colours[..., :3] = corners + 0.5
    return Triangles(corners, colours, np.zeros((len(corners), 3, 2)), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mesh", nargs="?", type=Path)
    parser.add_argument("--voxel-size", type=float, default=0.002)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    batches = list(open_source(asked.mesh).batches(1 << 17)) if asked.mesh else [ball()]
    placement = Placement(asked.voxel_size)
    seconds, n_touched = [], 0
    for _ in range(asked.repeat):
        began = time.perf_counter()
        n_touched = sum(int(part.n.sum()) for b in batches for part in triangles.voxelise(b, placement)[0])
        seconds.append(time.perf_counter() - began)
    median_s = sorted(seconds)[len(seconds) // 2]
    print(
        json.dumps(
            {
                "mesh": asked.mesh.name if asked.mesh else "ball",
                "voxel_size_m": asked.voxel_size,
                "triangles": sum(map(len, batches)),
                "touched": n_touched,
                "median_s": median_s,
                "best_s": min(seconds),
                "touched_per_s": n_touched / median_s,
                "cpus": os.cpu_count(),
                "load_1min": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
