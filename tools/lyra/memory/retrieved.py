"""What the arms have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .view import F64, Frame, Picture, View


@dataclass(frozen=True, slots=True, eq=False)
class Retrieved:
    """What a memory found for some views.

    frames: ids, best first. rows [N] int64: voxels that may be seen, where the memory has voxels.
    n_examined: points that were looked at to find it.
    """

    frames: tuple[int, ...] = ()
    rows: NDArray[np.int64] | None = None
    n_examined: int = 0


class Memory(Protocol):
    """One way to remember what was generated. Frames come in the order in which they are made."""

    name: str

    def add(self, frame: Frame) -> None:
        """Take a frame in."""

    def retrieve(self, targets: Sequence[View], n: int = 5) -> Retrieved:
        """What of it the next step needs, whose views end (or lie) at the targets."""
        ...

    def render(self, found: Retrieved, view: View) -> Picture:
        """What the generator is shown for one view: the last frame, and behind it what was found."""
        ...

    def n_bytes(self) -> dict[str, int]:
        """Of what is kept, by category. Tracers are the experiment's and do not count."""
        ...

    def geometry(self) -> tuple[F64, F64]:
        """Where surfaces are stored, and where they are in truth. [N, 3] each, for experiments."""
        ...
