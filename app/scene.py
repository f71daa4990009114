"""A world on the GPU: its page table, its pool, and how much of it is there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_id
from ..atlas.page_table import PageTable, RootGrid, root_grid
from ..atlas.slots import SlotPool
from ..streamer.world import OnBad, World
from .render.context import Context
from .render.pool import BYTES_PER_SLOT, Pool


@dataclass(slots=True)
class Scene:
    """What the renderer draws. Built by `load`, freed by `release`."""

    root: RootGrid
    voxel_size_m: float
    extent_voxels: float  # diagonal of the bounds: the scale of haze and depth pictures
    slots: SlotPool
    table: PageTable
    pool: Pool

    @property
    def n_resident(self) -> int:
        return len(self.table.slot_of)

    def add(self, ids: NDArray[np.uint64], packed: Sequence[bytes | memoryview]) -> None:
        """Bring chunks in: data first, then the entries that lead to them.

        ids [N] uint64, each with its parent resident or in the same call; packed: N packed chunks.
        """
        order = np.argsort(ids)[::-1]  # the level is the highest bits: coarse first
        slots = self.slots.take(ids[order])
        self.pool.upload(slots, [packed[i] for i in order])
        self.pool.publish(self.table.publish(ids[order], slots))

    def release(self) -> None:
        self.pool.release()


def make_scene(
    ctx: Context, root: RootGrid, voxel_size_m: float, extent_voxels: float, n_slots: int
) -> Scene:
    """An empty scene with room for `n_slots` chunks."""
    table, pool = PageTable(root, n_slots), Pool(ctx, root, n_slots)
    return Scene(root, voxel_size_m, extent_voxels, SlotPool(n_slots), table, pool)


def load(ctx: Context, world: World, vram_bytes: int, on_bad: OnBad | None = None) -> Scene:
    """Bring a whole world in, coarse levels first, until the budget is full.

    What does not fit, or cannot be read (`on_bad` hears of it), stays missing: its parents are drawn.
    """
    n_chunks = sum(region.n_chunks for region in world.regions)
    lo, hi = (np.array(corner, np.int64) for corner in world.meta.bounds_voxels)
    root = root_grid(world.meta.n_levels - 1, lo, hi)
    n_slots = max(1, min(n_chunks, vram_bytes // BYTES_PER_SLOT))
    scene = make_scene(ctx, root, world.meta.voxel_size_m, float(np.linalg.norm(hi - lo)), n_slots)
    for record in sorted(world.regions, key=lambda r: -r.level):
        room = scene.slots.n_free
        if room == 0:
            break
        chunks = world.read_region(record, on_bad)
        ids = chunk_id(record.level, chunks.chunks)
        # Below a chunk that could not be read, or outside the bounds, no ray ever comes.
        keep = np.flatnonzero(scene.table.is_reachable(ids))[:room]
        scene.add(ids[keep], [chunks.packed[i] for i in keep])
    return scene
