"""What a bake gathers beside the colour until level 0 is known: votes for entities, and who was seen last."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atlas.plane import Values
from ...atlas.stamp import stamp_of
from . import semantic, updated
from .semantic import Votes
from .sums import Sums
from .updated import Seen

PENDING = 1 << 20  # rows that may wait to be merged


@dataclass(slots=True)
class Attributes:
    """Rows gathered so far; merged once what waits outgrows what is merged."""

    votes: list[Votes] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    n_observations: int = 0

    @property
    def now(self) -> int:
        """The stamp of the latest observation, 0 if nothing was observed."""
        return int(stamp_of(self.n_observations))

    def vote(self, batch: Any, voxelise: Callable[[Any], Iterable[Sums]]) -> None:
        """Take what a batch says of entities: see `semantic.cast`."""
        for part in semantic.cast(batch, voxelise):
            self.votes.append(part)
            if sum(len(p.ids) for p in self.votes[1:]) > max(PENDING, len(self.votes[0].ids)):
                self.votes = [semantic.merge(self.votes)]

    def observe(self, part: Sums, n: int) -> None:
        """The n-th observation saw these voxels; n from 1."""
        self.n_observations = max(self.n_observations, n)
        self.seen.append(updated.seen(part.voxels, n))
        if sum(len(p.n) for p in self.seen[1:]) > max(PENDING, len(self.seen[0].n)):
            self.seen = [updated.merge(self.seen)]

    def planes(self, level: NDArray[np.int64]) -> dict[str, tuple[NDArray[np.int64], Values]]:
        """By plane: voxels [V, 3] of level [N, 3] that have a value, and the values. Empty ones left out."""
        out: dict[str, tuple[NDArray[np.int64], Values]] = {}
        if self.votes:
            out["semantic"] = semantic.within(*semantic.resolve(semantic.merge(self.votes)), level)
        if self.seen:
            out["updated"] = semantic.within(*updated.resolve(updated.merge(self.seen)), level)
        return {name: held for name, held in out.items() if len(held[0])}
