"""Where the eye is and what it sees. Pure: float64 metres in, what the shaders need out.

World axes: right-handed, z up. Yaw 0 looks along +x and grows counter-clockwise seen from above;
pitch grows upwards; roll leans the camera to its right. All in degrees, applied roll, pitch, yaw.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pyglm import glm

from ..atlas.layout import CUBE_FACES, PROJECTIONS

# A position is snapped to this fraction of a voxel, so that a world and its copy moved by whole
# chunks give the same float32 rays although their float64 metres were rounded differently.
_SNAP = 1 << 16
MAX_EYE_VOXELS = 1 << 24  # from the root grid: beyond, float32 loses whole voxels
IPD_M = 0.063  # between the pupils of a grown-up: mean 63 mm (Dodgson, 2004)


@dataclass(frozen=True, slots=True)
class Pose:
    """Eye position in metres and its direction in degrees."""

    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    roll: float = 0.0  # of a foreign camera or a head; who walks or flies stays level

    @property
    def forward(self) -> glm.dvec3:
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        return glm.dvec3(math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch))

    @property
    def right(self) -> glm.dvec3:
        level = self._level
        if not self.roll:
            return level
        roll = math.radians(self.roll)
        up = glm.cross(level, self.forward)
        return glm.dvec3(*(math.cos(roll) * a - math.sin(roll) * b for a, b in zip(level, up, strict=True)))

    @property
    def up(self) -> glm.dvec3:
        return glm.dvec3(glm.cross(self.right, self.forward))

    @property
    def _level(self) -> glm.dvec3:
        yaw = math.radians(self.yaw)
        return glm.dvec3(math.sin(yaw), -math.cos(yaw), 0.0)  # never degenerate, even straight up


@dataclass(frozen=True, slots=True)
class View:
    """A pose as the shaders take it. Names are those of the uniforms in shaders/include/camera.glsl."""

    size: tuple[int, int]  # pixels of the whole picture
    projection: int  # an index of layout.PROJECTIONS
    eye: tuple[int, int, int]  # voxel, from the root grid's corner; stereo: of the left eye
    eye_frac: tuple[float, float, float]  # [0, 1)
    right_eye: tuple[int, int, int]  # stereo: of the right eye; else as eye
    right_eye_frac: tuple[float, float, float]
    right: tuple[float, float, float]
    up: tuple[float, float, float]
    forward: tuple[float, float, float]  # to the middle of the picture; of unit length but for `through`
    cone: float  # pixel width at distance 1, times the quality factor
    level_min: int = 0
    # Where the root grid lies in the world. No ray depends on it, so two views are equal without.
    corner_voxel: tuple[int, int, int] = field(default=(0, 0, 0), compare=False)

    @property
    def eyes_voxels(self) -> NDArray[np.float64]:
        """[E, 3] float64: where each eye is, level-0 voxels of the world. Stereo has two, left first."""
        eyes = [(self.eye, self.eye_frac), (self.right_eye, self.right_eye_frac)]
        n_eyes = 2 if PROJECTIONS[self.projection] == "stereo" else 1
        return np.array(
            [[sum(c) for c in zip(self.corner_voxel, *eye, strict=True)] for eye in eyes[:n_eyes]], np.float64
        )

    @property
    def planes(self) -> NDArray[np.float64]:
        """[P, 3] float64: unit normals of the sides of what one eye sees, into it, each through the eye.

        Left, right, bottom, top; a direction d is in the picture where all d @ n >= 0. None where every
        direction is.
        """
        if self.is_all_around:
            return np.zeros((0, 3))
        # d = forward + x right + y up is seen for |x|, |y| <= 1: these measure x, y and depth of any d, up
        # to one factor. Every frame asks, and NumPy's inverse takes seven times as long for so few numbers.
        right, up, forward = (glm.dvec3(*v) for v in (self.right, self.up, self.forward))
        across, along, depth = glm.cross(forward, up), glm.cross(right, forward), glm.cross(up, right)
        sides = depth + across, depth - across, depth + along, depth - along
        return np.array([_triple(glm.normalize(side)) for side in sides])

    @property
    def axis(self) -> NDArray[np.float64]:
        """[3] float64 unit: along it lies the depth of a flat picture, whose middle may be elsewhere."""
        axis = glm.cross(glm.dvec3(*self.up), glm.dvec3(*self.right))  # of a tuple dvec3 takes float32
        return np.array(_triple(glm.normalize(axis)))

    @property
    def is_all_around(self) -> bool:
        """Whether every direction is in the picture."""
        return PROJECTIONS[self.projection] in ("equirect", "cube")


def look(
    pose: Pose,
    size: tuple[int, int],
    fov_deg: float,
    voxel_size_m: float,
    corner_voxel: NDArray[np.int64],
    quality: float = 1.0,
    projection: str = "planar",
    ipd_m: float = IPD_M,
) -> View:
    """What an eye at a pose sees: the one place where a camera becomes numbers for the shaders.

    fov_deg     vertical field of view; equirect sees everything and does not ask
    quality     widest voxel that may be drawn, in pixels: 1 is pixel-exact, 2 is coarser and faster
    projection  of layout.PROJECTIONS. planar: one eye, a flat picture. stereo: two of these side by side,
                left eye left. equirect: all directions, columns are longitude (the pose's yaw in the middle),
                rows are latitude (straight up in row 0). cube: the six faces of a cube map in a row, as
                engines take them: right, left, up, down, ahead, back (+x -x +y -y +z -z where y is up and z
                ahead), each 90 degrees and as seen after turning there. Both are level: pitch and roll do not
                count
    ipd_m       stereo: distance of the eyes, whose axes are parallel
    Raises ValueError for an eye farther than MAX_EYE_VOXELS from the world, a stereo picture of odd width, or
    a cube that is not six squares wide.
    """
    stereo = projection == "stereo"
    if stereo and size[0] % 2:
        raise ValueError(f"a stereo picture has two halves: {size[0]} pixels of width are odd")
    cube = projection == "cube"
    if cube and size[0] != CUBE_FACES * size[1]:
        raise ValueError(
            f"the six faces of a cube are square: {size[0]}x{size[1]} should be {6 * size[1]} wide"
        )
    if projection in ("equirect", "cube"):
        pose = replace(pose, pitch=0.0, roll=0.0)  # who looks at a panorama turns it; its horizon is level
        # A pixel is pi / height tall everywhere. At the poles it is narrower than tall; shrinking the cone
        # there would bring the finest chunks in for the smallest solid angles, and only to be sharp sideways.
        half_width, half_height, pixel = 1.0, 1.0, (2.0 if cube else math.pi) / size[1]
    else:
        half_height = math.tan(math.radians(fov_deg) / 2)
        half_width = half_height * (size[0] // 2 if stereo else size[0]) / size[1]
        pixel = 2 * half_height / size[1]
    left, right = eye_poses(pose, ipd_m) if stereo else (pose, pose)
    eye, eye_frac = _eye((left.x, left.y, left.z), voxel_size_m, corner_voxel)
    right_eye, right_eye_frac = _eye((right.x, right.y, right.z), voxel_size_m, corner_voxel)
    return View(
        size=size,
        projection=PROJECTIONS.index(projection),
        eye=eye,
        eye_frac=eye_frac,
        right_eye=right_eye,
        right_eye_frac=right_eye_frac,
        right=_triple(pose.right * half_width),
        up=_triple(pose.up * half_height),
        forward=_triple(pose.forward),
        cone=pixel * quality,
        corner_voxel=_triple_int(corner_voxel),
    )


def through(
    at: tuple[float, float, float],
    axes: NDArray[np.float64],
    tangents: tuple[float, float, float, float],
    size: tuple[int, int],
    voxel_size_m: float,
    corner_voxel: NDArray[np.int64],
    quality: float = 1.0,
) -> View:
    """What is seen through a frustum that need not be upright or even: an eye of a headset.

    at        of the eye, metres
    axes      [3, 3] float64, rows: unit vectors to the right, up and ahead
    tangents  left, right, bottom, top of the picture at distance 1: left and bottom are usually negative
    Raises ValueError for an eye farther than MAX_EYE_VOXELS from the world, or a picture without area.
    """
    left, right, bottom, top = tangents
    if not (left < right and bottom < top):
        raise ValueError(f"a field of view from {left} to {right} and from {bottom} to {top}")
    to_right, to_top, ahead = axes
    eye, eye_frac = _eye(at, voxel_size_m, corner_voxel)
    return View(
        size=size,
        projection=PROJECTIONS.index("planar"),
        eye=eye,
        eye_frac=eye_frac,
        right_eye=eye,
        right_eye_frac=eye_frac,
        right=_triple(to_right * (right - left) / 2),
        up=_triple(to_top * (top - bottom) / 2),
        forward=_triple(ahead + to_right * (left + right) / 2 + to_top * (bottom + top) / 2),
        cone=max((right - left) / size[0], (top - bottom) / size[1]) * quality,
        corner_voxel=_triple_int(corner_voxel),
    )


def eye_poses(pose: Pose, ipd_m: float) -> tuple[Pose, Pose]:
    """The left and the right eye of a head at `pose`, looking the same way."""
    way = pose.right * (ipd_m / 2)
    left = replace(pose, x=pose.x - way.x, y=pose.y - way.y, z=pose.z - way.z)
    return left, replace(pose, x=pose.x + way.x, y=pose.y + way.y, z=pose.z + way.z)


def _eye(
    at: tuple[float, float, float], voxel_size_m: float, corner_voxel: NDArray[np.int64]
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """-> (voxel from the root grid's corner, fraction of it). Raises ValueError if too far away."""
    position = np.round(np.array(at) / voxel_size_m * _SNAP) / _SNAP
    voxel = np.floor(position)
    eye = voxel.astype(np.int64) - corner_voxel
    if np.abs(eye).max() > MAX_EYE_VOXELS:
        raise ValueError(f"the eye is over {MAX_EYE_VOXELS * voxel_size_m / 1e3:.0f} km from the world")
    return _triple_int(eye), _triple(position - voxel)


def _triple(v: object) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in v)  # type: ignore[attr-defined]
    return x, y, z


def _triple_int(v: NDArray[np.int64]) -> tuple[int, int, int]:
    return int(v[0]), int(v[1]), int(v[2])
