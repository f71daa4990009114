"""A world on the GPU: its page table, its pool, and how much of it is there."""

from collections.abc import Iterable
from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_id
from ..atlas.page_table import PageTable, RootGrid, root_grid
from ..streamer.world import World
from .render.pool import BYTES_PER_SLOT, Pool


@dataclass(slots=True)
class Scene:
    """What the renderer draws. Built by `load`, freed by `release`."""

    root: RootGrid
    voxel_size_m: float
    table: PageTable
    pool: Pool

    @property
    def n_resident(self) -> int:
        return len(self.table.slot_of)

    def add(self, ids: NDArray[np.uint64], packed: list[bytes]) -> None:
        """Bring chunks in: data first, then the entries that lead to them.

        ids [N] uint64, each with its parent resident or in the same call; packed: N packed chunks.
        """
        order = np.argsort(ids)[::-1]  # the level is the highest bits: coarse first
        first = self.n_resident
        slots = np.arange(first, first + len(ids), dtype=np.int64)
        assert first + len(ids) <= self.pool.n_slots, "more chunks than slots"
        self.pool.upload(slots, [packed[i] for i in order])
        self.pool.publish(self.table.publish(ids[order], slots))

    def release(self) -> None:
        self.pool.release()


def make_scene(ctx: moderngl.Context, root: RootGrid, voxel_size_m: float, n_slots: int) -> Scene:
    """An empty scene with room for `n_slots` chunks."""
    return Scene(root, voxel_size_m, PageTable(root, n_slots), Pool(ctx, root, n_slots))


def load(ctx: moderngl.Context, world: World, vram_bytes: int) -> Scene:
    """Bring a whole world in, coarse levels first, until the budget is full.

    What does not fit stays missing, and its parents are drawn in its place.
    """
    meta = world.meta
    root = root_grid(meta.n_levels - 1, *map(np.array, meta.bounds_voxels))
    n_chunks = sum(region.n_chunks for region in world.regions)
    n_slots = max(1, min(n_chunks, vram_bytes // BYTES_PER_SLOT))
    scene = make_scene(ctx, root, meta.voxel_size_m, n_slots)
    for ids, packed in _coarse_first(world):
        room = n_slots - scene.n_resident
        if room == 0:
            break
        scene.add(ids[:room], packed[:room])
    return scene


def _coarse_first(world: World) -> Iterable[tuple[NDArray[np.uint64], list[bytes]]]:
    for record in sorted(world.regions, key=lambda r: -r.level):
        chunks = world.read_region(record)
        yield chunk_id(record.level, chunks.chunks), list(chunks.packed)
