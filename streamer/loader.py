"""Threads that bring chunks from the tiers below: RAM first, then the source. They never see GL.

The main thread puts what is wanted now into a mailbox (`want`), which replaces what waited there: a
request that is no longer made is thereby dropped. Threads take batches from it, most urgent first, read them,
and follow each chain down: a decoded chunk tells which children exist, and the view tells which of them a
ray may want, so depth costs no round trip through the GPU. What was read waits in `arrivals`.

Nothing here makes the main thread wait: the mailbox is swapped by one assignment, batches are claimed by
`next` on a shared counter, and both queues are unbounded and lock-free for their user (SimpleQueue).
"""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_id, chunk_of_id, region_of_chunk
from ..atlas.id_map import NOWHERE, Lookup, contains
from ..atlas.streams import Stream
from .chunk_source import ChunkSource
from .descent import children, octants, present, wanted
from .errors import WorldError
from .ram_tier import RamTier
from .view import Sight

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

SWITCH_S = 2e-4  # how long a loader thread may keep the interpreter from the main thread; Python: 5 ms
GIVE_WAY_S = 1e-4
CLOSE_S = 1.0  # how long to wait for reads under way; a hung one is left to its daemon thread
STUCK_S = 0.5  # a region that another thread has been reading for so long is left to that thread
MAX_STAND_INS = 8  # threads that take the place of those that are stuck in a read
MIN_BATCH = 32
CHAIN = 4  # chunks that may be read for each that rays asked for: it, and what it leads to
STEP = 256  # chunks that a thread reads before it looks up: what rays miss should not wait long


_NO_SLOTS = np.empty(0, np.int64)


class Room:
    """How many chunks the loader's threads together may read beyond what was asked for."""

    __slots__ = ("_lock", "left")

    def __init__(self, n_chunks: int) -> None:
        self.left = n_chunks
        self._lock = threading.Lock()  # between loader threads; the main thread never takes it

    def take(self, n_chunks: int) -> None:
        with self._lock:
            self.left -= n_chunks


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the main thread wants of the loader, until it says something else.

    ids       [N] uint64 missing chunks that rays asked for, most urgent first
    sight     the view, by which chains are followed down
    resident  what need not be read, but leads further down
    coming    [W] uint64 sorted: what need not be read either: it waits for a slot, or failed just now
    room      for chunks beyond `ids` and their chains
    journey   the view since its last jump; a chain is followed down as long as the journey is the same
    """

    ids: U64
    sight: Sight
    resident: "Resident"
    coming: U64
    room: Room
    journey: "Journey"
    batches: Iterator[int] = field(default_factory=itertools.count)


@dataclass(frozen=True, slots=True)
class Resident:
    """The resident chunks about as they were at some moment, without a copy.

    lookup   id -> slot
    octants  [n_slots] uint8, as it is now: a slot that has got another chunk since leads to children that do
             not exist, which costs a look-up and no more
    """

    lookup: Lookup
    octants: U8

    def found(self, ids: U64) -> tuple[U64, I64, U8]:
        """Those of the ids that are resident, sorted, their slots and their octants."""
        ids = np.sort(ids)
        slots = self.lookup.find(ids)
        here = slots != NOWHERE
        return ids[here], slots[here], self.octants[slots[here]]


@dataclass(frozen=True, slots=True)
class Journey:
    """A stretch of looking at about the same. It starts with a cut predicted from the pinned chunks.

    start  the view that it began with
    ahead  the view that it leads to, if the eye goes on as it went: what the cut is predicted for
    roots  [R] uint64 pinned chunks, [R] uint8 their octants
    """

    start: Sight | None
    ahead: Sight | None
    roots: tuple[U64, U8]
    parts: Iterator[int] = field(default_factory=itertools.count)  # of the cut, each taken once by a thread


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Chunks that have come, with all that the main thread wants to know of them: it only passes them on.

    ids      [N] uint64; streams: of N chunks; octants [N] uint8; sizes [N] int64, bytes
    empty    [E] uint64 chunks that turned out to hold nothing
    bad      [B] uint64 chunks that could not be read
    kept     [K] uint64 resident chunks that the cut goes through: they should not make room for it;
             [K] int64 the slots that they had when they were looked up
    asked    by rays; else they were predicted
    flight   by which they are known to be under way until they are taken
    """

    ids: U64
    streams: list[Stream]
    octants: U8
    sizes: I64
    empty: U64
    bad: U64
    kept: tuple[U64, I64]
    asked: bool
    flight: int


@dataclass(frozen=True, slots=True)
class Read:
    """A call of the source that is under way."""

    thread: int
    since: float
    regions: U64


class Loader:
    """Threads over one source, with a RAM tier before it."""

    def __init__(
        self, source: ChunkSource, ram: RamTier, on_bad: Callable[[WorldError], None], n_threads: int = 2
    ) -> None:
        self._source, self._ram, self._on_bad = source, ram, on_bad
        self._mailbox: Wanted | None = None
        self._tokens: SimpleQueue[bool] = SimpleQueue()  # False: end
        self._done: SimpleQueue[Arrivals] = SimpleQueue()
        self._flights: dict[int, U64] = {}  # what is being read, or was and has not been taken yet
        self._flight_numbers = itertools.count()
        self._reads: dict[int, Read] = {}  # by flight
        self._closing = False
        self._busy_s: dict[int, float] = {}  # thread -> its CPU time; written by it alone
        self.main_is_busy = False  # set by the main thread while it has work that should not be interrupted
        self.is_held = False  # set by the main thread: start nothing more until it is not
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._n_threads, self._threads = n_threads, list[threading.Thread]()
        self._relieved: set[int] = set()  # stuck threads whose place another has taken
        for _ in range(n_threads):
            self._start_thread()

    # Main thread --------------------------------------------------------------------------------------

    def want(self, wish: Wanted) -> None:
        """Replace what is wanted, and have it read. Never waits."""
        self.post(wish)
        self.wake()

    def post(self, wish: Wanted) -> None:
        """Replace what is wanted. Threads at work find it by themselves, those that rest once woken."""
        self._mailbox = wish
        self._relieve_stuck()

    def wake(self) -> None:
        """Wake the threads: best as the last of a frame, as they want the interpreter from who wakes them."""
        for _ in range(self._n_threads - self._tokens.qsize()):  # busy threads look here by themselves
            self._tokens.put(True)

    def arrivals(self) -> Iterator[Arrivals]:
        """What has come since the last call. Never waits."""
        try:
            while True:
                arrivals = self._done.get_nowait()
                del self._flights[arrivals.flight]
                yield arrivals
        except Empty:
            return

    @property
    def n_under_way(self) -> int:
        """Chunks that are being read, or have been and wait in `arrivals`."""
        return sum(ids.size for ids in list(self._flights.values()))

    @property
    def busy_s(self) -> float:
        """CPU time of the threads so far, as of their last batches."""
        return sum(list(self._busy_s.values()))

    def is_queued(self, chunk: int) -> bool:
        """Wanted, and not taken by a thread yet, as far as can be told without waiting."""
        wish = self._mailbox
        return wish is not None and bool((wish.ids == np.uint64(chunk)).any())

    def is_reading(self, chunk: int) -> bool:
        return any((ids == np.uint64(chunk)).any() for ids in list(self._flights.values()))

    def close(self) -> None:
        """Stop. Waits for reads under way, but not for hung ones."""
        self._closing, self._mailbox = True, None
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for _ in self._threads:
            self._tokens.put(False)
        until = time.monotonic() + CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _start_thread(self) -> None:
        name = f"voxtide-loader-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _relieve_stuck(self) -> None:
        """Start a thread for each that is stuck, which ends when its read does: other regions must come."""
        for read in self._stuck().values():
            if read.thread not in self._relieved and len(self._relieved) < MAX_STAND_INS:
                self._relieved.add(read.thread)
                self._start_thread()

    def _stuck(self) -> dict[int, Read]:
        """Reads that take so long that nobody should wait for them, by flight."""
        before = time.monotonic() - STUCK_S
        return {flight: read for flight, read in list(self._reads.items()) if read.since < before}

    # Loader threads -----------------------------------------------------------------------------------

    def _work(self) -> None:
        me = threading.get_ident()
        while me not in self._relieved and self._tokens.get():
            while self._serve_asked() or self._serve_predicted():
                pass
        self._relieved.discard(me)

    def _serve_asked(self) -> bool:
        """Serve the next batch of what rays asked for. -> whether there was one"""
        wish = self._mailbox
        if wish is None or self._closing:
            return False
        size = max(MIN_BATCH, -(-len(wish.ids) // (2 * self._n_threads)))
        n = next(wish.batches)
        batch = wish.ids[n * size : (n + 1) * size]
        if batch.size:
            self._serve(wish, batch, asked=True)
        return bool(batch.size)

    def _serve_predicted(self) -> bool:
        """Serve this thread's part of a journey's predicted cut. -> whether there was one"""
        wish = self._mailbox
        if wish is None or self._closing or wish.journey.ahead is None:
            return False
        part = next(wish.journey.parts)
        if part < self._n_threads:
            cut, _ = wanted(children(*wish.journey.roots), wish.journey.ahead)
            cut = cut[part :: self._n_threads]
            self._keep(wish, cut, wish.journey.ahead)
            self._serve(wish, cut, asked=False)
        return part < self._n_threads

    def _give_way(self) -> None:
        """Wait while the main thread has work for a millisecond or two, or it would take three times that."""
        while (self.main_is_busy or self.is_held) and not self._closing:
            time.sleep(GIVE_WAY_S)

    def _keep(self, wish: Wanted, ids: U64, ahead: Sight) -> None:
        """Name the resident chunks that a cut goes through, before any comes that may push them out."""
        kept, slots = [ids[:0]], [_NO_SLOTS]
        while ids.size:
            here, at, bits = wish.resident.found(ids)
            kept.append(here)
            slots.append(at)
            ids, _ = wanted(children(here, bits), ahead)
        nothing, no_bits = np.empty(0, np.uint64), np.empty(0, np.uint8)
        flight = next(self._flight_numbers)
        self._flights[flight] = nothing
        cut = np.concatenate(kept), np.concatenate(slots)
        self._done.put(Arrivals(nothing, [], no_bits, _NO_SLOTS, nothing, nothing, cut, False, flight))

    def _serve(self, wish: Wanted, ids: U64, asked: bool) -> None:
        """Read chunks, then the children that the view may want, and so on down."""
        n_own = CHAIN * ids.size if asked else 0
        predicted_for = None if asked else wish.journey.ahead
        while ids.size and not self._closing:
            while predicted_for is not None and self._serve_asked():
                pass  # what rays miss now goes before what they may want next
            self._give_way()
            ids, rest = ids[:STEP], ids[STEP:]
            resident, _, bits = wish.resident.found(ids)
            flight, fresh = self._claim(
                ids[~contains(resident, ids)], wish.coming, n_own + max(wish.room.left, 0)
            )
            wish.room.take(max(fresh.size - n_own, 0))
            n_own = max(n_own - fresh.size, 0)
            arrivals = self._fetch(fresh, flight, asked)
            latest = self._mailbox
            if latest is None or latest.journey is not wish.journey:
                return
            known = np.concatenate([resident, arrivals.ids]), np.concatenate([bits, arrivals.octants])
            below, _ = wanted(children(*known), latest.sight if predicted_for is None else predicted_for)
            ids = np.concatenate([rest, below])
            asked = asked and rest.size > 0

    def _fetch(self, ids: U64, flight: int, asked: bool) -> Arrivals:
        """Read chunks and hand them back."""
        self._give_way()
        try:
            chunks, bad = self._read(ids, flight)
        except BaseException:
            del self._flights[flight]
            raise
        self._give_way()
        there, held = present(chunks)
        empty = np.delete(ids, there)
        sizes = np.array([len(p) for p in held], np.int64)
        empty = empty[~contains(np.sort(bad), empty)]
        no_cut = ids[:0], _NO_SLOTS
        arrivals = Arrivals(ids[there], held, octants(held), sizes, empty, bad, no_cut, asked, flight)
        if ids.size:
            self._busy_s[threading.get_ident()] = time.thread_time()
            self._done.put(arrivals)
        return arrivals

    def _claim(self, ids: U64, coming: U64, n_room: int) -> tuple[int, U64]:
        """At most n_room of those that are not under way. -> the number of their flight, ids

        While a read is stuck, a claim is of one region, so that no more than that can get stuck with it, and
        of none that is known to be stuck. What is left out will be asked for again.
        Two threads may claim the same chunk in the same instant; it is then read twice, and comes in once.
        """
        stuck = self._stuck()
        flights = [chunks for flight, chunks in list(self._flights.items()) if flight not in stuck]
        ids = ids[~contains(np.sort(np.concatenate([coming, *flights])), ids)]
        if stuck:
            alone = [read.regions[0] for read in stuck.values() if read.regions.size == 1]
            ids = ids[~np.isin(_regions_of(ids), np.array(alone, np.uint64))]
            regions = _regions_of(ids)
            ids = ids[regions == regions[:1]]
        number = next(self._flight_numbers)
        ids = ids[:n_room]
        if ids.size:
            self._flights[number] = ids
        return number, ids

    def _read(self, ids: U64, flight: int) -> tuple[list[Stream | None], U64]:
        """RAM first, then the source. -> (stream or None for each id, ids that could not be read)"""
        if not ids.size:
            return [], ids
        chunks: list[Stream | None] = [*self._ram.get_many(ids)]
        missing = np.array([i for i, one in enumerate(chunks) if one is None], np.int64)
        bad: list[WorldError] = []
        if missing.size:
            regions = np.unique(_regions_of(ids[missing]))
            self._reads[flight] = Read(threading.get_ident(), time.monotonic(), regions)
            try:
                read = self._source.read_many(ids[missing], bad.append)
            finally:
                del self._reads[flight]
            for i, one in zip(missing.tolist(), read, strict=True):
                chunks[i] = one
            there, held = present(read)
            self._ram.put_many(ids[missing[there]], held)
        for error in bad:
            self._on_bad(error)
        lost = ids[missing[[read[i] is None for i in range(missing.size)]]] if bad else ids[:0]
        return chunks, lost


def _regions_of(ids: U64) -> U64:
    """[N] -> [N] uint64 that differ between regions"""
    level, chunk = chunk_of_id(ids)
    return chunk_id(level, region_of_chunk(chunk))
