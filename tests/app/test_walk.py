"""Walking: floors hold, walls stop, steps of 40 cm are climbed and higher ones are not."""

from dataclasses import replace

import numpy as np
import pytest
from solid_ground import SIZE_M, box, ground_of
from voxtide.app.camera import Pose
from voxtide.app.moving.solid import near_voxels, solid_in
from voxtide.app.moving.state import Manner, Moving, Steer
from voxtide.app.moving.walk import HALF_WIDTH_M, stand, walk

SOFT, HARD = Manner(), Manner(inertia_s=0.0)
FLOOR = box((-60, -60, -2), (60, 60, 0))
AHEAD = Steer(move=(1.0, 0.0, 0.0))
FRAME_S = 1 / 30


def wall(at, height):
    return box((at, -60, 0), (at + 2, 60, height))


def at_eye(x=0.0, y=0.0, z=1.7, yaw=0.0):
    return Moving(Pose(x, y, z, yaw, 0.0), mode="walk", is_grounded=True)


def go(state, ground, seconds, steer=AHEAD, manner=HARD, frame_s=FRAME_S):
    states = [state]
    for _ in range(round(seconds / frame_s)):
        states.append(walk(states[-1], steer, manner, frame_s, ground))
    return states


def test_who_stands_stays_and_who_walks_goes_a_walkers_way():
    ground = ground_of(FLOOR)
    still = go(at_eye(), ground, 0.5, Steer())[-1]
    assert (still.pose.x, still.pose.z) == (0.0, pytest.approx(1.7, abs=1e-9))
    assert still.is_still and still.is_grounded
    gone = go(at_eye(yaw=90.0), ground, 1.0)[-1]
    assert (gone.pose.x, gone.pose.y) == (pytest.approx(0, abs=1e-9), pytest.approx(1.4, abs=1e-6))
    run = go(at_eye(), ground, 0.5, replace(AHEAD, fast=True))[-1]
    assert run.pose.x == pytest.approx(0.5 * 1.4 * 3, abs=1e-6)


def test_who_stands_still_does_not_creep():
    """Not by the last bit: a picture whose pose changes is drawn as one that moves."""
    known = []
    ground = ground_of(
        FLOOR, known=lambda level, voxels: np.full(len(voxels), level >= 2 or bool(known)), size_m=0.0137
    )
    for here in (at_eye(0.1234567, -0.0987654, 1.7), at_eye(0.3, 0.2, 1.7123)):
        known.append(True)
        path = go(here, ground, 1.0, Steer(), SOFT)
        assert len({s.pose for s in path[15:]}) == 1 and path[-1].is_still
        known.clear()
        path = go(here, ground, 1.0, Steer(), SOFT)
        assert len({s.pose for s in path}) == 1, "nor where the ground is not known"


@pytest.mark.parametrize(("height", "climbs"), [(1, True), (8, True), (9, False), (40, False)])
def test_steps_up_to_40_cm_are_climbed_and_higher_ones_stop(height, climbs):
    """Voxels of 5 cm: 8 of them are 40 cm."""
    ground = ground_of(FLOOR, box((20, -60, 0), (60, 60, height)))
    end = go(at_eye(), ground, 1.5)[-1]
    if climbs:
        assert end.pose.x == pytest.approx(1.5 * 1.4, abs=1e-6)
        assert end.pose.z == pytest.approx(1.7 + height * SIZE_M, abs=2e-3)
    else:
        assert end.pose.x == pytest.approx(20 * SIZE_M - HALF_WIDTH_M, abs=1e-4)
        assert end.pose.z == pytest.approx(1.7, abs=1e-6)


@pytest.mark.parametrize("frame_s", [1 / 120, 1 / 15, 0.1])
@pytest.mark.parametrize("yaw", [0.0, 30.0])
def test_a_thin_wall_stops_at_any_frame_rate_and_is_slid_along(yaw, frame_s):
    ground = ground_of(FLOOR, box((20, -60, 0), (21, 60, 40)))
    path = go(at_eye(yaw=yaw), ground, 1.5, replace(AHEAD, fast=True), SOFT, frame_s)
    assert max(s.pose.x for s in path) == pytest.approx(20 * SIZE_M - HALF_WIDTH_M, abs=1e-4)
    assert (path[-1].pose.y > 0.5) == (yaw > 0)


def test_a_lintel_stops_the_head_and_a_door_is_walked_through():
    door = np.concatenate([box((20, -60, 0), (22, -5, 60)), box((20, 5, 0), (22, 60, 60))])
    high, low = box((20, -5, 38), (22, 5, 60)), box((20, -5, 34), (22, 5, 60))
    assert go(at_eye(), ground_of(FLOOR, door, high), 1.5)[-1].pose.x > 1.9
    assert go(at_eye(), ground_of(FLOOR, door, low), 1.5)[-1].pose.x < 0.81


def test_no_step_is_taken_under_a_ceiling_that_is_too_low():
    ground = ground_of(FLOOR, box((20, -60, 0), (60, 60, 6)), box((20, -60, 39), (60, 60, 41)))
    assert go(at_eye(), ground, 1.5)[-1].pose.x < 20 * SIZE_M


def test_a_rough_wall_is_not_a_ladder():
    """Bumps of 5 cm, one above the other."""
    bumps = [box((19, -60, z), (20, 60, z + 1)) for z in range(2, 80, 5)]
    ground = ground_of(FLOOR, wall(20, 80), *bumps)
    assert max(s.pose.z for s in go(at_eye(), ground, 2.0)) < 1.75


def test_stairs_are_walked_down_without_leaving_the_ground():
    stairs = [box((i * 6, -20, -6 * i - 2), (i * 6 + 6, 20, -6 * i)) for i in range(1, 6)]
    ground = ground_of(box((-30, -20, -2), (6, 20, 0)), *stairs)
    path = go(at_eye(), ground, 1.2)
    assert all(s.is_grounded for s in path)
    assert path[-1].pose.z < 1.7 - 4 * 6 * SIZE_M
    rises = np.diff([s.pose.z for s in path])
    assert np.abs(rises).max() < 0.15, "the eye follows softly, no frame jumps by a step of 30 cm"


def test_over_an_edge_one_falls_as_fast_as_things_fall_and_lands():
    ground = ground_of(box((-20, -20, -2), (4, 20, 0)), box((-60, -60, -82), (90, 60, -80)))
    path = go(at_eye(), ground, 2.5, AHEAD, HARD, 1 / 60)
    air = [s for s in path if not s.is_grounded]
    assert 0.8 < len(air) / 60 < 1.0, "4 m take 0.9 s"
    assert path[-1].is_grounded
    assert path[-1].pose.z == pytest.approx(1.7 - 80 * SIZE_M, abs=1e-6)
    assert min(s.pose.z for s in path) > 1.7 - 80 * SIZE_M - 1e-6, "no frame is below the floor"


def test_nobody_falls_into_what_is_not_known_yet_but_walks_through_it():
    """A floor and a wall of which only the coarse levels are known."""
    loaded = []
    ground = ground_of(
        FLOOR, wall(20, 40), known=lambda level, voxels: np.full(len(voxels), level >= 2 or bool(loaded))
    )
    path = go(at_eye(z=1.9), ground, 0.5)
    assert {s.pose.z for s in path} == {1.9}
    assert path[-1].pose.x == pytest.approx(0.7, abs=1e-6)
    path = go(path[-1], ground, 1.0)
    assert path[-1].pose.x > 20 * SIZE_M, "a wall that nobody knows of stops nobody"
    loaded.append(True)
    end = go(replace(path[-1], pose=replace(path[-1].pose, x=0.0)), ground, 1.5)[-1]
    assert end.pose.z == pytest.approx(1.7, abs=1e-6)
    assert end.pose.x < 20 * SIZE_M


def test_who_is_inside_something_gets_out():
    ground = ground_of(FLOOR, box((-3, -3, 0), (3, 3, 60)))
    end = go(at_eye(), ground, 1.0)[-1]
    assert end.pose.x > 1.0


@pytest.mark.parametrize("z", [0.2, 1.0, 1.69])
def test_who_flies_low_comes_to_stand_on_the_floor_and_not_below(z):
    ground = ground_of(FLOOR)
    begun = stand(Moving(Pose(0.0, 0.0, z, 0.0, 0.0)), HARD, ground)
    assert begun.mode == "walk" and begun.is_grounded
    assert begun.pose.z == pytest.approx(1.7)
    seen = []
    ground = ground_of(FLOOR, known=lambda level, voxels: np.full(len(voxels), level >= 2 or bool(seen)))
    waiting = go(stand(Moving(Pose(0.0, 0.0, z, 0.0, 0.0)), HARD, ground), ground, 0.2)[-1]
    assert waiting.pose == Pose(0.0, 0.0, z, 0.0, 0.0), "nothing moves until it is known what is below"
    seen.append(True)
    assert go(waiting, ground, 0.1, Steer())[-1].pose.z == pytest.approx(1.7)
    high = stand(Moving(Pose(0.0, 0.0, 5.0, 0.0, 0.0)), HARD, ground)
    assert high.pose.z == pytest.approx(5.0) and not high.is_grounded
    assert go(high, ground, 2.0, Steer())[-1].pose.z == pytest.approx(1.7)


def test_the_solid_of_a_box_is_what_a_dense_look_finds(rng):
    voxels = np.unique(rng.integers(-40, 40, (3000, 3)), axis=0)
    ground = ground_of(voxels)
    for _ in range(10):
        lo = rng.integers(-45, 30, 3)
        hi = lo + rng.integers(1, 30, 3)
        solid = solid_in(ground.ask, ground.n_levels, lo, hi)
        inside = voxels[((voxels >= lo) & (voxels < hi)).all(axis=1)]
        order = [np.lexsort(v.T) for v in (solid.lo, inside)]
        np.testing.assert_array_equal(solid.lo[order[0]], inside[order[1]])
        assert len(solid.unknown_lo) == 0


def test_what_is_near_is_about_as_far_as_it_is(rng):
    ground = ground_of(box((100, -60, -60), (102, 60, 60)))
    for distance in (0.5, 3.0, 9.0, 40.0, 90.0, 150.0):
        found = near_voxels(ground.ask, ground.n_levels, np.array([100 - distance, 0.3, 0.2]))
        assert distance / 2.2 <= max(found, 1.0) <= max(distance, 1.0) * 1.5, (distance, found)
    assert near_voxels(ground.ask, ground.n_levels, np.array([5000.0, 0, 0])) == 6 * 32
    unknown = ground_of(FLOOR, known=lambda level, voxels: np.zeros(len(voxels), bool))
    assert near_voxels(unknown.ask, unknown.n_levels, np.zeros(3)) is None
