"""Where a scene lies: turns about any axis; and the survey, which must not depend on the order of items."""

import itertools
from dataclasses import replace

import bakery
import numpy as np
import pytest
from voxtide.tools.bake import BakeOptions, bake, bake_together
from voxtide.tools.errors import UserError
from voxtide.tools.voxelise import gaussians, points, sums, survey, voxels
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement, rotation_of, to_source, to_voxels


def euler(degrees):
    """Turns about x, then y, then z, by the textbook's matrices."""
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@pytest.mark.parametrize("up", ["z", "y", "-y"])
@pytest.mark.parametrize("degrees", [(0, 0, 0), (90, 0, 0), (-90, 180, 270), (10, -20, 33.3)])
def test_a_rotation_is_up_then_x_then_y_then_z(up, degrees, rng):
    placement = Placement(0.1, 2.0, rotation_of(up, degrees), (1, 2, 3))
    at = rng.normal(size=(20, 3))
    expected = (at @ (euler(degrees) @ np.array(ROTATION_OF_UP[up])).T * 2 + (1, 2, 3)) / 0.1
    assert np.allclose(to_voxels(at, placement), expected)
    assert np.allclose(to_source(to_voxels(at, placement), placement), at)
    assert placement.swaps_axes == all(d % 90 == 0 for d in degrees)


def test_gaussians_and_points_turn_alike(rng):
    placement = Placement(1.0, rotation=rotation_of("z", (30, 40, 50)))
    means = rng.uniform(-50, 50, (40, 3))
    cloud, _ = points.voxelise(bakery.points(np.float32(means)), placement)
    shape, _ = gaussians.shapes(bakery.gaussians(means, 1e-6), placement, np.ones(40, bool))
    specks = sums.merge(list(gaussians.voxelise(shape)))
    assert {tuple(v) for v in cloud.voxels.tolist()} <= {tuple(v) for v in specks.voxels.tolist()}


def test_slanted_cells_leave_no_gap(rng):
    placement = Placement(1.0, scale=1.0, rotation=rotation_of("z", (0, 0, 37)))
    block = bakery.cells(list(itertools.product(range(-12, 12), range(-12, 12), range(2))))
    parts, _ = voxels.voxelise(block, placement)
    found = {tuple(v) for v in sums.merge(list(parts)).voxels.tolist()}
    inside = set(itertools.product(range(-8, 8), range(-8, 8), range(2)))
    assert inside <= found and abs(len(found) - len(block)) < 0.05 * len(block)


def test_a_wrong_rotation_is_named(tmp_path):
    for wrong in ((1, 2), (0, float("nan"), 0)):
        with pytest.raises(UserError, match="--rotate "):
            bake(bakery.source(tmp_path, bakery.points([0, 0, 0])), tmp_path / "w", BakeOptions(rotate=wrong))


def tile(tmp_path, name, at, origin, **fields):
    """One point of a map, whose reader would put `origin` at 0."""
    source = bakery.source(tmp_path, bakery.points([at]), name=name)
    return replace(source, origin=origin, **fields)


def test_tiles_far_away_get_one_origin_and_stay_beside_each_other(tmp_path):
    a = tile(tmp_path, "a", (637_512.5, 851_003.5, 400.5), (637_000.0, 851_000.0, 0.0))
    b = tile(tmp_path, "b", (638_010.5, 850_900.5, 402.5), (638_000.0, 850_000.0, 0.0))
    near = tile(tmp_path, "c", (3.5, 4.5, 5.5), (0.0, 0.0, 0.0))
    options = BakeOptions(voxel_size_m=1)
    bake_together([(s, options) for s in (a, b, near)], tmp_path / "w")
    found = sorted(map(tuple, bakery.world_voxels(tmp_path / "w")[0].tolist()))
    assert found == [(3, 4, 5), (512, 1003, 400), (1010, 900, 402)]
    bake_together([(s, options) for s in (near, b, a)], tmp_path / "v")
    assert bakery.file_bytes(tmp_path / "v") == bakery.file_bytes(tmp_path / "w")
    bake_together(
        [(a, options), (b, replace(options, origin=(638_010.0, 850_900.0, 402.0)))], tmp_path / "own"
    )
    assert (0, 0, 0) in map(tuple, bakery.world_voxels(tmp_path / "own")[0].tolist())
    with pytest.raises(UserError, match="--origin once for each"):
        bake_together([(a, options), (replace(b, unit_m=0.3048), options)], tmp_path / "x")


def test_the_origin_turns_and_scales_with_its_scene(tmp_path):
    source = tile(tmp_path, "a", (1010.5, 2020.5, 30.5), (1000.0, 2000.0, 0.0), unit_m=2.0)
    bake(source, tmp_path / "w", BakeOptions(voxel_size_m=1, rotate=(0, 0, 90), at=(0, 0, 1)))
    assert bakery.world_voxels(tmp_path / "w")[0].tolist() == [[-41, 21, 62]]


def scene(rng, n=5000):
    return bakery.gaussians(
        rng.normal(0, 3, (n, 3)) + 100, np.exp(rng.normal(-4, 1, (n, 3))), rng.uniform(0, 1, n)
    )


def test_the_survey_is_the_order_statistics(rng):
    batch, placement = scene(rng), Placement(0.01)
    limits = survey.limits_of(lambda: [batch], placement, 0.1, None)
    strong = batch.opacities >= 0.1
    ranked = np.sort(batch.positions[strong], axis=0)
    n = len(ranked)
    extent = (ranked[n - 1 - n // 100] - ranked[n // 100]).max()
    median = np.sort(batch.scales[strong].max(1))[n // 2]
    assert limits.max_sigma_m == pytest.approx(max(0.15 * extent, 10 * median), rel=2e-3)


def test_the_survey_does_not_depend_on_order_or_batches(rng):
    batch, placement = scene(rng), Placement(0.01)
    whole = survey.limits_of(lambda: [batch], placement, 0.1, None)
    order = rng.permutation(len(batch))
    parts = [bakery.part(batch, rows) for rows in np.array_split(order, 7)]
    assert survey.limits_of(lambda: parts, placement, 0.1, None) == whole
