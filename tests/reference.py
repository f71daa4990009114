"""The renderer with everything clever removed: dense arrays, one voxel per step, float64. The truth.

Knows nothing of chunks, slots or masks. A world is a list of dense boolean arrays, one per level,
each [z, y, x], all with the same corner; level k's voxels are 2^k level-0 voxels wide.
"""

import math

import numpy as np


def walk(origin, direction, size, width, t_enter=0.0, inside=None):
    """The cells of a grid that a ray passes, in order, one at a time.

    origin, direction  [3] float64, level-0 voxels, from the grid's corner; direction of unit length
    size               (nx, ny, nz) cells; width: cell width in level-0 voxels
    t_enter, inside    start at this distance, in this cell (or the cell that holds the origin)
    ->                 yields (cell, t_in, t_out, axis of the next step)
    """
    t = t_enter
    cell = list(inside)
    while all(0 <= c < n for c, n in zip(cell, size, strict=True)):
        exits = [
            ((c + (d > 0)) * width - o) / d if d else math.inf
            for c, o, d in zip(cell, origin, direction, strict=True)
        ]
        axis = exits.index(min(exits))
        yield tuple(cell), t, exits[axis], axis
        t = exits[axis]
        cell[axis] += 1 if direction[axis] > 0 else -1


def enter(origin, direction, extent):
    """Distance at which a ray enters the box [0, extent), or None. 0 when it starts inside."""
    t_in, t_out = 0.0, math.inf
    for o, d, e in zip(origin, direction, extent, strict=True):
        if d == 0.0:
            if not 0 <= o < e:
                return None
            continue
        a, b = sorted(((0 - o) / d, (e - o) / d))
        t_in, t_out = max(t_in, a), min(t_out, b)
    return t_in if t_in < t_out else None


def passes(origin, direction, box):
    """Does a ray pass through the closed box [2, 3] (low corner, high corner)?"""
    t_in, t_out = 0.0, math.inf
    for o, d, lo, hi in zip(origin, direction, *box, strict=True):
        if d == 0.0:
            if not lo <= o <= hi:
                return False
            continue
        a, b = sorted(((lo - o) / d, (hi - o) / d))
        t_in, t_out = max(t_in, a), min(t_out, b)
    return t_in <= t_out


def march(solid, origins, directions, level=0):
    """First solid voxel of one level along each ray: the same walk, for many rays at once.

    solid       [z, y, x] bool, the whole level
    origins     [N, 3] float64, level-0 voxels, from the grid's corner
    directions  [N, 3] float64, unit length
    ->          voxel [N, 3] int64 (-1 where none), t [N] float64 (inf where none)
    """
    width, size = 2**level, np.array(solid.shape[::-1])
    found = np.full((len(origins), 3), -1, np.int64)
    distance = np.full(len(origins), np.inf)
    entered = [enter(o, d, size * width) for o, d in zip(origins, directions, strict=True)]
    ray = np.array([i for i, t in enumerate(entered) if t is not None], np.int64)
    t = np.array([t for t in entered if t is not None], np.float64)
    o, d = origins[ray], directions[ray]
    cell = np.clip(np.floor((o + d * t[:, None]) / width).astype(np.int64), 0, size - 1)
    while len(ray):
        hit = solid[cell[:, 2], cell[:, 1], cell[:, 0]]
        found[ray[hit]], distance[ray[hit]] = cell[hit], t[hit]
        with np.errstate(divide="ignore", invalid="ignore"):
            exits = np.where(d == 0, np.inf, ((cell + (d > 0)) * width - o) / d)
        axis = exits.argmin(axis=1)  # the first of equals, as `walk`
        rows = np.arange(len(ray))
        t = exits[rows, axis]
        cell[rows, axis] += np.where(d[rows, axis] > 0, 1, -1)
        go = ~hit & ((cell >= 0) & (cell < size)).all(axis=1)
        ray, o, d, cell, t = ray[go], o[go], d[go], cell[go], t[go]
    return found, distance


def march_levels(levels, origin, direction, cone, resident=None, level_min=0):
    """The rule of DESIGN 7, said plainly: coarse to fine, a voxel ends the ray when it is narrow enough.

    levels    list of [z, y, x] bool, level 0 first; the last is where the walk begins
    cone      pixel width per unit of distance
    resident  (level, (x, y, z) of a voxel at that level) -> may its chunk be used?
    ->        (level, (x, y, z), t, missing) or None; missing: wanted finer, but it was not resident
    """
    top = len(levels) - 1

    def visit(level, cell, t_in, t_out):
        x, y, z = cell
        if not levels[level][z, y, x]:
            return None
        if level <= level_min or 2**level <= cone * t_in:
            return level, cell, t_in, False
        corner = [2 * c for c in cell]
        if resident is not None and not resident(level - 1, tuple(corner)):
            return level, cell, t_in, True
        width = 2 ** (level - 1)
        start = [
            min(max(math.floor((o + d * t_in) / width), c), c + 1)
            for o, d, c in zip(origin, direction, corner, strict=True)
        ]
        box = walk(
            [o - c * width for o, c in zip(origin, corner, strict=True)],
            direction,
            (2, 2, 2),
            width,
            t_in,
            [s - c for s, c in zip(start, corner, strict=True)],
        )
        for child, t0, t1, _ in box:
            hit = visit(level - 1, tuple(a + b for a, b in zip(child, corner, strict=True)), t0, t1)
            if hit:
                return hit
        return None

    width = 2**top
    size = levels[top].shape[::-1]
    t = enter(origin, direction, [n * width for n in size])
    if t is None:
        return None
    start = [
        min(max(math.floor((o + d * t) / width), 0), n - 1)
        for o, d, n in zip(origin, direction, size, strict=True)
    ]
    for cell, t_in, t_out, _ in walk(origin, direction, size, width, t, start):
        hit = visit(top, cell, t_in, t_out)
        if hit:
            return hit
    return None
