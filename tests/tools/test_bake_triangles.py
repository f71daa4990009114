"""Triangles to voxels: exactly those touched, no leak, no ray lost, and where the weight goes."""

import itertools

import bakery
import meshes
import numpy as np
import pytest
import reference
from data import needs
from scipy import ndimage, spatial
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.errors import UserError
from voxtide.tools.voxelise import overlap, sums, triangles
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement

N_RAYS = 100_000
GRAIN = 0.15  # voxels: how far from the nearest sample of `surface` a point of the mesh may lie


def touches(corners, voxels):
    """The separating axis test as it is written down: one triangle [3, 3], voxels [M, 3] -> [M] bool."""
    edges = [corners[1] - corners[0], corners[2] - corners[1], corners[0] - corners[2]]
    axes = [*np.eye(3), np.cross(*edges[:2]), *(np.cross(a, e) for a in np.eye(3) for e in edges)]
    away = corners - (voxels[:, None] + 0.5)
    meet = np.ones(len(voxels), bool)
    for axis in axes:
        along, reach = away @ axis, np.abs(axis).sum() / 2 + 1e-12
        meet &= (along.min(1) <= reach) & (along.max(1) >= -reach)
    return meet


@pytest.mark.parametrize("size", [0.1, 1, 6])
def test_voxels_are_those_of_the_separating_axis_test(size, rng):
    for _ in range(40):
        corners = rng.normal(size=(3, 3)) * size + rng.normal(size=3) * 5
        low, high = np.floor(corners.min(0)).astype(int), np.floor(corners.max(0)).astype(int)
        box = list(itertools.product(*(range(a, b + 1) for a, b in zip(low, high, strict=True))))
        corners = overlap.snapped(corners)
        found = meshes.voxelised(meshes.soup(corners))
        expected = np.array(box)[touches(corners, np.array(box))]
        assert set(map(tuple, found.voxels.tolist())) == set(map(tuple, expected.tolist()))


def closed_meshes():
    rng = np.random.default_rng(7)
    yield "sphere", meshes.icosphere(3) * 17.3
    yield "box on the grid", meshes.box((20, 12, 7), (10, 6, 3.5))
    yield "thin box", meshes.box((30, 0.3, 20), (0.1, 0.2, 0.3)) @ meshes.rotation(rng)
    for k in range(6):
        yield f"tetrahedron {k}", meshes.tetrahedron() * 12 @ meshes.rotation(rng) + rng.random(3)
    yield "sliver tetrahedron", meshes.tetrahedron() * (40, 1e-3, 3) @ meshes.rotation(rng)


def assert_no_leak(corners, closed=True):
    """No line between neighbours' centres crosses the mesh outside a solid voxel; no flood gets inside."""
    solid, low = meshes.grid_of(meshes.voxelised(meshes.soup(corners)).voxels)
    inside = np.zeros(solid.shape, bool)
    for axis in range(3):
        line, place, start = meshes.columns(corners, solid, low, axis)
        cell = np.floor(place).astype(int) - low
        # A crossing within rounding of a face may count to either voxel.
        beside = np.floor(place + np.eye(3)[axis] * 1e-6).astype(int) - low
        assert (solid[tuple(cell.T[::-1])] | solid[tuple(beside.T[::-1])]).all()
        if axis == 0 and closed:
            inside = odd_crossings(solid.shape, low, line, place, start)
    labels, _ = ndimage.label(~solid)
    outside = labels == labels[0, 0, 0]
    assert not (outside & inside).any()
    return inside


def odd_crossings(shape, low, line, place, start):
    """Voxels [z, y, x] whose centre has an odd number of crossings to the left of it."""
    count = np.zeros((shape[2] + 1, len(start)), int)
    first = np.ceil(place[:, 0] - low[0] - 0.5).astype(int)
    np.add.at(count, (first, line), 1)
    parity = np.cumsum(count, axis=0)[:-1] % 2 == 1
    return parity.reshape(shape[2], shape[1], shape[0]).transpose(2, 1, 0)


@pytest.mark.parametrize(
    ("name", "corners"), list(closed_meshes()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_closed_mesh_has_no_leak(name, corners):
    inside = assert_no_leak(corners)
    if not name.startswith(("thin", "sliver")):
        assert inside.sum() > 100


@pytest.mark.parametrize(
    ("file", "voxel", "closed"),
    [
        ("spot/spot_triangulated.obj", 0.02, True),
        ("spot/spot_control_mesh.obj", 0.03, True),
        ("open3d_crate/crate.obj", 0.05, True),
        ("playcanvas/house.glb", 0.006, False),
        ("playcanvas/cat.glb", 0.03, False),
        pytest.param("trimesh/cycloidal.ply", 0.03, False, marks=pytest.mark.slow),
    ],
)
def test_real_meshes_have_no_leak(file, voxel, closed):
    inside = assert_no_leak(meshes.loaded(needs("mesh", *file.split("/"))) / voxel, closed)
    assert inside.any() == closed


def shot(corners, n_rays, n_directions, rng):
    """Rays from all around: (true distances, distances to the first voxel, where that is entered [N, 3])."""
    solid, low = meshes.grid_of(meshes.voxelised(meshes.soup(corners)).voxels)
    out = []
    for _ in range(n_directions):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        origins, side, up = meshes.bundle(corners, direction, n_rays // n_directions, rng)
        true = meshes.cast(corners, origins, direction, side, up)
        _, first = reference.march(solid, origins - low, np.broadcast_to(direction, origins.shape))
        entered = origins + direction * np.where(np.isfinite(first), first, 0)[:, None]
        out.append((true, first, entered))
    return (np.concatenate(column) for column in zip(*out, strict=True))


@pytest.mark.parametrize(
    ("file", "voxel", "n_rays"),
    [
        ("spot/spot_triangulated.obj", 0.035, N_RAYS),
        pytest.param("playcanvas/house.glb", 0.006, N_RAYS, marks=pytest.mark.slow),
        pytest.param("trimesh/CesiumMilkTruck.glb", 0.06, N_RAYS, marks=pytest.mark.slow),
    ],
)
def test_rays_hit_within_one_voxel(file, voxel, n_rays, rng):
    """A ray that hits the mesh hits a voxel, there or before; the mesh is within a voxel of it on each axis.

    Not along the ray: one that grazes meets the voxels beside the surface long before the surface itself.
    """
    corners = meshes.loaded(needs("mesh", *file.split("/"))) / voxel
    true, first, entered = shot(corners, n_rays, 8, rng)
    hit, drawn = np.isfinite(true), np.isfinite(first)
    assert hit.sum() > n_rays / 10
    late = hit & ~(first <= true + 1e-6)
    tree = spatial.cKDTree(meshes.surface(corners, 0.2, rng))
    away, _ = tree.query(entered[drawn], p=np.inf, distance_upper_bound=3)
    wrong = late.sum() + (away > 1 + GRAIN).sum()
    assert wrong <= 0.001 * n_rays, f"{late.sum()} too late, {(away > 1 + GRAIN).sum()} where nothing is"


def test_a_wall_between_voxels_is_one_layer():
    wall = meshes.box((0, 0.5, 0.4), (0.3, 0.25, 0.2))
    found = meshes.voxelised(meshes.soup(wall), Placement(0.1))
    assert set(found.voxels[:, 0]) == {3}  # although 0.3 / 0.1 is less than 3
    assert len(found.voxels) == 6 * 5


def test_what_has_no_area_is_still_there():
    line = [[0.5, 0.5, 0.5], [9.5, 0.5, 0.5], [4.5, 0.5, 0.5]]
    point = [[20.5, 0.5, 0.5]] * 3
    found = meshes.voxelised(meshes.soup([line, point]))
    assert set(map(tuple, found.voxels.tolist())) == {(x, 0, 0) for x in [*range(10), 20]}
    assert (found.weight >= 1).all()


def test_any_order_and_any_batches_add_up_to_the_same(rng):
    corners = rng.normal(size=(300, 3, 3)) * 3 + rng.normal(size=(300, 1, 3)) * 10
    batch = meshes.soup(corners, rng.random((300, 3, 4)))
    whole = meshes.voxelised(batch)
    order = rng.permutation(300)
    parts = [
        meshes.voxelised(meshes.soup(batch.positions[rows], batch.colours[rows]))
        for rows in np.split(order, [1, 100, 101, 250])
    ]
    again = sums.merge(parts)
    for name in ("voxels", "n", "weight", "colour"):
        assert np.array_equal(getattr(whole, name), getattr(again, name)), name


def test_bounded_slices_change_nothing(rng, monkeypatch):
    batch = meshes.soup(rng.normal(size=(20, 3, 3)) * 15, rng.random((20, 3, 4)))
    whole = meshes.voxelised(batch)
    monkeypatch.setattr(overlap, "ROWS", 7)
    monkeypatch.setattr(overlap, "CELLS", 11)
    again = meshes.voxelised(batch)
    assert np.array_equal(whole.voxels, again.voxels) and np.array_equal(whole.colour, again.colour)


def test_a_crop_gives_the_same_voxels_as_cutting_after(rng):
    batch = meshes.soup(rng.normal(size=(30, 3, 3)) * 20)
    low, high = (-7, -9, -3), (8, 4, 11)
    whole = meshes.voxelised(batch)
    part = meshes.voxelised(batch, Placement(1.0, bounds_m=(low, high)))
    keep = ((whole.voxels >= low) & (whole.voxels < high)).all(1)
    assert np.array_equal(part.voxels, whole.voxels[keep])
    assert np.array_equal(part.weight, whole.weight[keep])
    _, n_cropped = triangles.voxelise(
        meshes.soup([np.full((3, 3), 99.0)]), Placement(1, bounds_m=(low, high))
    )
    assert n_cropped == 1


def test_placement_turns_scales_and_moves():
    placement = Placement(0.5, scale=2, rotation=ROTATION_OF_UP["y"], offset_m=(10, 0, -1))
    found = meshes.voxelised(meshes.soup([np.tile([1.5, -2.5, 0.25], (3, 1))]), placement)
    assert found.voxels.tolist() == [[26, -1, -12]]


def test_the_larger_area_wins_a_voxel():
    large = [[0, 0, 0.5], [1, 0, 0.5], [0, 1, 0.5]]
    small = [[0.1, 0.1, 0.6], [0.2, 0.1, 0.6], [0.1, 0.2, 0.6]]
    red, blue = np.zeros((2, 3, 4), np.float32)
    red[:, 0], blue[:, 2] = 1, 1
    found = meshes.voxelised(meshes.soup([large, small], np.stack([red, blue])))
    (voxel,) = found.colour[(found.voxels == 0).all(1)]
    assert voxel[0] > 20 * voxel[2] > 0


def test_corner_colours_are_blended_in_linear_light():
    corners = np.array([[[0.5, 0.5, 0.5], [100.5, 0.5, 0.5], [0.5, 0.5, 0.6]]])
    colours = np.zeros((1, 3, 4), np.float32)
    colours[0, 1] = 1
    found = meshes.voxelised(meshes.soup(corners, colours))
    rgb = sums.mean_srgb(found)[np.argsort(found.voxels[:, 0]), 0].astype(int)
    assert rgb[0] == 0 and abs(rgb[50] - 188) <= 1 and rgb[100] == 255
    assert (np.diff(rgb) >= 0).all()


def test_too_many_voxels_are_refused_with_a_size_that_works(tmp_path):
    batch = meshes.soup(meshes.box((1000, 1000, 1000)))
    source = bakery.source(tmp_path, batch)
    with pytest.raises(UserError, match="--voxel-size") as told:
        bake(source, tmp_path / "world", BakeOptions(voxel_size_m=0.001))
    better = float(str(told.value).split("--voxel-size ")[1].split()[0])
    triangles.check_work([batch], Placement(better))
    triangles.check_work([batch], Placement(0.001, bounds_m=((0, 0, 499.5), (1, 1, 500.5))))
    with pytest.raises(UserError, match="--bounds"):
        triangles.voxelise(meshes.soup([np.full((3, 3), 1e9)]), Placement(1.0))


def test_a_mesh_becomes_a_world(tmp_path):
    source = bakery.source(tmp_path, meshes.soup(meshes.box((1, 1, 1)), (0.2158605, 0, 1, 1)), up="y")
    report = bake(source, tmp_path / "world", BakeOptions(voxel_size_m=0.1))
    found, rgba = bakery.world_voxels(tmp_path / "world")
    assert report.voxels == len(found) == 11**3 - 9**3
    assert (rgba == (128, 0, 255, 255)).all()
