"""Small worlds for tests: a handful of voxels in, a finished world with all its levels out."""

from pathlib import Path

import numpy as np
from voxtide.atlas import address
from voxtide.atlas.chunk import pack_sorted
from voxtide.atlas.layout import MIN_PINNED_LEVEL
from voxtide.streamer.world import World, open_world
from voxtide.streamer.writer import WorldWriter

try:
    from voxtide.atlas.lod import reduce_sparse
except ImportError:  # REPLACE: atlas/lod.py is on its way; until then a plain mean, of the right occupancy

    def reduce_sparse(voxels, rgba):
        """Parents and the plain mean of their children's bytes; A at least 1."""
        parents, at = np.unique(voxels[:, ::-1] >> 1, axis=0, return_inverse=True)
        sums = np.zeros((len(parents), 4))
        np.add.at(sums, at.ravel(), rgba)
        counts = np.bincount(at.ravel())[:, None]
        means = np.concatenate([sums[:, :3] / counts, sums[:, 3:] / 8], axis=1)
        means[:, 3] = np.maximum(means[:, 3], 1)
        return parents[:, ::-1], means.astype(np.uint8)


MAX_TOP_CHUNKS = 4  # chunks per axis that the top level may need


def levels_of(voxels, rgba, n_levels=None):
    """[(voxels, rgba), ...] from level 0 up: until the top fits in 4 chunks per axis, at least to level 5."""
    levels = [(np.asarray(voxels, np.int64).reshape(-1, 3), np.asarray(rgba, np.uint8).reshape(-1, 4))]
    while not _is_top(levels, n_levels):
        levels.append(reduce_sparse(*levels[-1]))
    return levels


def _is_top(levels, n_levels):
    if n_levels is not None:
        return len(levels) >= n_levels
    chunks = address.chunk_of(levels[-1][0])
    fits = len(chunks) == 0 or (np.ptp(chunks, axis=0) < MAX_TOP_CHUNKS).all()
    return len(levels) > MIN_PINNED_LEVEL and bool(fits)


def regions_of(voxels, rgba):
    """Yield (region (x, y, z), morton [C], packed chunks) of one level's voxels, in order."""
    regions, at = np.unique(address.region_of(voxels), axis=0, return_inverse=True)
    for i, region in enumerate(regions):
        inside = at.ravel() == i
        local = voxels[inside]
        index = address.morton_of_chunk(address.chunk_of(local)) << 12 | address.mask_index(local & 15)
        order = np.argsort(index)
        morton, packed = pack_sorted(index[order], np.ascontiguousarray(rgba[inside][order]))
        yield tuple(region.tolist()), morton, packed


def make_world(
    path: Path,
    voxels,
    rgba,
    *,
    voxel_size_m: float = 0.01,
    codec: str = "zstd",
    n_levels: int | None = None,
    sources: list[dict] | None = None,
) -> World:
    """Write a world of these voxels and open it.

    voxels [N, 3] int, each at most once, signed; rgba [N, 4] uint8 sRGB, A >= 1; N >= 0
    n_levels: None for as many as are needed
    """
    levels = levels_of(voxels, rgba, n_levels)
    with WorldWriter(path, voxel_size_m=voxel_size_m, codec=codec) as writer:
        for level, (at, colours) in enumerate(levels):
            for region, morton, packed in regions_of(at, colours):
                writer.write_region(level, region, morton, packed)
        finest = levels[0][0]
        low = finest.min(axis=0) if len(finest) else np.zeros(3, np.int64)
        high = finest.max(axis=0) + 1 if len(finest) else low
        writer.finish(bounds_voxels=(low, high), n_levels=len(levels), sources=sources or [{"name": "test"}])
    return open_world(path)


def surface(n_voxels: int, spread: int, seed: int = 0):
    """About n_voxels of a bumpy surface around the origin, both signs -> (voxels [N, 3], rgba [N, 4])."""
    rng = np.random.default_rng(seed)
    xy = rng.integers(-spread, spread, (n_voxels, 2))
    z = np.floor(20 * np.sin(xy[:, 0] / 37) + 15 * np.cos(xy[:, 1] / 23)).astype(np.int64)
    voxels = np.unique(np.column_stack([xy, z]), axis=0)
    rgba = rng.integers(0, 256, (len(voxels), 4), dtype=np.uint8)
    rgba[:, 3] |= 1
    return voxels, rgba
