"""Cameras of a comparison: pinholes with any axes and any centre, around a scene or as frames give them."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...app import framing
from ...app.camera import Pose, View, look
from ...atlas.layout import PROJECTIONS

F64 = NDArray[np.float64]

FOV_DEG = 50.0  # vertical, of cameras around a scene
_PITCHES = (-50.0, 10.0)  # degrees: what a scan shows of itself from outside


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera in the world. Row 0 is the top; pixel i spans i..i+1, so its middle is i + 1/2."""

    size: tuple[int, int]  # width, height
    eye_m: F64  # [3] world
    axes: F64  # [3, 3]: rows are right, down, forward; unit, orthogonal, world
    focal: tuple[float, float]  # pixels
    centre: tuple[float, float]  # pixels: where the forward axis meets the picture

    def directions(self) -> F64:
        """World vectors through the middle of every pixel, 1 long along the forward axis. [h, w, 3]"""
        x, y = (
            (np.arange(n) + 0.5 - c) / f for n, c, f in zip(self.size, self.centre, self.focal, strict=True)
        )
        out: F64 = x[None, :, None] * self.axes[0] + y[:, None, None] * self.axes[1] + self.axes[2]
        return out

    def finer(self, n: int) -> "Camera":
        """The same view with n x n pixels in place of each."""
        (w, h), (fx, fy), (cx, cy) = self.size, self.focal, self.centre
        return replace(self, size=(w * n, h * n), focal=(fx * n, fy * n), centre=(cx * n, cy * n))

    def ray_lengths(self) -> F64:
        """Distance along a pixel's ray for a distance of 1 along the forward axis. [h, w]"""
        return np.asarray(np.linalg.norm(self.directions(), axis=-1))


def posed(pose: Pose, size: tuple[int, int], fov_deg: float) -> Camera:
    """The planar camera of app.camera.look, without its snap to 1/65536 of a voxel."""
    forward, right = np.array(pose.forward), np.array(pose.right)
    focal = size[1] / 2 / math.tan(math.radians(fov_deg) / 2)
    axes = np.stack([right, np.cross(forward, right), forward])
    eye = np.array([pose.x, pose.y, pose.z])
    return Camera(size, eye, axes, (focal, focal), (size[0] / 2, size[1] / 2))


def around(
    points: F64, weights: F64, n_views: int, size: tuple[int, int], seed: int, fov_deg: float = FOV_DEG
) -> list[Camera]:
    """Cameras on all sides of what `shot.body` tells of a world, each framed as `render` frames it.

    Yaw: one in each of n equal parts of the circle; pitch: uniform in the sine, in parts as well.
    """
    rng = np.random.default_rng(seed)
    shape = framing.main_body(points, weights)
    yaws = (np.arange(n_views) + rng.random(n_views)) / n_views * 360.0
    low, high = np.sin(np.radians(_PITCHES))
    parts = (rng.permutation(n_views) + rng.random(n_views)) / n_views
    pitches = np.degrees(np.arcsin(low + (high - low) * parts))
    poses = [
        framing.frame(shape, size, fov_deg, float(y), float(p)) for y, p in zip(yaws, pitches, strict=True)
    ]
    return [posed(pose, size, fov_deg) for pose in poses]


def view_of(camera: Camera, voxel_size_m: float, corner_voxel: NDArray[np.int64]) -> View:
    """The same camera as the shaders take it. Raises ValueError if the eye is too far from the world."""
    (width, height), (fx, fy), (cx, cy) = camera.size, camera.focal, camera.centre
    right, down, forward = camera.axes
    x, y, z = _triple(camera.eye_m)
    pose = Pose(x, y, z, 0.0, 0.0)
    eye = look(pose, camera.size, FOV_DEG, voxel_size_m, corner_voxel)
    assert PROJECTIONS[eye.projection] == "planar"
    # A centre that is not the picture's middle slants `forward`, so that the pixels' rays are the camera's.
    middle = forward + right * ((width / 2 - cx) / fx) + down * ((height / 2 - cy) / fy)
    return replace(
        eye,
        right=_triple(right * (width / 2 / fx)),
        up=_triple(-down * (height / 2 / fy)),
        forward=_triple(middle),
        cone=1 / fy,
    )


def _triple(v: F64) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
