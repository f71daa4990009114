"""Which way a camera is turned: as yaw, pitch and roll, as a matrix, as a quaternion. Pure.

A matrix here has OpenGL's camera axes as columns, in world axes: right, up, back (the camera looks along -z
of its own). That is nerfstudio's and Blender's camera_to_world; OpenCV's camera is this one turned by 180
degrees around x (right, down, forward).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyglm import glm

from .camera import Pose

Matrix = NDArray[np.float64]
Quaternion = Any  # glm.dquat
Vector = Any  # glm.dvec3: their stubs know no arithmetic

_STRAIGHT_UP = 1e-9  # cosine of the pitch below which yaw and roll cannot be told apart
_LEVEL_DEG = 1e-6  # a roll below this is a matrix's rounding: who comes from one shall stay level
_NO_ROTATION = 1e-3  # by which float32 and a printed matrix stay under


def matrix_of(pose: Pose) -> Matrix:
    """-> [4, 4] float64 camera to world, OpenGL camera axes, metres"""
    out = np.eye(4)
    out[:3, 0], out[:3, 1], out[:3, 2] = tuple(pose.right), tuple(pose.up), tuple(-pose.forward)
    out[:3, 3] = pose.x, pose.y, pose.z
    return out


def pose_of(matrix: Matrix) -> Pose:
    """The pose of a camera-to-world matrix [3 or 4, 4], OpenGL camera axes, metres.

    Its rotation is made one exactly: the nearest. Raises ValueError where it is none or not finite.
    """
    rotation, position = np.asarray(matrix, np.float64)[:3, :3], np.asarray(matrix, np.float64)[:3, 3]
    if not (np.isfinite(rotation).all() and np.isfinite(position).all()):
        raise ValueError("every number of a matrix is finite")
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > _NO_ROTATION or np.linalg.det(rotation) < 0:
        raise ValueError("the first three columns of a matrix are a rotation: orthogonal, unit, right-handed")
    u, _, v = np.linalg.svd(rotation)
    yaw, pitch, roll = _angles((u @ v).tolist())
    x, y, z = position.tolist()
    return Pose(x, y, z, yaw, pitch, roll)


def _angles(rows: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Rows of a [3, 3] rotation -> yaw, pitch, roll in degrees."""
    right: Vector = glm.dvec3(*(row[0] for row in rows))
    forward: Vector = -glm.dvec3(*(row[2] for row in rows))
    along = math.hypot(forward.x, forward.y)
    pitch = math.degrees(math.atan2(forward.z, along))
    if along < _STRAIGHT_UP:
        return math.degrees(math.atan2(right.x, -right.y)), math.copysign(90.0, pitch), 0.0
    yaw = math.atan2(forward.y, forward.x)
    level = glm.dvec3(math.sin(yaw), -math.cos(yaw), 0.0)
    roll = math.degrees(math.atan2(-glm.dot(right, glm.cross(level, forward)), glm.dot(right, level)))
    return math.degrees(yaw), pitch, roll if abs(roll) > _LEVEL_DEG else 0.0


def quaternion_of(pose: Pose) -> Quaternion:
    """The rotation of matrix_of as a unit quaternion."""
    return glm.quat_cast(glm.dmat3(*pose.right, *pose.up, *-pose.forward))


def angles_of(quaternion: Quaternion) -> tuple[float, float, float]:
    """-> yaw, pitch, roll in degrees"""
    columns = glm.mat3_cast(glm.normalize(quaternion))
    return _angles([[columns[c][r] for c in range(3)] for r in range(3)])


def between(a: Quaternion, b: Quaternion) -> Vector:
    """The turn from a to b the short way, in a's axes: axis times radians."""
    turn: Any = glm.inverse(a) * b
    if turn.w < 0:
        turn = -turn
    sine = glm.length(glm.dvec3(turn.x, turn.y, turn.z))
    if sine == 0:
        return glm.dvec3(0)
    return glm.dvec3(turn.x, turn.y, turn.z) * (2 * math.atan2(sine, turn.w) / sine)


def turned(a: Quaternion, turn: Vector) -> Quaternion:
    """a, turned by axis times radians in its own axes."""
    angle = glm.length(turn)
    return a * glm.angleAxis(angle, turn / angle) if angle else a


def bezier(a: Quaternion, out_of_a: Vector, into_b: Vector, b: Quaternion, u: float) -> Quaternion:
    """Between a (u = 0) and b (u = 1), leaving and arriving at these turns per unit of u.

    A Bezier curve on the sphere of quaternions, by slerps where a flat one has lines: Shoemake, 1985.
    """
    points: list[Quaternion] = [a, turned(a, out_of_a / 3), turned(b, -into_b / 3), b]
    while len(points) > 1:
        points = [glm.slerp(p, q, u) for p, q in pairwise(points)]
    return points[0]
