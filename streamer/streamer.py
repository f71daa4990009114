"""The face of the room: what a frame's feedback asks for comes in, what nobody touches goes.

`update` runs on the main thread, once a frame. It reads no file, decodes nothing and waits for nothing: it
swaps the loader's mailbox, takes what has come, and decides with `Residency` what gets a slot.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_of_id
from ..atlas.id_map import NOWHERE, contains
from ..atlas.layout import MIN_PINNED_LEVEL
from ..atlas.page_table import RootGrid, root_grid
from ..atlas.streams import Stream
from .chunk_source import ChunkSource
from .chunk_state import ChunkState
from .descent import children, octants
from .errors import WorldError
from .loader import Arrivals, Journey, Loader, Resident, Room, Wanted
from .pins import read_known
from .ram_tier import RamTier
from .residency import NO_CHANGE, Change, Residency
from .resting import Resting
from .upload_budget import FEW, Budgets, Cost, within
from .view import Sight, extrapolated, has_moved

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

PINNED_SHARE = 16  # pinned levels may take one in so many slots
MAX_PINNED = 8192  # chunks: what opening a world may cost at most
RETRY_S = 2.0  # after which a chunk that failed is tried again, silently
SPECULATION = 4096  # chunks beyond what was asked that one wish may read
SPECULATIVE_PERCENT = 80  # of the room that is left: what rays will ask for next must find some
PREFETCH_FRAMES = 20  # how far ahead a cut is predicted: a third of a second at 60 Hz
JUMP = 128.0, 0.6  # voxels, radians in one frame: what the old view used is of no use any more
DRIFT = 32.0, 0.2  # voxels, radians since the last prediction: time for the next


@dataclass(frozen=True, slots=True)
class Update:
    """What a frame changes on the GPU, in this order: withdraw, upload, publish."""

    withdraw: U32  # [W, 2] page writes
    streams: list[Stream]  # [N] chunks
    slots: I64  # [N] where they go
    publish: U32  # [P, 2] page writes
    n_bytes: int
    n_evicted: int


class Streamer:
    """A chunk source, streamed into a number of slots."""

    def __init__(
        self,
        source: ChunkSource,
        budgets: Budgets,
        on_bad: Callable[[WorldError], None] = lambda error: None,
        n_threads: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        meta = source.meta
        lo, hi = (np.array(corner, np.int64) for corner in meta.bounds_voxels)
        self.root: RootGrid = root_grid(meta.n_levels - 1, lo, hi)
        self.residency = Residency(self.root, budgets.n_slots)
        self.ram = RamTier(budgets.ram_bytes)
        self.budgets = budgets
        self._source, self._on_bad, self._clock = source, on_bad, clock
        self._loader = Loader(source, self.ram, self._told, n_threads)
        self._waiting: list[Arrivals] = []  # for the upload budget
        self._failed = Resting()
        self._cost = Cost()
        self._known_bad: set[tuple[str, str | None]] = set()  # told already
        self._lost = np.empty(0, np.uint64)  # should have been pinned, and could not be read so far
        self._pins: tuple[U64, NDArray[np.uint8]] = (np.empty(0, np.uint64), np.empty(0, np.uint8))
        self._sight: Sight | None = None
        self._journey = Journey(None, None, self._pins)
        self.n_loaded = self.n_evicted = self.n_bytes = 0

    def pin(self) -> Update:
        """Read the coarse levels, at once, on this thread: before the first frame.

        From the root down, level by level, to LOD 5, as long as they take no more than their share.
        """
        limit = max(self.root.n_chunks, min(self.budgets.n_slots // PINNED_SHARE, MAX_PINNED))
        ids, streams = np.empty(0, np.uint64), list[Stream]()
        known = read_known(self._source, self.root.ids, self._told)
        nothing = self.residency.publish_empty(known.empty)
        while True:
            ids = np.concatenate([ids, known.ids])
            streams += known.streams
            self._lost = np.concatenate([self._lost, known.unknown])
            below = children(known.ids, octants(known.streams))
            level = chunk_of_id(below)[0]
            if not below.size or level[0] < MIN_PINNED_LEVEL or ids.size + below.size > limit:
                break
            known = read_known(self._source, below, self._told)
        self._failed.add(self._lost, self._clock() + RETRY_S)
        bits = octants(streams)
        change = self.residency.admit(ids, bits, np.ones(ids.size, bool), frame=0, pin=True)
        self._pins = ids[change.taken], bits[change.taken]
        come = [streams[i] for i in change.taken.tolist()]
        return self._update(change, come, np.concatenate([change.publish, nothing]))

    def update(
        self, touched: NDArray[np.integer], requests: NDArray[np.void], said: int, sight: Sight, frame: int
    ) -> Update:
        """One frame's streaming.

        touched, requests  what rays said in frame `said` (slots; layout.REQUEST), empty if nothing has come
        sight              the view that this frame draws
        frame              counts up by one; chunks that come in now are stamped with it
        """
        self._loader.main_is_busy = True
        try:
            update, wants = self._step(touched, requests, said, sight, frame)
        finally:
            self._loader.main_is_busy = False
        if wants:
            self._loader.wake()
        return update

    def _step(
        self, touched: NDArray[np.integer], requests: NDArray[np.void], said: int, sight: Sight, frame: int
    ) -> tuple[Update, bool]:
        """`update`, and whether the loader has got something new to do."""
        residency = self.residency
        residency.touch(touched, said)
        self._take_arrivals(frame)
        update = self._admit(frame)
        asked = self._asked(requests, said)
        ahead = extrapolated(self._sight, sight, PREFETCH_FRAMES)
        if has_moved(self._sight, sight, *JUMP):
            residency.forget_view(frame)
            ahead = sight
        self._sight = sight
        drifted = has_moved(self._journey.start, sight, *DRIFT)
        if drifted:
            self._journey = Journey(sight, ahead, self._pins)
        wants = bool(asked.size) or drifted
        if wants:
            spare = residency.n_speculative(frame) - asked.size
            n_room = min(spare * SPECULATIVE_PERCENT // 100, SPECULATION)
            resident = Resident(residency.table.chunks.now, residency.octants)
            self._loader.post(Wanted(asked, sight, resident, self._coming(), Room(n_room), self._journey))
        return update, wants

    @property
    def source(self) -> ChunkSource:
        """What it streams from; any thread may read it."""
        return self._source

    def state_of(self, chunk: int) -> ChunkState:
        """Where one chunk is: for panels and tests."""
        one = np.array([chunk], np.uint64)
        if self.residency.table.chunks.find(one)[0] >= 0:
            return ChunkState.RESIDENT
        if any((a.ids == one).any() for a in self._waiting):
            return ChunkState.UPLOADING
        if self._loader.is_reading(chunk):
            return ChunkState.READING
        if contains(self._failed.ids, one)[0]:
            return ChunkState.FAILED
        if self._loader.is_queued(chunk):
            return ChunkState.QUEUED
        return ChunkState.IN_RAM if chunk in self.ram else ChunkState.ABSENT

    def spent(self, update: Update, cpu_ms: float) -> None:
        """To decide on an update and to hand it over took so long: later ones are cut to the budget."""
        self._cost.spent(len(update.streams), cpu_ms)

    @property
    def is_idle(self) -> bool:
        """Nothing is under way."""
        return not self._waiting and self._loader.n_under_way == 0

    @property
    def n_under_way(self) -> int:
        """Chunks that are being read, or have come and were not taken yet."""
        return self._loader.n_under_way

    @property
    def n_waiting(self) -> int:
        """Chunks that have come and wait for the upload budget."""
        return sum(arrivals.ids.size for arrivals in self._waiting)

    @property
    def busy_s(self) -> float:
        """CPU time of the loader's threads so far."""
        return self._loader.busy_s

    def hold(self, is_held: bool) -> None:
        """Let the loader's threads rest after what they have begun, or go on: for measuring."""
        self._loader.is_held = is_held

    def close(self) -> None:
        """Stop the threads. Does not wait for a hung read."""
        self._loader.close()

    def _told(self, error: WorldError) -> None:
        """Tell of damage once, not again at every retry."""
        key = error.file, error.chunk
        if key not in self._known_bad:
            self._known_bad.add(key)
            self._on_bad(error)

    def _asked(self, requests: NDArray[np.void], said: int) -> U64:
        """The chunks that rays missed, widest in pixels first, without those that rest after a failure."""
        order = np.argsort(-requests["error"], kind="stable")
        ids = self.residency.asked(requests["slot"][order], requests["octant"][order], said)
        if self._lost.size:  # no ray can ask for them
            ids = np.concatenate([self._lost, ids[~np.isin(ids, self._lost)]])
        self._failed.wake(self._clock())
        return ids[~contains(self._failed.ids, ids)]

    def _coming(self) -> U64:
        """What need not be read, besides what is resident: it waits to come in, or it failed just now."""
        return np.sort(np.concatenate([*(a.ids for a in self._waiting), self._failed.ids]))

    def _take_arrivals(self, frame: int) -> None:
        bad = []
        for arrivals in self._loader.arrivals():
            if arrivals.kept[0].size:
                self.residency.keep(*arrivals.kept, frame)
            if arrivals.ids.size or arrivals.empty.size:
                self._waiting.append(arrivals)
            if arrivals.bad.size:
                bad.append(arrivals.bad)
        if bad or self._failed.ids.size:
            self._note_failures(np.concatenate([self._failed.ids[:0], *bad]))

    def _note_failures(self, bad: U64) -> None:
        """Let failed chunks rest. One of which another copy is here, or has come now, has not failed."""
        here = np.sort(np.concatenate([bad[:0], *(a.ids for a in self._waiting)]))
        bad = bad[~contains(here, bad) & (self.residency.table.chunks.find(bad) == NOWHERE)]
        self._failed.drop(here)
        if bad.size:
            self._failed.add(bad, self._clock() + RETRY_S)

    def _admit(self, frame: int) -> Update:
        """Give slots to what has come, as far as this frame's budget goes."""
        n_chunks = self._cost.n_chunks(self.budgets)
        now, self._waiting = within(self._waiting, self.budgets.upload_bytes_per_frame, n_chunks)
        if sum(len(a.streams) for a in now) < FEW:
            self.residency.tidy(frame)
        if not now:
            return self._update(NO_CHANGE, [], NO_CHANGE.publish)
        ids = np.concatenate([a.ids for a in now])
        streams = [one for a in now for one in a.streams]
        bits = np.concatenate([a.octants for a in now])
        urgent = np.repeat([a.asked for a in now], [a.ids.size for a in now]).astype(bool)
        _, once = np.unique(ids, return_index=True)
        empty = np.unique(np.concatenate([a.empty for a in now]))
        pin = np.isin(ids[once], self._lost) if self._lost.size else False
        change = self.residency.admit(ids[once], bits[once], urgent[once], frame, pin)
        nothing = self.residency.publish_empty(empty)
        if self._lost.size:
            found = np.concatenate([ids[once][change.taken], empty])
            self._lost = self._lost[~np.isin(self._lost, found)]
        come = [streams[i] for i in once[change.taken].tolist()]
        return self._update(change, come, np.concatenate([change.publish, nothing]))

    def _update(self, change: Change, streams: list[Stream], publish: U32) -> Update:
        n_bytes = sum(map(len, streams))
        self.n_loaded += len(streams)
        self.n_bytes += n_bytes
        self.n_evicted += change.n_evicted
        return Update(change.withdraw, streams, change.slots, publish, n_bytes, change.n_evicted)
