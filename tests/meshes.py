"""Triangles to test with: shapes, a batch of them, ray casting and the dense grid that a bake should give."""

import numpy as np
from voxtide.tools.sources import Triangles, open_source
from voxtide.tools.voxelise import sums, triangles
from voxtide.tools.voxelise.placement import Placement

WHITE = (1.0, 1.0, 1.0, 1.0)
BINS = 32  # of rays and triangles, along each axis across a bundle of rays


def soup(corners, colour=WHITE, uv=None, texture=None, cutoff=0.0):
    """A batch from corners [N, 3, 3]; colour broadcasts to [N, 3, 4] linear light and alpha."""
    corners = np.asarray(corners, np.float64).reshape(-1, 3, 3)
    colours = np.broadcast_to(np.asarray(colour, np.float32), (len(corners), 3, 4)).copy()
    uv = np.zeros((len(corners), 3, 2)) if uv is None else np.asarray(uv, np.float64)
    return Triangles(corners, colours, uv, texture, cutoff)


def box(size, centre=(0, 0, 0)):
    """Twelve triangles [12, 3, 3]."""
    unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    return (unit * size + centre)[np.array(faces)]


def tetrahedron():
    """Four triangles [4, 3, 3] around the origin."""
    v = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float64)
    return v[[[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]]


def icosphere(n_splits):
    """20 * 4^n triangles [N, 3, 3] on the unit sphere."""
    g = (1 + 5**0.5) / 2
    v = np.array([[-1, g, 0], [1, g, 0], [-1, -g, 0], [1, -g, 0], [0, -1, g], [0, 1, g],
                  [0, -1, -g], [0, 1, -g], [g, 0, -1], [g, 0, 1], [-g, 0, -1], [-g, 0, 1]])  # fmt: skip
    f = [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4], [11, 10, 2],
         [10, 7, 6], [7, 1, 8], [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5],
         [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1]]  # fmt: skip
    out = v[np.array(f)]
    for _ in range(n_splits):
        a, b, c = out[:, 0], out[:, 1], out[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        out = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
        out /= np.linalg.norm(out, axis=2, keepdims=True)
    return out


def rotation(rng):
    """A random rotation [3, 3]."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.linalg.det(q)


def loaded(path, part=slice(None)):
    """Corners [N, 3, 3] of a mesh file, source units; `part` picks batches."""
    return np.concatenate([b.positions for b in list(open_source(path).batches(1 << 20))[part]])


def voxelised(batch, placement=None):
    """The sums of a batch, merged."""
    parts, _ = triangles.voxelise(batch, placement or Placement(1.0))
    return sums.merge(list(parts))


def grid_of(voxels, margin=2):
    """Voxels [M, 3] -> (solid [z, y, x] with a free margin, its lowest corner [3])."""
    low = voxels.min(0) - margin
    solid = np.zeros((voxels.max(0) + margin + 1 - low)[::-1], bool)
    x, y, z = (voxels - low).T
    solid[z, y, x] = True
    return solid, low


def bundle(corners, direction, n, rng):
    """n parallel rays that start before the triangles and pass their bounding sphere: origins [n, 3]."""
    middle = (corners.min((0, 1)) + corners.max((0, 1))) / 2
    radius = np.linalg.norm(corners.reshape(-1, 3) - middle, axis=1).max() + 2
    side = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    side /= np.linalg.norm(side)
    up = np.cross(direction, side)
    at = rng.uniform(-radius, radius, (n, 2))
    return middle - 2 * radius * direction + at[:, :1] * side + at[:, 1:] * up, side, up


def hits(corners, origins, direction, side, up):
    """Parallel rays and triangles, a bin at a time: (rays [R], triangles [T], distances [R, T])."""
    flat = np.stack([corners @ side, corners @ up], axis=-1)
    rays = np.stack([origins @ side, origins @ up], axis=-1)
    low, high = rays.min(0), rays.max(0) + 1e-9
    width = (high - low) / BINS
    first = np.floor((flat.min(1) - low) / width)
    last = np.floor((flat.max(1) - low) / width)
    i, j = np.floor((rays - low) / width).astype(int).T
    order = np.argsort(i * BINS + j, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff((i * BINS + j)[order])) + 1):
        cell = (i[mine[0]], j[mine[0]])
        near = np.flatnonzero(((first <= cell) & (last >= cell)).all(1))
        if near.size:
            yield mine, near, moller_trumbore(corners[near], origins[mine], direction)


def cast(corners, origins, direction, side, up):
    """First hit of parallel rays: distance [n], inf where none."""
    t = np.full(len(origins), np.inf)
    for mine, _, found in hits(corners, origins, direction, side, up):
        t[mine] = found.min(1)
    return t


def columns(corners, solid, low, axis):
    """Lines along an axis through voxels' centres: (which cross [K], where [K, 3], their starts [L, 3])."""
    x, y, z = np.eye(3)[[axis, (axis + 1) % 3, (axis + 2) % 3]]
    size = np.array(solid.shape[::-1])
    i, j = np.meshgrid(np.arange(size[(axis + 1) % 3]), np.arange(size[(axis + 2) % 3]), indexing="ij")
    # Not exactly through the centres: there lie the edges of regular meshes.
    start = low + np.outer(i.ravel() + 0.50013, y) + np.outer(j.ravel() + 0.50029, z) - x
    line, place = [], []
    for mine, _, found in hits(corners, start, x, y, z):
        row, column = np.nonzero(np.isfinite(found))
        line.append(mine[row])
        place.append(start[mine[row]] + np.outer(found[row, column], x))
    return np.concatenate(line), np.concatenate(place), start


def surface(corners, spacing, rng):
    """Random points on triangles, about one per spacing^2, and every corner."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    n = np.ceil(area / spacing**2).astype(int)
    which = np.repeat(np.arange(len(n)), n)
    a, b = rng.random((2, len(which), 1))
    flip = a + b > 1
    a, b = np.where(flip, 1 - a, a), np.where(flip, 1 - b, b)
    c = corners[which]
    return np.concatenate([c[:, 0] * (1 - a - b) + c[:, 1] * a + c[:, 2] * b, corners.reshape(-1, 3)])


def moller_trumbore(corners, origins, direction):
    """Distances [rays, triangles], inf where a ray misses."""
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(direction, edge2)
    det = (edge1 * p).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = origins[:, None] - corners[:, 0]
        u = (away * p).sum(2) / det
        q = np.cross(away, edge1)
        v = q @ direction / det
        t = (q * edge2).sum(2) / det
        return np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
