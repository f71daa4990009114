"""What moving knows between two frames, what a frame asks of it, and how the user likes it."""

from dataclasses import dataclass, replace
from typing import Literal

from ..camera import Pose

Mode = Literal["fly", "orbit", "walk"]
Metres3 = tuple[float, float, float]

MAX_PITCH_DEG = 89.9
FAST, SLOW = 10.0, 0.1  # with Shift, with Alt
SPEED_PER_CLICK = 1.2  # one wheel click makes it this much faster
STILL: Metres3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Steer:
    """What one frame's input asks, whatever device it came from.

    move      forward, right, up, each -1 to 1
    turn_deg  to the right, and down: already times the sensitivity or the seconds
    clicks    of the wheel, up positive: speed, and in orbit the distance
    fast, slow  ten times and a tenth
    """

    move: Metres3 = (0.0, 0.0, 0.0)
    turn_deg: tuple[float, float] = (0.0, 0.0)
    clicks: float = 0.0
    fast: bool = False
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Manner:
    """How the user likes to move.

    inertia_s       time constant in which a speed comes and goes; 0 switches inertia off
    is_by_distance  flying is as fast as what is near is far
    eye_height_m    of a walker
    """

    inertia_s: float = 0.12
    is_by_distance: bool = True
    eye_height_m: float = 1.7


@dataclass(frozen=True, slots=True)
class Moving:
    """Where the user is and how he moves.

    pace        per second: flying covers so many times the distance to what is near. Set by the wheel
    near_m      distance to what is near, eased; without `is_by_distance`, of the moment it was switched off
    velocity    metres per second, world axes
    pivot       what orbit turns about
    glide       where a focus is taking the pose, and the seconds that are left
    dip_m       walk: how far the eye is still below its height, after a step up; above it, after one down
    is_grounded walk: there is ground under the feet
    must_stand  walk: it has not begun yet, because what is below the eye is not known
    """

    pose: Pose
    mode: Mode = "fly"
    pace: float = 1.0
    near_m: float = 1.0
    velocity: Metres3 = STILL
    pivot: Metres3 = STILL
    glide: tuple[Pose, float] | None = None
    dip_m: float = 0.0
    is_grounded: bool = False
    must_stand: bool = False

    @property
    def speed_m_s(self) -> float:
        """How fast flying is at full stick, without Shift and Alt."""
        return self.pace * self.near_m

    @property
    def is_still(self) -> bool:
        """Nothing moves by itself: no inertia, no glide, no fall."""
        return self.velocity == STILL and self.glide is None and self.dip_m == 0.0


def turned(pose: Pose, steer: Steer) -> Pose:
    """The pose after looking around, which levels the head of a pose that had roll."""
    right, down = steer.turn_deg
    if not right and not down:
        return pose
    pitch = max(-MAX_PITCH_DEG, min(MAX_PITCH_DEG, pose.pitch - down))
    return replace(pose, yaw=(pose.yaw - right) % 360.0, pitch=pitch, roll=0.0)


def gear(steer: Steer, fast: float = FAST, slow: float = SLOW) -> float:
    """What Shift and Alt make of a speed."""
    return (fast if steer.fast else 1.0) * (slow if steer.slow else 1.0)


def position(pose: Pose) -> Metres3:
    """Where the eye is."""
    return pose.x, pose.y, pose.z


def at(pose: Pose, place: Metres3) -> Pose:
    """The pose at another place."""
    return replace(pose, x=place[0], y=place[1], z=place[2])
