"""Where a source lies in the world: scale, up axis, offset, crop."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atlas.layout import ORIGIN_BITS
from ..errors import UserError

# World axes are right-handed with z up. Rows say which source axis becomes world x, y, z, and its sign.
ROTATION_OF_UP = {
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),  # (x, y, z) -> (x, -z, y)
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),  # (x, y, z) -> (x, z, -y)
}

Metres = tuple[float, float, float]
Box = tuple[NDArray[np.int64], NDArray[np.int64]]  # lowest voxel, highest voxel exclusive; [3] each


@dataclass(frozen=True, slots=True)
class Placement:
    """Source units -> world metres: `rotation @ p * scale + offset_m`; then voxels of voxel_size_m.

    rotation: rows of a matrix, right-handed and of length 1: a signed permutation, or any rotation.
    """

    voxel_size_m: float
    scale: float = 1.0  # metres per source unit
    rotation: tuple[tuple[float, float, float], ...] = ROTATION_OF_UP["z"]
    offset_m: Metres = (0.0, 0.0, 0.0)
    bounds_m: tuple[Metres, Metres] | None = None  # crop: lowest corner, highest corner exclusive

    @property
    def swaps_axes(self) -> bool:
        """Whether the rotation only swaps and negates axes: cubes stay cubes, and nothing is rounded."""
        return all(sorted(map(abs, row)) == [0, 0, 1] for row in self.rotation)

    def crop(self) -> Box:
        """Voxels that may be written: those whose centre lies in bounds_m, else the addressable world.

        Two crops that share a face share no voxel and leave none out.
        """
        half = 1 << ORIGIN_BITS
        if self.bounds_m is None:
            return np.full(3, -half, np.int64), np.full(3, half, np.int64)
        edges = np.ceil(np.asarray(self.bounds_m, np.float64) / self.voxel_size_m - 0.5)
        lo, hi = np.clip(edges, -half, half).astype(np.int64)
        return lo, hi


def turn(vectors: NDArray[Any], placement: Placement) -> NDArray[Any]:
    """Rotate [..., 3] vectors from source axes to world axes; exact where it only swaps and negates.

    Otherwise three products, added in the order of the axes: the same on every machine, which a BLAS is not.
    """
    out = np.empty_like(vectors)
    for axis, row in enumerate(placement.rotation):
        if placement.swaps_axes:
            source_axis = next(i for i, sign in enumerate(row) if sign)
            np.multiply(vectors[..., source_axis], int(row[source_axis]), out=out[..., axis])
        else:
            x, y, z = (vectors[..., i] * row[i] for i in range(3))
            out[..., axis] = x + y + z
    return out


def rotation_of(up: str, degrees: Metres) -> tuple[tuple[float, float, float], ...]:
    """The up axis turned to z, then turns about the world's x, y and z axes, in this order."""
    matrix: list[list[float]] = [list(row) for row in ROTATION_OF_UP[up]]
    for axis, angle in enumerate(degrees):
        quarter, rest = divmod(angle % 360, 90)
        # A quarter turn is exact, so that voxels stay voxels.
        c, s = (
            ((1, 0, -1, 0)[int(quarter)], (0, 1, 0, -1)[int(quarter)])
            if not rest
            else (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
        )
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix[i], matrix[j] = (
            [c * a - s * b for a, b in zip(matrix[i], matrix[j], strict=True)],
            [s * a + c * b for a, b in zip(matrix[i], matrix[j], strict=True)],
        )
    x, y, z = matrix
    return (x[0], x[1], x[2]), (y[0], y[1], y[2]), (z[0], z[1], z[2])


def to_source(voxels: NDArray[np.float64], placement: Placement) -> NDArray[np.float64]:
    """Inverse of `to_voxels`: world positions in voxels [N, 3] -> source units [N, 3] float64."""
    world = (voxels * placement.voxel_size_m - np.asarray(placement.offset_m)) / placement.scale
    columns = zip(*placement.rotation, strict=True)
    parts = [world[:, 0] * c[0] + world[:, 1] * c[1] + world[:, 2] * c[2] for c in columns]
    return np.stack(parts, axis=-1)


def to_voxels(positions: NDArray[np.floating], placement: Placement) -> NDArray[np.float64]:
    """Source positions [N, 3] -> world positions in voxels [N, 3] float64; its floor is the voxel."""
    metres = turn(positions.astype(np.float64), placement) * placement.scale
    voxels: NDArray[np.float64] = (metres + np.asarray(placement.offset_m)) / placement.voxel_size_m
    return voxels


def check_addressable(lowest: NDArray[np.float64], highest: NDArray[np.float64], voxel_size_m: float) -> None:
    """UserError if coordinates [3] in voxels lie outside the addressable world."""
    half = 1 << ORIGIN_BITS
    if not (np.all(lowest >= -half) and np.all(highest < half)):
        far_m = float(np.max(np.abs([lowest, highest]))) * voxel_size_m
        raise UserError(
            f"the source reaches {far_m:.6g} m from the origin, and {voxel_size_m:g} m voxels can only be "
            f"addressed within {half * voxel_size_m:.6g} m: use --voxel-size "
            f"{far_m / half * 1.05:.2g} or more, a smaller --scale, another --at, or crop with --bounds"
        )
