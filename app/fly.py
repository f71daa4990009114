"""Flying: how input moves a pose. Pure."""

import math
from dataclasses import dataclass, replace

from .camera import Pose
from .window import Input

DEGREES_PER_PIXEL = 0.15
SPEED_PER_CLICK = 1.2  # one wheel click makes it this much faster
FAST, SLOW = 10.0, 0.1
_MAX_PITCH = 89.9


@dataclass(frozen=True, slots=True)
class Flight:
    """A pose and how fast it flies."""

    pose: Pose
    speed_m_s: float


def step(flight: Flight, now: Input, seconds: float) -> Flight:
    """Where the input of one frame takes the flight."""
    pose = flight.pose
    yaw = (pose.yaw - now.turn[0] * DEGREES_PER_PIXEL) % 360.0
    pitch = max(-_MAX_PITCH, min(_MAX_PITCH, pose.pitch - now.turn[1] * DEGREES_PER_PIXEL))
    speed = flight.speed_m_s * SPEED_PER_CLICK**now.scroll
    turned = replace(pose, yaw=yaw, pitch=pitch)
    forward, right, up = now.move
    gear = (FAST if now.fast else 1.0) * (SLOW if now.slow else 1.0)
    length = math.sqrt(forward**2 + right**2 + up**2)
    way = speed * gear * seconds / length if length else 0.0
    ahead, side = turned.forward, math.radians(yaw)
    moved = replace(
        turned,
        x=turned.x + way * (forward * ahead.x + right * math.sin(side)),
        y=turned.y + way * (forward * ahead.y - right * math.cos(side)),
        z=turned.z + way * (forward * ahead.z + up),
    )
    return Flight(moved, speed)
