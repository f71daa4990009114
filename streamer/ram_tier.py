"""Packed chunks kept in memory; the least recently used leave first. The budget counts bytes, not chunks."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ..atlas.chunk import Buffer


@dataclass(frozen=True, slots=True)
class RamCounts:
    """What a tier holds and has done, all of one moment."""

    n_chunks: int
    n_bytes: int  # of packed chunks; Python adds about 150 bytes to each
    n_hits: int
    n_misses: int
    n_evicted: int


class RamTier:
    """At most budget_bytes of packed chunks, by id. For loader threads; the main thread keeps off."""

    def __init__(self, budget_bytes: int) -> None:
        if budget_bytes < 0:
            raise ValueError(f"a budget of {budget_bytes} bytes")
        self.budget_bytes = budget_bytes
        self._lock = Lock()
        self._packed: OrderedDict[int, bytes] = OrderedDict()  # least recently used first
        self._n_bytes = self._n_hits = self._n_misses = self._n_evicted = 0

    def get_many(self, ids: NDArray[np.uint64]) -> list[bytes | None]:
        """N packed chunks for N ids, None for those that are not here. What is found is now the newest."""
        keys = ids.tolist()
        with self._lock:
            found = [self._packed.get(key) for key in keys]
            for key, packed in zip(keys, found, strict=True):
                if packed is not None:
                    self._packed.move_to_end(key)
            n_hits = len(keys) - found.count(None)
            self._n_hits += n_hits
            self._n_misses += len(keys) - n_hits
        return found

    def put_many(self, ids: NDArray[np.uint64], packed: Sequence[Buffer]) -> None:
        """Keep N packed chunks. The last stay if not all fit; one larger than the budget is not kept at all.

        A view is copied, so that no chunk keeps a larger buffer alive; bytes are taken as they are.
        """
        owned = [p if type(p) is bytes else bytes(p) for p in packed]  # outside the lock
        with self._lock:
            for key, one in zip(ids.tolist(), owned, strict=True):
                self._n_bytes -= len(self._packed.pop(key, b""))
                if len(one) <= self.budget_bytes:
                    self._make_room(len(one))
                    self._packed[key] = one
                    self._n_bytes += len(one)

    def _make_room(self, n_bytes: int) -> None:
        while self._n_bytes + n_bytes > self.budget_bytes:
            _, old = self._packed.popitem(last=False)
            self._n_bytes -= len(old)
            self._n_evicted += 1

    def clear(self) -> None:
        """Forget everything, but for the counts."""
        with self._lock:
            self._packed.clear()
            self._n_bytes = 0

    def __contains__(self, chunk: int) -> bool:
        """Without making it newer, and without waiting: for panels and tests."""
        return chunk in self._packed

    def counts(self) -> RamCounts:
        """See `RamCounts`."""
        with self._lock:
            return RamCounts(len(self._packed), self._n_bytes, self._n_hits, self._n_misses, self._n_evicted)
