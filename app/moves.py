"""Camera paths made by rule: a walk, a turn, an orbit. Pure."""

import math

from .camera import Pose
from .paths import DEFAULT_FOV_DEG, DEFAULT_FPS, MAX_KEYS, CameraPath, Key


def walk(
    start: Pose,
    speed_m_s: float,
    seconds: float,
    *,
    fps: float = DEFAULT_FPS,
    fov_deg: float = DEFAULT_FOV_DEG,
) -> CameraPath:
    """Straight on and level, where the yaw looks."""
    yaw, way = math.radians(start.yaw), speed_m_s * seconds
    end = Pose(start.x + way * math.cos(yaw), start.y + way * math.sin(yaw), start.z, start.yaw, start.pitch)
    return CameraPath((Key(0.0, start, fov_deg), Key(seconds, end, fov_deg)), fps)


def turn(
    start: Pose,
    degrees: float,
    seconds: float,
    *,
    fps: float = DEFAULT_FPS,
    fov_deg: float = DEFAULT_FOV_DEG,
) -> CameraPath:
    """On the spot, counter-clockwise seen from above, at an even speed. A loop where it ends as it began."""
    return _around((start.x, start.y), start, degrees, seconds, 90.0, fps, fov_deg)


def orbit(
    start: Pose,
    centre: tuple[float, float],
    degrees: float,
    seconds: float,
    *,
    fps: float = DEFAULT_FPS,
    fov_deg: float = DEFAULT_FOV_DEG,
) -> CameraPath:
    """Around the upright axis through centre (x, y), metres, as if camera and axis were one stiff thing.

    Keys every 10 degrees: between them the curve leaves the circle by under 1/10,000 of its radius.
    """
    return _around(centre, start, degrees, seconds, 10.0, fps, fov_deg)


def _around(
    centre: tuple[float, float],
    start: Pose,
    degrees: float,
    seconds: float,
    step_deg: float,
    fps: float,
    fov_deg: float,
) -> CameraPath:
    n = max(1, math.ceil(abs(degrees) / step_deg))
    if n >= MAX_KEYS:
        raise ValueError(f"{degrees:g} degrees take over {MAX_KEYS} keys: use a loop")
    keys = []
    for i in range(n + 1):
        turned = degrees * i / n
        c, s = math.cos(math.radians(turned)), math.sin(math.radians(turned))
        dx, dy = start.x - centre[0], start.y - centre[1]
        x, y = centre[0] + c * dx - s * dy, centre[1] + s * dx + c * dy
        pose = Pose(x, y, start.z, start.yaw + turned, start.pitch)
        keys.append(Key(seconds * i / n, pose, fov_deg))
    return CameraPath(tuple(keys), fps, loop=degrees != 0 and degrees % 360 == 0)
