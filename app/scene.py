"""A world on the GPU: how its chunks get there, all at once or streamed.

Data goes into a slot first, then the entry that leads to it; an entry is cleared before its slot is reused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_id
from ..atlas.layout import MAX_LEVEL
from ..atlas.page_table import RootGrid, root_grid
from ..atlas.streams import Stream
from ..streamer.chunk_source import ChunkSource, OnBad
from ..streamer.descent import octants
from ..streamer.pins import read_known
from ..streamer.residency import Residency
from ..streamer.streamer import Streamer, Update
from ..streamer.upload_budget import Budgets
from ..streamer.world import World
from .camera import View
from .entities import PLANE, Entities
from .render.context import Context
from .render.pool import BYTES_PER_SLOT, Pool


@dataclass(slots=True)
class Scene:
    """What the renderer draws. Freed by `release`."""

    root: RootGrid
    voxel_size_m: float
    extent_voxels: float  # diagonal of the bounds: the scale of haze and depth pictures
    residency: Residency
    pool: Pool
    streamer: Streamer | None = None  # None: what is there stays, and nothing comes
    entities: Entities | None = None  # None: the world has none
    vram_bytes: int = 0  # what chunks may take; a small world needs less, and has no more slots than chunks

    @property
    def n_resident(self) -> int:
        return self.residency.n_resident

    def add(self, ids: NDArray[np.uint64], streams: Sequence[Stream]) -> None:
        """Bring chunks in for good, as many as there is room for.

        ids [N] uint64, each with its parent resident or in the same call; streams: of N chunks.
        """
        change = self.residency.admit(ids, octants(streams), np.ones(ids.size, bool), frame=0, pin=True)
        self.pool.upload(change.slots, [streams[i] for i in change.taken.tolist()])
        self.pool.publish(change.publish)

    def apply(self, update: Update) -> None:
        """Do what the streamer decided."""
        self.pool.publish(update.withdraw)
        self.pool.upload(update.slots, update.streams)
        self.pool.publish(update.publish)

    def start_of(self, view: View) -> dict[str, object]:
        """The chunks that hold every eye, so that its rays need not walk down from the root: uniforms."""
        eyes = np.floor(view.eyes_voxels).astype(np.int64)
        around = self.residency.table.slots_around(eyes)
        slots = [around.get(level, 0) for level in range(MAX_LEVEL + 1)]
        return {"start_level": min(around, default=self.root.level + 1), "start_slots": slots}

    def release(self) -> None:
        """Stop streaming and free the GPU's memory."""
        if self.streamer is not None:
            self.streamer.close()
        if self.entities is not None:
            self.entities.close()
        self.pool.release()


def slots_in(vram_bytes: int) -> int:
    """How many chunks a budget of video memory holds."""
    return vram_bytes // BYTES_PER_SLOT


def make_scene(
    ctx: Context, root: RootGrid, voxel_size_m: float, extent_voxels: float, n_slots: int
) -> Scene:
    """An empty scene with room for `n_slots` chunks."""
    return Scene(root, voxel_size_m, extent_voxels, Residency(root, n_slots), Pool(ctx, root, n_slots))


def load(ctx: Context, world: World, vram_bytes: int, on_bad: OnBad | None = None) -> Scene:
    """Bring a whole world in, coarse levels first, until the budget is full.

    What does not fit, or cannot be read (`on_bad` hears of it), stays missing: its parents are drawn.
    """
    n_chunks = sum(region.n_chunks for region in world.regions)
    root, extent = _shape_of(world)
    n_slots = max(1, min(n_chunks, slots_in(vram_bytes)))
    scene = make_scene(ctx, root, world.meta.voxel_size_m, extent, n_slots)
    known = read_known(world, root.ids, lambda error: None)  # who hears of damage hears of it below
    scene.pool.publish(scene.residency.publish_empty(known.empty))
    for record in sorted(world.regions, key=lambda r: -r.level):
        if scene.residency.slots.n_free == 0:
            break
        chunks, streams = world.read_region_streams(record, on_bad)
        scene.add(chunk_id(record.level, chunks), streams)
    scene.entities = _entities_of(world, scene, on_bad)
    return scene


def stream(
    ctx: Context,
    source: ChunkSource,
    vram_bytes: int,
    ram_bytes: int,
    on_bad: OnBad = lambda error: None,
    n_threads: int = 2,
) -> Scene:
    """Open a world of any size: its coarse levels are read now, the rest comes as rays ask for it."""
    return scene_of(ctx, source, pin(source, vram_bytes, ram_bytes, on_bad, n_threads))


@dataclass(frozen=True, slots=True)
class Pinned:
    """A streamer that has read its world's coarse levels, and what they bring to the GPU."""

    streamer: Streamer
    update: Update
    on_bad: OnBad
    vram_bytes: int


def pin(
    source: ChunkSource,
    vram_bytes: int,
    ram_bytes: int,
    on_bad: OnBad = lambda error: None,
    n_threads: int = 2,
) -> Pinned:
    """The part of `stream` that reads and needs no GPU: for a thread that may wait."""
    n_slots = slots_in(vram_bytes)
    if isinstance(source, World):  # more than there is is never needed, and to allocate it takes time
        n_slots = min(n_slots, sum(region.n_chunks for region in source.regions))
    n_slots = max(_shape_of(source)[0].n_chunks + 8, n_slots)
    streamer = Streamer(source, Budgets(n_slots, ram_bytes), on_bad, n_threads)
    return Pinned(streamer, streamer.pin(), on_bad, vram_bytes)


def scene_of(ctx: Context, source: ChunkSource, pinned: Pinned) -> Scene:
    """The part of `stream` that needs the GPU."""
    root, extent = _shape_of(source)
    streamer = pinned.streamer
    pool = Pool(ctx, root, streamer.budgets.n_slots)
    scene = Scene(root, source.meta.voxel_size_m, extent, streamer.residency, pool, streamer)
    scene.entities, scene.vram_bytes = _entities_of(source, scene, pinned.on_bad), pinned.vram_bytes
    scene.apply(pinned.update)
    return scene


def _entities_of(source: ChunkSource, scene: Scene, on_bad: OnBad | None) -> Entities | None:
    if not isinstance(source, World) or PLANE not in source.meta.planes:
        return None
    return Entities(source, scene.residency, scene.pool, on_bad or (lambda error: None))


def _shape_of(source: ChunkSource) -> tuple[RootGrid, float]:
    """-> the root grid, and the length of the bounds' diagonal in voxels"""
    lo, hi = (np.array(corner, np.int64) for corner in source.meta.bounds_voxels)
    return root_grid(source.meta.n_levels - 1, lo, hi), float(np.linalg.norm(hi - lo))
