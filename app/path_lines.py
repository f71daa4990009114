"""A camera path as lines over a picture of the scene: where it runs, where its keys look. Pure.

The twin of shaders/include/camera.glsl, the other way round: a point -> a pixel. Lines lie over the
scene whatever stands before them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import CUBE_FACES, PROJECTIONS
from .camera import Pose, View
from .paths import CameraPath, Key
from .pixels import cube_axes

F64 = NDArray[np.float64]

_NEAR = 1e-3  # of the distance to the farthest point: nearer ones are not drawn
_MAX_POINTS, _MAX_CONES = 2000, 40
_WALK = (1, 0, 2, 1, 4, 5, 3, 4, 0, 3, 2)  # eye 0, corners, roof 5: every edge once, in one go


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A path as lines in the world, metres: made once for a path, seen from anywhere."""

    way: F64  # [N, 3]
    cones: F64  # [K, 11, 3]: what each of some keys sees, as one line
    coned: tuple[int, ...]  # which keys those are
    keys: F64  # [M, 3]


@dataclass(frozen=True, slots=True)
class Lines:
    """What to draw over one picture, pixels from its top left."""

    way: tuple[F64, ...]  # pieces of the spline, each [N, 2]
    cones: tuple[tuple[int, F64], ...]  # key, and a piece of what it sees
    keys: tuple[tuple[float, float] | None, ...]  # where each key is, None where it cannot be seen


def shape_of(path: CameraPath, aspect: float = 16 / 9, chosen: int | None = None) -> Shape:
    """The lines of a path. aspect: width by height of what is recorded; the chosen key has a cone anyway."""
    keys = path.keys[:-1] if path.loop and len(path.keys) > 1 else path.keys
    at = np.array([_xyz(key.pose) for key in keys])
    coned = set(np.linspace(0, len(keys) - 1, min(len(keys), _MAX_CONES)).round().astype(int).tolist())
    if chosen is not None and chosen < len(keys):
        coned.add(chosen)
    length_m = _cone_length_m(at)
    some = tuple(sorted(coned))
    cones = np.array([cone(keys[i], length_m, aspect) for i in some])
    return Shape(path.way(_MAX_POINTS), cones, some, at)


def lines(shape: Shape, view: View, voxel_size_m: float) -> Lines:
    """The lines of a path in a view."""
    there = project(view, shape.keys / voxel_size_m)
    return Lines(
        _pieces(view, shape.way / voxel_size_m),
        tuple(
            (i, piece)
            for i, points in zip(shape.coned, shape.cones, strict=True)
            for piece in _pieces(view, points / voxel_size_m)
        ),
        tuple(None if np.isnan(x) else (float(x), float(y)) for x, y in there),
    )


def nearest(found: Lines, cursor: tuple[float, float], within_px: float = 12.0) -> int | None:
    """Which key is under the cursor, if one is."""
    away = [math.dist(at, cursor) if at else math.inf for at in found.keys]
    i = int(np.argmin(away)) if away else 0
    return i if away and away[i] <= within_px else None


def cone(key: Key, length_m: float, aspect: float) -> F64:
    """The pyramid that a key sees, with a roof for up, as one line [11, 3] in metres."""
    eye, forward = np.array(_xyz(key.pose)), np.array(key.pose.forward)
    half = math.tan(math.radians(min(key.fov_deg, 120.0)) / 2)
    up, right = np.array(key.pose.up) * half, np.array(key.pose.right) * half * aspect
    corners = [forward + x * right + y * up for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    points = np.array([np.zeros(3), *corners, forward + 1.4 * up])
    out: F64 = eye + length_m * points[list(_WALK)]
    return out


def project(view: View, points: F64) -> F64:
    """World points [N, 3] in level-0 voxels -> pixels [N, 2] from the top left; nan for what is not seen.

    A point before the eye is seen though it may lie beyond the picture's edge. Stereo: in the left half.
    """
    forward, right, up = (np.array(v) for v in (view.forward, view.right, view.up))
    width, height = view.size
    d = points - view.eyes_voxels[0]
    if PROJECTIONS[view.projection] == "equirect":
        flat = np.hypot(d @ forward, d @ right)
        x = np.arctan2(d @ right, d @ forward) / math.pi
        y = -np.arctan2(d @ up, flat) / (math.pi / 2)
    elif PROJECTIONS[view.projection] == "cube":
        axes = cube_axes(right, up, forward)
        face = (d @ axes[:, 0].T).argmax(axis=1)
        ahead, across, along = np.einsum("nij,nj->in", axes[face], d)
        ahead = np.maximum(ahead, 1e-12)
        x = (2 * face + 1 + across / ahead) / CUBE_FACES - 1
        y = -along / ahead
    else:
        if PROJECTIONS[view.projection] == "stereo":
            width //= 2
        ahead = d @ forward
        least = _NEAR * max(float(np.abs(d).max(initial=0.0)), 1e-9)
        ahead = np.where(ahead > least, ahead, np.nan)
        x = (d @ right) / (right @ right) / ahead
        y = -(d @ up) / (up @ up) / ahead
    out: F64 = np.stack([(x + 1) / 2 * width, (y + 1) / 2 * height], axis=-1)
    return out


def _pieces(view: View, points: F64) -> tuple[F64, ...]:
    """A line through points as what can be drawn of it: cut where it is not seen or leaps over the seam."""
    if len(points) < 2:
        return ()
    at = project(view, points)
    if PROJECTIONS[view.projection] == "equirect":
        leaps = np.abs(np.diff(at[:, 0])) > view.size[0] / 2
    elif PROJECTIONS[view.projection] == "cube":
        leaps = np.diff(np.floor(at[:, 0] / view.size[1])) != 0
    else:
        leaps = np.zeros(len(at) - 1, bool)
    broken = leaps | np.isnan(at[:-1, 0]) | np.isnan(at[1:, 0])
    parts = np.split(at, np.flatnonzero(broken) + 1)
    return tuple(part for part in parts if len(part) > 1 and not np.isnan(part).any())


def _cone_length_m(at: F64) -> float:
    """How long the pyramids are drawn: a part of the way, so that they are neither specks nor walls."""
    whole = float(np.linalg.norm(np.diff(at, axis=0), axis=1).sum())
    return float(np.clip(0.3 * whole / max(min(len(at), _MAX_CONES) - 1, 1), 0.02, 5.0)) if whole else 0.3


def _xyz(pose: Pose) -> tuple[float, float, float]:
    return pose.x, pose.y, pose.z
