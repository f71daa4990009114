"""Where to stand so that a world fills the picture. Pure."""

import math

import numpy as np
from numpy.typing import NDArray

from .camera import Pose

Points = NDArray[np.float64]

DEFAULT_YAW, DEFAULT_PITCH = 60.0, -18.0  # three quarters from the front of a y-down scan, a little above
_OUTLIERS = 0.01  # this share of the weight at either end of each axis may be floaters
_MARGIN = 0.92  # of the half picture that the world may fill
_CENTRINGS = 6  # each halves what is off, and more


def main_body(points: Points, weights: Points) -> Points:
    """The points without far floaters. [N, 3] metres, [N] weights -> [M, 3]

    A box that holds all but the outliers of each axis, grown by half its size to every side: a lamp post
    that is thin but near belongs to the scene, a speck far away does not.
    """
    keep = np.ones(len(points), bool)
    for axis in range(3):
        order = np.argsort(points[:, axis])
        share = np.cumsum(weights[order]) / weights.sum()
        ends = np.searchsorted(share, (_OUTLIERS, 1 - _OUTLIERS)).clip(0, len(order) - 1)
        lo, hi = points[order, axis][ends]
        grow = (hi - lo) / 2
        keep &= (points[:, axis] >= lo - grow) & (points[:, axis] <= hi + grow)
    return points[keep] if keep.any() else points


def frame(points: Points, size: tuple[int, int], fov_deg: float, yaw: float, pitch: float) -> Pose:
    """The pose that looks along (yaw, pitch) and sees every point, as near as that allows.

    points [N, 3] metres; fov_deg vertical.
    """
    y, p = math.radians(yaw), math.radians(pitch)
    forward = np.array([math.cos(y) * math.cos(p), math.sin(y) * math.cos(p), math.sin(p)])
    right = np.array([math.sin(y), -math.cos(y), 0.0])
    up = np.cross(right, forward)
    tan_h = math.tan(math.radians(fov_deg) / 2)
    tan_w = tan_h * size[0] / size[1]
    centre = (points.min(0) + points.max(0)) / 2
    for _ in range(_CENTRINGS):
        q = points - centre
        # |right.q| <= margin tan_w (distance + forward.q), and the same upwards
        across, along, ahead = q @ right, q @ up, q @ forward
        need = np.maximum(np.abs(across) / (_MARGIN * tan_w), np.abs(along) / (_MARGIN * tan_h)) - ahead
        distance = float(need.max())
        x, y = across / (distance + ahead), along / (distance + ahead)
        # Perspective makes what is near wider: move so that the picture, not the box, is centred.
        centre = centre + distance * (right * (x.min() + x.max()) / 2 + up * (y.min() + y.max()) / 2)
    eye_x, eye_y, eye_z = (float(v) for v in centre - forward * distance)
    return Pose(eye_x, eye_y, eye_z, yaw, pitch)
