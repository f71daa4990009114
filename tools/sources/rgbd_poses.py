"""Camera poses as the layouts write them, each as a 4 x 4 matrix; nothing is believed.

A pose that is not finite or not rigid is None: its frame is left out, and told.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import npz
from .source import file_bytes, read_bytes

Pose = NDArray[np.float64]  # [4, 4]

MAX_TEXT_BYTES = 1 << 26
RIGID = 0.02  # how far R^T R may be off one: text with few digits


def text(path: Path) -> str:
    """A small text file. Raises UserError."""
    n_bytes = file_bytes(path)
    if n_bytes > MAX_TEXT_BYTES:
        raise UserError(f"{shown(path)} has {n_bytes:,} bytes: that is no list of poses or images")
    return read_bytes(path, 0, n_bytes).decode("utf-8", "replace").removeprefix("\ufeff")


def rows(path: Path) -> list[list[str]]:
    """The words of each line that is neither empty nor a comment."""
    return [
        line.split() for line in text(path).splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]


def numbers(words: list[str]) -> list[float] | None:
    """Words as numbers; None if one is not."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def rigid(matrix: NDArray[np.floating] | list[list[float]]) -> Pose | None:
    """[4, 4] or [3, 4] -> [4, 4] with an exactly rigid rotation; None if it is not a pose."""
    pose = np.eye(4)
    pose[:3] = np.asarray(matrix, np.float64)[:3]
    turn = pose[:3, :3]
    with np.errstate(all="ignore"):
        if not np.isfinite(pose).all() or np.abs(pose).max() > 1e9:
            return None
        if np.abs(turn.T @ turn - np.eye(3)).max() > RIGID or np.linalg.det(turn) < 0:
            return None
        u, _, v = np.linalg.svd(turn)
    pose[:3, :3] = u @ v
    return pose


def inverse(pose: Pose) -> Pose:
    """Of a rigid pose."""
    out = np.eye(4)
    out[:3, :3] = pose[:3, :3].T
    out[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return out


def of_quaternion(values: list[float]) -> Pose | None:
    """tx ty tz qx qy qz qw -> pose."""
    x, y, z, w = values[3:7]
    norm = x * x + y * y + z * z + w * w
    if not 0.5 < norm < 2:  # NaN too
        return None
    s = 2 / norm
    return rigid(
        np.array(
            [
                [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w), values[0]],
                [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w), values[1]],
                [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y), values[2]],
            ]
        )
    )


def matrix_file(path: Path) -> Pose | None:
    """A file of 4 x 4 (or 3 x 4) numbers."""
    found = numbers([word for row in rows(path) for word in row])
    if found is None or len(found) not in (12, 16):
        raise UserError(f"{shown(path)} is not a pose: expected 4 lines of 4 numbers")
    return rigid(np.array(found).reshape(-1, 4))


def log(path: Path) -> dict[int, Pose | None]:
    """A Redwood trajectory.log: per pose three integers, the first the frame's number, then 4 x 4."""
    lines = rows(path)
    found: dict[int, Pose | None] = {}
    if len(lines) % 5:
        raise UserError(f"{shown(path)}: expected 5 lines per pose (3 integers, then 4 x 4 numbers)")
    for at in range(0, len(lines), 5):
        head = lines[at]
        values = [numbers(line) for line in lines[at + 1 : at + 5]]
        if not head[0].isdecimal() or len(head[0]) > 9 or any(v is None or len(v) != 4 for v in values):
            raise UserError(f"{shown(path)}: pose {at // 5 + 1} is not 3 integers and 4 x 4 numbers")
        found[int(head[0])] = rigid(np.array(values, np.float64))
    return found


def stamped(path: Path) -> list[tuple[float, list[str]]]:
    """A TUM list: a timestamp and something, per line, in order of time."""
    found = []
    for row in rows(path):
        stamp = numbers(row[:1])
        if len(row) < 2 or stamp is None or not np.isfinite(stamp[0]):
            raise UserError(f"{shown(path)}: expected a timestamp and more on every line")
        found.append((stamp[0], row[1:]))
    return sorted(found, key=lambda row: row[0])


def nearest(wanted: float, stamps: NDArray[np.float64], within: float) -> int | None:
    """Index of the nearest of sorted stamps; None if there is none within that many seconds."""
    at = int(np.searchsorted(stamps, wanted))
    near = [i for i in (at - 1, at) if 0 <= i < len(stamps)]
    best = min(near, key=lambda i: abs(stamps[i] - wanted), default=None)
    return best if best is not None and abs(stamps[best] - wanted) <= within else None


def stack(path: Path, name: str) -> list[Pose | None]:
    """[N, 4, 4] or [N, 3, 4] matrices of an .npz file."""
    found = npz.load(path, name, 3)
    if found.shape[1:] not in ((4, 4), (3, 4)):
        raise UserError(f"{shown(path)}: {shown(name)} is {found.shape}: expected N x 4 x 4 poses")
    return [rigid(matrix) for matrix in found]
