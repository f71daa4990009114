"""What the last frames were like: rings of numbers for the panel's graphs. No allocation per frame."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

N_FRAMES = 240
SERIES = (
    "frame_ms",  # from one frame shown to the next, while something is drawn
    "march_ms",
    "main_ms",  # what streaming and the panel cost the main thread
    "resident",  # chunks in slots
    "under_way",  # chunks asked of the loader
    "arrived",  # chunks that came in
    "missing",  # requests of rays
    "read_mb_s",  # from the disk
    "ram_hit_percent",  # of the chunks asked of the RAM tier
)


@dataclass(slots=True)
class History:
    """One ring per series."""

    n: int = 0  # frames so far
    _rings: dict[str, NDArray[np.float32]] = field(
        default_factory=lambda: {name: np.zeros(2 * N_FRAMES, np.float32) for name in SERIES}
    )

    def add(self, **values: float) -> None:
        """One frame. A series that is not named gets 0."""
        at = self.n % N_FRAMES
        for name, ring in self._rings.items():
            ring[at] = ring[at + N_FRAMES] = values.get(name, 0.0)  # twice, so that any window is one slice
        self.n += 1

    def series(self, name: str) -> NDArray[np.float32]:
        """The last frames, oldest first: at most N_FRAMES. A view: look, and do not keep it."""
        at = self.n % N_FRAMES
        return self._rings[name][at : at + N_FRAMES] if self.n >= N_FRAMES else self._rings[name][:at]

    def percentile(self, name: str, percent: float) -> float:
        """Of one series; 0 before there is anything."""
        values = self.series(name)
        if not values.size:
            return 0.0
        at = round(percent / 100 * (values.size - 1))
        return float(np.partition(values, at)[at])  # a tenth of what np.percentile takes
