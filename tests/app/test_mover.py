"""Moving in a window, without one: keys and cursor change the session, and so may anyone else."""

import math
from dataclasses import replace

import glfw
import numpy as np
import pytest
from gates import wait_until
from voxtide.app import actions, frame, mover
from voxtide.app.camera import Pose, look
from voxtide.app.moving.gamepad import Pad
from voxtide.app.moving_keys import MOVING_KEYS
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.scene import stream
from voxtide.app.session import Session
from voxtide.app.settings import Settings
from voxtide.app.window import Input
from worlds import make_world

SIZE = (64, 48)
SIZE_M = 0.05
AHEAD = Input(move=(1.0, 0.0, 0.0))
FRAME_S = 1 / 30


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A floor with a wall across, 2 m along +x."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(-100, 100), np.arange(-100, 100)))
    u, w = (a.ravel() for a in np.meshgrid(np.arange(-100, 100), np.arange(0, 60)))
    floor, wall = np.stack([x, y, np.full_like(x, -1)], -1), np.stack([np.full_like(u, 40), u, w], -1)
    voxels = np.concatenate([floor, wall])
    path = tmp_path_factory.mktemp("w") / "w"
    return make_world(path, voxels, np.full((len(voxels), 4), 255, np.uint8), voxel_size_m=SIZE_M)


@pytest.fixture
def moving(gl, world, monkeypatch):
    """-> (session, mover)"""
    monkeypatch.setattr(mover, "read_pad", lambda: None)
    scene = stream(gl, world, 32 << 20, 32 << 20)
    session = Session("w", scene, Pose(0.0, 0.0, 1.2, 0.0, 0.0), Settings(inertia=False), SIZE)
    session.moving = made = mover.Mover(gl)
    made.step(session, Input(), FRAME_S)
    yield session, made
    made.release()
    scene.release()


def known(made):
    wait_until(lambda: made._occupancy.is_settled)


def drawn(gl, session, made, cursor=(32, 24)):
    """Draw the session's pose until all is there, and look under the cursor."""
    renderer = Renderer(gl, SIZE)
    where = session.scene.voxel_size_m, session.scene.root.corner_voxel
    session.view = look(session.pose, SIZE, 60.0, *where)
    frame.settle(renderer, session.scene, session.view, light_of(300.0))
    renderer.release()
    session.cursor = cursor
    made.look_under_cursor(session)


def press(session, key, mods=0):
    actions.run_pressed(session, [(key, mods)])


def test_keys_fly_and_what_is_near_sets_the_pace(moving):
    session, made = moving
    known(made)
    made.step(session, AHEAD, FRAME_S)
    assert session.pose.x > 0 and session.pose.y == pytest.approx(0)
    fast = session.speed_m_s
    for _ in range(60):
        made.step(session, replace(AHEAD, move=(0.0, 1e-9, 0.0)), FRAME_S)
    assert session.speed_m_s < fast, "1.2 m over the floor, in a world of 10 m"
    assert 0.5 < session.speed_m_s < 2.5


def test_g_walks_into_the_wall_and_is_stopped(moving):
    session, made = moving
    press(session, glfw.KEY_G)
    assert session.mode == "walk"
    for _ in range(5):
        made.step(session, Input(), FRAME_S)
        known(made)
    assert session.pose.z == pytest.approx(1.7), "the ground came to be known, and is stood on"
    for _ in range(90):
        made.step(session, AHEAD, FRAME_S)
        known(made)
    assert session.pose.x == pytest.approx(2.0 - 0.2, abs=1e-3)
    press(session, glfw.KEY_G)
    assert session.mode == "fly"


def test_the_cursor_picks_f_focuses_and_v_turns_about_it(gl, moving):
    session, made = moving
    drawn(gl, session, made)
    assert session.picked.voxel[0] == 40
    target = session.picked.position_m
    press(session, glfw.KEY_F)
    for _ in range(30):
        made.step(session, Input(), FRAME_S)
    assert session.mode == "orbit"
    assert math.dist((session.pose.x, session.pose.y, session.pose.z), target) == pytest.approx(1.0, rel=1e-2)
    before = session.pose
    made.step(session, Input(turn=(100.0, 0.0)), FRAME_S)
    assert session.pose.y != before.y
    assert math.dist((session.pose.x, session.pose.y, session.pose.z), target) == pytest.approx(1.0, rel=1e-2)
    press(session, glfw.KEY_V)
    assert session.mode == "fly"
    drawn(gl, session, made, cursor=None)
    assert session.picked is None


def test_a_double_click_focuses_and_the_sky_cannot_be_focused(gl, moving):
    session, made = moving
    made.step(session, Input(double_clicked=True), FRAME_S)
    assert session.mode == "fly" and len(session.messages) == 1
    drawn(gl, session, made)
    made.step(session, Input(double_clicked=True), FRAME_S)
    assert session.mode == "orbit"


def test_others_may_set_the_pose_the_speed_and_the_mode(moving):
    session, made = moving
    there = Pose(-1.0, 0.5, 2.0, 90.0, 0.0)
    session.pose = there
    made.step(session, Input(), FRAME_S)
    assert session.pose == there
    session.speed_m_s = 3.0
    made.step(session, AHEAD, FRAME_S)
    assert session.pose.y - there.y == pytest.approx(3.0 * FRAME_S, rel=0.5)
    session.mode = "orbit"
    made.step(session, Input(turn=(50.0, 0.0)), FRAME_S)
    assert made.state.mode == "orbit"
    press(session, glfw.KEY_H)
    made.step(session, Input(), FRAME_S)
    assert session.pose == session.home


def test_bookmarks_and_poses_by_text(moving):
    session, made = moving
    here = session.pose
    press(session, glfw.KEY_F3, glfw.MOD_CONTROL)
    session.pose = Pose(5.0, 5.0, 5.0, 0.0, 0.0)
    made.step(session, Input(), FRAME_S)
    press(session, glfw.KEY_F3)
    assert session.pose == here
    press(session, glfw.KEY_F4)
    assert session.pose == here and "Ctrl+F4" in str(session.messages[-1])
    made.paste(session, made.copy_text(session).replace("1.2", "2.5"))
    assert session.pose.z == 2.5
    made.paste(session, "nonsense")
    assert session.pose.z == 2.5 and "no pose" in str(session.messages[-1])


def test_a_pad_moves_and_its_buttons_ask_once(moving, monkeypatch):
    session, made = moving
    held = Pad((0.0, -1.0, 0.0, 0.0, -1.0, -1.0), frozenset({glfw.GAMEPAD_BUTTON_A}))
    monkeypatch.setattr(mover, "read_pad", lambda: held)
    for _ in range(8):
        made.step(session, Input(), FRAME_S)
        known(made)
    assert session.mode == "walk" and session.pose.x > 0.05


def test_another_world_is_asked_what_is_solid(gl, moving, tmp_path):
    session, made = moving
    first, old = made._occupancy, session.scene
    lone = make_world(tmp_path / "w", np.array([[0, 0, 0]]), np.full((1, 4), 255, np.uint8), voxel_size_m=1.0)
    session.scene = stream(gl, lone, 8 << 20, 8 << 20)
    made.step(session, Input(), FRAME_S)
    assert made._occupancy is not first and made._occupancy.voxel_size_m == 1.0
    assert not first._thread.is_alive()
    session.scene.release()
    session.scene = old
    made.step(session, Input(), FRAME_S)


def test_every_key_of_moving_is_in_the_table_once():
    rows = [(row[0], row[5]) for row in MOVING_KEYS]
    assert len(set(rows)) == len(rows)
    table = [(a.key, a.mods) for a in actions.ACTIONS]
    assert set(rows) <= set(table) and len(set(table)) == len(table)
