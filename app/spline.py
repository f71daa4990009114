"""The curve through a path's keys: between two a cubic, at the keys Catmull-Rom's slopes. Pure.

Columns are x y z yaw pitch roll fov. Angles go the short way round. On a level path yaw and pitch run like
positions do but never swing past a key, so that the horizon stays level; where a key has a roll, the camera
turns on a curve of quaternions instead, because angles mean little near straight up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyglm import glm

from . import turns
from .camera import Pose

F64 = NDArray[np.float64]
N_COLUMNS = 7
_TURNS = [3, 5]  # columns that come round again: yaw and roll
_ROLL = 5
_MOST = 3.0  # slopes of a neighbour that a limited tangent may have: Fritsch and Carlson, 1980
_MAX_SAMPLES = 1 << 16  # of a whole path, where its length is measured
_STANDS_M = 1e-9  # a way shorter than this is none


@dataclass(frozen=True, slots=True)
class Curve:
    """Keys as arrays. values[i] + steps[i] is values[i + 1], but for whole turns."""

    times: F64  # [N]
    values: F64  # [N, 7]
    steps: F64  # [N - 1, 7]
    tangents: F64  # [N, 7] per second
    is_level: bool
    wraps: bool  # a loop, whose last row is its first again

    def at(self, t: float) -> tuple[int | None, F64]:
        """-> the key that t is at, if it is at one exactly, and the seven values at t seconds

        times[0] <= t <= times[-1], and N > 1
        """
        i = min(int(np.searchsorted(self.times, t, "right")) - 1, len(self.times) - 2)
        h = float(self.times[i + 1] - self.times[i])
        u = (t - float(self.times[i])) / h
        if u in (0, 1):
            return i + int(u), self.values[i + int(u)]
        out = self.values[i] + _way(self, np.array([i]), np.array([u]))[0]
        if not self.is_level:
            out[3:6] = self._turned(i, u, h)
        return None, out

    def positions(self, n: int) -> F64:
        """[n, 3] points of the way, as many in each of its segments. N > 1"""
        at = np.linspace(0, len(self.steps) * (1 - 1e-12), n)
        i = at.astype(np.int64)
        return self.values[i, :3] + _way(self, i, at - i)[:, :3]

    def _turned(self, i: int, u: float, h: float) -> tuple[float, float, float]:
        """Yaw, pitch, roll on the curve of quaternions of the segment after key i."""
        q = [_quaternion(row) for row in self._rows_around(i)]
        gaps = self._gaps_around(i)
        slopes = [turns.between(a, b) / g for a, b, g in zip(q, q[1:], gaps, strict=False)]
        leave, arrive = (
            _limited(
                (slopes[k] * gaps[k] + slopes[k + 1] * gaps[k + 1]) / (gaps[k] + gaps[k + 1]), slopes[k:]
            )
            for k in (0, 1)
        )
        return turns.angles_of(turns.bezier(q[1], leave * h, arrive * h, q[2], u))

    def _rows_around(self, i: int) -> list[F64]:
        """Keys i - 1 to i + 2; beyond an end a loop's, else the end turns on as it did."""
        n, wraps = len(self.times), self.wraps
        before = self.values[i - 1] if i else self.values[-2] if wraps else None
        after = self.values[i + 2] if i + 2 < n else self.values[1] if wraps else None
        a, b = self.values[i], self.values[i + 1]
        return [_beyond(b, a) if before is None else before, a, b, _beyond(a, b) if after is None else after]

    def _gaps_around(self, i: int) -> list[float]:
        gaps = np.diff(self.times)
        n = len(gaps)
        first = gaps[i - 1] if i or self.wraps else gaps[i]
        last = gaps[(i + 1) % n] if i + 1 < n or self.wraps else gaps[i]
        return [float(first), float(gaps[i]), float(last)]


def _beyond(a: F64, b: F64) -> F64:
    """Where a turn from a to b would be after the same turn again, as a row of values."""
    qa, qb = _quaternion(a), _quaternion(b)
    row = b.copy()
    row[3:6] = turns.angles_of(turns.turned(qb, turns.between(qa, qb)))
    return row


def _quaternion(row: F64) -> turns.Quaternion:
    return turns.quaternion_of(Pose(*row[:6].tolist()))


def _limited(turn: turns.Vector, slopes: list[turns.Vector]) -> turns.Vector:
    most = _MOST * min(glm.length(slopes[0]), glm.length(slopes[1]))
    length = glm.length(turn)
    return turn * (most / length) if length > most else turn


def curve(times: F64, values: F64, wraps: bool) -> Curve:
    """The curve through values [N, 7] at times [N], growing."""
    steps = np.diff(values, axis=0)
    steps[:, _TURNS] = shortest(steps[:, _TURNS])
    gaps = np.diff(times)
    # Beyond an end a loop goes round; else the end's own segment goes straight on, so that a path starts
    # and ends at the speed it has there.
    ends = [-1, 0] if wraps else [0, -1]
    all_steps = np.concatenate([steps[ends[:1]], steps, steps[ends[1:]]]) if len(steps) else steps
    all_gaps = np.concatenate([gaps[ends[:1]], gaps, gaps[ends[1:]]]) if len(gaps) else gaps
    if len(steps):
        stands = np.linalg.norm(all_steps[:, :3], axis=1) < _STANDS_M
        tangents = (all_steps[:-1] + all_steps[1:]) / (all_gaps[:-1] + all_gaps[1:])[:, None]
        slopes = all_steps / all_gaps[:, None]
        tangents[:, 3:] = _without_overshoot(tangents[:, 3:], slopes[:-1, 3:], slopes[1:, 3:])
        tangents[stands[:-1] | stands[1:], :3] = 0.0  # two keys at one place: there the camera stands still
    else:
        tangents = np.zeros_like(values)
    return Curve(times, values, steps, tangents, not values[:, _ROLL].any(), wraps)


def _way(c: Curve, i: NDArray[np.int64], u: F64) -> F64:
    """Hermite's cubic as an offset from key i: [K] segments and [K] shares of them -> [K, 7]."""
    h, u = (c.times[i + 1] - c.times[i])[:, None], u[:, None]
    bend = (1 - u) * c.tangents[i] - u * c.tangents[i + 1]
    return u * u * (3 - 2 * u) * c.steps[i] + h * u * (1 - u) * bend


def even_times(c: Curve) -> tuple[F64, F64]:
    """How to walk the curve at one speed in the same time: [K] seconds, and the curve's own time then [K].

    A key pair at one place keeps its time: the camera stands, and may turn; the rest shares what is left.
    """
    gaps = np.diff(c.times)
    n = len(gaps)
    per = int(np.clip(_MAX_SAMPLES // max(n, 1), 8, 2048))
    u = np.linspace(0.0, 1.0, per + 1)
    at = _way(c, np.repeat(np.arange(n), per + 1), np.tile(u, n))[:, :3].reshape(n, per + 1, 3)
    pieces = np.linalg.norm(np.diff(at, axis=1), axis=2)  # [n, per] metres
    lengths = pieces.sum(axis=1)
    moves = lengths > _STANDS_M
    speed = lengths[moves].sum() / gaps[moves].sum() if moves.any() else 1.0
    takes = np.where(moves[:, None], pieces / speed, gaps[:, None] / per)
    out = c.times[0] + np.concatenate([[0.0], np.cumsum(takes.ravel())])
    own = np.concatenate([(c.times[:-1, None] + gaps[:, None] * u[:-1]).ravel(), c.times[-1:]])
    out[-1] = c.times[-1]
    return out, own


def shortest(degrees: F64) -> F64:
    """The same turn, within [-180, 180)."""
    return (degrees + 180.0) % 360.0 - 180.0


def _without_overshoot(tangents: F64, before: F64, after: F64) -> F64:
    """Limit tangents so that the cubic stays between its keys: 3 slopes (Fritsch and Carlson, 1980)."""
    most = _MOST * np.minimum(np.abs(before), np.abs(after))
    limited = np.clip(tangents, -most, most)
    out: F64 = np.where(before * after > 0, limited, 0.0)
    return out
