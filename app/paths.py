"""Camera paths: keys in time and what lies between them. Pure: equal paths give equal poses.

`path_file.py` reads and writes them, `moves.py` makes some.
"""

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import Pose

MAX_KEYS = 1 << 16
MAX_S = 86_400.0  # a day
MAX_FPS = 1000.0
MAX_M = 1e7  # of a coordinate; what a world allows is checked where it is drawn
MAX_FOV_DEG = 170.0
DEFAULT_FPS, DEFAULT_FOV_DEG = 30.0, 50.0
_CLOSED = 1e-6  # metres and degrees by which a loop's ends may differ
_SLACK = 1e-6  # of a frame: 0.1 s at 30 fps is frame 3, whatever the rounding


@dataclass(frozen=True, slots=True)
class Key:
    """Where the camera is at a time."""

    t: float  # seconds
    pose: Pose
    fov_deg: float = DEFAULT_FOV_DEG


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Keys by time. Raises ValueError, in one line, for what cannot be sampled."""

    keys: tuple[Key, ...]
    fps: float = DEFAULT_FPS
    loop: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MAX_KEYS:
            raise ValueError(f"a path has 1 to {MAX_KEYS} keys, not {len(self.keys)}")
        if not 0 < self.fps <= MAX_FPS:
            raise ValueError(f"fps is above 0 and at most {MAX_FPS:g}, not {self.fps:g}")
        for i, key in enumerate(self.keys):
            _check(i, key, self.keys[i - 1].t if i else -1.0)
        first, last = self.keys[0].pose, self.keys[-1].pose
        ends = np.subtract(astuple(last), astuple(first))
        ends[3] = _shortest(ends[3])
        if self.loop and np.abs(ends).max() > _CLOSED:
            raise ValueError(
                "the last key of a loop is its first again: repeat the first key's pose at the end"
            )

    @property
    def seconds(self) -> float:
        """From the first key to the last."""
        return self.keys[-1].t - self.keys[0].t

    @property
    def n_frames(self) -> int:
        """At the path's own fps: both ends, but a loop's last frame would be its first."""
        return _n_frames(self, self.fps)

    def sample(self, t: float) -> Key:
        """The camera at t seconds: before the first key the first, after the last the last; a loop goes on.

        Position runs on Catmull-Rom curves through the keys. Angles do too, the short way round, but never
        swing past a key: between two keys the camera turns less than half round.
        """
        first = self.keys[0].t
        if self.loop and self.seconds:
            t = first + (t - first) % self.seconds
        t = min(max(t, first), self.keys[-1].t)
        return _interpolate(self, t)

    def poses(self, fps: float | None = None) -> Iterator[Key]:
        """Every frame of a replay, in order, at `fps` (default: the path's own)."""
        fps = fps or self.fps
        first = self.keys[0].t
        return (self.sample(first + i / fps) for i in range(_n_frames(self, fps)))


def _n_frames(path: CameraPath, fps: float) -> int:
    n = path.seconds * fps
    return max(1, math.ceil(n - _SLACK) if path.loop else math.floor(n + _SLACK) + 1)


def _check(i: int, key: Key, before: float) -> None:
    pose = key.pose
    numbers = (key.t, key.fov_deg, *astuple(pose))
    if not all(math.isfinite(v) for v in numbers):
        raise ValueError(f"key {i}: every number is finite")
    if not (0 <= key.t <= MAX_S and before < key.t):
        raise ValueError(f"key {i}: t grows, within 0 to {MAX_S:g} s: not {key.t:g} here")
    if max(abs(pose.x), abs(pose.y), abs(pose.z)) > MAX_M:
        raise ValueError(f"key {i}: a position is within {MAX_M:g} m")
    if abs(pose.yaw) > MAX_M or abs(pose.pitch) > 90:
        raise ValueError(f"key {i}: pitch is -90 to 90 degrees, not {pose.pitch:g}; yaw is a few turns")
    if not 0 < key.fov_deg < MAX_FOV_DEG:
        raise ValueError(f"key {i}: fov is above 0 and below {MAX_FOV_DEG:g} degrees, not {key.fov_deg:g}")


def _shortest(degrees: Any) -> Any:
    """The same turn, within [-180, 180)."""
    return (degrees + 180.0) % 360.0 - 180.0


def _interpolate(path: CameraPath, t: float) -> Key:
    """Cubic Hermite between the two keys around t, with Catmull-Rom's tangents from the two beyond."""
    keys = path.keys
    n = len(keys)
    if n == 1:
        return Key(t, keys[0].pose, keys[0].fov_deg)
    i = min(_last_at_or_before(keys, t), n - 2)
    around, times = _four(path, i)
    steps = np.diff(around, axis=0)
    steps[:, 3] = _shortest(steps[:, 3])
    lengths = np.diff(times)
    slopes = steps / lengths[:, None]
    tangents = (steps[:-1] + steps[1:]) / (lengths[:-1] + lengths[1:])[:, None]
    tangents[:, 3:] = _without_overshoot(tangents[:, 3:], slopes[:-1, 3:], slopes[1:, 3:])
    h = lengths[1]
    u = (t - times[1]) / h
    # Hermite's cubic as an offset from the key before: at u = 0 exactly that key.
    way = u * u * (3 - 2 * u) * steps[1] + h * u * (1 - u) * ((1 - u) * tangents[0] - u * tangents[1])
    x, y, z, yaw, pitch, fov = (float(v) for v in (around[2] if u == 1 else around[1] + way))
    return Key(t, Pose(x, y, z, yaw, pitch), fov)


def _last_at_or_before(keys: tuple[Key, ...], t: float) -> int:
    lo, hi = 0, len(keys)
    while hi - lo > 1:
        middle = (lo + hi) // 2
        lo, hi = (middle, hi) if keys[middle].t <= t else (lo, middle)
    return lo


def _four(path: CameraPath, i: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The keys i - 1 to i + 2 as [4, 6] float64 (x y z yaw pitch fov) and their times [4].

    Beyond an end a loop goes round; else the end's own segment goes straight on, so that a path starts and
    ends at the speed it has there.
    """
    keys, n = path.keys, len(path.keys)

    def values(k: Key) -> NDArray[np.float64]:
        return np.array([*astuple(k.pose), k.fov_deg])

    here, there = keys[i], keys[i + 1]
    a, b = values(here), values(there)
    before, t_before = 2 * a - b, 2 * here.t - there.t
    after, t_after = 2 * b - a, 2 * there.t - here.t
    if i > 0:
        before, t_before = values(keys[i - 1]), keys[i - 1].t
    elif path.loop:
        before, t_before = values(keys[-2]), keys[-2].t - path.seconds
    if i + 2 < n:
        after, t_after = values(keys[i + 2]), keys[i + 2].t
    elif path.loop:
        after, t_after = values(keys[1]), keys[1].t + path.seconds
    return np.stack([before, a, b, after]), np.array([t_before, here.t, there.t, t_after])


def _without_overshoot(
    tangents: NDArray[np.float64], before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Limit tangents so that the cubic stays between its keys: 3 slopes (Fritsch and Carlson, 1980)."""
    most = 3 * np.minimum(np.abs(before), np.abs(after))
    limited = np.clip(tangents, -most, most)
    return np.where(before * after > 0, limited, 0.0)
