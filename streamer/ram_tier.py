"""Chunks kept in memory; the least recently used leave first. The budget counts bytes, not chunks."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ..atlas.streams import Stream


@dataclass(frozen=True, slots=True)
class RamCounts:
    """What a tier holds and has done, all of one moment."""

    n_chunks: int
    n_bytes: int  # of streams; Python adds about 150 bytes to each
    n_hits: int
    n_misses: int
    n_evicted: int


class RamTier:
    """At most budget_bytes of streams, by id. For loader threads; the main thread keeps off."""

    def __init__(self, budget_bytes: int) -> None:
        if budget_bytes < 0:
            raise ValueError(f"a budget of {budget_bytes} bytes")
        self.budget_bytes = budget_bytes
        self._lock = Lock()
        self._chunks: OrderedDict[int, Stream] = OrderedDict()  # least recently used first
        self._n_bytes = self._n_hits = self._n_misses = self._n_evicted = 0

    def get_many(self, ids: NDArray[np.uint64]) -> list[Stream | None]:
        """N streams for N ids, None for those that are not here. What is found is now the newest."""
        keys = ids.tolist()
        with self._lock:
            found = [self._chunks.get(key) for key in keys]
            for key, one in zip(keys, found, strict=True):
                if one is not None:
                    self._chunks.move_to_end(key)
            n_hits = len(keys) - found.count(None)
            self._n_hits += n_hits
            self._n_misses += len(keys) - n_hits
        return found

    def put_many(self, ids: NDArray[np.uint64], chunks: Sequence[Stream]) -> None:
        """Keep N streams. The last stay if not all fit; one larger than the budget is not kept at all."""
        keys = ids.tolist()
        with self._lock:
            for key, one in zip(keys, chunks, strict=True):
                self._n_bytes -= len(self._chunks.pop(key, b""))
                if len(one) <= self.budget_bytes:
                    self._make_room(len(one))
                    self._chunks[key] = one
                    self._n_bytes += len(one)

    def _make_room(self, n_bytes: int) -> None:
        while self._n_bytes + n_bytes > self.budget_bytes:
            _, old = self._chunks.popitem(last=False)
            self._n_bytes -= len(old)
            self._n_evicted += 1

    def clear(self) -> None:
        """Forget everything, but for the counts."""
        with self._lock:
            self._chunks.clear()
            self._n_bytes = 0

    def __contains__(self, chunk: int) -> bool:
        """Without making it newer, and without waiting: for panels and tests."""
        return chunk in self._chunks

    def counts(self) -> RamCounts:
        """See `RamCounts`."""
        with self._lock:
            return RamCounts(len(self._chunks), self._n_bytes, self._n_hits, self._n_misses, self._n_evicted)
