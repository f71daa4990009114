"""Camera paths: keys in time and what lies between them. Pure: equal paths give equal poses.

`path_file.py` reads and writes them, `moves.py` makes some, `spline.py` is the curve through the keys.
"""

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from typing import Literal

import numpy as np

from .camera import Pose
from .spline import F64, Curve, curve, even_times, shortest

MAX_KEYS = 1 << 16
MAX_S = 86_400.0  # a day
MAX_FPS = 1000.0
MAX_M = 1e7  # of a coordinate; what a world allows is checked where it is drawn
MAX_FOV_DEG = 170.0
MAX_SIDE = 1 << 16  # pixels
DEFAULT_FPS, DEFAULT_FOV_DEG = 30.0, 50.0
_CLOSED = 1e-6  # metres and degrees by which a loop's ends may differ
_SLACK = 1e-6  # of a frame: 0.1 s at 30 fps is frame 3, whatever the rounding

Pace = Literal["keys", "even"]
Lens = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Key:
    """Where the camera is at a time."""

    t: float  # seconds
    pose: Pose
    fov_deg: float = DEFAULT_FOV_DEG
    # A foreign camera's own fx, fy, cx, cy, in pixels of the path's size. Kept for who saves the path again;
    # what is drawn goes by fov_deg, with square pixels and a centred axis.
    lens: Lens | None = None


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Keys by time. Raises ValueError, in one line, for what cannot be sampled.

    pace  "keys": at the keys' times; "even": as long in all, but at one speed along the whole way
    size  pixels of a foreign path's pictures, where it has them
    """

    keys: tuple[Key, ...]
    fps: float = DEFAULT_FPS
    loop: bool = False
    pace: Pace = "keys"
    size: tuple[int, int] | None = None
    _curve: Curve = field(init=False, repr=False, compare=False)
    _evenly: tuple[F64, F64] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MAX_KEYS:
            raise ValueError(f"a path has 1 to {MAX_KEYS} keys, not {len(self.keys)}")
        if not 0 < self.fps <= MAX_FPS:
            raise ValueError(f"fps is above 0 and at most {MAX_FPS:g}, not {self.fps:g}")
        if self.size is not None and not all(0 < side <= MAX_SIDE for side in self.size):
            raise ValueError(f"a picture's sides are 1 to {MAX_SIDE} pixels")
        for i, key in enumerate(self.keys):
            _check(i, key, self.keys[i - 1].t if i else -1.0)
        values = np.array([(*astuple(k.pose), k.fov_deg) for k in self.keys])
        ends = values[-1, :6] - values[0, :6]
        ends[[3, 5]] = shortest(ends[[3, 5]])
        if self.loop and np.abs(ends).max() > _CLOSED:
            raise ValueError(
                "the last key of a loop is its first again: repeat the first key's pose at the end"
            )
        object.__setattr__(self, "_curve", curve(np.array([k.t for k in self.keys]), values, self.loop))
        if self.pace == "even" and len(self.keys) > 1:
            object.__setattr__(self, "_evenly", even_times(self._curve))

    @property
    def seconds(self) -> float:
        """From the first key to the last."""
        return self.keys[-1].t - self.keys[0].t

    @property
    def n_frames(self) -> int:
        """At the path's own fps: both ends, but a loop's last frame would be its first."""
        return _n_frames(self, self.fps)

    @property
    def is_level(self) -> bool:
        """Whether no key has a roll."""
        return self._curve.is_level

    def sample(self, t: float) -> Key:
        """The camera at t seconds: before the first key the first, after the last the last; a loop goes on.

        Position runs on Catmull-Rom curves through the keys, and the field of view too. A level path stays
        level; between two keys the camera turns less than half round.
        """
        first = self.keys[0].t
        if len(self.keys) == 1:
            return Key(t, self.keys[0].pose, self.keys[0].fov_deg, self.keys[0].lens)
        if self.loop:
            t = first + (t - first) % self.seconds
        t = min(max(t, first), self.keys[-1].t)
        own = t if self._evenly is None else float(np.interp(t, *self._evenly))
        at, values = self._curve.at(own)
        if at is not None:
            key = self.keys[at]
            return Key(t, key.pose, key.fov_deg, key.lens)
        *pose, fov = values.tolist()
        return Key(t, Pose(*pose), fov)

    def way(self, most: int) -> F64:
        """[N, 3] points on the way, metres, for drawing it: N <= most."""
        n_gaps = len(self.keys) - 1
        return self._curve.positions(min(24 * n_gaps + 1, most)) if n_gaps else np.zeros((0, 3))

    def poses(self, fps: float | None = None) -> Iterator[Key]:
        """Every frame of a replay, in order, at `fps` (default: the path's own)."""
        fps = fps or self.fps
        first = self.keys[0].t
        return (self.sample(first + i / fps) for i in range(_n_frames(self, fps)))


def frames(path: CameraPath) -> list[Key]:
    """Every frame at the path's own fps, for a file that holds frames. Raises ValueError if they are many."""
    if path.n_frames >= MAX_KEYS:
        raise ValueError(
            f"{path.n_frames:,} frames are too many for a file: under {MAX_KEYS:,}, or lower fps"
        )
    return list(path.poses())


def _n_frames(path: CameraPath, fps: float) -> int:
    n = path.seconds * fps
    return max(1, math.ceil(n - _SLACK) if path.loop else math.floor(n + _SLACK) + 1)


def _check(i: int, key: Key, before: float) -> None:
    pose = key.pose
    numbers = (key.t, key.fov_deg, *astuple(pose), *(key.lens or ()))
    if not all(math.isfinite(v) for v in numbers):
        raise ValueError(f"key {i}: every number is finite")
    if not (0 <= key.t <= MAX_S and before < key.t):
        raise ValueError(f"key {i}: t grows, within 0 to {MAX_S:g} s: not {key.t:g} here")
    if max(abs(pose.x), abs(pose.y), abs(pose.z)) > MAX_M:
        raise ValueError(f"key {i}: a position is within {MAX_M:g} m")
    if max(abs(pose.yaw), abs(pose.roll)) > MAX_M or abs(pose.pitch) > 90:
        raise ValueError(f"key {i}: pitch is -90 to 90 degrees, not {pose.pitch:g}; yaw is a few turns")
    if not 0 < key.fov_deg < MAX_FOV_DEG:
        raise ValueError(f"key {i}: fov is above 0 and below {MAX_FOV_DEG:g} degrees, not {key.fov_deg:g}")
