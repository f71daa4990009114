"""Where to stand so that a world fills the picture. Pure."""

import math

import numpy as np
from numpy.typing import NDArray

from .camera import Pose

Points = NDArray[np.float64]

DEFAULT_YAW, DEFAULT_PITCH = 60.0, -18.0  # three quarters from the front of a y-down scan, a little above
_OUTLIERS = 0.01  # this share of the weight at either end of each axis is left out: floaters
_MARGIN = 0.92  # of the half picture that the world may fill


def main_body(points: Points, weights: Points) -> Points:
    """The points inside the box that holds all but the outliers of each axis. [N, 3] -> [M, 3]"""
    keep = np.ones(len(points), bool)
    for axis in range(3):
        order = np.argsort(points[:, axis])
        share = np.cumsum(weights[order]) / weights.sum()
        lo, hi = points[order, axis][
            np.searchsorted(share, (_OUTLIERS, 1 - _OUTLIERS)).clip(0, len(order) - 1)
        ]
        keep &= (points[:, axis] >= lo) & (points[:, axis] <= hi)
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
    q = points - centre
    # |right.q| <= margin tan_w (distance + forward.q), and the same upwards
    need = np.maximum(np.abs(q @ right) / (_MARGIN * tan_w), np.abs(q @ up) / (_MARGIN * tan_h)) - q @ forward
    eye = centre - forward * float(need.max())
    x, y, z = (float(v) for v in eye)
    return Pose(x, y, z, yaw, pitch)
