"""What the loader reads chunks through: a world on disk, or one that computes them."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..atlas.streams import Stream
from .errors import WorldError
from .metadata import WorldMeta

OnBad = Callable[[WorldError], None]


class ChunkSource(Protocol):
    """Chunks by id, as streams. Any thread may read, and one that waits must not keep another waiting."""

    @property
    def meta(self) -> WorldMeta:
        """What the world says it is."""
        ...

    def read_many(self, ids: NDArray[np.uint64], on_bad: OnBad | None = None) -> Sequence[Stream | None]:
        """N streams (`atlas.streams`) for N `address.chunk_id` ids in any order, from any thread.

        None where there is nothing or it is bad. on_bad is told of what is bad, on the calling thread;
        without it the first damage is raised as WorldError.
        """
        ...
