"""One point, or one Gaussian, per surface voxel, as a binary .ply.

Points: x y z in metres, z up (float; double where float would not tell neighbours apart), normal, colour.

Gaussians: the layout of Kerbl et al. 2023, `save_ply`, without f_rest, which readers take as degree 0: x y z,
nx ny nz, f_dc_* = (colour - 1/2) / SH_C0, opacity as a logit, scale_* as logarithms, rot_* w x y z. y points
down, as in every file of this kind, so viewers show it upright: (x, y, z) becomes (x, -z, y). A Gaussian is a
ball of half a voxel's sigma: neighbours, one voxel apart, meet where each still has 61 % of its opacity.
Precision: colour exact; opacity is the coverage, at most MAX_OPACITY, for a logit that float32 holds well.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..sources.gaussians import SH_C0
from .options import Made, Progress
from .selection import I64, U8, Selection
from .surface import blocks, surface_voxels

SIGMA_VOXELS = 0.5
MAX_OPACITY = 0.99
FLOAT_VOXELS = 1 << 20  # farther from the origin, float32 metres are coarser than 1/16 of a voxel
COUNT_CHARS = 20

Rows = NDArray[np.void]
Normals = NDArray[np.float32]


def write_points(selection: Selection, path: Path, progress: Progress) -> Made:
    """Write points to `path`, which does not exist yet. OSError as the system gives it."""
    far = max(int(np.abs(corner).max()) for corner in (selection.low, selection.high)) > FLOAT_VOXELS
    number = "<f8" if far else "<f4"
    dtype = np.dtype(
        [(name, number) for name in ("x", "y", "z")]
        + [(name, "<f4") for name in ("nx", "ny", "nz")]
        + [(name, "u1") for name in ("red", "green", "blue")]
    )

    def rows_of(voxels: I64, rgba: U8, normals: Normals) -> Rows:
        rows = np.empty(len(voxels), dtype)
        _fill(rows, ("x", "y", "z"), (voxels + 0.5) * selection.voxel_size_m)
        _fill(rows, ("nx", "ny", "nz"), normals)
        _fill(rows, ("red", "green", "blue"), rgba)
        return rows

    return _write(selection, path, progress, dtype, rows_of)


def write_gaussians(selection: Selection, path: Path, progress: Progress) -> Made:
    """Write Gaussians to `path`, which does not exist yet. OSError as the system gives it."""
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"]
    names += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    dtype = np.dtype([(name, "<f4") for name in names])
    log_sigma = np.log(SIGMA_VOXELS * selection.voxel_size_m)

    def rows_of(voxels: I64, rgba: U8, normals: Normals) -> Rows:
        rows = np.zeros(len(voxels), dtype)
        _fill(rows, ("x", "y", "z"), _y_down((voxels + 0.5) * selection.voxel_size_m))
        _fill(rows, ("nx", "ny", "nz"), _y_down(normals))
        _fill(rows, ("f_dc_0", "f_dc_1", "f_dc_2"), (rgba[:, :3] / 255 - 0.5) / SH_C0)
        opacity = np.minimum(rgba[:, 3] / 255, MAX_OPACITY)
        rows["opacity"] = np.log(opacity / (1 - opacity))
        _fill(rows, ("scale_0", "scale_1", "scale_2"), np.full((len(rows), 3), log_sigma))
        rows["rot_0"] = 1
        return rows

    return _write(selection, path, progress, dtype, rows_of)


def _y_down(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """World axes, z up, to the file's: (x, y, z) -> (x, -z, y)."""
    return np.stack([vectors[:, 0], -vectors[:, 2], vectors[:, 1]], axis=-1)


def _fill(rows: Rows, names: tuple[str, ...], columns: NDArray[np.generic]) -> None:
    for i, name in enumerate(names):
        rows[name] = columns[:, i]


def _write(
    selection: Selection,
    path: Path,
    progress: Progress,
    dtype: np.dtype,
    rows_of: Callable[[I64, U8, Normals], Rows],
) -> Made:
    n = 0
    with path.open("xb") as file:
        file.write(_header(dtype, 0))
        for rows in _rows(selection, progress, rows_of):
            file.write(rows.tobytes())
            n += len(rows)
        file.seek(0)
        file.write(_header(dtype, n))
    return Made(n)


def _rows(
    selection: Selection, progress: Progress, rows_of: Callable[[I64, U8, Normals], Rows]
) -> Iterator[Rows]:
    for done, total, block in blocks(selection):
        progress("regions", done, total)
        if block is not None:
            yield rows_of(*surface_voxels(block))


def _header(dtype: np.dtype, n: int) -> bytes:
    """The same length whatever n is: the count is known last and written first."""
    kind = {"f4": "float", "f8": "double", "u1": "uchar"}
    count = str(n)
    lines = ["ply", "format binary_little_endian 1.0", "comment voxtide " + "-" * (COUNT_CHARS - len(count))]
    lines += [f"element vertex {count}"]
    lines += [f"property {kind[dtype[name].str[1:]]} {name}" for name in dtype.names or ()]
    return ("\n".join([*lines, "end_header"]) + "\n").encode("ascii")
