"""Threads that bring chunks from the tiers below: RAM first, then the source. They never see GL.

The main thread puts what is wanted now into a mailbox (`want`), which replaces what waited there: a
request that is no longer made is thereby dropped. Threads take batches from it, most urgent first, read them,
and follow each chain down: a decoded chunk tells which children exist, and the view tells which of them a
ray may want, so depth costs no round trip through the GPU. What was read waits in `arrivals`.

Nothing here makes the main thread wait: the mailbox is swapped by one assignment, batches are claimed by
`next` on a shared counter, and both queues are unbounded and lock-free for their user (SimpleQueue).
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from ..atlas.address import chunk_of_id, region_of_chunk
from ..atlas.chunk import Packed
from ..atlas.id_map import contains
from .chunk_source import ChunkSource
from .descent import children, octants, present, wanted
from .errors import WorldError
from .ram_tier import RamTier
from .view import Sight

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

CLOSE_S = 1.0  # how long to wait for reads under way; a hung one is left to its daemon thread
STUCK_S = 0.5  # a region that another thread has been reading for so long is left to that thread
MIN_BATCH = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the main thread wants of the loader, until it says something else.

    ids       [N] uint64 missing chunks that rays asked for, most urgent first
    sight     the view, by which chains are followed down
    resident  [M] uint64 sorted, with their [M] octants: what need not be read, but leads further down
    coming    [W] uint64 sorted: what need not be read either: it waits for a slot, or failed just now
    n_room    chunks that may be read beyond `ids`
    journey   the view since its last jump; a chain is followed down as long as the journey is the same
    """

    ids: U64
    sight: Sight
    resident: tuple[U64, U8]
    coming: U64
    n_room: int
    journey: "Journey"
    batches: Iterator[int] = field(default_factory=itertools.count)


@dataclass(frozen=True, slots=True)
class Journey:
    """A stretch of looking at about the same. It starts with a cut predicted from the pinned chunks.

    start  the view that it began with
    roots  [R] uint64 pinned chunks, [R] uint8 their octants
    """

    start: Sight | None
    roots: tuple[U64, U8]
    parts: Iterator[int] = field(default_factory=itertools.count)  # of the cut, each taken once by a thread


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Chunks that have come, or are known to be empty or bad. asked: by rays; else they were predicted."""

    ids: U64  # [N]
    packed: Sequence[Packed | None]  # [N]; None: nothing is there
    bad: U64  # those of ids that could not be read
    asked: bool


class Loader:
    """Threads over one source, with a RAM tier before it."""

    def __init__(
        self, source: ChunkSource, ram: RamTier, on_bad: Callable[[WorldError], None], n_threads: int = 2
    ) -> None:
        self._source, self._ram, self._on_bad = source, ram, on_bad
        self._mailbox: Wanted | None = None
        self._tokens: SimpleQueue[bool] = SimpleQueue()  # False: end
        self._done: SimpleQueue[Arrivals] = SimpleQueue()
        self._reading: dict[int, float] = {}  # chunk id -> since when; written by threads, one key each
        self._regions: dict[tuple[int, ...], float] = {}
        self._closing = False
        self._busy_s: dict[int, float] = {}  # thread -> its CPU time; written by it alone
        self._threads = [
            threading.Thread(target=self._work, name=f"voxtide-loader-{i}", daemon=True)
            for i in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()

    # Main thread --------------------------------------------------------------------------------------

    def want(self, wish: Wanted) -> None:
        """Replace what is wanted. Never waits."""
        self._mailbox = wish
        for _ in self._threads:
            self._tokens.put(True)

    def arrivals(self) -> Iterator[Arrivals]:
        """What has come since the last call. Never waits."""
        try:
            while True:
                yield self._done.get_nowait()
        except Empty:
            return

    @property
    def n_reading(self) -> int:
        return len(self._reading)

    @property
    def busy_s(self) -> float:
        """CPU time of the threads so far, as of their last batches."""
        return sum(list(self._busy_s.values()))

    def is_queued(self, chunk: int) -> bool:
        """Wanted, and not taken by a thread yet, as far as can be told without waiting."""
        wish = self._mailbox
        return wish is not None and bool((wish.ids == np.uint64(chunk)).any())

    def is_reading(self, chunk: int) -> bool:
        return chunk in self._reading

    def close(self) -> None:
        """Stop. Waits for reads under way, but not for hung ones."""
        self._closing, self._mailbox = True, None
        for _ in self._threads:
            self._tokens.put(False)
        until = time.monotonic() + CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    # Loader threads -----------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._tokens.get():
            wish = self._mailbox
            while wish is not None and not self._closing and wish is self._mailbox and self._take(wish):
                pass

    def _take(self, wish: Wanted) -> bool:
        """Serve the next batch of a wish. -> whether there may be more"""
        size = max(MIN_BATCH, -(-len(wish.ids) // (2 * len(self._threads))))
        n = next(wish.batches)
        batch = wish.ids[n * size : (n + 1) * size]
        if batch.size:
            self._serve(wish, batch, asked=True)
            return True
        n_parts = len(self._threads)
        part = next(wish.journey.parts)
        if part < n_parts:
            cut, _ = wanted(children(*wish.journey.roots), wish.sight)
            self._serve(wish, cut[part::n_parts], asked=False)
        return part < n_parts

    def _serve(self, wish: Wanted, ids: U64, asked: bool) -> None:
        """Read chunks, then the children that the view may want, and so on down."""
        n_room = wish.n_room + (ids.size if asked else 0)
        while ids.size and not self._closing:
            resident, bits = _found(wish.resident, ids)
            fresh = self._claim(ids[~contains(resident, ids)], wish.coming)[: max(n_room, 0)]
            try:
                packed, bad = self._read(fresh)
            finally:
                for chunk in fresh.tolist():
                    self._reading.pop(chunk, None)
            n_room -= fresh.size
            if fresh.size:
                self._busy_s[threading.get_ident()] = time.thread_time()
                self._done.put(Arrivals(fresh, packed, bad, asked))
            latest = self._mailbox
            if latest is None or latest.journey is not wish.journey:
                return
            there, held = present(packed)
            below = children(np.concatenate([resident, fresh[there]]), np.concatenate([bits, octants(held)]))
            ids, _ = wanted(below, latest.sight)
            asked = False

    def _claim(self, ids: U64, coming: U64) -> U64:
        """Those that neither wait to come in nor are being read by another thread, nor are stuck with one."""
        ids = ids[~contains(coming, ids)]
        now = time.monotonic()
        mine = []
        for chunk, region in zip(ids.tolist(), _regions_of(ids), strict=True):
            since = self._regions.get(region)
            if chunk not in self._reading and (since is None or now - since < STUCK_S):
                self._reading[chunk] = now
                mine.append(chunk)
        return np.array(mine, np.uint64)

    def _read(self, ids: U64) -> tuple[list[Packed | None], U64]:
        """RAM first, then the source. -> (packed or None for each id, ids that could not be read)"""
        packed: list[Packed | None] = [*self._ram.get_many(ids)]
        missing = np.array([i for i, p in enumerate(packed) if p is None], np.int64)
        bad: list[WorldError] = []
        if missing.size:
            regions = set(_regions_of(ids[missing]))
            self._regions |= dict.fromkeys(regions, time.monotonic())
            try:
                read = self._source.read_many(ids[missing], bad.append)
            finally:
                for region in regions:
                    self._regions.pop(region, None)
            for i, p in zip(missing.tolist(), read, strict=True):
                packed[i] = p
            there, held = present(read)
            self._ram.put_many(ids[missing[there]], held)
        for error in bad:
            self._on_bad(error)
        lost = ids[missing[[read[i] is None for i in range(missing.size)]]] if bad else ids[:0]
        return packed, lost


def _found(resident: tuple[U64, U8], ids: U64) -> tuple[U64, U8]:
    """Those of the ids that are resident, sorted, and their octants."""
    known, bits = resident
    here = np.sort(ids[contains(known, ids)])
    return here, bits[np.searchsorted(known, here)]


def _regions_of(ids: U64) -> list[tuple[int, ...]]:
    level, chunk = chunk_of_id(ids)
    return [tuple(row) for row in np.column_stack([level, region_of_chunk(chunk)]).tolist()]
