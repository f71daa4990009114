"""Who has which slot, who comes in and who must go. Pure policy: no GL, threads, files or clock.

Everything is an array over slots; nothing loops over resident chunks. Rules:

* the pinned chunks never go;
* a chunk with a resident child never goes, so every resident chunk can be reached;
* a chunk goes only when no ray has used it for HYSTERESIS_FRAMES, the longest unused first; after a jump of
  the view, what the old view used may go at once;
* what was only predicted has GRACE_FRAMES to be used, and when there is not room for all, what rays asked
  for comes first. So predictions never push out what a steady view uses.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.family import child_id, level_of_id, parent_id
from ..atlas.id_map import NOWHERE
from ..atlas.page_table import PageTable, RootGrid
from ..atlas.slots import SlotPool

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

HYSTERESIS_FRAMES = 40  # rays that only pass through a chunk stamp it once in about 20 frames (march.glsl)
GRACE_FRAMES = 4  # to be used, for what was predicted: as long as feedback takes, and one more
QUEUED = 4096  # slots that one look at all of them finds to evict
MANY_CHANGES = 2048  # of the id map: it is worth a merge
STALE_FRAMES = 300  # unused for so long, a chunk may make room even for a mere prediction
STALE_COUNT_FRAMES = 8  # how old the count of these may be: to count a hundred thousand takes a while


@dataclass(frozen=True, slots=True)
class Change:
    """What one frame does to the GPU's memory, in this order.

    withdraw  [W, 2] uint32 page writes that make evicted chunks unreachable
    taken     [N] which of the chunks offered come in; slots [N] int64 where to
    publish   [P, 2] uint32 page writes that make them reachable, once their data is there
    """

    withdraw: U32
    taken: I64
    slots: I64
    publish: U32
    n_evicted: int


_ALL = slice(None)
_NO_WRITES: U32 = np.empty((0, 2), np.uint32)
NO_CHANGE = Change(_NO_WRITES, np.empty(0, np.int64), np.empty(0, np.int64), _NO_WRITES, 0)


class Residency:
    """The books of the slots, and the page table that they back."""

    def __init__(self, root: RootGrid, n_slots: int) -> None:
        self.slots = SlotPool(n_slots)
        self.table = PageTable(root, n_slots)
        self.octants: U8 = np.zeros(n_slots, np.uint8)  # which children of the chunk in a slot exist
        self._touched = np.zeros(n_slots, np.int32)  # frame
        self._since = np.zeros(n_slots, np.int32)  # frame in which the chunk came
        self._n_children = np.zeros(n_slots, np.int16)
        self._at = np.zeros(n_slots, np.int64)  # where the chunk's own page entry lies
        self._pinned = np.zeros(n_slots, bool)
        self._unproved = np.zeros(n_slots, bool)  # predicted, and no ray has used it yet
        self._predicted = np.zeros(n_slots, np.int32)  # frame of the latest prediction
        self._queue: I64 = np.empty(0, np.int64)  # slots to be evicted next, as of the last look at all
        self._view_since = 0
        self._n_stale, self._counted = 0, -STALE_COUNT_FRAMES  # chunks, as of a frame

    @property
    def n_resident(self) -> int:
        return len(self.table.chunks)

    @property
    def resident_ids(self) -> U64:
        """Sorted, and never changed in place: threads may read it."""
        return self.table.chunks.ids

    @property
    def owners(self) -> U64:
        """[n_slots] chunk ids, meaningful for taken slots."""
        return self.slots.owner

    def touch(self, slots: NDArray[np.integer], frame: int) -> None:
        """Rays of this frame ended in these slots. Slots that were reused since do no harm: they age anew."""
        self._touched[slots] = np.maximum(self._touched[slots], frame)
        self._unproved[slots] = False

    def keep(self, ids: U64, slots: I64, frame: int) -> None:
        """Chunks are about to be used, if still in these slots: a new prediction goes through them."""
        slots = slots[self.slots.taken[slots] & (self.slots.owner[slots] == ids)]
        self._touched[slots] = np.maximum(self._touched[slots], frame)
        self._predicted[slots], self._unproved[slots] = frame, True

    def asked(self, slots: NDArray[np.integer], octants: NDArray[np.integer], frame: int) -> U64:
        """The children that rays of a frame missed. [N] slots, [N] octants -> [M <= N] uint64

        A slot may have got another owner since that frame: what its rays said is then void.
        """
        keep = self.slots.taken[slots] & (self._since[slots] <= frame)
        ids = child_id(self.slots.owner[slots[keep]], octants[keep])
        missing: U64 = ids[self.table.chunks.find(ids) == NOWHERE]
        return missing

    def forget_view(self, frame: int) -> None:
        """The view has jumped: what was used before this frame may go at once."""
        self._view_since, self._counted = frame, -STALE_COUNT_FRAMES

    def n_speculative(self, frame: int) -> int:
        """How many slots predictions may have: free ones, and those of chunks that nobody remembers.

        Parents count, too: they may go once their children have, and where these are remembered so are they.
        """
        if frame - self._counted >= STALE_COUNT_FRAMES:
            stale = self._touched < max(frame - STALE_FRAMES, self._view_since)
            self._n_stale = int(np.count_nonzero(stale & self.slots.taken & ~self._pinned))
            self._counted = frame
        return self.slots.n_free + self._n_stale

    def admit(
        self,
        ids: U64,
        octant_bits: U8,
        urgent: NDArray[np.bool_],
        frame: int,
        pin: bool | NDArray[np.bool_] = False,
    ) -> Change:
        """Bring chunks in as far as there is room, urgent ones first, coarse before fine.

        ids [N] uint64 (each once), octant_bits [N] uint8, urgent [N] bool; pin: these never go. Chunks that
        are resident already, or whose parent neither is resident nor comes in now, are left out.
        """
        if not ids.size:
            return NO_CHANGE
        offer = self._offer(ids)
        order = np.lexsort((np.arange(ids.size), ~urgent, -offer.level))
        order = _behind_parents(offer, order[self.table.chunks.find(ids[order]) == NOWHERE])
        parents = offer.parent_slots[order]
        self.touch(parents[parents != NOWHERE], frame)  # not evicted to make room for their children
        withdraw, n_evicted = self._make_room(order.size, frame)
        if order.size > self.slots.n_free:
            # As many as there are slots: urgent ones first, each behind its parent.
            kept = np.sort(np.argsort(~urgent[order], kind="stable")[: self.slots.n_free])
            order = _behind_parents(offer, order[kept])
        slots = self.slots.take(ids[order])
        publish = self.table.publish(ids[order], slots)
        self._enter(slots, publish[:, 0], octant_bits[order], ~urgent[order], frame)
        self._pinned[slots] = np.broadcast_to(pin, ids.shape)[order]
        return Change(withdraw, order, slots, publish, n_evicted)

    def publish_empty(self, ids: U64) -> U32:
        """Chunks that turned out to hold nothing: rays pass them from now on. -> page writes"""
        if not ids.size:
            return _NO_WRITES
        return self.table.publish_empty(ids[self.table.is_reachable(ids)])

    def _offer(self, ids: U64) -> "_Offer":
        level = level_of_id(ids)
        root = self.table.root
        parents = parent_id(ids)
        slots = np.where(level < root.level, self.table.chunks.find(parents), NOWHERE)
        in_root = level == root.level
        if in_root.any():
            in_root[in_root] = self.table.is_reachable(ids[in_root])
        return _Offer(ids, level, parents, slots, in_root)

    def _may_go(self, slots: I64 | slice = _ALL) -> NDArray[np.bool_]:
        go: NDArray[np.bool_] = (
            self.slots.taken[slots] & (self._n_children[slots] == 0) & ~self._pinned[slots]
        )
        return go

    def _evictable(self, frame: int, slots: I64 | slice = _ALL) -> NDArray[np.bool_]:
        unused = self._touched[slots] < max(frame - HYSTERESIS_FRAMES, self._view_since)
        in_vain = self._unproved[slots] & (self._predicted[slots] < frame - GRACE_FRAMES)
        return np.asarray(self._may_go(slots) & (unused | in_vain))

    def _make_room(self, n_wanted: int, frame: int) -> tuple[U32, int]:
        """Evict until that many slots are free, if so many may go. -> (page writes, how many went)"""
        writes = [_NO_WRITES]
        n_evicted = 0
        while (need := n_wanted - self.slots.n_free) > 0:
            leaving = self._next_to_go(need, frame)  # parents become evictable round by round
            if not leaving.size:
                break
            writes.append(self._leave(leaving))
            n_evicted += leaving.size
        return np.concatenate(writes), n_evicted

    def tidy(self, frame: int) -> None:
        """What has to be done now and then, and had better be done in a frame that has little else to do."""
        if self.slots.n_free + self._queue.size < QUEUED // 2:
            self._look_for_the_oldest(QUEUED, frame)
        else:
            self.table.chunks.tidy(MANY_CHANGES)

    def _next_to_go(self, n: int, frame: int) -> I64:
        """At most n slots that may be evicted, the longest unused first.

        To look at every slot costs half a millisecond, so one look serves many frames: what was the oldest
        then is the oldest now, unless it has been used since.
        """
        head, tail = self._queue[: 2 * n], self._queue[2 * n :]
        leaving = head[self._evictable(frame, head)]
        if leaving.size < n:
            self._look_for_the_oldest(max(n, QUEUED), frame)
            leaving, tail = self._queue, self._queue[:0]
        self._queue = np.concatenate([leaving[n:], tail])
        return leaving[:n]

    def _look_for_the_oldest(self, n: int, frame: int) -> None:
        old = np.flatnonzero(self._evictable(frame))
        old = _oldest(old, self._touched[old], n)
        self._queue = old[np.argsort(self._touched[old], kind="stable")]

    def _enter(self, slots: I64, at: U32, octant_bits: U8, unproved: NDArray[np.bool_], frame: int) -> None:
        self.octants[slots] = octant_bits
        self._touched[slots] = self._since[slots] = self._predicted[slots] = frame
        self._unproved[slots] = unproved
        self._n_children[slots] = 0
        self._at[slots] = at
        np.add.at(self._n_children, self._parents_of(slots), 1)

    def _parents_of(self, slots: I64) -> I64:
        """The slots whose children these are, as often as they are; chunks of the root grid have none."""
        below = self._at[slots] - self.table.root.n_chunks
        return below[below >= 0] >> 3

    def _leave(self, slots: I64) -> U32:
        writes, _ = self.table.withdraw(self.slots.owner[slots], self._at[slots])
        np.add.at(self._n_children, self._parents_of(slots), -1)
        self.slots.give(slots)
        self._n_stale = max(self._n_stale - slots.size, 0)  # they are counted as free now
        return writes


@dataclass(frozen=True, slots=True)
class _Offer:
    """Chunks that might come in, and what is known of their parents. All [N]."""

    ids: U64
    level: I64
    parents: U64
    parent_slots: I64  # NOWHERE: not resident, or none
    in_root: NDArray[np.bool_]  # chunks of the root grid need no parent


def _behind_parents(offer: _Offer, order: I64) -> I64:
    """Those of `order`, coarse first, whose parents are resident or come before them."""
    ids, level, parents = offer.ids[order], offer.level[order], offer.parents[order]
    ok = offer.in_root[order] | (offer.parent_slots[order] != NOWHERE)
    if not ok.all():
        for k in range(int(level.max()) - 1, -1, -1):  # parents of level k + 1 are settled
            rows = np.flatnonzero((level == k) & ~ok)
            ok[rows] = np.isin(parents[rows], ids[(level == k + 1) & ok])
    kept: I64 = order[ok]
    return kept


def _oldest(slots: I64, touched: NDArray[np.int32], n: int) -> I64:
    """The n slots touched the longest ago, or all. A sample narrows them down: to part 100,000 takes 2 ms."""
    if slots.size <= n:
        return slots
    sample = np.sort(touched[:: max(1, slots.size // 1024)])
    bound = sample[min(sample.size - 1, sample.size * 2 * n // slots.size + 8)]
    few = touched <= bound
    if np.count_nonzero(few) >= n:
        slots, touched = slots[few], touched[few]
    chosen: I64 = slots[np.argpartition(touched, n - 1)[:n]]
    return chosen
