"""Stage 3: coarser levels, each region from its up to eight regions below, read back from disk."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atlas import address, plane
from ...atlas.chunk import split
from ...atlas.layout import CHUNK
from ...atlas.lod import reduce_sparse
from ...atlas.lod_planes import reduce_plane
from ...streamer import planes
from ...streamer.errors import WorldError
from ...streamer.manifest import RegionRecord
from ...streamer.metadata import WorldMeta
from ...streamer.world import World
from ...streamer.writer import WorldWriter, write_region_file
from ..progress import Progress
from ..pyramid import Levels, plane_regions_of, regions_of
from .regions import Box, box_of_voxels, union
from .spill import Corner
from .workers import Submit

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
MOST_VOXELS = 1 << 21  # reduced at a time


def write_levels(writer: WorldWriter, n_levels: int, now: int, submit: Submit, progress: Progress) -> None:
    """Levels 1 up from the regions of level 0 that the writer has; what it has already is left alone.

    now: the stamp of the latest observation.
    """
    meta = writer.meta(n_levels, now)
    for level in range(1, n_levels):
        children: dict[Corner, list[RegionRecord]] = defaultdict(list)
        for (k, (x, y, z)), record in sorted(writer.regions.items()):
            if k == level - 1:
                children[x >> 1, y >> 1, z >> 1].append(record)
        missing = [place for place in sorted(children) if (level, place) not in writer.regions]
        progress("levels", level, n_levels)
        work = ((writer.path, meta, level, place, children[place]) for place in missing)
        for record in submit(level_unit, work):
            writer.add(record)
    progress("levels", n_levels, n_levels)


def level_unit(
    out: Path, meta: WorldMeta, level: int, region: Corner, below: Sequence[RegionRecord]
) -> RegionRecord:
    """Reduce and write one region. A worker does this. OSError; WorldError: a region below is damaged."""
    reader = World(out, meta, tuple(below))
    parts = [part for record in below for part in _reduced(reader, record)]
    voxels, rgba = (np.concatenate(halves) for halves in zip(*parts, strict=True))
    ((place, morton, packed),) = regions_of(voxels, rgba)
    assert place == region
    held = plane_regions_of(planes_from_below(reader, below)).get(region, {})
    return write_region_file(out, level, region, morton, packed, meta.codec, held)


def _reduced(reader: World, record: RegionRecord) -> Iterator[tuple[I64, U8]]:
    """One region's voxels, a level up. A chunk's edge is even, so no parent is shared with another one."""
    waiting: list[tuple[I64, U8]] = []
    n_waiting = 0
    found = reader.read_region(record)
    for corner, packed in zip(found.chunks, found.packed, strict=True):
        waiting.append(chunk_voxels(corner, packed))
        n_waiting += len(waiting[-1][1])
        if n_waiting > MOST_VOXELS:
            yield reduce_sparse(*(np.concatenate(halves) for halves in zip(*waiting, strict=True)))
            waiting, n_waiting = [], 0
    if waiting:
        yield reduce_sparse(*(np.concatenate(halves) for halves in zip(*waiting, strict=True)))


def planes_from_below(world: World, below: Sequence[RegionRecord]) -> Levels:
    """A coarse region's attributes out of the regions below it: voxels one level up, and their values."""
    attributes: Levels = {}
    for name in world.meta.planes:
        parts = [_plane_voxels(world, p) for r in below for p in r.planes if p.plane == name]
        if parts:
            at, values = (np.concatenate(part) for part in zip(*parts, strict=True))
            attributes[name] = reduce_plane(name, at, values, world.meta.now)
    return attributes


def _plane_voxels(world: World, record: RegionRecord) -> tuple[I64, plane.Values]:
    def refuse(error: WorldError) -> None:
        raise error

    chunks, packed = planes.read_region(world, record, refuse)
    parts = [plane.split(record.plane, p) for p in packed]
    at = [
        address.local_of_mask_index(np.flatnonzero(held)) + corner * CHUNK
        for corner, (held, _) in zip(chunks, parts, strict=True)
    ]
    return np.concatenate(at), np.concatenate([values for _, values in parts])


def chunk_voxels(corner: I64, packed: bytes) -> tuple[I64, U8]:
    """A packed chunk -> (voxels [N, 3] int64, rgba [N, 4])."""
    occupied, rgba = split(packed)
    return address.local_of_mask_index(np.flatnonzero(occupied)) + corner * CHUNK, rgba


def box_on_disk(writer: WorldWriter, record: RegionRecord) -> Box:
    """Tight box of a region that is written."""
    found = World(writer.path, writer.meta(1), (record,)).read_region(record)
    pairs = zip(found.chunks, found.packed, strict=True)
    return union([box_of_voxels(chunk_voxels(corner, packed)[0]) for corner, packed in pairs])
