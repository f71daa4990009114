"""The headset's loop against a stub runtime: what each eye sees, how sticks move the room, how it ends."""

import math
from dataclasses import replace

import headset
import numpy as np
import pytest
from headset import StubHeadset, frame
from scenes import make_probe
from voxtide.app import frame as frames
from voxtide.app.camera import Pose
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.scene import stream
from voxtide.app.vr import loop
from voxtide.app.vr.drawing import sight_of_both
from voxtide.app.vr.loop import run
from voxtide.app.vr.rig import Rig, axes_of, head_of, moved, placed, to_world, view_of
from voxtide.app.vr.runtime import Frame, Hands, Place
from voxtide.app.vr.teleport import is_aiming, throw
from voxtide.streamer.view import error
from worlds import make_world

HOME = Pose(0.0, 0.0, 1.7, 90.0, 0.0)
SIZE_M = 0.05
SIZES = ((80, 64), (80, 64))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A floor of 12 x 12 m with a wall across, 4 m along +y; no two places have one colour."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(-120, 120), np.arange(-120, 120)))
    floor = np.stack([x, y, np.full_like(x, -1)], -1)
    u, w = (a.ravel() for a in np.meshgrid(np.arange(-120, 120), np.arange(0, 60)))
    wall = np.stack([u, np.full_like(u, 80), w], -1)
    voxels = np.concatenate([floor, wall])
    rgba = np.stack(
        [voxels[:, 0] + 120, voxels[:, 1] + 120, 4 * voxels[:, 2] % 256, 255 + 0 * voxels[:, 0]], -1
    )
    path = tmp_path_factory.mktemp("w") / "w"
    return make_world(path, voxels, rgba.astype(np.uint8), voxel_size_m=SIZE_M)


@pytest.fixture
def scene(gl, world):
    made = stream(gl, world, 64 << 20, 64 << 20)
    yield made
    made.release()


def drawn(gl, scene, script, quality="high", sizes=SIZES):
    """-> stub, rigs and throws of each frame"""
    stub, told = StubHeadset(gl, script, sizes), []
    n = run(stub, gl, scene, HOME, quality, lambda rig, thrown: told.append((rig, thrown)))
    assert n == len(told) == len(stub.shown)
    stub.release()
    return stub, [rig for rig, _ in told], [thrown for _, thrown in told]


def test_each_eye_is_shown_what_its_own_frustum_sees(gl, scene):
    """Bit for bit the picture of a renderer that looks through the same frustum."""
    script = [frame() for _ in range(60)]
    stub, rigs, _ = drawn(gl, scene, script)
    assert scene.streamer.is_idle
    left, right = stub.shown[-1]
    assert (left != right).any()
    for picture, eye, size in zip((left, right), headset.eyes(), SIZES, strict=True):
        view = view_of(rigs[-1], eye, size, SIZE_M, scene.root.corner_voxel, 1.0)
        renderer = Renderer(gl, size)
        report = frames.draw(renderer, scene, view, light_of(scene.extent_voxels, False))
        assert len(report.feedback.requests) == 0
        np.testing.assert_array_equal(picture, renderer.read_picture())
        renderer.release()
    assert len(np.unique(left.reshape(-1, 4), axis=0)) > 100


def test_the_head_begins_at_home_and_looks_its_way(gl, scene):
    _, rigs, _ = drawn(gl, scene, [frame(head=(0.7, 1.55, -0.4), yaw=35.0)])
    eyes = headset.eyes((0.7, 1.55, -0.4), 35.0)
    np.testing.assert_allclose(to_world(rigs[0], head_of(eyes).position), (0, 0, 1.7), atol=1e-9)
    np.testing.assert_allclose(axes_of(rigs[0], eyes[0].place)[2], (0, 1, 0), atol=1e-9)


def test_two_eyes_ask_in_one_list_and_everything_comes(gl, world):
    scene = stream(gl, world, 64 << 20, 64 << 20)
    before = scene.pool.frame
    drawn(gl, scene, [frame() for _ in range(3)])
    assert scene.pool.frame == before + 3, "one frame of feedback for both eyes"
    scene.release()


def test_quality_presets_change_what_is_drawn_and_told(gl, scene):
    press = Hands(quality=True)
    script = [frame(), frame(press), frame(press), frame(), frame(press)]
    stub, _, _ = drawn(gl, scene, script, "low")
    shapes = [pictures[0].shape[:2] for pictures in stub.shown]
    assert shapes == [(32, 40), (44, 56), (44, 56), (44, 56), (64, 80)], "held is pressed once"
    assert all(pictures[1].any() for pictures in stub.shown)


def test_a_headset_on_the_table_is_shown_nothing_and_leaving_leaves(gl, scene):
    script = [Frame(0.01), frame(), Frame(0.01), frame(Hands(leave=True)), frame()]
    stub, _, _ = drawn(gl, scene, script)
    assert (stub.n_begun, stub.n_blank, len(stub.shown)) == (4, 3, 1)
    assert not stub.is_open


def test_a_runtime_that_ends_ends_the_loop_and_frees_all(gl, scene):
    stub, _, _ = drawn(gl, scene, [])
    assert stub.shown == []


def test_a_push_of_the_stick_turns_by_30_degrees_about_the_head():
    head = headset.eyes((0.5, 1.6, -1.0))
    rig = start = placed(Rig((0, 0, 0), 0.0), head_of(head), HOME)
    yaws = []
    for stick in (0.0, 0.9, 1.0, 0.5, 0.9, 0.1, 0.9, -0.2, -0.9):
        rig = moved(rig, Hands(turn=stick), head_of(head), 1 / 72)
        yaws.append((start.yaw - rig.yaw) % 360)
        np.testing.assert_allclose(to_world(rig, head_of(head).position), (0, 0, 1.7), atol=1e-9)
    assert yaws == pytest.approx([0, 30, 30, 30, 30, 30, 60, 60, 30])


def test_smooth_motion_follows_the_head_and_the_scale():
    head = head_of(headset.eyes(yaw=90.0))
    rig = replace(placed(Rig((0, 0, 0), 0.0), head, HOME), scale=3.0)
    start = to_world(rig, head.position)
    gone = to_world(moved(rig, Hands(move=(0.0, 1.0)), head, 0.5), head.position)
    np.testing.assert_allclose(gone - start, (0, 3.0, 0), atol=1e-9)
    side = to_world(moved(rig, Hands(move=(1.0, 0.0)), head, 0.5), head.position)
    np.testing.assert_allclose(side - start, (3.0, 0, 0), atol=1e-9)
    up = to_world(moved(rig, Hands(move=(0.0, -1.0), rise=True), head, 0.5), head.position)
    np.testing.assert_allclose(up - start, (0, 0, -3.0), atol=1e-9)
    assert moved(rig, Hands(move=(0.1, -0.1)), head, 0.5).origin == rig.origin, "a worn stick"


def test_growing_keeps_the_feet_and_spreads_the_eyes():
    left, right = headset.eyes((1.0, 1.6, 2.0))
    head = head_of((left, right))
    rig = placed(Rig((0, 0, 0), 0.0), head, HOME)
    big = moved(rig, Hands(grow=True), head, 0.01)
    assert big.scale == 1.5
    assert moved(big, Hands(grow=True), head, 0.01).scale == 1.5, "held is once"
    feet = (1.0, 0.0, 2.0)
    np.testing.assert_allclose(to_world(big, feet), to_world(rig, feet), atol=1e-9)
    apart = np.linalg.norm(to_world(big, right.place.position) - to_world(big, left.place.position))
    assert apart == pytest.approx(1.5 * headset.IPD_M)
    assert moved(replace(rig, held=Hands()), Hands(shrink=True), head, 0.01).scale == pytest.approx(1 / 1.5)


def pointing(pitch):
    """A hand that points ahead (the room's -z), tilted up by degrees about x."""
    half = math.radians(pitch) / 2
    return Place((0.2, 1.2, -0.3), (math.sin(half), 0.0, 0.0, math.cos(half)))


def test_teleport_goes_where_the_arc_lands(gl, scene):
    aim = Hands(aim=1.0, hand=pointing(-20.0))
    script = [*[frame() for _ in range(30)], *[frame(aim) for _ in range(3)], frame(), frame()]
    stub, rigs, throws = drawn(gl, scene, script)
    landing = throws[-3].landing
    assert landing is not None and throws[-1] is None
    assert landing[2] == pytest.approx(0.0, abs=1e-3), "on the floor"
    assert 1.0 < landing[1] < 4.0
    start, end = (to_world(rig, (0.0, 0.0, 0.0)) for rig in (rigs[-3], rigs[-1]))
    assert np.linalg.norm(start[:2]) < 1e-6
    np.testing.assert_allclose(end, landing, atol=1e-6)
    marked = (stub.shown[-3][0] == (*loop._GREEN, 255)).all(axis=-1)
    assert marked.any() and not (stub.shown[-1][0] == (*loop._GREEN, 255)).all(axis=-1).any()


def test_where_there_is_no_ground_nobody_goes(gl, scene):
    """Over the edge of the floor: straight up and back, or along a wall's face no landing is offered."""
    away = Hands(aim=1.0, hand=replace(pointing(0.0), position=(0.0, 1.2, 30.0)))
    script = [*[frame() for _ in range(20)], frame(away), frame()]
    _, rigs, throws = drawn(gl, scene, script)
    assert throws[-2] is not None and throws[-2].landing is None
    assert rigs[-1].origin == rigs[0].origin


def test_an_arc_that_meets_a_wall_lands_at_its_foot_only_when_that_is_near():
    def fire(points, directions):  # a wall at y = 3, a floor at z = 0
        with np.errstate(divide="ignore"):
            wall = np.where(directions[:, 1] > 0, (3.0 - points[:, 1]) / directions[:, 1], np.inf)
            floor = np.where(directions[:, 2] < 0, -points[:, 2] / directions[:, 2], np.inf)
        return np.minimum(np.where(wall < 0, np.inf, wall), np.where(floor < 0, np.inf, floor))

    rig = Rig((0.0, 0.0, 0.0), 90.0)
    high = throw(rig, pointing(10.0), fire)
    assert high.points[-1][1] == pytest.approx(3.0, abs=0.02)
    low = throw(rig, pointing(-10.0), fire)
    assert low.landing is not None and low.landing[2] == pytest.approx(0.0)
    assert low.landing[1] < 3.0
    assert throw(rig, pointing(10.0), lambda p, d: np.full(len(p), np.inf)).landing is None
    reach = [
        np.ptp(
            throw(replace(rig, scale=s), pointing(10.0), lambda p, d: np.full(len(p), np.inf)).points[:, 1]
        )
        for s in (1.0, 10.0)
    ]
    assert reach[1] == pytest.approx(10 * reach[0])


def test_the_stick_aims_until_it_is_let_go():
    assert [is_aiming(s, was) for s, was in ((0.5, False), (0.8, False), (0.5, True), (0.3, True))] == [
        False, True, True, False,
    ]  # fmt: skip


def test_the_sight_of_both_eyes_holds_all_that_either_sees(gl):
    probe = make_probe(gl, np.zeros((1, 3), np.int64))
    rig = Rig((0.3, 0.2, 1.0), 70.0)
    wide = (-1.1, 0.4, 0.9, -0.9)
    pair = headset.eyes((0.0, 1.6, 0.0), 20.0, wide)
    views = tuple(view_of(rig, eye, (32, 32), 0.01, probe.corner, 1.0) for eye in pair)
    sight = sight_of_both(views)
    rng = np.random.default_rng(2)
    for view in views:
        s = rng.uniform(-1, 1, (500, 2))
        d = np.array(view.forward) + s[:, :1] * np.array(view.right) + s[:, 1:] * np.array(view.up)
        at = np.floor(view.eyes_voxels[0] + d / np.linalg.norm(d, axis=1, keepdims=True) * 200).astype(
            np.int64
        )
        assert (error(sight, 0, at >> 4) > 0).all()
    behind = np.floor(views[0].eyes_voxels[0] - views[0].axis * 300).astype(np.int64)
    assert error(sight, 0, behind[None] >> 4)[0] == 0
    around = tuple(
        view_of(rig, replace(eye, fov=(-1.55, 1.55, 1.55, -1.55)), (32, 32), 0.01, probe.corner, 1.0)
        for eye in headset.eyes()
    )
    assert sight_of_both(around).planes.shape == (0, 3)
    probe.scene.release()


def test_too_far_away_is_not_gone_to(gl, scene):
    far = Hands(move=(0.0, 1.0))
    script = [frame(), Frame(1e9, headset.eyes(), far), frame()]
    stub, rigs, _ = drawn(gl, scene, script)
    assert len(stub.shown) == 2 and stub.n_blank == 1
    assert rigs[-1].origin == rigs[0].origin
