"""Chunks that could not be read: for how long each is left alone."""

import numpy as np
from numpy.typing import NDArray

from ..atlas.id_map import contains

U64 = NDArray[np.uint64]


class Resting:
    """ids [N] uint64, sorted, and until when. Replaced whole at each change."""

    __slots__ = ("_until", "ids")

    def __init__(self) -> None:
        self.ids: U64 = np.empty(0, np.uint64)
        self._until = np.empty(0)

    def add(self, ids: U64, until: float) -> None:
        """Let these rest, those that rest already for longer."""
        ids = np.unique(ids)
        self.drop(ids)
        at = np.searchsorted(self.ids, ids)
        self.ids, self._until = np.insert(self.ids, at, ids), np.insert(self._until, at, until)

    def drop(self, ids: U64) -> None:
        """These have not failed after all. ids sorted."""
        if self.ids.size and ids.size:
            self._keep(~contains(ids, self.ids))

    def wake(self, now: float) -> None:
        """Forget those that may be tried again."""
        if self.ids.size and self._until.min() <= now:
            self._keep(self._until > now)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self.ids, self._until = self.ids[kept], self._until[kept]
