"""Bake what is already chunks: a chunk source becomes a world, one region at a time, whatever its size.

Level 0 is the source's own. Which of its regions exist is asked of the source's coarser levels: a chunk of
level 4 is 16^3 voxels, and each is one chunk of level 0, so one such chunk is the list of one region. Coarser
levels are the exact reduction of what was written, read back region by region.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..atlas import address
from ..atlas.chunk import split
from ..atlas.layout import CHUNK, MAX_LEVEL, REGION_CHUNKS
from ..atlas.lod import reduce_sparse
from ..streamer.codec import CodecName
from ..streamer.manifest import RegionRecord
from ..streamer.metadata import WorldMeta
from ..streamer.world import World
from ..streamer.writer import WorldWriter
from .bake import BakeReport, check_out, peak_rss_bytes, quiet
from .errors import UserError, shown
from .pyramid import min_levels, regions_of

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Progress = Callable[[str, int, int], None]
Corner = tuple[int, int, int]

LISTS_LEVEL = 4  # a voxel of this level is a chunk of level 0
assert 1 << LISTS_LEVEL == CHUNK == REGION_CHUNKS


class Chunks(Protocol):
    """What is baked: see `streamer.procedural`, or any other chunk source."""

    meta: WorldMeta

    def read_many(self, ids: NDArray[np.uint64]) -> list[Any]: ...


@dataclass(slots=True)
class _Tight:
    """The box of the voxels met so far, level 0."""

    low: I64 = field(default_factory=lambda: np.full(3, 1 << 62, np.int64))
    high: I64 = field(default_factory=lambda: np.full(3, -(1 << 62), np.int64))

    def take(self, voxels: I64) -> None:
        self.low = np.minimum(self.low, voxels.min(0))
        self.high = np.maximum(self.high, voxels.max(0) + 1)

    def corners(self) -> tuple[Corner, Corner]:
        return _triple(self.low), _triple(self.high)


def bake_regions(
    source: Chunks,
    out: Path,
    *,
    codec: CodecName = "zstd",
    n_levels: int | None = None,
    overwrite: bool = False,
    progress: Progress = quiet,
) -> BakeReport:
    """Bake every chunk of `source` into a new world at `out`; memory is bounded by a few regions.

    n_levels: None for as many as the extent needs. UserError: as `bake`.
    """
    began = time.perf_counter()
    check_out(out, overwrite)
    lists = region_lists(source)
    tight = _Tight()
    try:
        with WorldWriter(
            out, voxel_size_m=source.meta.voxel_size_m, codec=codec, overwrite=overwrite
        ) as writer:
            records = list(_finest(source, lists, writer, tight, progress))
            if not records:
                raise UserError("the source holds no voxel: nothing to bake")
            finest_at = time.perf_counter()
            bounds = tight.corners()
            least = min_levels(bounds)
            if n_levels is not None and n_levels < least:
                raise UserError(f"--levels {n_levels} is too few for this extent: use at least {least}")
            records += _coarser(writer, source.meta, records, n_levels or least, progress)
            writer.finish(bounds_voxels=bounds, n_levels=n_levels or least, sources=list(source.meta.sources))
    except OSError as error:
        raise UserError(f"cannot write {shown(out)}: {shown(error.strerror or error)}") from error
    ended = time.perf_counter()
    n_bytes = sum(r.n_bytes for r in records)
    n_voxels = sum(r.n_voxels for r in records if r.level == 0)
    return BakeReport(
        voxels=n_voxels,
        chunks=[sum(r.n_chunks for r in records if r.level == k) for k in range(n_levels or least)],
        bytes=n_bytes,
        bits_per_voxel=8 * n_bytes / n_voxels,
        seconds=ended - began,
        peak_rss_bytes=peak_rss_bytes(),
        stages_s={"voxelise": finest_at - began, "write": ended - finest_at},
    )


def region_lists(source: Chunks) -> list[tuple[Corner, I64]]:
    """The regions of level 0 that may hold something, and their chunks: [(region, chunks [C, 3])]."""
    low, high = (np.array(corner, np.int64) for corner in source.meta.bounds_voxels)
    level = min(source.meta.n_levels - 1, MAX_LEVEL)
    first, last = low >> (level + 4), (high - 1) >> (level + 4)
    axes = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    chunks = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    while True:
        packed = source.read_many(address.chunk_id(level, chunks))
        voxels = [(c, _voxels(c, p)[0]) for c, p in zip(chunks, packed, strict=True) if p is not None]
        if level == LISTS_LEVEL:
            return [(_triple(chunk), inside) for chunk, inside in voxels]
        if not voxels:
            return []
        chunks = np.unique(np.concatenate([inside >> 3 for _, inside in voxels]), axis=0)
        level -= 1


def _finest(
    source: Chunks, lists: list[tuple[Corner, I64]], writer: WorldWriter, tight: _Tight, progress: Progress
) -> Iterator[RegionRecord]:
    for done, (region, chunks) in enumerate(lists):
        progress("regions", done, len(lists))
        morton = address.morton_of_chunk(chunks)
        order = np.argsort(morton)
        packed = source.read_many(address.chunk_id(0, chunks[order]))
        there = [i for i, p in enumerate(packed) if p is not None]
        if not there:
            continue
        for i in there:
            tight.take(_voxels(chunks[order[i]], packed[i])[0])
        yield writer.write_region(0, region, morton[order][there], [bytes(packed[i]) for i in there])
    progress("regions", len(lists), len(lists))


def _coarser(
    writer: WorldWriter, meta: WorldMeta, finest: list[RegionRecord], n_levels: int, progress: Progress
) -> Iterator[RegionRecord]:
    """Levels 1 up: each region from its up to eight regions below, read back from disk."""
    below = finest
    written = WorldMeta(meta.voxel_size_m, n_levels, meta.bounds_voxels, writer.codec, 1, ())
    for level in range(1, n_levels):
        progress("levels", level, n_levels)
        reader = World(writer.path, written, tuple(below))
        children: dict[Corner, list[RegionRecord]] = defaultdict(list)
        for record in below:
            children[_triple(np.array(record.region) >> 1)].append(record)
        below = []
        for place in sorted(children, key=lambda c: c[::-1]):
            parts = [_reduced(reader, record) for record in children[place]]
            voxels, rgba = (np.concatenate(halves) for halves in zip(*parts, strict=True))
            for region, morton, packed in regions_of(voxels, rgba):
                below.append(writer.write_region(level, region, morton, packed))
        yield from below
    progress("levels", n_levels, n_levels)


def _reduced(reader: World, record: RegionRecord) -> tuple[I64, U8]:
    """One region's voxels, a level up. A region's edge is even, so no parent is shared with another one."""
    region = reader.read_region(record)
    parts = [_voxels(c, p) for c, p in zip(region.chunks, region.packed, strict=True)]
    voxels, rgba = (np.concatenate(halves) for halves in zip(*parts, strict=True))
    return reduce_sparse(voxels, rgba)


def _voxels(chunk: I64, packed: Any) -> tuple[I64, U8]:
    occupied, rgba = split(packed)
    return address.local_of_mask_index(np.flatnonzero(occupied)) + chunk * CHUNK, rgba


def _triple(values: I64) -> Corner:
    x, y, z = (int(v) for v in values)
    return x, y, z
