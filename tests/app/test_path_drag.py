"""Dragging a key in the scene: it stays under the cursor, at its depth, and one step takes it back."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from voxtide.app import path_desk, path_drag, path_lines
from voxtide.app.camera import Pose, look
from voxtide.app.path_drag import FARTHER_PER_PIXEL, moved
from voxtide.app.session import Session
from voxtide.app.settings import Settings
from voxtide.app.window import Input
from voxtide.atlas.layout import PROJECTIONS

VOXEL_M = 0.05
EYE = Pose(1, 2, 3, 40, -15)
SIZES = {"planar": (320, 180), "stereo": (640, 180), "equirect": (320, 160), "cube": (540, 90)}
NOWHERE = np.zeros(3, np.int64)


def see(projection):
    return look(EYE, SIZES[projection], 60.0, VOXEL_M, NOWHERE, projection=projection)


def pixel(view, pose):
    return path_lines.project(view, np.array([[pose.x, pose.y, pose.z]]) / VOXEL_M)[0]


def at(*xyz, yaw=7.0):
    return Pose(*xyz, yaw, -3.0)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_key_follows_the_cursor_and_keeps_its_depth(projection):
    view = see(projection)
    key = at(*(np.array([1, 2, 3]) + 4.0 * np.array(EYE.forward) + 0.7 * np.array(EYE.right)))
    start = np.add(pixel(view, key), (2.0, -1.0))  # grabbed a little beside its middle
    to = moved(key, view, start, np.add(start, (23.0, -11.0)), VOXEL_M)
    np.testing.assert_allclose(pixel(view, to), np.add(pixel(view, key), (23.0, -11.0)), atol=1e-3)
    eye = view.eyes_voxels[0] * VOXEL_M
    depths = [
        np.linalg.norm(np.array([p.x, p.y, p.z]) - eye)
        if view.is_all_around
        else (np.array([p.x, p.y, p.z]) - eye) @ view.axis
        for p in (key, to)
    ]
    assert depths[1] == pytest.approx(depths[0])
    assert (to.yaw, to.pitch, to.roll) == (key.yaw, key.pitch, key.roll), "where it looks stays"
    back = moved(to, view, np.add(start, (23.0, -11.0)), start, VOXEL_M)
    np.testing.assert_allclose((back.x, back.y, back.z), (key.x, key.y, key.z), atol=1e-6)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_with_shift_it_goes_farther_under_its_pixel(projection):
    view = see(projection)
    key = at(*(np.array([1, 2, 3]) + 4.0 * np.array(EYE.forward) + 0.7 * np.array(EYE.right)))
    start = pixel(view, key)
    to = moved(key, view, start, np.add(start, (40.0, -50.0)), VOXEL_M, deeper=True)
    np.testing.assert_allclose(pixel(view, to), start, atol=1e-3)
    eye = view.eyes_voxels[0] * VOXEL_M
    near, far = (np.linalg.norm(np.array([p.x, p.y, p.z]) - eye) for p in (key, to))
    assert far / near == pytest.approx(FARTHER_PER_PIXEL**50)
    assert moved(key, view, start, start - (0.0, 1e9), VOXEL_M, deeper=True).x != np.inf


def test_a_key_in_the_eye_stays_where_it_is():
    view, key = see("planar"), at(1, 2, 3)
    assert moved(key, view, (0, 0), (50, 50), VOXEL_M) == key


@pytest.fixture
def session():
    root = SimpleNamespace(corner_voxel=NOWHERE)
    made = Session("w", SimpleNamespace(voxel_size_m=VOXEL_M, root=root), EYE, Settings(), SIZES["planar"])
    for pose in (at(5, 5, 2), at(7, 5, 2), at(9, 6, 2)):
        made.pose = pose
        path_desk.add_key(made)
    made.pose = EYE
    path_desk.step(made, 0.0)
    return made


def drag(session, start, *cursors, **more):
    """Frames of one drag. -> what was left of the input in each"""
    inputs = [Input(cursor=c, turn=(3.0, 3.0), drag_from=start, **more) for c in cursors]
    left = [path_drag.hold(session, now) for now in inputs]
    path_drag.hold(session, Input())
    path_desk.step(session, 0.0)
    return left


def test_one_drag_is_one_step_back(session):
    desk = session.path
    before, start = desk.draft.keys, desk.lines.keys[1]
    assert start is not None
    left = drag(session, start, *[(start[0] + 4 * i, start[1]) for i in range(6)])
    assert all(now.turn == (0.0, 0.0) for now in left), "the view does not turn"
    assert desk.draft.chosen == 1
    assert desk.draft.keys[1].pose != before[1].pose
    assert desk.lines.keys[1] == pytest.approx((start[0] + 20, start[1]), abs=1e-3)
    assert (desk.draft.keys[0], desk.draft.keys[2]) == (before[0], before[2])
    first = desk.draft.keys
    start = desk.lines.keys[1]
    drag(session, start, (start[0], start[1] - 30), fast=True)
    assert desk.lines.keys[1] == pytest.approx(start, abs=1e-3), "with Shift along its own ray"
    path_desk.undo(session)
    assert desk.draft.keys == first
    path_desk.undo(session)
    assert desk.draft.keys == before
    path_desk.redo(session)
    assert desk.draft.keys == first


def test_elsewhere_the_view_turns(session):
    desk = session.path
    before, (x, y) = desk.draft, desk.lines.keys[1]
    left = drag(session, (x + 40, y + 40), (x + 44, y + 40), (x, y))
    assert [now.turn for now in left] == [(3.0, 3.0)] * 2, "also when it comes to lie over a key"
    assert desk.draft == before
    click = drag(session, (x, y), (x, y))
    assert click[0].turn == (0.0, 0.0)
    assert desk.draft.keys == before.keys and not session.path.editor.can_redo, "a click is no drag"
    desk.shows_way = False
    assert drag(session, (x, y), (x + 9, y))[0].turn == (3.0, 3.0), "what is not shown is not grabbed"


def test_the_handle_under_the_cursor_is_larger(session):
    def squares():
        return [float(np.ptp(s.points)) for s in session.strokes if s.closed]

    x, y = session.path.lines.keys[2]
    session.cursor = x, y
    path_desk.step(session, 0.0)
    sizes = squares()
    assert len(sizes) == 3
    session.cursor = None
    path_desk.step(session, 0.0)
    assert sorted(sizes) != sorted(squares())


def test_a_window_says_where_the_button_went_down():
    import glfw
    from voxtide.app.window import Window

    window = Window(None)
    window._cursor = 10.0, 20.0
    window.on_button(None, glfw.MOUSE_BUTTON_LEFT, glfw.PRESS, 0)
    assert (window._drag_from, window._is_let_go) == ((10.0, 20.0), False)
    window._cursor = 30.0, 20.0
    window.on_button(None, glfw.MOUSE_BUTTON_LEFT, glfw.RELEASE, 0)
    assert window._drag_from == (10.0, 20.0), "what happened within one look is not lost"
    assert window._is_let_go
    assert replace(Input(), drag_from=window._drag_from).drag_from == (10.0, 20.0)
