"""Teleporting: a thrown arc, where it lands, and the room put there. Pure but for who fires the rays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rig import Rig, axes_of, to_world
from .runtime import Place

F64 = NDArray[np.float64]
# points [N, 3], directions [N, 3] unit, metres of the world -> distance [N] metres to what is met, or inf
Fire = Callable[[F64, F64], F64]

AIM_AT, AIM_LET_GO = 0.7, 0.4  # of the stick
THROW_M_S, GRAVITY_M_S2 = 7.0, 9.81  # of the user's own metres: about 8 m far from the hip
N_POINTS, ARC_S = 33, 1.6
OVER_M = 0.5  # a ray straight down finds the ground from so far above where the arc ended
MAX_STEP_M = 1.2  # and no further below it than this


@dataclass(frozen=True, slots=True)
class Throw:
    """An arc as it is shown.

    points   [N, 3] world metres, from the hand to where it ends
    landing  [3] the ground to stand on, or None: there is none
    """

    points: F64
    landing: F64 | None


def throw(rig: Rig, hand: Place, fire: Fire) -> Throw:
    """Where the hand's arc ends."""
    start, ahead = to_world(rig, hand.position), axes_of(rig, hand)[2]
    points = arc(start, ahead, rig.scale)
    steps = np.diff(points, axis=0)
    length = np.linalg.norm(steps, axis=1)
    met = fire(points[:-1], steps / length[:, None])
    ended = np.flatnonzero(met <= length)
    if not ended.size:
        return Throw(points, None)
    i = int(ended[0])
    end = points[i] + steps[i] / length[i] * met[i]
    shown = np.concatenate([points[: i + 1], end[None]])
    # From a little before the end: behind it is the wall, if it is one.
    above = end - steps[i] / length[i] * min(0.1 * rig.scale, met[i]) + (0.0, 0.0, OVER_M * rig.scale)
    down = float(fire(above[None], np.array([[0.0, 0.0, -1.0]]))[0])
    reach = (OVER_M + MAX_STEP_M) * rig.scale
    return Throw(shown, above - (0.0, 0.0, down) if 0 < down <= reach else None)


def arc(start: F64, ahead: F64, scale: float) -> F64:
    """A throw's points [N_POINTS, 3]: world metres, a giant throws as many of his own metres."""
    t = np.linspace(0.0, ARC_S, N_POINTS)[:, None]
    fall = np.array([0.0, 0.0, -GRAVITY_M_S2 / 2])
    points: F64 = start + scale * (THROW_M_S * t * ahead + t * t * fall)
    return points


def is_aiming(stick: float, was_aiming: bool) -> bool:
    """Pushed ahead it aims, until it is let go."""
    return stick > (AIM_LET_GO if was_aiming else AIM_AT)
