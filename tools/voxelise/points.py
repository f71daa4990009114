"""Points to voxels: one voxel per point, its colour the mean of its points in linear light.

A cloud that is coarser than the voxels leaves holes: choose voxels about as wide as the points lie apart.
"""

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB
from ..sources.source import Points
from . import sums
from .placement import Placement, check_addressable, to_voxels
from .sums import Sums


def voxelise(batch: Points, placement: Placement) -> tuple[Sums, int]:
    """Points -> (sums with weight 1 per point, how many lay outside the crop)."""
    position = to_voxels(batch.positions, placement)
    lowest, highest = placement.crop()
    if placement.bounds_m is None and len(position):
        check_addressable(position.min(0), position.max(0), placement.voxel_size_m)
    inside = ((position >= lowest) & (position < highest)).all(1)
    voxels = np.floor(position[inside]).astype(np.int32)
    one = np.ones(len(voxels), np.int64)
    light = LINEAR_OF_SRGB[batch.rgb[inside]].astype(np.int64)
    return sums.collapse(Sums(voxels, one, one, light)), int((~inside).sum())


def resolve(summed: Sums) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Every voxel that holds a point is solid: ([M] True, [M] coverage 255)."""
    return np.ones(len(summed.n), bool), np.full(len(summed.n), 255, np.uint8)
