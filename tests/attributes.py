"""Small worlds with planes: sparse values of level 0 in, a finished world with all its levels out."""

import numpy as np
from voxtide.atlas import address, plane
from voxtide.atlas.lod_planes import reduce_plane
from voxtide.streamer.world import open_world
from voxtide.streamer.writer import WorldWriter
from worlds import levels_of, regions_of


def plane_regions(name, voxels, values):
    """Region (x, y, z) -> (morton [C], packed chunks) of one level's values."""
    out = {}
    for region in np.unique(address.region_of(voxels), axis=0):
        inside = (address.region_of(voxels) == region).all(axis=1)
        local = voxels[inside]
        index = address.morton_of_chunk(address.chunk_of(local)) << 12 | address.mask_index(local & 15)
        order = np.argsort(index)
        out[tuple(region.tolist())] = plane.pack_sorted(name, index[order], values[inside][order])
    return out


def plane_levels(name, voxels, values, n_levels, now):
    levels = [(voxels, values)]
    while len(levels) < n_levels:
        levels.append(reduce_plane(name, *levels[-1], now))
    return levels


def make_attributed(path, voxels, rgba, planes, *, entities=None, now=0, codec="zstd", order=1):
    """Write a world with planes {name: (voxels [M, 3], values [M], none 0)} and open it."""
    levels = levels_of(voxels, rgba)
    of_plane = {name: plane_levels(name, *planes[name], len(levels), now) for name in planes}
    with WorldWriter(path, voxel_size_m=0.01, codec=codec) as writer:
        for level, (at, colours) in list(enumerate(levels))[::order]:
            held = {name: plane_regions(name, *of_plane[name][level]) for name in planes}
            for region, morton, packed in list(regions_of(at, colours))[::order]:
                here = {name: held[name][region] for name in planes if region in held[name]}
                writer.write_region(level, region, morton, packed, here)
        low, high = levels[0][0].min(axis=0), levels[0][0].max(axis=0) + 1
        writer.finish(
            bounds_voxels=(low, high),
            n_levels=len(levels),
            sources=[{"name": "test"}],
            entities=entities,
            now=now,
        )
    return open_world(path)


def some_attributes(voxels, seed=0):
    """Labels for four fifths of the voxels, stamps for all: {name: (voxels, values)}, now."""
    rng = np.random.default_rng(seed)
    labelled = rng.random(len(voxels)) < 0.8
    ids = rng.choice([1, 2, 127, 128, 20_000], labelled.sum(), p=[0.5, 0.2, 0.1, 0.1, 0.1]).astype(np.uint32)
    stamps = (1 + rng.integers(0, 255, len(voxels))).astype(np.uint8)
    return {"semantic": (voxels[labelled], ids), "updated": (voxels, stamps)}, 17
