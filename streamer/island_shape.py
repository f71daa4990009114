"""The numbers of an island: which octave moves the ground how far, where the coast is, how terraces rise.

Heights are fixed point, 1 / UNIT of a level-0 voxel, above the sea. Everything is a function of absolute
coordinates and the seed, but for the coast (`coast_weight`), which alone knows the island's size.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .lattice import ROUNDING, mix, scaled

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

UNIT = 64  # of a height, per voxel
WEIGHT = 4096  # of a factor in 0..1
# x, y: 0101...01 in binary, so at every level the middle of the island is a third of a chunk from any border.
# The sea's upper side, SEA_Z + 1, is a border of voxels at every level up to 12: coarse water is no higher
# than fine water, so no wall is seen where one meets the other.
CENTRE = 21845
SEA_Z = 4095

NEAR_M = 45.0  # nearer to the middle than this no coast is felt, if the island is large enough
BAY_SIZES = (0.05, 0.05, 0.04)
BAYS = sum(BAY_SIZES)
COAST_STEEP = (1.0 + BAYS + 3.0 * (BAY_SIZES[0] + BAY_SIZES[1]) + 5.0 * BAY_SIZES[2]) / (1.0 - BAYS)
SEABED_M = 2.0  # depth of the ground where the coast's weight is 0
MIDDLE_M = 5.0  # height of the island's middle
SNOW_M, SNOW_RISES_PER = 38.0, 17
TONE = 2048  # amplitude of the colours' noise, all octaves together, about

# From this cell width in metres: the displacement's low and high end as parts of that width.
# Hills and mountains rise more than they sink, or the island would be an archipelago.
_ROUGHNESS = (
    (0.0, -0.05, 0.05),
    (0.015, -0.12, 0.12),  # tufts and pebbles
    (0.07, -0.04, 0.04),
    (4.0, -0.06, 0.06),
    (15.0, -0.10, 0.13),  # hills
    (70.0, -0.10, 0.26),  # mountains, away from the middle
    (400.0, -0.02, 0.12),
    (1800.0, -0.01, 0.05),
    (3000.0, 0.0, 0.0),
)
_RISES_M = {70.0: (55.0, 330.0, 0.10), 400.0: (300.0, 2500.0, 0.0), 1800.0: (300.0, 2500.0, 0.0)}


@dataclass(frozen=True, slots=True)
class Octave:
    """What one level of the lattice adds."""

    low: int  # least displacement
    high: int  # greatest
    tone: int  # greatest of the colour noise, either sign
    rise: tuple[float, float, float] | None  # full beyond a distance: (from, to, part inside), voxels


@dataclass(frozen=True, slots=True)
class Shape:
    """An island's numbers. Lengths in level-0 voxels unless they say otherwise."""

    voxel_size_m: float
    seed: int
    inner: float  # the coast begins
    outer: float  # and here all is sea
    bays: tuple[float, float, float]  # how far the coast departs from a circle, see `coast_distance`
    octaves: tuple[Octave, ...] = field(repr=False)  # by level
    coast_level: int = 0  # at this level of the lattice the coast is applied
    knots: tuple[I64, I64, I64] = field(repr=False, default=None)  # type: ignore[assignment]

    def salt(self, level: int, what: int) -> int:
        """Of the hash for one purpose at one level."""
        return self.seed * 0x2545F491 + level * 0x632BE5AB + what * 0x9E3779B9

    def length(self, metres: float) -> int:
        """Metres as whole voxels."""
        return round(metres / self.voxel_size_m)


def make_shape(seed: int, size_m: float, voxel_size_m: float) -> Shape:
    """The numbers of one island. Only `inner` and `outer` know its size."""
    outer = 0.5 * size_m
    small = size_m < NEAR_M / 0.45  # no room for a coast beyond NEAR_M: all is coast
    wild = 1.0 if small else min(max((size_m - 100.0) / 100.0, 0.0), 1.0)
    inner = 0.12 * size_m if small else max(NEAR_M * (1.0 + 0.4 * wild), 0.30 * size_m)
    outer *= 1.0 if wild else 1.0 / (1.0 - BAYS)  # `coast_distance` is that much longer
    inner *= 1.0 if wild else 1.0 / (1.0 - BAYS)
    turns = mix(np.arange(3), np.arange(3), seed).astype(np.float64) / 2.0**31 - 1.0
    bays = tuple(
        wild * size * (0.5 + 0.5 * abs(t)) * (1 if t > 0 else -1)
        for size, t in zip(BAY_SIZES, turns, strict=True)
    )
    coast_level = 0
    while voxel_size_m * 2 ** (coast_level + 1) <= 1.8:
        coast_level += 1
    octaves = tuple(_octave(level, voxel_size_m) for level in range(24))
    return Shape(
        voxel_size_m,
        seed,
        inner / voxel_size_m,
        outer / voxel_size_m,
        bays,
        octaves,
        coast_level,
        _knots(voxel_size_m),
    )


def _octave(level: int, voxel_size_m: float) -> Octave:
    width = voxel_size_m * 2**level
    start, low, high = [row for row in _ROUGHNESS if row[0] <= width][-1]
    rise = _RISES_M.get(start)
    unit = 2**level * UNIT
    tone = TONE // 4 if 0.3 <= width < 80 else TONE // 8 if width < 0.3 else 0
    return Octave(
        round(low * unit),
        round(high * unit),
        tone,
        None if rise is None else (rise[0] / voxel_size_m, rise[1] / voxel_size_m, rise[2]),
    )


def _knots(voxel_size_m: float) -> tuple[I64, I64, I64]:
    """The ground's profile: flat beaches, then meadows, then terraces with cliffs between them.

    -> (height that goes in, height that comes out, slope * 1024 from there on), increasing
    """
    metre = UNIT / voxel_size_m
    steps = [(2.5, 0.6), (1.3, 0.45), (8.0, 0.95)]  # metres that go in, slope
    for _ in range(90):
        steps += [(5.5, 0.45), (2.5, 2.4)]
    at, out, slopes = -2.5, -1.5, []
    x, y = [-(1 << 40)], [round(out * metre) + ((-(1 << 40) - round(at * metre)) * 614 >> 10)]
    slopes.append(614)
    for length, slope in steps:
        rise = round(1024 * slope)
        begin = round(at * metre)
        y.append(y[-1] + ((begin - x[-1]) * slopes[-1] >> 10))
        x.append(begin)
        slopes.append(rise)
        at += length
    return np.array(x), np.array(y), np.array(slopes)


def profiled(shape: Shape, height: I64) -> I64:
    """Smooth ground -> ground with beaches and terraces. Never decreasing, so bounds stay bounds."""
    x, y, slope = shape.knots
    i = np.searchsorted(x, height, side="right") - 1
    found: I64 = y[i] + ((height - x[i]) * slope[i] >> 10)
    return found


def steepness(shape: Shape, height: I64) -> I64:
    """Slope of `profiled` there, * 1024."""
    x, _, slope = shape.knots
    found: I64 = slope[np.searchsorted(x, height, side="right") - 1]
    return found


def snow_line(shape: Shape, x: I64, y: I64) -> I64:
    """Height above which snow lies, at level-0 columns; the mountains far inland are higher, and so is it."""
    dx, dy = np.abs(x - CENTRE), np.abs(y - CENTRE)
    distance = np.maximum(dx, dy) + (np.minimum(dx, dy) >> 1)
    beyond = np.maximum(distance - shape.length(400.0), 0)
    line: I64 = (shape.length(SNOW_M) + beyond // SNOW_RISES_PER) * UNIT
    return line


def smoothstep(t: F64) -> F64:
    t = np.minimum(np.maximum(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def coast_weight(shape: Shape, distance: F64) -> I64:
    """1 (WEIGHT) inland, 0 at sea, from `coast_distance`. Never increasing."""
    t = (shape.outer - distance) / (shape.outer - shape.inner)
    return np.floor(smoothstep(t) * WEIGHT).astype(np.int64)


def middles(x: I64, y: I64, level: int) -> tuple[F64, F64]:
    """The middles of cells, level-0 voxels from the island's middle. Any shapes."""
    half = 0.5 * 2.0**level - CENTRE
    return x.astype(np.float64) * 2.0**level + half, y.astype(np.float64) * 2.0**level + half


def coast_distance(shape: Shape, dx: F64, dy: F64) -> F64:
    """Distance to the middle, but with bays and capes: longer and shorter in some directions. Broadcasts.

    It changes by at most COAST_STEEP * d over a distance d. The bays are cos 3a and cos 5a of the direction,
    by the polynomials in its sine and cosine: roots and products round the same everywhere, cosines do not.
    """
    r = np.sqrt(dx * dx + dy * dy)
    c, s = (v / np.maximum(r, 1.0) for v in (dx, dy))
    c2, s2 = c * c, s * s
    three = shape.bays[0] * (c * (c2 - 3.0 * s2)) + shape.bays[1] * (s * (3.0 * c2 - s2))
    five = shape.bays[2] * (c * (c2 * c2 - 10.0 * c2 * s2 + 5.0 * s2 * s2))
    return r * (1.0 + three + five) / (1.0 - BAYS)


def distance_square(x: I64, y: I64, level: int) -> F64:
    """Of the middles of cells to the island's middle, squared, level-0 voxels. Broadcasts."""
    dx, dy = middles(x, y, level)
    return dx * dx + dy * dy


def displacement(shape: Shape, level: int, x: I64, y: I64) -> tuple[I64, I64]:
    """What a level adds to its cells: (height, tone). x, y broadcast."""
    octave = shape.octaves[level]
    bits = mix(x, y, shape.salt(level, 1))
    height = scaled(bits & np.uint32(0xFFFF), octave.low, octave.high)
    if octave.rise is not None:
        near, far, inside = octave.rise
        t = (distance_square(x, y, level) - near * near) / (far * far - near * near)
        weight = np.floor((inside + (1.0 - inside) * smoothstep(t)) * WEIGHT).astype(np.int64)
        height = height * weight >> 12
    return height, scaled(bits >> np.uint32(16), -octave.tone, octave.tone)


def residue(shape: Shape, first: int, last: int) -> tuple[int, int]:
    """How far the levels first..last-1 together may move the ground: (down, up), both >= 0."""
    octaves = shape.octaves[first:last]
    return (
        sum(-min(o.low, 0) + 2 * ROUNDING for o in octaves),
        sum(max(o.high, 0) + 2 * ROUNDING for o in octaves),
    )
