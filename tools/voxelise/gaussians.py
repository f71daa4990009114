"""Gaussians to voxels: every voxel that an ellipsoid covers, with opacity accumulated per voxel.

What a voxel receives from one Gaussian is the largest opacity that it can see of it across its thinnest axis,
and a smoothed one along the other two. With d the vector from the mean to the voxel's centre, e_j and sigma_j
the ellipsoid's axes, s the voxel's size:

    q = (max(0, |e_j . d| - s/2) / sigma_j)^2              j the thinnest axis (the first of equal ones)
      + sum (e_j . d)^2 / (sigma_j^2 + (1.1 s)^2)          over the other two; q = 0 in the mean's own voxel
    a = opacity * exp(-q / 2)                              ignored below 1/32

so a disc thinner than a voxel covers the voxels that it crosses, and a speck covers its own. The low-pass
mixes neighbours' colours as a pixel of the splats does; without it one voxel shows few Gaussians. Along the
thinnest axis as well, pictures came nearer still, but sheets of thin discs became three voxels thick. So
there only the colour has one: it takes from farther than the opacity, with sigma_j^2 + (s / 2)^2 in the
place of sigma_j^2, as a ray mixes what lies before and behind a surface.

Why s/2 (the voxel as its inscribed ball), and not the cube's true half width along e_j, s/2 * |e_j|_1,
measured before the low-pass with the same rule on every axis: planes in 10 directions of overlapping thin
discs (sigma 1 x 1 x 0.01 voxels, opacity 0.9) and of thicker ones (0.5 x 0.5 x 0.1, opacity 0.5) gave, as
voxels per s^2 of surface: mean (axis-aligned, 45 degrees); and of the 20 planes this many had a 6-connected,
a 26-connected hole:

    half width          thin discs            thick discs           6-holes   26-holes
    s/2 |e|_1           1.50 (1.01, 1.40)     1.93 (2.00, 2.11)     0         0
    0.6 s/2 |e|_1       1.09 (1.00, 1.43)     1.22 (1.00, 0.72)     2         17
    s/2                 1.08 (0.99, 1.40)     1.40 (1.00, 1.41)     0         12

A ray steps through one face at a time, so its voxels are 6-connected and only 6-holes leak. s/2 never falls
below the thickness of a naive digital plane, s/2 * |e|_inf (Reveilles 1991: the least without 6-holes), and
cost a quarter fewer voxels than the full width. (One plane per direction and offset: the count at 45 degrees
depends on whether the lattice offers it one layer or two.)

What it weighs in the voxel's colour is sqrt(tau) of that wider a, and colours are mixed in sRGB: a pixel of
the splats mixes what lies along its ray in sRGB, as they were trained, and a voxel can only mix what lies
around it. The root lets the many faint tails speak that a ray would have passed. docs/fidelity.md has the
measurements.

Accumulated as optical depth tau = -ln(1 - min(a, 0.999)) in 1/1024, from a table: sums are exact in
any order; per cell, floats meet only additions, products and comparisons, which every machine rounds alike.
(Once per Gaussian there is a logarithm here, and an exponential in the reader of a .ply.)
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sources.source import Gaussians
from . import ahead, runs, sums
from .placement import Placement, check_addressable, to_voxels, turn
from .sums import Sums

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

TAU_ONE = 1024  # optical depth is counted in 1/1024
TAU_BITS = 13  # of the largest optical depth of one Gaussian, -ln(1 - MAX_ALPHA) = 6.9
WEIGHT_BITS = 7  # of its root, what a colour weighs
MIN_ALPHA = 1 / 32
MAX_ALPHA = 0.999
Q_LIMIT = 2 * math.log(1 / MIN_ALPHA)  # a = exp(-(q + q_opaque) / 2) reaches MIN_ALPHA here
Q_STEPS = 1024  # table entries per unit of q
LOW_PASS = 1.1  # voxels, along the two wider axes
LOW_PASS_THIN = 0.5  # along the thinnest: of colours alone
MIN_SIGMA = 1 / 1024  # voxels; thinner is the same to a voxel, and 1 / sigma stays finite
ROWS = 1 << 15  # rows of voxels worked on together: about 1 MiB of float32 temporaries
CELLS = 1 << 17  # cells worked on together, unless one row is longer
PENDING = 1 << 21  # words summed together: 16 MiB

_ALPHA = np.minimum(np.exp(-(np.arange(int(Q_LIMIT * Q_STEPS) + 1) + 0.5) / (2 * Q_STEPS)), MAX_ALPHA)
_TAU = np.rint(-np.log1p(-_ALPHA) * TAU_ONE)
WEIGHT_OF_Q = np.rint(np.sqrt(_TAU)).astype(np.int64)  # in a colour
TAU_OF_Q = np.append(_TAU, 0).astype(np.int64)  # at the end: what only gives colour
_TABLE_END = TAU_ONE * 7  # 1 - exp(-7) rounds to 255 / 255
_COVERAGE = np.rint(-255 * np.expm1(-np.arange(_TABLE_END + 1) / TAU_ONE)).clip(1, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Limits:
    """Which Gaussians are floaters: fainter than min_opacity, or a sigma above max_sigma_m."""

    min_opacity: float
    max_sigma_m: float


@dataclass(frozen=True, slots=True)
class Shapes:
    """K Gaussians as the cells around their own voxel see them. Lengths in voxels; axis 0 is the thinnest.

    table [15, K] float32, sigma with its low-pass: a_j = e_j . d / sigma_j at the own voxel's centre (3),
    g_j = e_j / sigma_j by (j, axis) (9), 1 / (2 sigma_0) (1), by how much more axis 0 counts for the opacity
    (1): (sigma_0 / its sigma without low-pass)^2 - 1, q_opaque (1)
    own [3, K] int64: the voxel of the mean
    first, last [3, K] int32: the box of cells to look at, relative to own, inclusive
    rgb [3, K] int64: its colour, sRGB bytes
    """

    table: F32
    own: I64
    first: I32
    last: I32
    rgb: I64

    def __len__(self) -> int:
        return int(self.own.shape[1])


@dataclass(frozen=True, slots=True)
class Words:
    """How one pair (voxel, Gaussian) becomes one int64 that sorts by voxel.

    key | Gaussian | optical depth | weight of its colour. lowest, size [3] the box that keys are counted in;
    n_id_bits for the Gaussian's number.
    """

    lowest: I64
    size: I64
    n_id_bits: int

    @property
    def shift(self) -> int:
        """Bits below the key."""
        return self.n_id_bits + TAU_BITS + WEIGHT_BITS


def kept(batch: Gaussians, placement: Placement, limits: Limits) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which Gaussians are voxelised [N] bool, and how many were dropped as "faint" and as "huge"."""
    strong = batch.opacities >= max(limits.min_opacity, MIN_ALPHA)
    sane = batch.scales.max(1) * np.float32(placement.scale) <= limits.max_sigma_m
    dropped = {"faint": int((~strong).sum()), "huge": int((strong & ~sane).sum())}
    return strong & sane, dropped


def reach_voxels(scales: F32, opacities: F32, placement: Placement) -> NDArray[np.float64]:
    """Half widths [N, 3] along the principal axes of what is covered or coloured, in voxels."""
    sigma = np.maximum(scales.astype(np.float64) * (placement.scale / placement.voxel_size_m), MIN_SIGMA)
    radius = np.sqrt(np.maximum(Q_LIMIT + 2 * np.log(np.maximum(opacities, MIN_ALPHA)), 0))
    flat = np.arange(3) == sigma.argmin(1)[:, None]
    wide = np.hypot(sigma, LOW_PASS) * radius[:, None]
    thin = 0.5 + np.hypot(sigma, LOW_PASS_THIN) * radius[:, None]
    reach: NDArray[np.float64] = np.where(flat, thin, wide)
    return reach


def axes_of(rotations: F32) -> F32:
    """Unit quaternions [N, 4] (w, x, y, z) -> [N, 3 (axis j), 3 (x, y, z)]: the rotation's columns."""
    w, x, y, z = rotations.T
    columns = (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(c, axis=-1) for c in columns], axis=1)


@np.errstate(under="ignore")
def shapes(batch: Gaussians, placement: Placement, keep: NDArray[np.bool_]) -> tuple[Shapes, int]:
    """Prepare the kept Gaussians; those whose cells all lie outside the crop are left out and counted."""
    mean = to_voxels(batch.positions[keep], placement)
    lowest, highest = placement.crop()
    if placement.bounds_m is None and len(mean):
        check_addressable(mean.min(0), mean.max(0), placement.voxel_size_m)
    scale = np.float32(placement.scale / placement.voxel_size_m)
    narrow = np.maximum(batch.scales[keep] * scale, np.float32(MIN_SIGMA))
    axes = (narrow.argmin(1)[:, None] + np.arange(3)) % 3  # the one along which it is thinnest first
    narrow = np.take_along_axis(narrow, axes, axis=1)
    e = np.take_along_axis(turn(axes_of(batch.rotations[keep]), placement), axes[:, :, None], axis=1)
    low_pass = np.array([LOW_PASS_THIN, LOW_PASS, LOW_PASS], np.float32)
    sigma = np.sqrt(narrow * narrow + low_pass * low_pass)
    q_opaque = (-2 * np.log(np.minimum(batch.opacities[keep].astype(np.float64), 1))).astype(np.float32)
    radius = np.sqrt(np.maximum(np.float32(Q_LIMIT) - q_opaque, 0))

    # The cells to look at: the box around (half a voxel along e_0) + (ellipsoid of that radius), exactly.
    wide = [sum((e[:, j, axis] * sigma[:, j]) ** 2 for j in range(3)) for axis in range(3)]
    half = np.abs(e[:, 0]) / 2 + radius[:, None] * np.sqrt(np.stack(wide, axis=-1))
    inside = ((mean + half >= lowest) & (mean - half < highest)).all(1)
    order = np.flatnonzero(inside)[_block_order(mean[inside])]
    mean, half, e = mean[order], half[order], e[order]
    sigma, narrow, q_opaque, rgb = sigma[order], narrow[order, 0], q_opaque[order], batch.rgb[keep][order]

    own = np.floor(mean).astype(np.int64)
    centre = (own + 0.5 - mean).astype(np.float32)
    first = np.minimum(np.ceil(-half - centre), 0).clip(lowest - own, None).astype(np.int32)
    last = np.maximum(np.floor(half - centre), 0).clip(None, highest - 1 - own).astype(np.int32)

    g = e / sigma[:, :, None]
    at_own = g[:, :, 0] * centre[:, :1] + g[:, :, 1] * centre[:, 1:2] + g[:, :, 2] * centre[:, 2:]
    thin = sigma[:, 0]
    more = np.square(thin / narrow) - 1
    table = np.column_stack([at_own, g.reshape(-1, 9), 0.5 / thin, more, q_opaque])
    columns = (np.ascontiguousarray(a.T) for a in (table, own, first, last, rgb.astype(np.int64)))
    return Shapes(*columns), int((~inside).sum())


def _block_order(mean: NDArray[np.float64]) -> NDArray[np.intp]:
    """Neighbours together (blocks of 32 voxels): what is summed at a time then shares its voxels."""
    x, y, z = (np.floor(mean / 32).astype(np.int64) + (1 << 19)).T
    return np.argsort(z << 40 | y << 20 | x)


@np.errstate(under="ignore")
def _row_intervals(row: F32, y: F32, z: F32) -> tuple[list[F32], F32, F32]:
    """Where rows of cells may be covered -> (a_j at x = 0, lowest x, highest x), each [R] float32.

    row [15, R]: the Gaussian's table, per row. Each axis j is a slab, |a_j + x g_jx| <= radius, and
    1 / (2 sigma_0) more along the first; a row meets the three slabs in one interval.
    """
    radius = np.sqrt(np.maximum(np.float32(Q_LIMIT) - row[14], 0))
    at_row, low, high = [], None, None
    for j in range(3):
        gx, gy, gz = row[3 + 3 * j : 6 + 3 * j]
        a = row[j] + y * gy + z * gz
        step = 1 / np.where(np.abs(gx) < 1e-6, np.float32(1e-6), gx)
        middle, half = -a * step, (radius if j else row[12] + radius) * np.abs(step)
        low = middle - half if low is None else np.maximum(low, middle - half)
        high = middle + half if high is None else np.minimum(high, middle + half)
        at_row.append(a)
    assert low is not None and high is not None
    return at_row, low, high


def _covered_rows(shape: Shapes, words: Words, ids: I64, local: I32) -> tuple[F32, I64, I32, I32, I64]:
    """Rows (Gaussian ids [R], row number in its box local [R]) -> those R' that may be covered.

    -> (columns [9, R'] float32: a_j at x = 0, g_jx, the table's last three; word of the cell x = 0 [R'];
    first x [R']; cells [R']; which of the rows' cells, laid end to end, hold their own mean)
    """
    box = np.concatenate([shape.first, shape.last[:2]]).take(ids, axis=1)
    z, y = np.divmod(local, box[4] - box[1] + 1)
    y += box[1]
    z += box[2]
    row = shape.table.take(ids, axis=1)
    at_row, low, high = _row_intervals(row, y.astype(np.float32), z.astype(np.float32))
    x0 = np.ceil(np.clip(low, box[0], box[3] + 1)).astype(np.int32)
    x1 = np.floor(np.clip(high, box[0] - 1, box[3])).astype(np.int32)
    # The own voxel is always looked at, where the crop leaves it in; what lies between costs little.
    own = np.flatnonzero((y == 0) & (z == 0) & (box[0] <= 0) & (box[3] >= 0))
    x0[own], x1[own] = np.minimum(x0[own], 0), np.maximum(x1[own], 0)
    n = np.maximum(x1 - x0 + 1, 0)
    own_cell = (np.cumsum(n, dtype=np.int64) - n - x0)[own]
    live = np.flatnonzero(n)
    columns = np.stack([*at_row, row[3], row[6], row[9], *row[12:]]).take(live, axis=1)
    ids, n, x0 = ids.take(live), n.take(live), x0.take(live)
    corner = shape.own - words.lowest[:, None]
    start = (corner[2] * words.size[1] + corner[1]) * words.size[0] + corner[0]
    key = start.take(ids) + (z.take(live) * words.size[1] + y.take(live)) * words.size[0]
    return columns, key << words.shift | ids << (TAU_BITS + WEIGHT_BITS), x0, n, own_cell


@np.errstate(under="ignore")
def _cells(columns: F32, word: I64, x0: I32, n: I32, own_cell: I64, shift: int, desk: F32) -> I64:
    """The covered cells of rows, laid end to end -> words [P], of at most sum(n)."""
    row = np.repeat(np.arange(n.size), n)
    x = np.arange(row.size) + (x0 - (np.cumsum(n) - n)).take(row)
    per_cell = _taken(columns, row, desk)
    x_float = x.astype(np.float32)
    q, thin = np.zeros(row.size, np.float32), np.zeros(0, np.float32)
    for j in range(3):
        t = x_float * per_cell[3 + j]
        t += per_cell[j]
        if j == 0:
            np.abs(t, out=t)
            t -= per_cell[6]
            np.maximum(t, 0, out=t)
            thin = t
        t *= t
        q += t
    q[own_cell] = thin[own_cell] = 0
    q += per_cell[8]
    hit = np.flatnonzero(q < np.float32(Q_LIMIT))
    q, more = q.take(hit), (thin * per_cell[7]).take(hit)
    weight = WEIGHT_OF_Q.take((q * np.float32(Q_STEPS)).astype(np.int32))
    q += more
    q *= np.float32(Q_STEPS)
    tau = TAU_OF_Q.take(np.minimum(q, np.float32(len(TAU_OF_Q) - 1), out=q).astype(np.int32))
    words: I64 = (word.take(row.take(hit)) + (x.take(hit) << shift)) | tau << WEIGHT_BITS | weight
    return words


def pairs(shape: Shapes, words: Words) -> Iterator[I64]:
    """Every (voxel, Gaussian) that touch, as words, a bounded number at a time: huge Gaussians are split."""
    extent = np.maximum(shape.last - shape.first + 1, 0).astype(np.int64)
    n_rows = np.where(extent[0] > 0, extent[1] * extent[2], 0)
    desk = np.empty(CELLS * 9, np.float32)
    for ids, local in runs.slices(n_rows, ROWS):
        yield from _bounded(*_covered_rows(shape, words, ids, local.astype(np.int32)), words.shift, desk)


def _taken(columns: F32, at: NDArray[np.integer], desk: F32) -> F32:
    """columns.take(at, axis=1), on the desk if it fits there: fresh pages cost more than the work."""
    n = columns.shape[0] * at.size
    if n > desk.size:
        return columns.take(at, axis=1)
    out: F32 = desk[:n].reshape(columns.shape[0], at.size)
    return np.take(columns, at, axis=1, out=out, mode="clip")


def _bounded(columns: F32, word: I64, x0: I32, n: I32, own_cell: I64, shift: int, desk: F32) -> Iterator[I64]:
    """Rows -> their cells as words, about CELLS at a time."""
    end = np.cumsum(n, dtype=np.int64)
    at, done = 0, 0
    while at < n.size:
        stop = max(at + 1, int(np.searchsorted(end, done + CELLS, side="right")))
        mine = own_cell[(own_cell >= done) & (own_cell < end[stop - 1])] - done
        yield _cells(columns[:, at:stop], word[at:stop], x0[at:stop], n[at:stop], mine, shift, desk)
        at, done = stop, int(end[stop - 1])


def sum_words(parts: list[I64], shape: Shapes, words: Words) -> Sums:
    """Add up pairs per voxel: weight = optical depth in 1/1024, n = weight of the colour, in sRGB."""
    word = np.concatenate(parts)
    if not word.size:
        return sums.empty()
    word.sort()
    key = word >> words.shift
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    weight = (word >> WEIGHT_BITS) & ((1 << TAU_BITS) - 1)
    of_colour = word & ((1 << WEIGHT_BITS) - 1)
    ids = (word >> (TAU_BITS + WEIGHT_BITS)) & ((1 << words.n_id_bits) - 1)
    colour = [np.add.reduceat(channel.take(ids) * of_colour, starts) for channel in shape.rgb]
    return Sums(
        sums.voxels_of(key[starts], words.lowest, words.size),
        np.add.reduceat(of_colour, starts),
        np.add.reduceat(weight, starts),
        np.stack(colour, axis=-1),
    )


def voxelise(shape: Shapes) -> Iterator[Sums]:
    """Shapes -> sums to be merged: weight = optical depth in 1/1024. Several, where the pairs are many."""
    if not len(shape):
        return
    lowest = (shape.own + shape.first).min(1)
    size = np.maximum((shape.own + shape.last).max(1) - lowest + 1, 1)
    words = Words(lowest, size, (len(shape) - 1).bit_length())
    if sums.n_cells(size).bit_length() + words.shift > 63:
        assert len(shape) > 1, "one Gaussian of more than 2^43 cells: refused by its size before"
        for half in _halves(shape):
            yield from voxelise(half)
        return
    yield from ahead.mapped(lambda parts: sum_words(parts, shape, words), _groups(pairs(shape, words)))


def _groups(parts: Iterable[I64]) -> Iterator[list[I64]]:
    """Parts, about PENDING words together."""
    waiting: list[I64] = []
    n = 0
    for part in parts:
        waiting.append(part)
        n += part.size
        if n > PENDING:
            yield waiting
            waiting, n = [], 0
    if waiting:
        yield waiting


def _halves(shape: Shapes) -> tuple[Shapes, Shapes]:
    """Split along the longest axis of the own voxels: each half spans less, or has a shorter number."""
    axis = int(np.ptp(shape.own, axis=1).argmax())
    order = np.argsort(shape.own[axis], kind="stable")
    parts = (order[: len(order) // 2], order[len(order) // 2 :])
    names = ("table", "own", "first", "last", "rgb")
    lower, upper = (Shapes(*(getattr(shape, name)[:, part] for name in names)) for part in parts)
    return lower, upper


def resolve(summed: Sums, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Which voxels are solid enough [M] bool, and the coverage of all [M] uint8 >= 1.

    Solid: 1 - exp(-tau) >= threshold.
    """
    solid = summed.weight >= int(np.ceil(-np.log1p(-threshold) * TAU_ONE - 1e-9))
    return solid, _COVERAGE[np.minimum(summed.weight, _TABLE_END)]


def mean_srgb(summed: Sums) -> NDArray[np.uint8]:
    """Weighted mean colours of sums of Gaussians. -> [M, 3] uint8 sRGB, rounded half up."""
    n = np.maximum(summed.n, 1)[:, None]
    colour: NDArray[np.uint8] = ((2 * summed.colour + n) // (2 * n)).astype(np.uint8)
    return colour
