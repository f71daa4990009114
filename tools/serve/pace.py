"""How large and how good a client's pictures are while it moves, from what drawing and the way take. Pure.

Two pressures, each with a ladder of its own: a slow GPU lowers the resolution, a slow network first the
quality of the JPEG, then the resolution. Whoever stands still gets everything, whatever it takes.
"""

import math
from dataclasses import dataclass, replace

MOVING_FRAME_S = 1 / 15  # what drawing one frame may take while moving
SCALES = (1.0, 0.75, 0.5, 0.375, 0.25)  # of each side
STILL_QUALITY, SHARP_QUALITY = 92, 85  # JPEG, as Pillow counts
MAX_UNANSWERED = 5  # frames on their way at the most
_FAST_SCALE, _FAST_QUALITY = 0.5, 55
# (JPEG quality, scale), one step for each time that frames wait on their way.
_NETWORK = ((80, 1.0), (65, 1.0), (50, 1.0), (50, 0.75), (40, 0.5), (35, 0.375), (30, 0.25))
_WAITED_S, _FLOWED_S = 0.12, 0.04  # beyond the quickest round trip: too long; as good as none
_CALM_FRAMES = 10  # so many that flowed, and the next better step is tried
_FORGET = 1.005  # a frame: the quickest round trip was once quicker than the way is now
_SLOWER, _FASTER = 1.15, 0.8  # of MOVING_FRAME_S: between them nothing changes


@dataclass(frozen=True, slots=True)
class Pace:
    """Where on the two ladders a client stands."""

    draw_step: int = 0  # of SCALES
    network_step: int = 0  # of _NETWORK
    quickest_s: float = math.inf  # round trip of a frame
    n_calm: int = 0

    @property
    def window(self) -> int:
        """How many frames may be on their way: one seen, one drawn, and what the way itself holds."""
        on_the_way = int(self.quickest_s / MOVING_FRAME_S) if math.isfinite(self.quickest_s) else 0
        return min(2 + on_the_way, MAX_UNANSWERED)


def moving(pace: Pace, quality: str) -> tuple[float, int]:
    """-> the scale of each side and the JPEG quality of a picture in motion; quality of messages.QUALITIES"""
    if quality == "sharp":
        return 1.0, SHARP_QUALITY
    jpeg, scale = _NETWORK[pace.network_step]
    scale = min(scale, SCALES[pace.draw_step])
    return (min(scale, _FAST_SCALE), min(jpeg, _FAST_QUALITY)) if quality == "fast" else (scale, jpeg)


def after_draw(pace: Pace, seconds: float, scale: float) -> Pace:
    """What a frame of this scale, drawn in so many seconds, says about the next: cost is by the pixel."""
    step = pace.draw_step
    at = seconds * (SCALES[step] / scale) ** 2  # what this step would have cost
    if at > MOVING_FRAME_S * _SLOWER:
        while step + 1 < len(SCALES) and at * (SCALES[step] / SCALES[pace.draw_step]) ** 2 > MOVING_FRAME_S:
            step += 1
    elif step and at * (SCALES[step - 1] / SCALES[step]) ** 2 < MOVING_FRAME_S * _FASTER:
        step -= 1
    return replace(pace, draw_step=step)


def after_answer(pace: Pace, seconds: float) -> Pace:
    """What a frame whose answer came after so many seconds says about the way."""
    quickest = min(pace.quickest_s * _FORGET, seconds)
    waited, step, n_calm = seconds - quickest, pace.network_step, 0
    if waited > _WAITED_S:
        step = min(step + 1, len(_NETWORK) - 1)
    elif waited < _FLOWED_S:
        n_calm = pace.n_calm + 1
        if n_calm >= _CALM_FRAMES:
            step, n_calm = max(step - 1, 0), 0
    return replace(pace, network_step=step, quickest_s=quickest, n_calm=n_calm)


def fit(size: tuple[int, int], most: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
    """The picture for a client's window: its shape, no side beyond `most`, then scaled."""
    share = scale * min(1.0, most[0] / size[0], most[1] / size[1])
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))
