"""Chunk id -> slot, for a hundred thousand chunks at once: two sorted arrays.

Lookups and changes cost one binary search each, vectorised; a change makes new arrays and leaves the
old ones as they are, so another thread may keep reading the `ids` that it holds.
"""

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

NOWHERE = -1


class IdMap:
    """ids [N] uint64, sorted; slots [N] int64, beside them. Replace-only: never written in place."""

    __slots__ = ("ids", "slots")

    def __init__(self) -> None:
        self.ids: U64 = np.empty(0, np.uint64)
        self.slots: I64 = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.ids.size

    def find(self, ids: U64) -> I64:
        """[N] uint64 -> [N] int64 slots, NOWHERE where an id is not in the map."""
        if not self.ids.size:
            return np.full(ids.shape, NOWHERE, np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
        return np.where(self.ids[at] == ids, self.slots[at], NOWHERE)

    def add(self, ids: U64, slots: I64) -> None:
        """Put in ids that are not there yet, each once. AssertionError otherwise."""
        order = np.argsort(ids)
        new = ids[order]
        assert (new[1:] != new[:-1]).all(), "an id twice"
        at = np.searchsorted(self.ids, new)
        if self.ids.size:
            assert (self.ids[np.minimum(at, self.ids.size - 1)] != new).all(), "an id is in the map already"
        self.ids = np.insert(self.ids, at, new)
        self.slots = np.insert(self.slots, at, slots[order])

    def remove(self, ids: U64) -> I64:
        """Take ids out. -> their slots. AssertionError if one is not there."""
        at = np.searchsorted(self.ids, ids)
        assert (at < self.ids.size).all(), "an id is not in the map"
        assert (self.ids[at] == ids).all(), "an id is not in the map"
        slots = self.slots[at]
        keep = np.ones(self.ids.size, bool)
        keep[at] = False
        self.ids, self.slots = self.ids[keep], self.slots[keep]
        return slots


def contains(sorted_ids: U64, ids: U64) -> NDArray[np.bool_]:
    """Which ids are among sorted ones. [M] sorted, [N] -> [N] bool"""
    if not sorted_ids.size:
        return np.zeros(ids.shape, bool)
    at = np.minimum(np.searchsorted(sorted_ids, ids), sorted_ids.size - 1)
    return np.asarray(sorted_ids[at] == ids)
