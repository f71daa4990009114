"""Small .splat files and .ply point clouds, for bakes that open their source again in a worker."""

import numpy as np

RECORD = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
POINT = np.dtype([("position", "<f4", 3), ("rgb", "u1", 3)])


def write_splat(path, rng, n, spread_m=0.7, sigma_m=0.01):
    """n random Gaussians."""
    rows = np.zeros(n, RECORD)
    rows["position"] = rng.normal(0, spread_m, (n, 3))
    rows["scale"] = sigma_m * np.exp(rng.normal(0, 0.3, (n, 3)))
    rows["rgba"] = rng.integers(60, 256, (n, 4))
    rows["rotation"] = rng.integers(0, 256, (n, 4))
    path.write_bytes(rows.tobytes())
    return path


def write_points(path, rng, n, spread_m=0.7):
    """n random points, coloured."""
    rows = np.zeros(n, POINT)
    rows["position"] = rng.normal(0, spread_m, (n, 3))
    rows["rgb"] = rng.integers(0, 256, (n, 3))
    names = [f"property float {a}" for a in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {n}", *names, "end_header", ""]
    path.write_bytes("\n".join(head).encode() + rows.tobytes())
    return path
