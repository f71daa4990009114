"""What a region of a world must hold: of level 0 by the source, cropped to it; else by the level below it."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..atlas import address
from ..atlas.chunk import split
from ..atlas.layout import CHUNK, REGION
from ..atlas.lod import reduce_sparse
from ..streamer import planes, region_file
from ..streamer.manifest import Region, RegionRecord
from ..streamer.metadata import WorldMeta
from ..streamer.world import World
from .bake import quiet
from .bake_options import BakeOptions, place
from .baking.levels import planes_from_below
from .baking.whole import accumulate, resolve
from .pyramid import Levels, bounds_of, plane_regions_of, regions_of
from .sources.source import Source

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Made = tuple[I64, U8, Levels]  # voxels [N, 3], rgba [N, 4], attributes


def cropped_to(source: Source, options: BakeOptions) -> Callable[[Region], Made]:
    """A function that bakes one region of level 0 and looks at nothing else of the source."""
    whole = place(options)
    lowest, highest = whole.crop()

    def finest(region: Region) -> Made:
        low = np.maximum(np.array(region) * REGION, lowest)
        high = np.minimum((np.array(region) + 1) * REGION, highest)
        # Back to metres: `crop` rounds them to the same voxels, as it looks at centres.
        corners = [tuple((corner * whole.voxel_size_m).tolist()) for corner in (low, high)]
        placement = replace(whole, bounds_m=(corners[0], corners[1]))
        summed, attributes, dropped = accumulate(source, placement, options, quiet)
        voxels, rgba = resolve(summed, source, placement, options, dropped)
        return voxels, rgba, attributes.planes(voxels)

    return finest


def from_below(world: World, record: RegionRecord) -> Made:
    """A coarse region out of the up to eight below it. WorldError if one of those is damaged still."""
    corners = (
        tuple(2 * c + s for c, s in zip(record.region, step, strict=True)) for step in np.ndindex(2, 2, 2)
    )
    below = [r for x, y, z in corners if (r := world.region_at(record.level - 1, (x, y, z)))]
    voxels, rgba = (np.concatenate(part) for part in zip(*map(_color_voxels(world), below), strict=True))
    return *reduce_sparse(voxels, rgba), planes_from_below(world, below)


def _color_voxels(world: World) -> Callable[[RegionRecord], tuple[I64, U8]]:
    """Region -> its voxels [N, 3] at its level and their rgba [N, 4]."""

    def read(record: RegionRecord) -> tuple[I64, U8]:
        region = world.read_region(record)
        parts = [split(packed) for packed in region.packed]
        at = [_voxels(c, occupied) for c, (occupied, _) in zip(region.chunks, parts, strict=True)]
        return np.concatenate(at), np.concatenate([rgba for _, rgba in parts])

    return read


def _voxels(chunk: I64, occupied: NDArray[np.bool_]) -> I64:
    return address.local_of_mask_index(np.flatnonzero(occupied)) + chunk * CHUNK


def bounds_in(world: World) -> tuple[Region, Region]:
    read = _color_voxels(world)
    corners = [np.array(bounds_of(read(r)[0])) for r in world.regions if r.level == 0]
    low, high = np.min([c[0] for c in corners], axis=0), np.max([c[1] for c in corners], axis=0)
    return (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))


def encoded(record: RegionRecord, made: Made, meta: WorldMeta) -> Iterable[tuple[RegionRecord, bytes]]:
    """The files of a region: the record of each, and the bytes that were made for it."""
    voxels, rgba, attributes = made
    held = plane_regions_of(attributes).get(record.region, {})
    for region, morton, packed in regions_of(voxels, rgba):
        if region == record.region:
            yield record, region_file.encode(morton, packed, meta.codec)
    for file in record.planes:
        if file.plane in held:
            yield file, planes.encode_region(file.plane, held[file.plane], meta.codec)[0]
