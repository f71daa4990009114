"""Adaptive resolution: how many pixels a frame may have while the view moves. Pure."""

import math
from dataclasses import dataclass, field

REST_S = 0.08  # after the last movement, all pixels again: a hand that only pauses is not made to wait twice
_GAIN = 0.35  # of the error in the logarithm of time, per frame
_MOST = 1.6  # a frame's time changes the number of pixels by at most this factor


@dataclass(slots=True)
class Resolution:
    """Holds a frame rate by the share of the window's pixels that are drawn. Times in seconds."""

    area: float = 1.0  # share of the pixels that the next moving frame draws
    _moved: float = -math.inf
    _last: float | None = None  # when the frame before was shown, if the view moved in it
    _late: list[float] = field(default_factory=list)  # the last three frames' times

    def begin(self, moves: bool, now: float, highest: float, lowest: float) -> float:
        """The share of width and height that this frame draws.

        moves          whether the view differs from that of the frame before
        highest        what is drawn when nothing moves; lowest: what movement may bring it down to
        """
        if moves:
            self._moved = now
        if now - self._moved > REST_S:
            self._last = None
            self._late.clear()
            return highest
        self.area = min(max(self.area, lowest**2), highest**2)
        return math.sqrt(self.area)

    @property
    def is_moving(self) -> bool:
        """As `begin` said last."""
        return self._moved > -math.inf and self._last is not None

    def rests(self, now: float) -> bool:
        """Whether the view has stood still for so long that all pixels are due."""
        return now - self._moved > REST_S

    def shown(self, now: float, target_fps: float, scaled: bool) -> None:
        """A frame was shown at `now`. scaled: it was one of a moving view."""
        if not scaled:
            self._last = None
            return
        if self._last is not None:
            self._late = [*self._late[-2:], now - self._last]
            # The middle one of three: a single frame that the system delayed says nothing about pixels.
            took = sorted(self._late)[len(self._late) // 2]
            wish = (1 / target_fps / max(took, 1e-4)) ** _GAIN
            self.area = min(max(self.area * min(max(wish, 1 / _MOST), _MOST), 1e-4), 1.0)
        self._last = now
