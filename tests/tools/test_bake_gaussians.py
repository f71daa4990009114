"""Gaussians to voxels, against a twin in plain float64 that looks at every voxel of a box."""

import itertools
import os
import signal

import bakery
import numpy as np
import pytest
from voxtide.tools.errors import UserError
from voxtide.tools.voxelise import gaussians, sums, survey
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement

UNIT = Placement(voxel_size_m=1.0)
ALL = gaussians.Limits(0.0, 1e9)


def summed(batch, placement=UNIT, limits=ALL):
    keep, _ = gaussians.kept(batch, placement, limits)
    return sums.merge(list(gaussians.voxelise(gaussians.shapes(batch, placement, keep)[0])))


def solid_voxels(batch, threshold=0.5, placement=UNIT):
    total = summed(batch, placement)
    return total.voxels[gaussians.resolve(total, threshold)[0]]


def matrix(quaternion):
    """Columns are the rotated axes; by the sandwich product, not by the formula of the code."""
    w, v = float(quaternion[0]), np.asarray(quaternion[1:], np.float64)
    return np.stack([x + 2 * np.cross(v, np.cross(v, x) + w * x) for x in np.eye(3)], axis=1)


def twin(batch, low, high, smoothed=0.0, root=False):
    """Optical depth [z, y, x] of every voxel of a box, voxels of 1, world axes as the source's.

    smoothed: a low-pass along the thinnest axis; root: of each Gaussian's own depth.
    """
    axes = [np.arange(a, b) + 0.5 for a, b in zip(low, high, strict=True)]
    centre = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    depth = np.zeros(centre.shape[:3])
    for mean, sigma, q, opacity in zip(
        batch.positions, batch.scales, batch.rotations, batch.opacities, strict=True
    ):
        along = np.abs((centre - mean) @ matrix(q))
        distance = along**2 / (sigma.astype(np.float64) ** 2 + 1.1**2)
        thin = np.argmin(sigma)
        across = np.hypot(max(sigma[thin], 1 / 1024), smoothed)
        distance[..., thin] = (np.maximum(along[..., thin] - 0.5, 0) / across) ** 2
        exponent = distance.sum(-1)
        exponent[tuple(np.floor(mean).astype(int) - low)] = 0
        alpha = opacity * np.exp(-np.minimum(exponent, 99) / 2)
        one = np.where(alpha < 1 / 32, 0, -np.log1p(-np.minimum(alpha, 0.999)))
        depth += np.sqrt(one) if root else one
    return depth.transpose(2, 1, 0)


def random_scene(rng, n, sigma_low=-3, sigma_high=1.2, spread=6):
    return bakery.gaussians(
        rng.normal(0, spread, (n, 3)),
        np.exp(rng.uniform(sigma_low, sigma_high, (n, 3))),
        rng.uniform(0.02, 1, n).astype(np.float32),
        rng.normal(size=(n, 4)),
        rng.integers(0, 256, (n, 3)),
    )


def test_depths_agree_with_the_twin(rng):
    batch = random_scene(rng, 60)
    low, high = np.full(3, -40), np.full(3, 40)
    expected = twin(batch, low, high)
    total = summed(batch)
    got = np.zeros(expected.shape)
    x, y, z = (total.voxels - low).T
    got[z, y, x] = total.weight / gaussians.TAU_ONE
    # A table of 1/1024 steps: half a step of tau, and of q where tau is steep, per Gaussian that contributes.
    assert np.abs(got - expected).max() < 0.01
    assert ((got > 0) != (expected > 0)).mean() < 1e-4
    solid = 1 - np.exp(-expected) >= 0.5
    assert (solid != (got >= -np.log(0.5))).mean() < 1e-4 and solid.sum() > 300


def test_colours_are_taken_from_farther_than_opacity(rng):
    """What a colour weighs: the root of the depth, with a low-pass along the thinnest axis, too."""
    batch = random_scene(rng, 60)
    low, high = np.full(3, -40), np.full(3, 40)
    total = summed(batch)
    x, y, z = (total.voxels - low).T
    got = np.zeros(tuple(high - low))
    got[z, y, x] = total.n / np.sqrt(gaussians.TAU_ONE)
    expected = twin(batch, low, high, smoothed=0.5, root=True)
    assert np.abs(got - expected).max() < 0.1  # half a step of 1/32 per Gaussian that contributes
    assert ((got > 0) != (expected > 0)).mean() < 1e-4
    assert ((total.n > 0) & (total.weight == 0)).sum() > 300
    assert not ((total.n == 0) & (total.weight > 0)).any()


def test_a_thin_sheet_is_tinted_by_the_next_one_and_stays_thin():
    """Two opaque sheets along z, red in layer 0 and blue in layer 2: nothing fills layer 1 between them."""
    steps = np.arange(-8, 9)
    plane = np.stack(np.meshgrid(steps + 0.5, steps + 0.5, [0.5, 2.1]), -1).reshape(-1, 3)
    red_or_blue = np.where(plane[:, 2:] < 1, (255, 0, 0), (0, 0, 255))
    total = summed(bakery.gaussians(plane, (1, 1, 0.01), 0.9, rgb=red_or_blue))
    middle = (np.abs(total.voxels[:, :2]) <= 2).all(1)
    solid, _ = gaussians.resolve(total, 0.5)
    assert set(total.voxels[solid & middle, 2].tolist()) == {0, 2}
    red, green, blue = gaussians.mean_srgb(total)[middle & (total.voxels[:, 2] == 0)].T
    assert (green == 0).all()
    assert (blue > 5).all()
    assert (blue < 60).all()
    assert (red > 195).all()


def test_an_isotropic_gaussian_is_the_ball_of_the_formula():
    sigma, opacity = 3.0, 0.95
    voxels = solid_voxels(bakery.gaussians([0.5, 0.5, 0.5], sigma, opacity))
    radius = sigma * np.sqrt(2 * np.log(opacity / 0.5)) + 0.5  # along an axis
    assert voxels.max() == int(radius) and voxels.min() == -int(radius)
    at = np.abs(np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), -1)).reshape(-1, 3)
    wide = sigma**2 + 1.1**2
    q = (np.maximum(at[:, 0] - 0.5, 0) / sigma) ** 2 + (at[:, 1] ** 2 + at[:, 2] ** 2) / wide
    inside = q <= 2 * np.log(opacity / 0.5)
    assert len(voxels) == inside.sum()


def six_connected_hole(solid, depth):
    """Can one walk through faces of empty voxels from depth < -4 to depth > 4?"""
    free = ~solid
    reached = free & (depth < -4)
    while True:
        grown = reached.copy()
        for axis in range(3):
            a, b = [slice(None)] * 3, [slice(None)] * 3
            a[axis], b[axis] = slice(1, None), slice(None, -1)
            grown[tuple(a)] |= reached[tuple(b)]
            grown[tuple(b)] |= reached[tuple(a)]
        grown &= free
        if np.array_equal(grown, reached):
            return bool((reached & (depth > 4)).any())
        reached = grown


def frame(normal):
    """A quaternion that turns z to the normal, and the two axes of the plane."""
    n = np.asarray(normal, np.float64) / np.linalg.norm(normal)
    q = np.array([1 + n[2], -n[1], n[0], 0])
    q /= np.linalg.norm(q)
    return q, matrix(q), n


PLANES = [
    (0, 0, 1),
    (0, 1, 1),
    (1, 1, 1),
    (1, 0, 0.02),
    (0.3, -0.8, 0.5),
    (-0.6, 0.1, 0.9),
    (0.5, 0.49, 0.01),
]


@pytest.mark.parametrize("normal", PLANES)
@pytest.mark.parametrize("sigma", [(1, 1, 0.001), (0.5, 0.5, 0.1), (2, 2, 0)])
def test_a_plane_of_thin_discs_has_no_hole_and_stays_thin(normal, sigma, rng):
    q, turn, n = frame(normal)
    assert np.allclose(turn[:, 2], n)
    size, spacing = 24, sigma[0]
    steps = np.arange(-40, 41) * spacing
    grid = (
        np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        + rng.uniform(-0.3, 0.3, (81 * 81, 2)) * spacing
    )
    middle = np.full(3, size / 2) + rng.uniform(-0.5, 0.5, 3)
    means = middle + grid @ turn[:, :2].T
    batch = bakery.gaussians(means[((means > -4) & (means < size + 4)).all(1)], sigma, 0.9, q)
    voxels = solid_voxels(batch)
    voxels = voxels[((voxels >= 0) & (voxels < size)).all(1)]
    solid = np.zeros((size, size, size), bool)
    solid[tuple(voxels.T)] = True
    centre = np.stack(np.meshgrid(*[np.arange(size) + 0.5] * 3, indexing="ij"), -1)
    depth = (centre - middle) @ n
    assert not six_connected_hole(solid, depth)
    near = np.linalg.norm(centre - middle, axis=-1) < size / 2 - 1
    per_area = (solid & near).sum() / (np.pi * (size / 2 - 1) ** 2)
    assert per_area < 2.1, per_area
    assert np.abs(depth[solid]).max() < 1.5


def test_a_hole_would_be_seen(rng):
    q, turn, _ = frame((0, 1, 1))
    grid = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 2), -1).reshape(-1, 2)
    grid = grid[(np.abs(grid) > 3).any(1)]
    batch = bakery.gaussians(12 + grid @ turn[:, :2].T, (1, 1, 0.01), 0.9, q)
    voxels = solid_voxels(batch)
    voxels = voxels[((voxels >= 0) & (voxels < 24)).all(1)]
    solid = np.zeros((24, 24, 24), bool)
    solid[tuple(voxels.T)] = True
    centre = np.stack(np.meshgrid(*[np.arange(24) + 0.5] * 3, indexing="ij"), -1)
    assert six_connected_hole(solid, (centre - 12) @ np.array([0, 1, 1]) / np.sqrt(2))


def test_a_speck_covers_its_own_voxel_wherever_it_lies(rng):
    means = rng.uniform(-50, 50, (500, 3))
    for mean, q in zip(means, rng.normal(size=(500, 4)), strict=True):
        voxels = solid_voxels(bakery.gaussians(mean, 1e-9, 0.9, q))
        assert [0, 0, 0] in (voxels - np.floor(np.float32(mean)).astype(int)).tolist()
        assert np.abs(voxels + 0.5 - mean).max() <= 1.5


def test_opacity_accumulates_and_faint_ones_vanish():
    one = bakery.gaussians([[0.5, 0.5, 0.5]], 2, 0.4)
    two = bakery.gaussians([[0.5, 0.5, 0.5]] * 2, 2, 0.4)
    assert len(solid_voxels(one)) == 0 and len(solid_voxels(two)) >= 27
    total = summed(two)
    centre = (total.voxels == 0).all(1)
    _, coverage = gaussians.resolve(total, 0.5)
    assert coverage[centre] == round(255 * (1 - 0.6**2))
    assert len(summed(bakery.gaussians([0, 0, 0], 2, 0.03)).n) == 0
    keep, dropped = gaussians.kept(two, UNIT, gaussians.Limits(0.41, 9))
    assert not keep.any() and dropped == {"faint": 2, "huge": 0}
    keep, dropped = gaussians.kept(two, UNIT, gaussians.Limits(0.3, 1.9))
    assert not keep.any() and dropped == {"faint": 0, "huge": 2}


def test_colour_is_the_mean_in_srgb_weighted_by_the_root_of_the_depth():
    """As splats are blended: in sRGB. Weights: the twin's depths here are -ln(1 - 0.9) and -ln(1 - 0.4)."""
    batch = bakery.gaussians([[0.5, 0.5, 0.5]] * 2, 2, [0.9, 0.4], rgb=[[255, 0, 10], [0, 255, 10]])
    total = summed(batch)
    at = int(np.flatnonzero((total.voxels == 0).all(1))[0])
    roots = np.sqrt(-np.log1p(-np.array([0.9, 0.4])))
    want = 255 * roots / roots.sum()
    red, green, blue = gaussians.mean_srgb(total)[at].tolist()
    assert abs(red - want[0]) < 2 and abs(green - want[1]) < 2 and blue == 10


@pytest.mark.parametrize("up", ["z", "y", "-y"])
def test_up_turns_means_and_axes_alike(up, rng):
    batch = bakery.gaussians([3.2, 5.7, -8.1], (4, 0.6, 0.1), 0.9, rng.normal(size=4))
    turn = np.array(ROTATION_OF_UP[up])
    assert np.linalg.det(turn) == 1
    got = solid_voxels(batch, placement=Placement(1.0, rotation=ROTATION_OF_UP[up]))
    plain = solid_voxels(batch)
    centres = (plain + 0.5) @ turn.T
    assert sorted(map(tuple, got.tolist())) == sorted(map(tuple, np.floor(centres).astype(int).tolist()))


def test_size_scale_and_offset_make_the_same_voxels(rng):
    batch = random_scene(rng, 20)
    plain = summed(batch)
    moved = summed(batch, Placement(0.5, scale=0.5, offset_m=(1e4, -3e4, 2e3)))
    assert np.array_equal(moved.voxels, plain.voxels + np.array((20_000, -60_000, 4_000)))
    assert np.array_equal(moved.weight, plain.weight)


def test_the_crop_cuts_voxels_and_two_crops_join(rng):
    batch = random_scene(rng, 40)
    whole = summed(batch)
    halves = [
        summed(batch, Placement(1.0, bounds_m=((-99, -99, low), (99, 99, high))))
        for low, high in ((-99, 1.25), (1.25, 99))
    ]
    joined = sums.merge(halves)
    assert all(
        np.array_equal(getattr(joined, n), getattr(whole, n)) for n in ("voxels", "n", "weight", "colour")
    )
    assert halves[0].voxels[:, 2].max() == 0 and halves[1].voxels[:, 2].min() == 1


def test_any_split_gives_the_same_sums(rng, monkeypatch):
    batch = random_scene(rng, 50, sigma_high=2)
    plain = summed(batch)
    for name, value in itertools.product(("ROWS", "CELLS", "PENDING"), (7, 130)):
        with monkeypatch.context() as m:
            m.setattr(gaussians, name, value)
            split = summed(batch)
        assert np.array_equal(split.weight, plain.weight) and np.array_equal(split.voxels, plain.voxels)


def test_the_largest_gaussian_still_has_a_word_for_each_cell():
    largest = bakery.gaussians([0.5, 0.5, 0.5], survey.MAX_SIGMA_VOXELS, 1.0)
    shape, _ = gaussians.shapes(largest, UNIT, np.ones(1, bool))
    size = (shape.last - shape.first + 1).max(1).astype(np.int64)
    bits = gaussians.Words(shape.first.min(1), size, 0).shift
    assert 60 < sums.n_cells(size).bit_length() + bits <= 63
    assert gaussians.WEIGHT_OF_Q.max() < 1 << gaussians.WEIGHT_BITS
    assert gaussians.TAU_OF_Q.max() < 1 << gaussians.TAU_BITS


def test_a_batch_across_the_whole_world_is_split(rng):
    corners = np.array(list(itertools.product((-8e6, 8e6), repeat=3)), np.float32)
    total = summed(bakery.gaussians(corners, 0.3, 0.9))
    assert {tuple(v) for v in total.voxels.tolist()} >= {tuple(c) for c in corners.astype(int).tolist()}


def test_coordinates_beyond_the_world_are_refused():
    with pytest.raises(UserError, match="--voxel-size"):
        summed(bakery.gaussians([[0, 0, 0], [9e6, 0, 0]], 1))
    cropped = Placement(1.0, bounds_m=((-9, -9, -9), (9, 9, 9)))
    batch = bakery.gaussians([[0, 0, 0], [9e6, 0, 0], [1e30, 0, 0]], 1)
    shape, n_cropped = gaussians.shapes(batch, cropped, np.ones(3, bool))
    assert n_cropped == 2 and len(shape) == 1


def test_a_fork_voxelises_too(rng):
    """Threads do not live on in a fork: one that waited for them would wait for ever."""
    batch = random_scene(rng, 20)
    expected = summed(batch)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if np.array_equal(summed(batch).weight, expected.weight) else 1)
    assert os.waitpid(child, 0)[1] == 0
