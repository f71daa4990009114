"""The curve through a path's keys: rolled cameras turn smoothly, one speed is one speed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.app import moves, turns
from voxtide.app.camera import Pose
from voxtide.app.paths import CameraPath, Key

angles = st.floats(-180, 180)
poses = st.builds(Pose, *[st.floats(-50, 50)] * 3, angles, st.floats(-90, 90), angles)


def rotation(pose):
    return turns.matrix_of(pose)[:3, :3]


def degrees_between(a, b):
    """How far one camera is turned from another."""
    cosine = (np.trace(rotation(a).T @ rotation(b)) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@given(poses)
@settings(max_examples=200, deadline=None)
def test_a_pose_is_the_pose_of_its_matrix_and_of_its_quaternion(pose):
    matrix = turns.matrix_of(pose)
    np.testing.assert_allclose(matrix[:3, :3].T @ matrix[:3, :3], np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(turns.matrix_of(turns.pose_of(matrix)), matrix, atol=1e-7)
    again = Pose(0, 0, 0, *turns.angles_of(turns.quaternion_of(pose)))
    np.testing.assert_allclose(rotation(again), rotation(pose), atol=1e-7)


def test_a_roll_leans_to_the_right():
    pose = Pose(0, 0, 0, 0, 0, 90)  # looks along +x
    np.testing.assert_allclose(tuple(pose.right), (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(tuple(pose.up), (0, -1, 0), atol=1e-12)
    assert tuple(Pose(0, 0, 0, 30, 20, 0).right) == tuple(Pose(0, 0, 0, 30, 20).right)


def path_of(*rolled, loop=False, gaps=None):
    times = np.concatenate([[0.0], np.cumsum(gaps if gaps else np.ones(len(rolled) - 1))])
    return CameraPath(tuple(Key(float(t), pose) for t, pose in zip(times, rolled, strict=True)), loop=loop)


def test_a_rolled_path_meets_its_keys_and_turns_without_a_jerk():
    rng = np.random.default_rng(4)
    keys = [Pose(0, 0, i, *rng.uniform(-90, 90, 3)) for i in range(5)]
    path, h = path_of(*keys, gaps=[1.0, 0.4, 2.0, 0.7]), 1e-4
    assert not path.is_level
    for key in path.keys:
        assert degrees_between(path.sample(key.t).pose, key.pose) < 1e-5
    for key in path.keys[1:-1]:
        before, at, after = (rotation(path.sample(key.t + d).pose) for d in (-h, 0, h))
        np.testing.assert_allclose(before.T @ at, at.T @ after, atol=3e-6)
    steps = [
        degrees_between(path.sample(t).pose, path.sample(t + 0.01).pose) for t in np.arange(0, 4.09, 0.01)
    ]
    assert max(steps) < 8, "no leap anywhere"


def test_two_rolled_keys_are_joined_by_the_shortest_turn_at_one_speed():
    a, b = Pose(0, 0, 0, 170, 80, 30), Pose(0, 0, 0, -100, 85, -60)
    path, whole = path_of(a, b), degrees_between(a, b)
    for u in (0.25, 0.5, 0.75):
        assert degrees_between(a, path.sample(u).pose) == pytest.approx(u * whole, abs=1e-4)
        assert degrees_between(path.sample(u).pose, b) == pytest.approx((1 - u) * whole, abs=1e-4)


def test_a_rolled_loop_turns_on_where_it_began():
    turn = [Pose(0, 0, 0, yaw, 10, 20) for yaw in (0, 90, 180, 270, 360)]
    path = path_of(*turn, loop=True)
    np.testing.assert_allclose(rotation(path.sample(4.3).pose), rotation(path.sample(0.3).pose), atol=1e-9)
    before, at, after = (rotation(path.sample(t).pose) for t in (3.9999, 0.0, 0.0001))
    np.testing.assert_allclose(before.T @ at, at.T @ after, atol=1e-6)


def test_a_level_path_keeps_the_horizon_level():
    path = path_of(Pose(0, 0, 0, 0, 60), Pose(1, 0, 0, 120, -60), Pose(2, 3, 0, 250, 30))
    assert {k.pose.roll for k in path.poses(50)} == {0.0}


def speeds(path, n=400):
    first = path.keys[0].t
    times = first + np.linspace(0, path.seconds, n + 1)[:-1]
    at = np.array([[k.pose.x, k.pose.y, k.pose.z] for k in map(path.sample, times)])
    return np.linalg.norm(np.diff(at, axis=0), axis=1) / (path.seconds / n)


@pytest.mark.parametrize("loop", [False, True])
def test_one_speed_is_one_speed_along_the_same_way(loop):
    keys = [Pose(0, 0, 0, 0, 0), Pose(1, 0, 0, 40, 0), Pose(1, 9, 2, 80, 5), Pose(-3, 9, 2, 120, 5)]
    keys = [*keys, keys[0]] if loop else keys
    by_keys = path_of(*keys, gaps=[3.0, 0.5, 2.0, 1.0][: len(keys) - 1], loop=loop)
    even = replace(by_keys, pace="even")
    assert (even.seconds, even.n_frames) == (by_keys.seconds, by_keys.n_frames)
    assert np.ptp(speeds(by_keys)) > 5
    slow, fast = np.percentile(speeds(even, 4000), [1, 99])
    assert fast / slow < 1.01, "but where it turns so sharply that the measure cuts the corner"
    for t in (0.0, even.seconds / 3, even.seconds * 0.9):
        at = even.sample(t).pose
        way = [k.pose for k in by_keys.poses(2000)]
        assert min(abs(p.x - at.x) + abs(p.y - at.y) + abs(p.z - at.z) for p in way) < 0.01, "on the same way"
    assert even.sample(0).pose == keys[0]
    if not loop:
        assert even.sample(even.seconds).pose == keys[-1]


def test_who_turns_on_the_spot_still_takes_the_time_for_it():
    keys = Pose(0, 0, 0, 0, 0), Pose(4, 0, 0, 0, 0), Pose(4, 0, 0, 90, 0)
    path = replace(path_of(*keys, gaps=[1, 2]), pace="even")
    assert {k.pose.x for k in path.poses(10)} >= {0, 4} and max(k.pose.x for k in path.poses(10)) == 4
    assert 20 < path.sample(2.0).pose.yaw < 70
    still = replace(moves.turn(Pose(1, 2, 3, 0, 0), 90, 2.0), pace="even")
    assert still.sample(1.0).pose == Pose(1, 2, 3, 45, 0)


def test_the_way_is_where_the_camera_goes():
    path = path_of(Pose(0, 0, 0, 0, 0), Pose(1, 5, 0, 40, 0), Pose(4, -2, 2, 80, 5))
    np.testing.assert_allclose(path.way(49)[[0, 24, 48]], [[0, 0, 0], [1, 5, 0], [4, -2, 2]], atol=1e-9)
    assert path.way(10).shape == (10, 3)
    assert path_of(Pose(0, 0, 0, 0, 0)).way(10).shape == (0, 3)
