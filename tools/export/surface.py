"""The surface of a solid of voxels: which faces look at an empty voxel.

What lies outside the exported box counts as empty, so a cut solid is closed by its cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .selection import I64, U8, Selection, read_box

DIRECTIONS = tuple((axis, sign) for axis in range(3) for sign in (-1, 1))  # axis 0 is x


@dataclass(frozen=True, slots=True)
class Block:
    """The part of a region that holds voxels, dense, with one voxel more on each side."""

    low: I64  # [3] voxel (x, y, z) of the block's first voxel, the margin left out
    rgba: U8  # [z + 2, y + 2, x + 2, 4]

    def exposed(self, axis: int, sign: int) -> NDArray[np.bool_]:
        """Occupied voxels whose neighbour along an axis (0 is x) is empty. [z, y, x] bool."""
        occupied = self.rgba[..., 3] != 0
        beyond = [slice(1, -1)] * 3
        beyond[2 - axis] = slice(2, None) if sign > 0 else slice(0, -2)
        faces: NDArray[np.bool_] = occupied[1:-1, 1:-1, 1:-1] & ~occupied[tuple(beyond)]
        return faces


def blocks(selection: Selection) -> Iterator[tuple[int, int, Block | None]]:
    """(how many regions are done, of how many, one region's block) of all that hold voxels.

    A last one without a block says that all are done.
    """
    records = selection.records()
    for done, record in enumerate(records):
        low, high = selection.box_of(record)
        rgba = read_box(selection, low - 1, high + 1)
        inner = rgba[1:-1, 1:-1, 1:-1, 3]
        if not inner.any():
            continue
        spans = [np.flatnonzero(inner.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        cut = tuple(slice(int(s[0]), int(s[-1]) + 3) for s in spans)
        first = np.array([int(s[0]) for s in spans[::-1]], np.int64)
        yield done, len(records), Block(low + first, rgba[cut])
    yield len(records), len(records), None


def surface_voxels(block: Block) -> tuple[I64, U8, NDArray[np.float32]]:
    """Voxels with an exposed face -> (voxels [N, 3], rgba [N, 4], normals [N, 3] of unit length).

    The normal is the mean direction of the exposed faces; where they cancel out, the first one's.
    """
    shape = tuple(n - 2 for n in block.rgba.shape[:3])
    faces = np.zeros(shape, np.uint8)
    for bit, (axis, sign) in enumerate(DIRECTIONS):
        faces |= block.exposed(axis, sign).astype(np.uint8) << bit
    at = np.flatnonzero(faces)
    seen = faces.reshape(-1)[at]
    zyx = np.stack(np.unravel_index(at, shape), axis=-1)
    rgba = block.rgba[1:-1, 1:-1, 1:-1][tuple(zyx.T)]
    return zyx[:, ::-1] + block.low, rgba, _NORMAL_OF_FACES[seen]


def _normals() -> NDArray[np.float32]:
    """[64, 3]: the normal for each set of exposed faces."""
    unit = np.zeros((6, 3))
    for bit, (axis, sign) in enumerate(DIRECTIONS):
        unit[bit, axis] = sign
    sets = np.arange(64)[:, None] >> np.arange(6) & 1
    total = sets @ unit
    balanced = ~total.any(axis=1)
    total[balanced] = unit[sets[balanced].argmax(axis=1)]
    out: NDArray[np.float32] = (total / np.linalg.norm(total, axis=1, keepdims=True)).astype(np.float32)
    return out


_NORMAL_OF_FACES = _normals()
