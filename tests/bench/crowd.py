"""A world of more than a hundred thousand chunks, in memory, not worth drawing: for the main thread's books.

Every level is a plane of chunks: what rays use of a terrain. Each is about as large as a terrain's.
"""

import time
from dataclasses import dataclass, field

import numpy as np
from voxtide.atlas.address import chunk_of_id
from voxtide.atlas.chunk import pack
from voxtide.atlas.layout import CHUNK, REGION_CHUNKS
from voxtide.atlas.streams import encode
from voxtide.streamer.errors import WorldError
from voxtide.streamer.metadata import WorldMeta

N_LEVELS = 8
EDGE_CHUNKS = 512  # of level 0, from 0: a plane at z = 0 has 262,144 of these


def _one():
    """The stream of a chunk whose four lower octants hold a voxel, of about 1.1 kB."""
    rgba = np.zeros((CHUNK, CHUNK, CHUNK, 4), np.uint8)
    rgba[0, :, :] = 255
    rgba[1, :4] = 90
    rgba[0, :, :, 0] = np.arange(CHUNK)  # of one colour, its stream would be too short for a terrain
    return encode(pack(rgba))


@dataclass
class Crowd:
    """A ChunkSource of a plane of chunks. delay_s per call; fails: each call tells of its chunks as bad."""

    delay_s: float = 0.0
    fails: bool = False
    n_read: int = 0
    stream: bytes = field(default_factory=_one)

    @property
    def meta(self):
        edge = EDGE_CHUNKS * CHUNK
        return WorldMeta(0.01, N_LEVELS, ((0, 0, 0), (edge, edge, CHUNK)), "zstd", 5, ({},))

    def read_many(self, ids, on_bad=None):
        """See ChunkSource. One call's delay is that of one region: real stores wait once a region."""
        time.sleep(self.delay_s)
        level, chunk = chunk_of_id(ids)
        there = (chunk[:, 2] == 0) & (chunk[:, :2] >= 0).all(1)
        there &= (chunk[:, :2] < (EDGE_CHUNKS >> level)[:, None]).all(1)
        self.n_read += ids.size
        if self.fails and level.size and level.min() < N_LEVELS - 3:
            for region in np.unique(chunk // REGION_CHUNKS, axis=0).tolist():
                on_bad(WorldError(f"region {region}", "cannot be read"))
            return [None] * ids.size
        return [self.stream if one else None for one in there.tolist()]
