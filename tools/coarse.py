"""Where the voxels of some chunks are: what framing and jumps know of a world, from its coarse levels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_of_id, local_of_mask_index
from ..atlas.chunk import split
from ..atlas.layout import CHUNK
from ..atlas.streams import Stream, decode


def voxels_of(
    ids: NDArray[np.uint64], streams: Sequence[Stream]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """C chunks -> (voxels [N, 3] at their level, coverage [N] 1..255). A stream that lies has none."""
    voxels, weights = [np.empty((0, 3), np.int64)], [np.empty(0)]
    for chunk, packed in zip(chunk_of_id(ids)[1], decode(streams)[0], strict=True):
        if packed:
            occupied, rgba = split(packed)
            voxels.append(local_of_mask_index(np.flatnonzero(occupied)) + chunk * CHUNK)
            weights.append(rgba[:, 3].astype(np.float64))
    return np.concatenate(voxels), np.concatenate(weights)
