"""Where the user's room stands in the world, and how the sticks move it. Pure.

The room is OpenXR's: metres, x to the right, y up, -z ahead. The world is ours: z up, yaw 0 along +x.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..camera import Pose, View, through
from .runtime import Eye, Hands, Place, Size

F64 = NDArray[np.float64]

MOVE_M_S = 2.0  # of the user's own metres: a giant strides
SNAP_DEG = 30.0
SNAP_AT, SNAP_AGAIN = 0.7, 0.4  # of the stick: where it turns, and how far back it must come
SCALE_STEP, SCALES = 1.5, (0.01, 1000.0)
DEAD_ZONE = 0.15
_NOTHING = Hands()
_TO_WORLD = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # ahead, left, up of x, y, z


@dataclass(frozen=True, slots=True)
class Rig:
    """The room in the world.

    origin    of the middle of the room's floor, world metres
    yaw       degrees, to which the room's -z points
    scale     metres of the world per metre of the room: above 1 the user is a giant
    is_armed  the stick has come back since the last turn
    held      buttons that were down in the last frame
    """

    origin: tuple[float, float, float]
    yaw: float
    scale: float = 1.0
    is_armed: bool = True
    held: Hands = _NOTHING


def turn_matrix(rig: Rig) -> F64:
    """[3, 3]: directions of the room -> of the world"""
    c, s = math.cos(math.radians(rig.yaw)), math.sin(math.radians(rig.yaw))
    turn: F64 = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(turn @ _TO_WORLD)


def to_world(rig: Rig, position: tuple[float, float, float]) -> F64:
    """A point of the room -> world metres [3]"""
    return np.asarray(np.array(rig.origin) + rig.scale * (turn_matrix(rig) @ np.array(position)))


def axes_of(rig: Rig, place: Place) -> F64:
    """Where right, up and ahead of something are in the world: [3, 3] rows, unit."""
    x, y, z, w = np.array(place.orientation) / max(float(np.linalg.norm(place.orientation)), 1e-9)
    turned = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    right, up, back = (turn_matrix(rig) @ turned).T
    return np.stack([right, up, -back])


def view_of(
    rig: Rig, eye: Eye, size: Size, voxel_size_m: float, corner_voxel: NDArray[np.int64], quality: float
) -> View:
    """What an eye sees. ValueError: it is too far from the world, or its field of view has no area."""
    left, right, up, down = (math.tan(angle) for angle in eye.fov)
    x, y, z = to_world(rig, eye.place.position).tolist()
    axes = axes_of(rig, eye.place)
    return through((x, y, z), axes, (left, right, down, up), size, voxel_size_m, corner_voxel, quality)


def head_of(eyes: tuple[Eye, Eye]) -> Place:
    """Between the eyes, turned as the left one."""
    x, y, z = ((a + b) / 2 for a, b in zip(eyes[0].place.position, eyes[1].place.position, strict=True))
    return Place((x, y, z), eyes[0].place.orientation)


def placed(rig: Rig, head: Place, pose: Pose) -> Rig:
    """The rig moved so that the head is at a pose and looks its way, level."""
    ahead = axes_of(rig, head)[2]
    yaw = math.degrees(math.atan2(ahead[1], ahead[0]))
    return put(replace(rig, yaw=(rig.yaw + pose.yaw - yaw) % 360.0), head.position, (pose.x, pose.y, pose.z))


def put(rig: Rig, position: tuple[float, float, float], there: tuple[float, float, float]) -> Rig:
    """The rig moved so that a point of the room is at a place in the world."""
    x, y, z = (np.array(rig.origin) + np.array(there) - to_world(rig, position)).tolist()
    return replace(rig, origin=(x, y, z))


def moved(rig: Rig, hands: Hands, head: Place, seconds: float) -> Rig:
    """One frame of sticks and buttons, but for teleporting."""
    rig = _turned(rig, hands, head)
    rig = _scaled(rig, hands, head)
    right, ahead = (v if abs(v) > DEAD_ZONE else 0.0 for v in hands.move)
    way = MOVE_M_S * rig.scale * seconds / max(math.hypot(right, ahead), 1.0)
    look = axes_of(rig, head)[2]
    flat = np.array([look[0], look[1], 0.0]) / max(math.hypot(look[0], look[1]), 1e-9)
    side = np.array([flat[1], -flat[0], 0.0])
    along = np.array([0.0, 0.0, 1.0]) if hands.rise else flat
    x, y, z = (np.array(rig.origin) + way * (right * side + ahead * along)).tolist()
    return replace(rig, origin=(x, y, z), held=hands)


def _turned(rig: Rig, hands: Hands, head: Place) -> Rig:
    """Turn by 30 degrees about the head, once for each push of the stick."""
    if abs(hands.turn) < SNAP_AGAIN:
        return replace(rig, is_armed=True)
    if not rig.is_armed or abs(hands.turn) < SNAP_AT:
        return rig
    x, y, z = to_world(rig, head.position).tolist()
    turned = replace(rig, yaw=(rig.yaw - math.copysign(SNAP_DEG, hands.turn)) % 360.0, is_armed=False)
    return put(turned, head.position, (x, y, z))


def _scaled(rig: Rig, hands: Hands, head: Place) -> Rig:
    """Grow or shrink with the feet where they are: the point of the floor below the head stays."""
    grows = (hands.grow and not rig.held.grow) - (hands.shrink and not rig.held.shrink)
    scale = max(SCALES[0], min(SCALES[1], rig.scale * SCALE_STEP**grows))
    feet = (head.position[0], 0.0, head.position[2])
    x, y, z = to_world(rig, feet).tolist()
    return put(replace(rig, scale=scale), feet, (x, y, z))
