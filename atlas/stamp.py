"""When a voxel was last observed, in one byte: a counter that wraps.

Observations are numbered 1, 2, 3 ... The stamp of the n-th is 1 + (n - 1) mod 255; 0 means never, or
unknown. So stamps go 1 .. 255, 1 .. 255, and two of them are compared as serial numbers (RFC 1982, on a
circle of 255): the one that is at most 127 steps ahead is the newer. 255 is odd, so no two stamps lie
opposite each other.

Pairs alone have no order: of three stamps a third of the circle apart, each is newer than another one. What
compares many therefore needs a reference, `now`: the stamp of the latest observation. Ages then reach
0 .. 254; who goes on observing sets stamps that become older than that to 0.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]

CYCLE = 255  # stamps 1..255
NEVER = 0
OLDEST = CYCLE  # age of a voxel that was never observed, above any other


def stamp_of(n: ArrayLike) -> U8:
    """The stamp of the n-th observation. [...] int, 0 for never -> [...] uint8. ValueError if negative."""
    counts = np.asarray(n, np.int64)
    if counts.size and counts.min() < 0:
        raise ValueError("observations are counted from 1; 0 means never")
    stamps: U8 = np.where(counts == 0, NEVER, 1 + (counts - 1) % CYCLE).astype(np.uint8)
    return stamps


def newer(a: ArrayLike, b: ArrayLike) -> NDArray[np.bool_]:
    """Whether stamp a is newer than b: at most 127 steps ahead; anything is newer than never. [...] uint8."""
    first, second = np.asarray(a, np.int64), np.asarray(b, np.int64)
    ahead = (first - second) % CYCLE
    known: NDArray[np.bool_] = (ahead >= 1) & (ahead <= CYCLE // 2)
    return np.where((first == NEVER) | (second == NEVER), first > second, known)


def age(stamps: ArrayLike, now: int) -> I64:
    """Observations since, up to and with the one stamped `now`. [...] uint8 -> [...] int64, never: 255.

    ValueError: now is not a stamp, or is never.
    """
    if not 1 <= now <= CYCLE:
        raise ValueError(f"now must be a stamp in 1..{CYCLE}, not {now}")
    values = np.asarray(stamps, np.int64)
    return np.where(values == NEVER, OLDEST, (now - values) % CYCLE)


def stamp_of_age(ages: ArrayLike, now: int) -> U8:
    """Inverse of `age`. [...] int in 0..255 -> [...] uint8."""
    values = np.asarray(ages, np.int64)
    stamps: U8 = np.where(values == OLDEST, NEVER, 1 + (now - 1 - values) % CYCLE).astype(np.uint8)
    return stamps
