"""Adaptive resolution: how many pixels a frame may have while the view moves. Pure."""

import math
from dataclasses import dataclass, field

from ..atlas.layout import CUBE_FACES

_LEAST = 16  # pixels of a side: less shows nothing
REST_S = 0.08  # after the last movement, all pixels again: a hand that only pauses is not made to wait twice
_NEAR = 1.4  # a frame whose time is within this factor of the wish: little steps, and of three the middle one
_GAIN = 0.35  # of the error in the logarithm of time, per frame that is near
_LOOKS = 4  # frames whose mean is held at the wish
_OUTLIER = 2.0  # times the middle one: longer was something else
_MOST = 12.0  # one frame changes the number of pixels by at most this factor


@dataclass(slots=True)
class Resolution:
    """Holds a frame rate by the share of the window's pixels that are drawn. Times in seconds."""

    area: float = 1.0  # share of the pixels that the next moving frame draws
    _moved: float = -math.inf
    _last: float | None = None  # when the frame before was shown, if the view moved in it
    _late: list[float] = field(default_factory=list)  # the last frames' times

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

    def rests(self, now: float) -> bool:
        """Whether the view has stood still for so long that all pixels are due."""
        return now - self._moved > REST_S

    def pauses(self) -> None:
        """No frame is drawn now: the time until the next says nothing of what frames take."""
        self._last = None

    def shown(self, now: float, target_fps: float, scaled: bool) -> None:
        """A frame was shown at `now`. scaled: it was one of a moving view."""
        if not scaled:
            self._last = None
            return
        if self._last is not None:
            self._late = [*self._late[1 - _LOOKS :], now - self._last]
            self._follow(1 / target_fps)
        self._last = now

    def _follow(self, wish_s: float) -> None:
        three = sorted(self._late[-3:])
        took = three[(len(three) - 1) // 2]  # one frame that was delayed says nothing
        error = wish_s / max(took, 1e-4)
        if 1 / _NEAR < error < _NEAR:
            # Some frames also draw the panel: what counts is the rate, so the mean, but of no outliers.
            mean = sum(min(t, _OUTLIER * took) for t in self._late) / len(self._late)
            factor = (wish_s / max(mean, 1e-4)) ** _GAIN
        else:  # far off: there at once, and those times say nothing of what comes
            factor = min(max(error, 1 / _MOST), _MOST)
            self._late.clear()
        self.area = min(max(self.area * factor, 1e-4), 1.0)


def scaled_size(size: tuple[int, int], scale: float, projection: str) -> tuple[int, int]:
    """How many pixels to draw for a picture of `size`: as the projection wants it."""
    width, height = (min(max(round(side * scale), min(_LEAST, side)), side) for side in size)
    if projection == "cube":
        return CUBE_FACES * (width // CUBE_FACES), width // CUBE_FACES
    return (max(width // 2 * 2, 2), height) if projection == "stereo" else (width, height)
