"""Flying, and turning about a point. Pure: the same input in frames of any length ends in the same place."""

import math
from dataclasses import replace

from ..camera import Pose
from .state import (
    MAX_PITCH_DEG,
    SPEED_PER_CLICK,
    STILL,
    Manner,
    Metres3,
    Moving,
    Steer,
    at,
    gear,
    position,
    turned,
)

GLIDE_S = 0.35  # how long a focus takes
NEAR_EASE_S = 0.25  # in which the speed follows the distance to what is near
_STOPPED = 1e-3  # of the speed at full stick: slower than this is still
_PACES = 0.01, 100.0
_MIN_DISTANCE_M = 1e-3


def fly(state: Moving, steer: Steer, manner: Manner, seconds: float) -> Moving:
    """One frame of flying: look, then go where the eye looks."""
    pose = turned(state.pose, steer)
    state = replace(state, pose=pose, pace=_paced(state.pace, steer.clicks))
    velocity, way = _driven(state, steer, manner, seconds)
    x, y, z = (a + b for a, b in zip(position(pose), way, strict=True))
    return replace(state, pose=at(pose, (x, y, z)), velocity=velocity)


def orbit(state: Moving, steer: Steer, manner: Manner, seconds: float) -> Moving:
    """One frame of turning about the pivot: looking turns the eye around it, the wheel goes nearer or away,
    and moving takes the pivot along."""
    if state.velocity == STILL and not any((*steer.move, *steer.turn_deg, steer.clicks)):
        return state  # to the last bit: turned about again, it would creep
    distance = max(math.dist(position(state.pose), state.pivot), _MIN_DISTANCE_M)
    distance = max(distance / SPEED_PER_CLICK**steer.clicks, _MIN_DISTANCE_M)
    pose = turned(facing(state.pose, state.pivot), steer)
    velocity, way = _driven(replace(state, pose=pose), steer, manner, seconds)
    x, y, z = (a + b for a, b in zip(state.pivot, way, strict=True))
    return replace(state, pose=behind(pose, (x, y, z), distance), pivot=(x, y, z), velocity=velocity)


def focus(state: Moving, target: Metres3) -> Moving:
    """Start a glide to half the distance of a point, which is from then on what orbit turns about."""
    pose = facing(state.pose, target)
    distance = max(math.dist(position(pose), target) / 2, _MIN_DISTANCE_M)
    there = behind(pose, target, distance)
    return replace(state, mode="orbit", pivot=target, velocity=STILL, glide=(there, GLIDE_S), dip_m=0.0)


def go_to(state: Moving, pose: Pose) -> Moving:
    """Jump to a pose: home, a bookmark, a pasted one. Orbit goes on about a point as far ahead as before."""
    distance = max(math.dist(position(state.pose), state.pivot), _MIN_DISTANCE_M)
    x, y, z = (a + f * distance for a, f in zip(position(pose), pose.forward, strict=True))
    mode = "fly" if state.mode == "walk" else state.mode
    return replace(
        state,
        pose=pose,
        mode=mode,
        pivot=(x, y, z),
        velocity=STILL,
        glide=None,
        dip_m=0.0,
        is_grounded=False,
        must_stand=False,
    )


def glided(state: Moving, seconds: float) -> Moving:
    """One frame of a glide. The turn takes the shorter way around."""
    assert state.glide is not None
    there, left_s = state.glide
    if seconds >= left_s:
        return replace(state, pose=there, glide=None)
    # Smooth at the end: a cubic whose speed falls to zero with what is left of the time.
    share = 1 - (1 - seconds / left_s) ** 3
    here = state.pose
    yaw = (here.yaw + share * ((there.yaw - here.yaw + 180) % 360 - 180)) % 360
    pitch = here.pitch + share * (there.pitch - here.pitch)
    roll = here.roll + share * (there.roll - here.roll)
    x, y, z = (a + share * (b - a) for a, b in zip(position(here), position(there), strict=True))
    return replace(state, pose=Pose(x, y, z, yaw, pitch, roll), glide=(there, left_s - seconds))


def eased_near(state: Moving, near_m: float, manner: Manner, seconds: float) -> Moving:
    """Let the speed follow what is near, in steps of factors and not of metres."""
    if not manner.is_by_distance:
        return state
    share = 1 - math.exp(-seconds / NEAR_EASE_S)
    return replace(state, near_m=state.near_m * (near_m / state.near_m) ** share)


def facing(pose: Pose, target: Metres3) -> Pose:
    """The pose that looks at a point; a point at the eye, or straight above it, leaves the yaw as it is."""
    x, y, z = (b - a for a, b in zip(position(pose), target, strict=True))
    across = math.hypot(x, y)
    if across < 1e-9 and abs(z) < 1e-9:
        return pose
    yaw = math.degrees(math.atan2(y, x)) % 360 if across > 1e-9 else pose.yaw
    pitch = math.degrees(math.atan2(z, across))
    return replace(pose, roll=0.0, yaw=yaw, pitch=max(-MAX_PITCH_DEG, min(MAX_PITCH_DEG, pitch)))


def behind(pose: Pose, target: Metres3, distance: float) -> Pose:
    """The pose that looks the same way, and has a point straight ahead at a distance."""
    x, y, z = (t - f * distance for t, f in zip(target, pose.forward, strict=True))
    return at(pose, (x, y, z))


def _paced(pace: float, clicks: float) -> float:
    return float(max(_PACES[0], min(_PACES[1], pace * SPEED_PER_CLICK**clicks)))


def _driven(state: Moving, steer: Steer, manner: Manner, seconds: float) -> tuple[Metres3, Metres3]:
    """-> (velocity after the frame, way during it): the exact answer to v' = (wish - v) / inertia"""
    full = state.speed_m_s * gear(steer)
    wish = _wish(state.pose, steer, full)
    if manner.inertia_s <= 0:
        return wish, _scaled(wish, seconds)
    left = math.exp(-seconds / manner.inertia_s)
    late = tuple(v - w for v, w in zip(state.velocity, wish, strict=True))
    x, y, z = (w + d * left for w, d in zip(wish, late, strict=True))
    way_x, way_y, way_z = (
        w * seconds + d * manner.inertia_s * (1 - left) for w, d in zip(wish, late, strict=True)
    )
    stopped = wish == STILL and math.hypot(x, y, z) < _STOPPED * state.speed_m_s
    return (STILL if stopped else (x, y, z)), (way_x, way_y, way_z)


def _wish(pose: Pose, steer: Steer, speed_m_s: float) -> Metres3:
    """The velocity that the keys ask for: no faster along a diagonal, slower with half a stick."""
    forward, right, up = steer.move
    length = max(math.hypot(forward, right, up), 1.0)
    ahead, side = pose.forward, pose.right
    x, y, z = (forward * a + right * s for a, s in zip(ahead, side, strict=True))
    return _scaled((x, y, z + up), speed_m_s / length)


def _scaled(v: Metres3, by: float) -> Metres3:
    return v[0] * by, v[1] * by, v[2] * by
