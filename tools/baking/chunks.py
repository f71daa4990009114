"""Level 0 of what is chunks already: a chunk source is written region by region, whatever its size.

Which of its regions exist is asked of the source's coarser levels: a chunk of level 4 is 16^3 voxels, and
each is one chunk of level 0, so one such chunk is the list of one region.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...atlas import address
from ...atlas.layout import CHUNK, MAX_LEVEL, REGION_CHUNKS
from ...streamer.codec import CodecName
from ...streamer.metadata import WorldMeta
from ...streamer.writer import WorldWriter, write_region_file
from ..errors import UserError
from ..progress import Progress
from .driver import Gathered, WriteFinest
from .levels import chunk_voxels
from .regions import Finest, box_of_voxels, union
from .spill import Corner
from .workers import Submit

I64 = NDArray[np.int64]
LISTS_LEVEL = 4  # a voxel of this level is a chunk of level 0
assert 1 << LISTS_LEVEL == CHUNK == REGION_CHUNKS


class Chunks(Protocol):
    """What is baked: see `streamer.procedural`, or any other chunk source."""

    meta: WorldMeta

    def read_packed(self, ids: NDArray[np.uint64]) -> list[Any]: ...


Maker = Callable[..., Chunks]  # a class, or a function of a module: a worker makes its own source


def finest_of(
    maker: Maker, made_of: Any, source: Chunks, codec: CodecName, progress: Progress
) -> WriteFinest:
    """How the regions of `source` are written; `maker(made_of)` is the same source, in a worker."""

    def write(writer: WorldWriter, submit: Submit, gathered: Gathered) -> None:
        began = time.perf_counter()
        lists = region_lists(source)
        todo = [(place, chunks) for place, chunks in lists if (0, place) not in writer.regions]
        work = ((maker, made_of, writer.path, place, chunks, codec) for place, chunks in todo)
        for n, found in enumerate(submit(chunk_unit, work)):
            gathered.take(writer, found)
            progress("regions", len(lists) - len(todo) + n + 1, len(lists))
        if not gathered.boxes:
            raise UserError("the source holds no voxel: nothing to bake")
        gathered.stages_s["regions"] = time.perf_counter() - began

    return write


def chunk_unit(
    maker: Maker, made_of: Any, out: Path, region: Corner, chunks: I64, codec: CodecName
) -> Finest:
    """Write one region of a chunk source. A worker does this. OSError."""
    source = _made(maker, made_of)
    morton = address.morton_of_chunk(chunks)
    order = np.argsort(morton)
    packed = source.read_packed(address.chunk_id(0, chunks[order]))
    there = [i for i, p in enumerate(packed) if p is not None]
    if not there:
        return Finest(None, None)
    boxes = [box_of_voxels(chunk_voxels(chunks[order[i]], packed[i])[0]) for i in there]
    record = write_region_file(out, 0, region, morton[order][there], [bytes(packed[i]) for i in there], codec)
    return Finest(record, union(boxes))


@lru_cache(2)
def _made(maker: Maker, made_of: Any) -> Chunks:
    return maker(made_of)


def region_lists(source: Chunks) -> list[tuple[Corner, I64]]:
    """The regions of level 0 that may hold something, and their chunks: [(region, chunks [C, 3])]."""
    low, high = (np.array(corner, np.int64) for corner in source.meta.bounds_voxels)
    level = min(source.meta.n_levels - 1, MAX_LEVEL)
    first, last = low >> (level + 4), (high - 1) >> (level + 4)
    axes = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    chunks = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    while True:
        packed = source.read_packed(address.chunk_id(level, chunks))
        voxels = [(c, chunk_voxels(c, p)[0]) for c, p in zip(chunks, packed, strict=True) if p is not None]
        if level == LISTS_LEVEL:
            return [((int(x), int(y), int(z)), inside) for (x, y, z), inside in voxels]
        if not voxels:
            return []
        chunks = np.unique(np.concatenate([inside >> 3 for _, inside in voxels]), axis=0)
        level -= 1
