"""The entities of what is seen: read for the chunks that rays end in, while the pass semantic is shown.

The streamer brings colours; this brings, beside it and on a thread of its own, the plane `semantic` of the
same chunks. A chunk whose entities have not come yet is drawn dark, never with another chunk's.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas import plane
from ..atlas.layout import CHUNK_VOXELS
from ..streamer.chunk_source import OnBad
from ..streamer.residency import Residency
from ..streamer.world import World
from .entity_colours import colour_index
from .render.entity_rows import EntityRows
from .render.pool import Pool

PLANE = PASS = "semantic"
BATCH = 128  # chunks that are read at a time: their rows are sent to the GPU within one frame
_NOBODY = np.uint64(2**64 - 1)  # no chunk has this id


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read: chunk ids [N] that were in slots [N], palette indices [N, 4096], entities met."""

    ids: NDArray[np.uint64]
    slots: NDArray[np.int64]
    rows: NDArray[np.uint8]
    met: frozenset[int]


class Entities:
    """Those of one scene. `step` once a frame while the pass is shown."""

    def __init__(self, world: World, residency: Residency, pool: Pool, on_bad: OnBad) -> None:
        self.names = world.meta.entities
        self.met: set[int] = set()  # so far, 0 for none
        self.failed = ""  # why nothing can be shown
        self._world, self._residency, self._pool, self._on_bad = world, residency, pool, on_bad
        self._held = np.full(pool.n_slots, _NOBODY)  # [n_slots] whose entities each row holds
        self._known = np.zeros(pool.n_slots, bool)  # what the GPU was told
        self._thread: ThreadPoolExecutor | None = None
        self._coming: Future[Batch] | None = None

    def step(self, touched: NDArray[np.integer], waits: bool = False) -> bool:
        """Hear what has been read, read on. -> whether nothing of what rays touched is lacking

        touched [N] slots; waits: read all of it now, for who has no other frame
        """
        if self._pool.entities is None:
            self._begin()
        rows = self._pool.entities
        if rows is None or self.failed:
            return True
        if self._coming is not None and (waits or self._coming.done()):
            coming, self._coming = self._coming, None
            self._take(rows, coming.result())
        lacking = self._lacking(touched)
        while waits and lacking.size:
            self._take(rows, self._read(lacking[:BATCH], self._owners(lacking[:BATCH])))
            lacking = lacking[BATCH:]
        if lacking.size and self._coming is None and self._thread is not None:
            slots = lacking[:BATCH]
            self._coming = self._thread.submit(self._read, slots, self._owners(slots))
        known = self._held == self._residency.owners
        if not np.array_equal(known, self._known):
            self._known = known
            rows.tell(known)
        return lacking.size == 0 and self._coming is None

    def close(self) -> None:
        """Stop reading. The GPU's memory is the pool's."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        if not self._pool.hold_entities():
            self.failed = "no video memory is left to show entities in; lower --vram"
        else:
            self._thread = ThreadPoolExecutor(1, "voxtide-entities")

    def _lacking(self, touched: NDArray[np.integer]) -> NDArray[np.int64]:
        slots = np.unique(np.asarray(touched, np.int64))
        found: NDArray[np.int64] = slots[self._held[slots] != self._owners(slots)]
        return found

    def _owners(self, slots: NDArray[np.int64]) -> NDArray[np.uint64]:
        return self._residency.owners[slots]  # a copy: slots change hands while it is read

    def _read(self, slots: NDArray[np.int64], ids: NDArray[np.uint64]) -> Batch:
        """On the thread. What cannot be read is told once, and drawn as without entity."""
        rows = np.zeros((ids.size, CHUNK_VOXELS), np.uint8)
        met: set[int] = set()
        for row, packed in zip(rows, self._world.read_plane_chunks(PLANE, ids, self._on_bad), strict=True):
            if packed is not None:
                held, values = plane.split(PLANE, packed)
                row[held] = colour_index(values)
                met.update(np.unique(values).tolist())
        return Batch(ids, slots, rows, frozenset(met))

    def _take(self, rows: EntityRows, batch: Batch) -> None:
        still = self._residency.owners[batch.slots] == batch.ids
        rows.write(batch.slots[still], batch.rows[still])
        self._held[batch.slots[still]] = batch.ids[still]
        self.met |= batch.met
