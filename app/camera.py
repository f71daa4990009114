"""Where the eye is and what it sees. Pure: float64 metres in, what the shaders need out.

World axes: right-handed, z up. Yaw 0 looks along +x and grows counter-clockwise seen from above;
pitch grows upwards. Both in degrees.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyglm import glm

# A position is snapped to this fraction of a voxel, so that a world and its copy moved by whole
# chunks give the same float32 rays although their float64 metres were rounded differently.
_SNAP = 1 << 16
MAX_EYE_VOXELS = 1 << 24  # from the root grid: beyond, float32 loses whole voxels


@dataclass(frozen=True, slots=True)
class Pose:
    """Eye position in metres and its direction in degrees."""

    x: float
    y: float
    z: float
    yaw: float
    pitch: float

    @property
    def forward(self) -> glm.dvec3:
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        return glm.dvec3(math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch))


@dataclass(frozen=True, slots=True)
class View:
    """A pose as the shaders take it. Names are those of the uniforms in shaders/include/camera.glsl."""

    size: tuple[int, int]  # pixels
    eye: tuple[int, int, int]  # voxel, from the root grid's corner
    eye_frac: tuple[float, float, float]  # [0, 1)
    right: tuple[float, float, float]
    up: tuple[float, float, float]
    forward: tuple[float, float, float]
    cone: float  # pixel width at distance 1, times the quality factor
    level_min: int = 0


def look(
    pose: Pose,
    size: tuple[int, int],
    fov_deg: float,
    voxel_size_m: float,
    corner_voxel: NDArray[np.int64],
    quality: float = 1.0,
) -> View:
    """A planar camera.

    fov_deg   vertical field of view
    quality   widest voxel that may be drawn, in pixels: 1 is pixel-exact, 2 is coarser and faster
    Raises ValueError for an eye farther than MAX_EYE_VOXELS from the world.
    """
    forward = pose.forward
    side = math.radians(pose.yaw)
    right = glm.dvec3(math.sin(side), -math.cos(side), 0.0)  # never degenerate, even straight up
    up = glm.cross(right, forward)
    half_height = math.tan(math.radians(fov_deg) / 2)
    half_width = half_height * size[0] / size[1]
    position = np.round(np.array([pose.x, pose.y, pose.z]) / voxel_size_m * _SNAP) / _SNAP
    voxel = np.floor(position)
    frac = position - voxel
    eye = voxel.astype(np.int64) - corner_voxel
    if np.abs(eye).max() > MAX_EYE_VOXELS:
        raise ValueError(f"the eye is over {MAX_EYE_VOXELS * voxel_size_m / 1e3:.0f} km from the world")
    return View(
        size=size,
        eye=_triple_int(eye),
        eye_frac=_triple(frac),
        right=_triple(right * half_width),
        up=_triple(up * half_height),
        forward=_triple(forward),
        cone=2 * half_height / size[1] * quality,
    )


def _triple(v: object) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in v)  # type: ignore[attr-defined]
    return x, y, z


def _triple_int(v: NDArray[np.int64]) -> tuple[int, int, int]:
    return int(v[0]), int(v[1]), int(v[2])
