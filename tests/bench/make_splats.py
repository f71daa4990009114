"""A scene of N Gaussians in Lyra 2's own layout, tiled from a real one: make_splats.py SCENE OUT.ply N

Layout: `gsply_helpers.py` of Depth Anything 3, as Lyra 2 calls it: element vertex, 17 float32 in this order,
x y z nx ny nz f_dc_0..2 opacity scale_0..2 rot_0..3; normals 0, opacity a logit, scales logarithms, w first.
Every copy of the scene stands in its own cell of a square grid, turned about the vertical (y, in the file) by
its own angle and jittered: positions by a tenth of a sigma, colours and sizes by a few percent. One seed,
one file. Written a copy at a time, so it takes the memory of one.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from voxtide.tools.sources import open_source
from voxtide.tools.sources.gaussians import SH_C0

NAMES = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
CELL_M = 3.0  # between the middles of neighbours
PLY = "ply\nformat binary_little_endian 1.0\nelement vertex {}\n{}end_header\n"


def logit(p):
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def turned(angle, vectors, quaternions):
    """Turn about y: [N, 3] vectors and [N, 4] quaternions w, x, y, z."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = vectors.T
    w, i, j, k = quaternions.T
    cw, sj = np.cos(angle / 2), np.sin(angle / 2)
    return (
        np.stack([c * x + s * z, y, c * z - s * x], axis=1),
        np.stack([cw * w - sj * j, cw * i + sj * k, cw * j + sj * w, cw * k - sj * i], axis=1),
    )


def make(scene: Path, out: Path, n: int, seed: int = 0) -> None:
    """Write n Gaussians."""
    rng = np.random.default_rng(seed)
    (one,) = list(open_source(scene).batches(1 << 22))
    middle = np.median(one.positions, axis=0)
    n_copies = -(-n // len(one))
    edge = int(np.ceil(np.sqrt(n_copies)))
    properties = "".join(f"property float {name}\n" for name in NAMES)
    with out.open("wb") as file:
        file.write(PLY.format(n, properties).encode("ascii"))
        for copy in range(n_copies):
            few = min(len(one), n - copy * len(one))
            at, turn = turned(
                rng.uniform(0, 2 * np.pi), (one.positions - middle)[:few], one.rotations[:few].astype(float)
            )
            cell = np.array([copy % edge, 0, copy // edge]) * CELL_M
            sigma = one.scales[:few] * rng.lognormal(0, 0.05, (few, 1))
            rows = np.zeros((few, len(NAMES)), "<f4")
            rows[:, :3] = at + cell + rng.normal(0, 0.1, (few, 3)) * sigma.min(1, keepdims=True)
            rows[:, 6:9] = (one.rgb[:few] / 255 - 0.5 + rng.normal(0, 0.02, (few, 3))) / SH_C0
            rows[:, 9] = logit(one.opacities[:few])
            rows[:, 10:13] = np.log(sigma)
            rows[:, 13:] = turn
            file.write(rows.tobytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("n", type=int)
    asked = parser.parse_args()
    make(asked.scene, asked.out, asked.n)
    print(f"{asked.out.stat().st_size:,} bytes", file=sys.stderr)
