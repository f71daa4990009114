"""Points and cells of voxel files, where they land and what colour they get."""

import itertools

import bakery
import numpy as np
import pytest
from voxtide.tools.errors import UserError
from voxtide.tools.voxelise import points, sums, voxels
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement


def as_dict(summed, coverage):
    rgba = np.concatenate([sums.mean_srgb(summed), coverage[:, None]], axis=1)
    return {tuple(v): tuple(c) for v, c in zip(summed.voxels.tolist(), rgba.tolist(), strict=True)}


def baked_points(batch, placement):
    summed, _ = points.voxelise(batch, placement)
    return as_dict(summed, points.resolve(summed)[1])


def baked_cells(batch, placement):
    parts, _ = voxels.voxelise(batch, placement)
    summed = sums.merge(list(parts))
    return as_dict(summed, voxels.resolve(summed)[1])


def test_a_point_is_the_floor_of_its_place():
    batch = bakery.points(
        [[0, 0, 0], [-1e-9, 0.999, 1], [1.5, -2.5, 0.25]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    )
    assert baked_points(batch, Placement(0.5)) == {
        (0, 0, 0): (1, 2, 3, 255),
        (-1, 1, 2): (4, 5, 6, 255),
        (3, -5, 0): (7, 8, 9, 255),
    }
    placed = Placement(0.5, scale=2, rotation=ROTATION_OF_UP["y"], offset_m=(10, 0, -1))
    assert (26, -1, -12) in baked_points(batch, placed)  # (1.5, -2.5, 0.25) -> (1.5, -0.25, -2.5) * 2 + at


def test_points_of_a_voxel_are_averaged_in_linear_light():
    batch = bakery.points([[0.1, 0.1, 0.1], [0.9, 0.2, 0.3]], [[0, 0, 0], [255, 255, 255]])
    assert baked_points(batch, Placement(1.0)) == {(0, 0, 0): (188, 188, 188, 255)}


def test_every_colour_survives():
    grey = np.repeat(np.arange(256)[:, None], 3, axis=1)
    where = np.stack([np.arange(256), np.zeros(256), np.zeros(256)], axis=1)
    assert [c[0] for c in baked_points(bakery.points(where, grey), Placement(1.0)).values()] == list(
        range(256)
    )


def test_points_at_the_corners_of_the_world():
    edge = 1 << 23
    corners = list(itertools.product((-edge, edge - 1), repeat=3))
    assert set(baked_points(bakery.points(corners), Placement(1.0))) == set(corners)
    with pytest.raises(UserError, match="--bounds"):
        points.voxelise(bakery.points([edge, 0, 0]), Placement(1.0))
    crop = Placement(1.0, bounds_m=((-5, -5, -5), (5, 5, 5)))
    _, n_cropped = points.voxelise(bakery.points([[edge, 0, 0], [1e300, 0, 0], [0, 0, 0]]), crop)
    assert n_cropped == 2


@pytest.mark.parametrize("size", [1.0, 0.1, 0.01, 1 / 3, 7e-4])
def test_cells_as_large_as_voxels_are_copied_exactly(size, rng):
    places = np.unique(rng.integers(-300, 300, (5000, 3)), axis=0)
    rgba = rng.integers(1, 256, (len(places), 4))
    expected = {tuple(v): tuple(c) for v, c in zip(places.tolist(), rgba.tolist(), strict=True)}
    assert baked_cells(bakery.cells(places, rgba), Placement(size, scale=size)) == expected


def test_larger_cells_fill_their_cube():
    got = baked_cells(
        bakery.cells([[0, 0, 0], [1, -1, 0]], [[1, 2, 3, 4], [5, 6, 7, 8]]), Placement(0.1, scale=0.3)
    )
    first = dict.fromkeys(itertools.product(range(3), range(3), range(3)), (1, 2, 3, 4))
    second = dict.fromkeys(itertools.product(range(3, 6), range(-3, 0), range(3)), (5, 6, 7, 8))
    assert got == first | second


@pytest.mark.parametrize("ratio", [1.0, 1.3, 2.5, 7 / 3])
@pytest.mark.parametrize("offset", [0.0, 0.5, 0.05, -1 / 3])
def test_neighbouring_cells_share_no_voxel_and_leave_none_out(ratio, offset):
    line = [[i, 0, 0] for i in range(-40, 40)]
    first, last = voxels.spans(bakery.cells(line), Placement(0.1, scale=0.1 * ratio, offset_m=(offset,) * 3))
    assert np.array_equal(first[1:, 0], last[:-1, 0]) and (first < last).all()


def test_smaller_cells_are_averaged():
    places = list(itertools.product(range(2), repeat=3))
    rgba = [[0, 0, 0, 100]] * 4 + [[255, 255, 255, 200]] * 4
    assert baked_cells(bakery.cells(places, rgba), Placement(1.0, scale=0.5)) == {
        (0, 0, 0): (213, 213, 213, 150)
    }


def test_cells_turn_as_cubes():
    turned = Placement(1.0, rotation=ROTATION_OF_UP["-y"])
    assert set(baked_cells(bakery.cells([[1, 2, 3]]), turned)) == {(1, 3, -3)}


def test_cells_are_cropped(monkeypatch):
    monkeypatch.setattr(voxels, "PENDING", 5)
    crop = Placement(1.0, scale=4.0, bounds_m=((1, 0, -9), (9, 3, 2)))
    got = baked_cells(bakery.cells([[0, 0, 0], [5, 5, 5]]), crop)
    assert set(got) == set(itertools.product((1, 2, 3), range(3), range(2)))
    assert voxels.voxelise(bakery.cells([[0, 0, 0], [5, 5, 5]]), crop)[1] == 1
    with pytest.raises(UserError, match="voxel-size"):
        voxels.voxelise(bakery.cells([[1 << 23, 0, 0]]), Placement(1.0))


def test_order_of_voxels_near_and_across_the_whole_world(rng):
    near = rng.integers(-50, 50, (3000, 3)).astype(np.int32)
    for places in (near, near * 160_000, np.empty((0, 3), np.int32)):
        order, starts = sums.grouped(places)
        ordered = places[order]
        assert np.array_equal(ordered, places[np.lexsort(places.T)])
        assert np.array_equal(np.unique(places, axis=0), np.unique(ordered[starts], axis=0))
        assert len(starts) == len(np.unique(places, axis=0))
