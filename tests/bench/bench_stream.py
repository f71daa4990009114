"""Teleports through a baked world over 20 times the VRAM budget: frames until a view is whole, and the work.

The world is a rough terrain two voxels deep with pillars on it, 18 x 18 m at 1 cm, all levels. Jumps are
those of `voxtide stress teleport`, seeded, at 320 x 180 and at most 60 frames a second. "warm": the files are
in the page cache (they were just written) and the RAM tier holds nothing to begin with; "cold": before each
jump the kernel forgets the files and the RAM tier is emptied. "large_jumps" are those that brought in 400 to
600 chunks.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.tools.measure.figures import spread
from voxtide.tools.measure.opening import open_measured
from voxtide.tools.measure.rig import Setup
from voxtide.tools.measure.teleport import facts, teleport
from worlds import make_world

EDGE_VOXELS = 1792
VRAM_BYTES = 24 << 20
N_JUMPS = {"warm": 200, "cold": 50}
LARGE = 400, 600


def terrain():
    """-> voxels [N, 3], rgba [N, 4]"""
    y, x = (a.ravel() for a in np.mgrid[0:EDGE_VOXELS, 0:EDGE_VOXELS])
    rough = np.random.default_rng(0).integers(0, 2, x.size)
    z = (60 * np.sin(x / 170) + 50 * np.cos(y / 130) + 6 * np.sin(x / 11) * np.cos(y / 13)).astype(
        np.int64
    ) + rough
    z += np.where((x // 24 % 9 == 0) & (y // 24 % 11 == 0), 120, 0)
    drop = np.where(x % 24 * (23 - x % 24) * (y % 24) * (23 - y % 24) == 0, 121, 2)  # pillars have sides
    drop = np.where((x // 24 % 9 == 0) & (y // 24 % 11 == 0), drop, 2)
    n = np.repeat(np.arange(x.size), drop)
    below = np.arange(n.size) - np.repeat(np.cumsum(drop) - drop, drop)
    voxels = np.stack([x[n] - EDGE_VOXELS // 2, y[n] - EDGE_VOXELS // 2, z[n] - below], 1)
    strata = np.array([96, 80, 60, 255]) + (voxels[:, 2:] >> 3 & 3) * [12, 14, 6, 0]
    grain = (voxels @ [7, 13, 29])[:, None] % [17, 15, 13, 1]
    return voxels, (strata + grain).astype(np.uint8)


def measured(folder, name):
    cold = name == "cold"
    setup = Setup(size=(320, 180), vram_bytes=VRAM_BYTES, cold=cold)
    run = teleport(
        open_measured(str(folder)), setup, N_JUMPS[name], 1, 0 if cold else 4 << 30, lambda error: None
    )
    frames = [f for jump in run.jumps for f in jump.frames]
    large = [j for j in run.jumps if LARGE[0] <= sum(f.n_loaded for f in j.frames) <= LARGE[1]]
    return {
        **facts(run),
        "frame_ms": spread((f.frame_ms for f in frames), "p50", "p99"),
        "stream_main_ms": spread((f.stream_main_ms for f in frames), "p50", "p99", "max"),
        "large_jumps": {"n": len(large), "stream_ms": spread((j.stream_ms for j in large), "p50", "p99")},
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = Path(folder) / "terrain.vxt"
        world = make_world(path, *terrain())
        n_chunks = sum(r.n_chunks for r in world.regions)
        figures = {
            "make_s": round(time.perf_counter() - start, 1),
            "n_chunks": n_chunks,
            "times_vram": round(n_chunks * BYTES_PER_SLOT / VRAM_BYTES, 1),
            "warm": measured(path, "warm"),
            "cold": measured(path, "cold"),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
