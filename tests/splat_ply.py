"""Gaussians as Lyra 2's reconstruction writes them: 17 float32 properties, normals zero."""

import numpy as np

NAMES = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)


def written(path, at, rotations, log_scale):
    """[N, 3] places and [N, 4] quaternions of any length -> a .ply of opaque grey splats."""
    rows = np.zeros((len(at), len(NAMES)), "<f4")
    rows[:, :3], rows[:, 9], rows[:, 10:13], rows[:, 13:] = at, np.inf, log_scale, rotations
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(at)}"]
    head += [f"property float {name}" for name in NAMES] + ["end_header", ""]
    path.write_bytes("\n".join(head).encode() + rows.tobytes())
