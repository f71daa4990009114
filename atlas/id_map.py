"""Chunk id -> slot, for a hundred thousand chunks at once: sorted arrays, a large one and a small one.

Lookups are binary searches, vectorised. What is added goes into the small arrays, what is removed is crossed
out, and once that is much, one merge makes new large arrays: to make them at every change costs a
millisecond a frame. Other threads may keep looking in the `Lookup` that they hold: it stays sorted, and what
was added since is not in it; what was removed since may be.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

NOWHERE = -1
MANY = 16384  # changes after which the arrays are merged, unless somebody had time for it before


@dataclass(frozen=True, slots=True)
class _Sorted:
    """ids [N] uint64, sorted, never written in place; slots [N] int64, NOWHERE where crossed out."""

    ids: U64
    slots: I64

    def find(self, ids: U64) -> I64:
        if not self.ids.size:
            return np.full(ids.shape, NOWHERE, np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
        return np.where(self.ids[at] == ids, self.slots[at], NOWHERE)

    def with_(self, ids: U64, slots: I64) -> "_Sorted":
        """And these, which are sorted, and are not there yet."""
        at = np.searchsorted(self.ids, ids)
        return _Sorted(np.insert(self.ids, at, ids), np.insert(self.slots, at, slots))

    def cross_out(self, ids: U64) -> None:
        if self.ids.size:
            at = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
            self.slots[at[self.ids[at] == ids]] = NOWHERE

    def tidied(self) -> "_Sorted":
        kept = self.slots != NOWHERE
        return _Sorted(self.ids[kept], self.slots[kept])


_NOTHING = _Sorted(np.empty(0, np.uint64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Lookup:
    """A map as it was at some moment, but for what has been removed since."""

    many: _Sorted = _NOTHING
    few: _Sorted = _NOTHING

    def find(self, ids: U64) -> I64:
        """[N] uint64 -> [N] int64 slots, NOWHERE where an id is not in the map."""
        slots = self.many.find(ids)
        if self.few.ids.size:
            new = self.few.find(ids)
            slots = np.where(new == NOWHERE, slots, new)
        return slots


class IdMap:
    """See above. `now` may be handed to other threads."""

    __slots__ = ("_n", "_n_changes", "now")

    def __init__(self) -> None:
        self.now = Lookup()
        self._n = self._n_changes = 0

    def __len__(self) -> int:
        return self._n

    @property
    def ids(self) -> U64:
        """All of them, sorted, in an array that is not changed any more. [N] uint64"""
        self.tidy()
        return self.now.many.ids

    @property
    def slots(self) -> I64:
        """[N] int64, beside `ids`. A copy."""
        self.tidy()
        return self.now.many.slots.copy()

    def find(self, ids: U64) -> I64:
        """[N] uint64 -> [N] int64 slots, NOWHERE where an id is not in the map."""
        return self.now.find(ids)

    def add(self, ids: U64, slots: I64) -> None:
        """Put in ids that are not there yet, each once. AssertionError otherwise."""
        order = np.argsort(ids)
        new = ids[order]
        assert (new[1:] != new[:-1]).all(), "an id twice"
        assert (self.find(new) == NOWHERE).all(), "an id is in the map already"
        few = self.now.few.tidied().with_(new, slots[order])  # an id crossed out there may come anew
        self.now = Lookup(self.now.many, few)
        self._count(ids.size)

    def remove(self, ids: U64) -> I64:
        """Take ids out. -> their slots. AssertionError if one is not there."""
        slots = self.find(ids)
        assert (slots != NOWHERE).all(), "an id is not in the map"
        for part in (self.now.many, self.now.few):
            part.cross_out(ids)
        self._count(-ids.size)
        return slots

    def tidy(self, n_changes: int = 0) -> None:
        """Merge the arrays if more than so many changes have gathered."""
        if self._n_changes > n_changes:
            few = self.now.few.tidied()
            self.now = Lookup(self.now.many.tidied().with_(few.ids, few.slots))
            self._n_changes = 0

    def _count(self, n: int) -> None:
        self._n += n
        self._n_changes += abs(n)
        self.tidy(MANY)


def contains(sorted_ids: U64, ids: U64) -> NDArray[np.bool_]:
    """Which ids are among sorted ones. [M] sorted, [N] -> [N] bool"""
    if not sorted_ids.size:
        return np.zeros(ids.shape, bool)
    at = np.minimum(np.searchsorted(sorted_ids, ids), sorted_ids.size - 1)
    return np.asarray(sorted_ids[at] == ids)
