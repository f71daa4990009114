"""Fusion of posed depth: no holes, no floaters, no growth, and the same voxels in any order."""

from dataclasses import replace

import numpy as np
import posed_room as room
import pytest
import reference
from data import needs
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.sources import Frames, Source, open_source
from voxtide.tools.voxelise import carve, frames, sums
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement

PLACED = Placement(0.05)


def view(pose, depth=None, rgb=None):
    seen_rgb, seen_depth = room.seen(pose)
    depth = seen_depth if depth is None else depth
    return Frames((seen_rgb if rgb is None else rgb)[None], depth[None].astype("f4"), room.K, pose[None])


def source(path, views):
    return Source(path, "frames", len(views), "-y", lambda n: iter(views), {"format": "memory"})


def fused(views, placement=PLACED, **options):
    return sums.merge([s for v in views for s in frames.voxelise(v, placement, **options)])


def carved(path, views, placement=PLACED, **options):
    found = fused(views, placement, **options)
    return found, carve.carve(source(path, views), found.voxels, placement, **options)


def distance_to_room(voxels, placement):
    """From the voxels' centres to the nearest surface, in voxels."""
    at = (voxels + 0.5) * placement.voxel_size_m

    def outside(box):
        return np.linalg.norm(np.maximum(np.maximum(box[0] - at, at - box[1]), 0), axis=1)

    def inside(box):
        return np.minimum(at - box[0], box[1] - at).min(1)

    to_box = np.where(inside(room.BOX) > 0, inside(room.BOX), outside(room.BOX))
    to_wall = np.abs(inside(room.ROOM))
    return np.minimum(to_box, to_wall) / placement.voxel_size_m


VIEWS = [view(pose) for pose in room.POSES]


def test_every_voxel_lies_on_the_surface_and_has_its_colour(tmp_path):
    found, keep = carved(tmp_path, VIEWS)
    voxels = found.voxels[keep]
    assert distance_to_room(voxels, PLACED).max() < 1.0  # a voxel's half diagonal is 0.87
    rgb = sums.mean_srgb(found)[keep].astype(int)
    close = np.abs(rgb - room.colour_at((voxels + 0.5) * 0.05)).max(1) <= 2
    assert close.mean() > 0.9  # voxels at edges belong to two sides


@pytest.mark.parametrize("voxel_size_m", [0.15, 0.05, 0.015])
def test_no_ray_of_a_pixel_leaks_through_the_walls(tmp_path, voxel_size_m):
    """A pixel at 2 m is 2.5 cm wide: at 1.5 cm it fills several voxels, at 15 cm a part of one."""
    placed = Placement(voxel_size_m)
    found, keep = carved(tmp_path, VIEWS, placed)
    low = found.voxels.min(0)
    solid = np.zeros((found.voxels.max(0) - low + 1)[::-1], bool)
    x, y, z = (found.voxels[keep] - low).T
    solid[z, y, x] = True
    for number in (1, 5):
        surface = frames.surface_of(VIEWS[number].depth[0], room.K, np.inf)
        camera = frames.camera_of(VIEWS[number].camera_to_world[0], placed)
        r, c = np.nonzero(surface.valid)
        rays = np.stack([(c - room.K[2]) / 80, (r - room.K[3]) / 80, np.ones(len(r))], 1) @ camera.turn.T
        length = np.linalg.norm(rays, axis=1)
        eye = np.broadcast_to(camera.own + camera.rest - low, rays.shape)
        _, t = reference.march(solid, eye, rays / length[:, None])
        beyond_m = t / length - VIEWS[number].depth[0][r, c]
        assert (beyond_m > 2 * voxel_size_m).mean() < 0.002


def test_feeding_everything_twice_adds_nothing(tmp_path):
    once, keep = carved(tmp_path, VIEWS)
    twice, keep_twice = carved(tmp_path, VIEWS + VIEWS)
    assert np.array_equal(once.voxels, twice.voxels) and np.array_equal(keep, keep_twice)
    assert np.array_equal(2 * once.n, twice.n) and np.array_equal(2 * once.weight, twice.weight)


def test_any_order_gives_the_same_and_any_voxel_is_judged_by_itself(tmp_path):
    found, keep = carved(tmp_path, VIEWS)
    back, keep_back = carved(tmp_path, VIEWS[::-1])
    assert all(
        np.array_equal(getattr(found, n), getattr(back, n)) for n in ("voxels", "n", "weight", "colour")
    )
    assert np.array_equal(keep, keep_back)
    some = np.random.default_rng(3).permutation(len(keep))[: len(keep) // 3]
    assert np.array_equal(carve.carve(source(tmp_path, VIEWS), found.voxels[some], PLACED), keep[some])


def test_a_floater_is_carved_and_a_thing_seen_by_most_stays(tmp_path):
    depth = room.seen(room.POSES[3])[1].copy()
    depth[20:50, 30:60] = 0.8  # one frame saw something there
    views = [*VIEWS[:3], view(room.POSES[3], depth), *VIEWS[4:]]
    found, keep = carved(tmp_path, views)
    off = distance_to_room(found.voxels, PLACED)
    assert (off > 5).sum() > 10
    assert not (off[keep] > 5).any()
    always = [view(pose, np.minimum(room.seen(pose)[1], np.float32(0.8))) for pose in room.POSES]
    found, keep = carved(tmp_path, always)
    assert keep.mean() > 0.3


def test_of_a_wall_smeared_by_drift_the_middle_stays(tmp_path):
    def shifted(by_m):
        pose = room.look(0, (0, 0, -0.5))
        rgb, depth = room.seen(pose)
        pose[2, 3] += by_m + 0.005  # the true wall lies in the middle of a voxel
        return view(pose, depth, rgb)

    placed = Placement(0.01)
    views = [shifted(by) for by in (-0.03, -0.02, -0.01, 0, 0.01, 0.02, 0.03)]
    found, keep = carved(tmp_path, views, placed)
    straight = (np.abs(found.voxels[:, :2]) < 50).all(1) & (found.voxels[:, 2] > 200)  # of the far wall
    assert np.unique(found.voxels[straight, 2]).size >= 6
    layers = np.bincount(found.voxels[straight & keep, 2])
    assert layers[250] > 0.99 * layers.sum() / 2 and (layers > 0.01 * layers.sum()).sum() <= 2
    columns = np.unique(found.voxels[straight & keep, :2], axis=0)
    assert len(columns) == len(np.unique(found.voxels[straight, :2], axis=0))  # and no hole in it


def test_depth_edges_and_grazing_pixels_are_dropped_and_steep_planes_are_not():
    surface = frames.surface_of(VIEWS[4].depth[0], room.K, np.inf)
    depth = VIEWS[4].depth[0]
    jump = np.abs(np.diff(depth, axis=1)) > 0.3
    assert jump.sum() > 20
    assert not surface.valid[:, :-1][jump].any() and not surface.valid[:, 1:][jump].any()
    assert surface.valid.mean() > 0.9
    step = np.full((72, 96), 2.0, "f4")
    step[:, 48:] = 2.12  # too little to look steep: 5 pixels' widths
    assert np.array_equal(np.flatnonzero(~frames.surface_of(step, room.K, np.inf).valid[36]), [47, 48])
    columns = (np.arange(96) - 47.5) / 80
    for slope, expected in ((3.0, True), (12.0, False)):  # z = 2 + slope * x, in metres
        q = np.tile((1 - slope * columns) / 2, (72, 1)).astype("f4")
        tilted = np.where(q > 0.1, 1 / np.maximum(q, 0.1), 0).astype("f4")
        middle = frames.surface_of(tilted, room.K, np.inf).valid[30:40, 47:49]
        assert middle.all() if expected else not middle.any()


def test_the_cosine_and_the_weight_are_what_the_geometry_says():
    front = np.full((72, 96), 2.0, "f4")
    surface = frames.surface_of(front, room.K, np.inf)
    ray = np.sqrt(surface.x**2 + surface.y**2 + 1)
    np.testing.assert_allclose(surface.cosine, 1 / ray, rtol=1e-5)
    pose = np.eye(4)
    near, far = (fused([view(pose, front * k)], Placement(10.0)).weight.sum() for k in (1, 2))
    assert near == pytest.approx(4 * far, rel=0.02)


def test_far_depth_is_left_out_and_a_pixel_far_wider_than_a_voxel_too():
    pose = np.eye(4)
    flat = np.full((72, 96), 3.0, "f4")
    assert len(fused([view(pose, flat)]).n)
    assert not len(fused([view(pose, flat)], max_depth_m=2.9).n)
    assert not len(fused([view(pose, flat)], Placement(0.001)).n)  # 37 voxels a pixel


def test_placement_is_the_points_placement():
    from voxtide.tools.sources import Points
    from voxtide.tools.voxelise import points

    placed = Placement(0.05, 2.0, ROTATION_OF_UP["-y"], (1000.0, -3.0, 7.0))
    rgb, depth = room.seen(room.POSES[2])
    rows, columns = np.nonzero(frames.surface_of(depth, room.K, np.inf).valid)
    z = depth[rows, columns].astype(float)
    at = np.stack([(columns - 47.5) / 80 * z, (rows - 35.5) / 80 * z, z], 1)
    pose = room.POSES[2]
    batch = Points(at @ pose[:3, :3].T + pose[:3, 3], rgb[rows, columns])
    wanted = points.voxelise(batch, placed)[0].voxels
    got = fused([view(pose)], placed).voxels
    around = {tuple(v) for step in np.ndindex(3, 3, 3) for v in (got + np.array(step) - 1).tolist()}
    assert len(wanted) > 1000 and all(tuple(v) in around for v in wanted.tolist())


def test_a_crop_keeps_exactly_what_lies_in_it():
    whole = fused(VIEWS)
    placed = Placement(0.05, bounds_m=((-1.0, -1.0, 0.0), (1.0, 2.0, 2.0)))
    low, high = placed.crop()
    inside = ((whole.voxels >= low) & (whole.voxels < high)).all(1)
    cropped = fused(VIEWS, placed)
    assert np.array_equal(cropped.voxels, whole.voxels[inside])
    assert np.array_equal(cropped.colour, whole.colour[inside])


def test_the_real_room_bakes_without_holes_or_growth(tmp_path):
    """Every 15th frame at 4 cm; the whole of it at 1 cm and 5 mm is tests/bench/bench_rgbd.py."""
    opened = open_source(needs("rgbd", "icl_livingroom1_micro"))
    some = list(opened.batches(1))[::15]
    few = replace(opened, n_items=len(some), batches=lambda n: iter(some), part=None)
    twice = replace(opened, n_items=2 * len(some), batches=lambda n: iter(some + some), part=None)
    options = BakeOptions(voxel_size_m=0.04)
    report = bake(few, tmp_path / "once", options)
    again = bake(twice, tmp_path / "twice", options)
    assert again.voxels == report.voxels and 5_000 < report.voxels < 20_000
    uncarved = bake(few, tmp_path / "all", BakeOptions(voxel_size_m=0.04, carve=False))
    assert 0.5 < report.voxels / uncarved.voxels < 1
