"""Walking: gravity, steps, walls. Pure, given who says what is solid (app/moving/solid.py).

A walker is a box 0.4 m wide and 10 cm taller than the eye. What is higher above the feet than a step stops
it; what is lower is stepped on. It stands on what is under a foot narrower than itself, so that it cannot
climb a rough wall by its bumps. What is not known yet is free to walk through, because a wall that appears
late is better than one that is not there; but nobody falls into it: over unknown ground the feet stay at
their height until it is known.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .solid import Ask, Solid, solid_in
from .state import STILL, Manner, Moving, Steer, at, gear, turned

WALK_M_S, RUN, CREEP = 1.4, 3.0, 0.3  # a walk of grown-ups; what Shift and Alt make of it
STEP_M = 0.40
HALF_WIDTH_M = 0.20
HALF_FOOT_M = 0.10
OVER_EYE_M = 0.10
GRAVITY_M_S2 = 9.81
MAX_FALL_M_S = 50.0
DIP_EASE_S = 0.08  # in which the eye follows a step
_STILL_M = 1e-3
_SKIN = 1e-6  # voxels: touching is not overlapping

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """Who is asked what is solid, and how wide a voxel is."""

    ask: Ask
    n_levels: int
    voxel_size_m: float


def walk(state: Moving, steer: Steer, manner: Manner, seconds: float, ground: Ground) -> Moving:
    """One frame: look, go as far as walls let, step up or down, or fall."""
    pose = turned(state.pose, steer)
    if state.must_stand:
        state = stand(replace(state, pose=pose), manner, ground)
        pose = state.pose
        if state.must_stand:
            return state
    size = ground.voxel_size_m
    forward, right, _ = steer.move
    speed = WALK_M_S * gear(steer, RUN, CREEP) / max(math.hypot(forward, right), 1.0)
    yaw = math.radians(pose.yaw)
    ahead, side = np.array([math.cos(yaw), math.sin(yaw)]), np.array([math.sin(yaw), -math.cos(yaw)])
    wish = (forward * ahead + right * side) * speed
    keep = math.exp(-seconds / manner.inertia_s) if manner.inertia_s > 0 else 0.0
    velocity = wish + (np.array(state.velocity[:2]) - wish) * keep
    if not wish.any() and math.hypot(*velocity) < 0.01:
        velocity[:] = 0
    fall = max(state.velocity[2] - GRAVITY_M_S2 * seconds, -MAX_FALL_M_S)
    feet_m = pose.z + state.dip_m - manner.eye_height_m
    feet = np.array([pose.x, pose.y, feet_m]) / size
    way = np.append(velocity * seconds, 0.0) / size
    drop = -fall * seconds / size
    stick = max(drop, STEP_M / size) if state.is_grounded else drop  # who walks follows stairs down
    body = _Body(
        HALF_WIDTH_M / size, HALF_FOOT_M / size, (manner.eye_height_m + OVER_EYE_M) / size, STEP_M / size
    )
    solid = _around(ground, body, feet, way, stick)
    there, grounded = _moved(solid, body, feet, way, drop, stick)
    feet_now_m = float(there[2]) * size
    came = (there - feet)[:2] * size / seconds if seconds > 0 else np.zeros(2)
    velocity = np.where(np.abs(came) < np.abs(velocity) * 0.5, 0.0, velocity)  # a wall takes the speed
    dip = state.dip_m + (feet_now_m - feet_m if grounded and state.is_grounded else 0.0)
    dip *= math.exp(-seconds / DIP_EASE_S)
    dip = 0.0 if abs(dip) < _STILL_M else dip
    # Metres that nothing moved stay as they are: rounded to voxels and back in each frame they would creep.
    kept = there == feet
    x, y = (
        was if same else float(v) * size for was, same, v in zip((pose.x, pose.y), kept, there, strict=False)
    )
    z = pose.z if kept[2] and dip == state.dip_m else feet_now_m + manner.eye_height_m - dip
    return replace(
        state,
        pose=at(pose, (x, y, z)),
        velocity=(float(velocity[0]), float(velocity[1]), 0.0 if grounded else fall),
        dip_m=dip,
        is_grounded=grounded,
    )


def stand(state: Moving, manner: Manner, ground: Ground) -> Moving:
    """Begin to walk: the feet stand on what is under the eye, if that is nearer than the eye is high.

    Where that is not known yet, nothing moves, and `walk` tries again.
    """
    size = ground.voxel_size_m
    eye = np.array([state.pose.x, state.pose.y, state.pose.z]) / size
    # From the eye downwards, so that who flies low does not come to stand under the floor.
    flat, down = _Body(HALF_WIDTH_M / size, HALF_FOOT_M / size, 1.0, 0.0), manner.eye_height_m / size
    top, held = _floor(_around(ground, flat, eye, np.zeros(3), down), flat, eye, down)
    state = replace(state, mode="walk", velocity=STILL, glide=None, dip_m=0.0, is_grounded=False)
    if held and top == -math.inf:
        return replace(state, must_stand=True)
    if top == -math.inf:
        return replace(state, must_stand=False)
    there = at(state.pose, (state.pose.x, state.pose.y, top * size + manner.eye_height_m))
    return replace(state, pose=there, is_grounded=True, must_stand=False)


@dataclass(frozen=True, slots=True)
class _Body:
    """In voxels, from the middle between the feet."""

    half_width: float
    half_foot: float
    height: float
    step: float


def _around(ground: Ground, body: _Body, feet: F64, way: F64, drop: float) -> Solid:
    ends = np.stack([feet, feet + way])
    side = np.array([body.half_width, body.half_width, 0.0])
    lo, hi = ends.min(axis=0) - side, ends.max(axis=0) + side
    lo[2] -= drop
    hi[2] += body.height + body.step
    return solid_in(
        ground.ask, ground.n_levels, np.floor(lo).astype(np.int64), np.ceil(hi).astype(np.int64) + 1
    )


def _moved(solid: Solid, body: _Body, feet: F64, way: F64, drop: float, stick: float) -> tuple[F64, bool]:
    """drop: how far it falls where nothing is within `stick`. -> (the feet [3] voxels, whether they stand)"""
    there = feet.copy()
    for axis in (0, 1):  # one after the other: who runs into a wall slides along it
        tried = there.copy()
        tried[axis] = _slid(solid, body, there, axis, float(way[axis]))
        top, _ = _floor(solid, body, tried, stick)
        risen = np.append(tried[:2], max(top, tried[2]))
        if not _overlaps(solid, body, risen, body.step) or _overlaps(solid, body, there, body.step):
            there = tried  # there is room for the head on what was stepped on
    top, held = _floor(solid, body, there, stick)
    if top > -math.inf:
        there[2] = top
    elif not held:
        there[2] -= drop
    return there, top > -math.inf or held


def _slid(solid: Solid, body: _Body, feet: F64, axis: int, way: float) -> float:
    """How far the body above step height gets along an axis. -> its new coordinate"""
    if way == 0.0:
        return float(feet[axis])
    lo, hi = _box(body, feet, body.step)
    other = [a for a in range(3) if a != axis]
    beside = (solid.lo < hi - _SKIN) & (solid.hi > lo + _SKIN)
    in_the_way = beside[:, other].all(axis=1)
    if way > 0:  # only what lies wholly ahead: who is inside something can get out
        faces = solid.lo[in_the_way, axis]
        faces = faces[faces >= hi[axis] - _SKIN]
        room = faces.min() - hi[axis] if len(faces) else math.inf
        return float(feet[axis] + min(way, max(room, 0.0)))
    faces = solid.hi[in_the_way, axis]
    faces = faces[faces <= lo[axis] + _SKIN]
    room = lo[axis] - faces.max() if len(faces) else math.inf
    return float(feet[axis] - min(-way, max(room, 0.0)))


def _floor(solid: Solid, body: _Body, feet: F64, drop: float) -> tuple[float, bool]:
    """The highest top under the body, no higher than a step. -> (z in voxels or -inf, is unknown above it)"""
    lo, hi = feet[:2] - body.half_foot, feet[:2] + body.half_foot

    def highest(box_lo: NDArray[np.int64], box_hi: NDArray[np.int64]) -> float:
        under = ((box_lo[:, :2] < hi - _SKIN) & (box_hi[:, :2] > lo + _SKIN)).all(axis=1)
        tops = box_hi[under, 2]
        tops = tops[(tops <= feet[2] + body.step + _SKIN) & (tops >= feet[2] - drop - _SKIN)]
        return float(tops.max()) if len(tops) else -math.inf

    top = highest(solid.lo, solid.hi)
    under = (solid.unknown_lo[:, :2] < hi - _SKIN) & (solid.unknown_hi[:, :2] > lo + _SKIN)
    below = solid.unknown_lo[:, 2] < feet[2] - _SKIN  # a cell that reaches below the feet, however high
    above_top = solid.unknown_hi[:, 2] > max(top, feet[2] - drop) + _SKIN
    held = bool((under.all(axis=1) & below & above_top).any())
    return (top if not held or top >= feet[2] else -math.inf), held


def _overlaps(solid: Solid, body: _Body, feet: F64, above: float) -> bool:
    lo, hi = _box(body, feet, above)
    return bool(((solid.lo < hi - _SKIN) & (solid.hi > lo + _SKIN)).all(axis=1).any())


def _box(body: _Body, feet: F64, above: float) -> tuple[F64, F64]:
    """The body from `above` its feet upwards."""
    side = body.half_width
    return feet + np.array([-side, -side, above]), feet + np.array([side, side, body.height])
