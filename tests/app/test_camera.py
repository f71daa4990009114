"""Poses and framing: pure, so checked by known answers."""

import numpy as np
import pytest
from voxtide.app import framing
from voxtide.app.camera import MAX_EYE_VOXELS, Pose, look

NOWHERE = np.zeros(3, np.int64)


def see(pose, **options):
    return look(pose, (200, 100), 90.0, 0.01, NOWHERE, **options)


def test_yaw_and_pitch_turn_as_documented():
    assert np.allclose(see(Pose(0, 0, 0, 0, 0)).forward, (1, 0, 0))
    assert np.allclose(see(Pose(0, 0, 0, 90, 0)).forward, (0, 1, 0))
    assert np.allclose(see(Pose(0, 0, 0, 0, 90)).forward, (0, 0, 1))
    assert np.allclose(see(Pose(0, 0, 0, 0, 0)).right, (0, -2, 0)), "half the width, to the right"
    assert np.allclose(see(Pose(0, 0, 0, 0, 0)).up, (0, 0, 1))


@pytest.mark.parametrize("pitch", [-90, -40, 0, 89.9, 90])
def test_the_camera_is_never_degenerate(pitch):
    view = see(Pose(0, 0, 0, 33, pitch))
    axes = np.array([view.right, view.up, view.forward])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(-1), "right, up, forward: forward is into the picture"


def test_the_eye_is_a_voxel_and_a_fraction():
    view = look(Pose(-0.013, 0.026, 1.0, 0, 0), (8, 8), 60, 0.01, np.array([-100, 0, 7]))
    assert view.eye == (98, 2, 93)
    assert np.allclose(view.eye_frac, (0.7, 0.6, 0.0), atol=2**-16)


def test_moving_by_whole_chunks_changes_only_the_corner():
    rng = np.random.default_rng(3)
    shift = np.array([1 << 20, -(1 << 20), 1 << 20])
    for x, y, z in rng.uniform(-5, 5, (200, 3)).round(3):
        here = see(Pose(x, y, z, 10, 5))
        moved = Pose(*(np.array([x, y, z]) + shift * 0.01), 10, 5)
        assert look(moved, (200, 100), 90.0, 0.01, shift) == here


def test_the_cone_is_one_pixel_wide():
    assert see(Pose(0, 0, 0, 0, 0)).cone == pytest.approx(2 / 100)
    assert see(Pose(0, 0, 0, 0, 0), quality=2.0).cone == pytest.approx(4 / 100)


def test_an_eye_too_far_away_is_refused():
    with pytest.raises(ValueError, match="km"):
        see(Pose(MAX_EYE_VOXELS * 0.011, 0, 0, 0, 0))


@pytest.mark.parametrize(("yaw", "pitch"), [(60, -18), (0, 0), (200, -75), (10, 60)])
@pytest.mark.parametrize("size", [(1280, 720), (300, 600)])
def test_a_framed_world_fills_the_picture(yaw, pitch, size):
    points = np.random.default_rng(2).uniform((-3, 2, 0), (4, 3, 9), (2000, 3))
    pose = framing.frame(points, size, 50.0, yaw, pitch)
    view = look(pose, size, 50.0, 0.01, NOWHERE)
    q = points - (pose.x, pose.y, pose.z)
    right, up, forward = (np.array(v) for v in (view.right, view.up, view.forward))
    depth = q @ forward
    x, y = q @ right / (right @ right) / depth, q @ up / (up @ up) / depth
    assert (depth > 0).all()
    reach = max(np.abs(x).max(), np.abs(y).max())
    assert 0.85 < reach <= 0.93


def test_floaters_do_not_decide_the_framing():
    points = np.concatenate([np.random.default_rng(2).uniform(-1, 1, (1000, 3)), [[500.0, 0, 0]]])
    assert np.abs(framing.main_body(points, np.ones(len(points)))).max() <= 1
