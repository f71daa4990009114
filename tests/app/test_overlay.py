"""The panel's picture: what of it is built anew, and how it is laid over the window."""

from contextlib import contextmanager

import numpy as np
import pytest
from bare_panel import bare_session
from imgui_bundle import imgui
from voxtide.app import path_desk
from voxtide.app.panel import due
from voxtide.app.panel.panel import Panel
from voxtide.app.render.overlay import TILE, around, blended, inside, rectangles
from voxtide.app.window import Event, Input

SIZE = (1000, 700)
SCENE, COLUMN = (200.0, 300.0), (700.0, 80.0)  # where the mouse is: over the scene, over the pass colour
GREY = 90


@contextmanager
def opened(gl):
    """A panel that has settled, its session, and the mouse over the scene."""
    session = bare_session()
    panel = Panel(gl, SIZE, 1.0, "")
    try:
        for _ in range(12):
            one_frame(panel, session)
        yield panel, session
    finally:
        gl.detect_framebuffer(0).use()  # moderngl would return to the panel's when that is gone
        panel.release()


def one_frame(panel, session, mouse=SCENE, events=()):
    """-> titles of the windows that were built, and whether there is a new picture"""
    built = []
    panel._kept.build, build = lambda title: (built.append(title), build(title)), panel._kept.build
    panel.begin(session, list(events), Input(cursor=mouse), SIZE)
    is_new = panel.draw(session, SIZE)
    del panel._kept.build
    return built, is_new


def grow_old(panel):
    panel._due._n_since, panel._due._figures_s = due.LEAST_FRAMES, 0.0


def pixels(panel):
    """[height, width, 4] uint8, row 0 at the top"""
    width, height = SIZE
    return np.frombuffer(panel.overlay._texture.read(), np.uint8).reshape(height, width, 4)[::-1]


@pytest.mark.parametrize("clicks", [0, 4])
def test_what_is_left_out_looks_as_if_it_had_been_built(gl, clicks):
    with opened(gl) as (panel, session):
        for kind in ("cursor", "scroll", *["cursor"] * 8):  # imgui scrolls softly
            at = (0.0, -clicks) if kind == "scroll" else COLUMN
            one_frame(panel, session, COLUMN, [Event(kind, x=at[0], y=at[1])])
        for _ in range(4):
            one_frame(panel, session, SCENE, [Event("cursor", x=SCENE[0], y=SCENE[1])])
        assert bool(imgui.internal.find_window_by_name("View").scroll.y) == bool(clicks)
        for reason in ("nobody's", "over", "all"):
            setattr(panel._due, reason, 1) if reason != "nobody's" else None
            panel.overlay._damage.forget()
            built, is_new = one_frame(panel, session)
            assert built == (["View", "Streaming"] if reason == "all" else []), reason
            assert is_new == (reason != "nobody's")
            if reason == "over":
                left_out = pixels(panel)
        assert left_out.any() and np.array_equal(left_out, pixels(panel))


def test_what_has_not_changed_is_not_rasterised_and_what_has_looks_as_if_all_were(gl):
    with opened(gl) as (panel, session):
        panel._due.all = 1
        assert one_frame(panel, session) == (["View", "Streaming"], False), "to the last vertex the same"
        before = pixels(panel)
        session.history.add(frame_ms=12.0, march_ms=5.0)
        grow_old(panel)
        one_frame(panel, session)
        assert one_frame(panel, session) == ([], True)
        one = pixels(panel)
        differs = (one != before).any(-1)
        assert differs.any() and not differs[: SIZE[1] // 2].any(), "the lower half of the column"
        panel._due.all = 1
        panel.overlay._damage.forget()
        assert one_frame(panel, session)[1]
        assert np.array_equal(one, pixels(panel))


def test_old_figures_are_built_in_one_frame_and_rasterised_in_the_next(gl):
    with opened(gl) as (panel, session):
        grow_old(panel)
        session.history.add(frame_ms=12.0, march_ms=5.0)
        assert one_frame(panel, session) == (["Streaming"], False)
        assert one_frame(panel, session) == ([], True)
        assert one_frame(panel, session) == ([], False)


def test_what_is_touched_answers_in_the_same_frame(gl):
    with opened(gl) as (panel, session):
        there = Event("cursor", x=COLUMN[0], y=COLUMN[1])
        assert one_frame(panel, session, COLUMN, [there]) == (["View"], True), "what is under the mouse glows"
        away = Event("cursor", x=SCENE[0], y=SCENE[1])
        assert one_frame(panel, session, SCENE, [away]) == (["View"], True), "and does no more"
        one_frame(panel, session)
        assert one_frame(panel, session, SCENE, [away]) == ([], False), "over the scene it is nobody's"
        session.settings.fov_deg += 1
        assert one_frame(panel, session) == (["View"], True), "a setting that it shows"
        press = Event("button", 0, True)
        one_frame(panel, session, COLUMN, [there])
        assert len(one_frame(panel, session, COLUMN, [press])[0]) == 2, "anything may follow from a press"


def test_a_press_over_the_scene_does_not_wait_for_the_panel_to_see_the_mouse_there(gl):
    with opened(gl) as (panel, session):
        press = Event("button", 0, True)
        for mouse, held_back in ((SCENE, []), (COLUMN, [press])):
            there = Event("cursor", x=mouse[0], y=mouse[1])
            panel.begin(session, [there, press], Input(cursor=mouse), SIZE)
            panel.draw(session, SIZE)
            assert panel._later == held_back


def test_the_panel_answers_after_the_scene_has_been_dragged(gl):
    with opened(gl) as (panel, session):
        there = Event("cursor", x=COLUMN[0], y=COLUMN[1])
        one_frame(panel, session, SCENE, [Event("button", 0, True)])
        for _ in range(4):
            one_frame(panel, session)
        assert one_frame(panel, session, COLUMN, [there])[0] == [], "the scene is dragged on"
        one_frame(panel, session, SCENE, [Event("cursor", x=SCENE[0], y=SCENE[1]), Event("button", 0)])
        for _ in range(4):
            one_frame(panel, session)
        assert one_frame(panel, session, COLUMN, [there])[0] == ["View"]
        left = panel.begin(session, [], Input(cursor=COLUMN, scroll=1.0), SIZE)
        assert left.scroll == 0.0, "the wheel is the panel's here"


def test_a_window_under_a_resting_mouse_takes_turns_with_figures(gl):
    """So that its tooltips come."""
    with opened(gl) as (panel, session):
        there = Event("cursor", x=COLUMN[0], y=COLUMN[1])
        for _ in range(3):
            one_frame(panel, session, COLUMN, [there])
        one_frame(panel, session, COLUMN)
        for _ in range(3):
            assert one_frame(panel, session, COLUMN)[0] == []
            grow_old(panel)
            assert one_frame(panel, session, COLUMN)[0] == ["Streaming"]
            assert one_frame(panel, session, COLUMN)[0] == ["View"]


def test_the_window_path_follows_a_shortcut_at_once(gl):
    with opened(gl) as (panel, session):
        imgui.set_window_focus("Path")
        panel._due.all = 2
        for _ in range(4):
            one_frame(panel, session)
        path_desk.desk_of(session).at_s = 1.0
        assert one_frame(panel, session) == (["Path"], False), "which has no key to show it with"
        session.frozen = True
        assert one_frame(panel, session)[0] == ["Path"], "a switch among figures waits for them"


def test_a_window_that_moves_is_built_anew(gl):
    with opened(gl) as (panel, session):
        name = "View"
        where = panel._kept._where[name]
        panel._kept._where[name] = (where[0] + 1, *where[1:])
        panel._due.over = 1
        assert one_frame(panel, session)[0] == [name]


def test_the_panel_is_opaque_around_the_room_and_nothing_lies_in_it(gl):
    with opened(gl) as (panel, session):
        x0, y0, x1, y1 = panel._room
        assert (x0, y0, y1) == (0, 0, SIZE[1]) and SIZE[0] / 2 <= x1 < SIZE[0]
        alpha = pixels(panel)[..., 3]
        assert (alpha[:, x1:] == 255).all() and not alpha[:, :x1].any()
        assert not panel.overlay.covers(SCENE) and panel.overlay.covers(COLUMN)
        session.say("Something happened")
        for _ in range(due.SETTLING):
            one_frame(panel, session)
        assert panel.overlay.covers((30.0, SIZE[1] - 30.0)) and not panel.overlay.covers(SCENE)


@pytest.mark.parametrize("says", [False, True])
def test_a_frame_is_the_scene_with_the_panel_over_it(gl, says):
    with opened(gl) as (panel, session):
        if says:
            session.say("Something happened")
            for _ in range(due.SETTLING):
                one_frame(panel, session)
            assert panel.overlay._n_boxes
        with grey_picture(gl) as target:
            panel.overlay.compose(target)
            shown = np.frombuffer(target.read(components=4), np.uint8).reshape(SIZE[1], SIZE[0], 4)[::-1]
        drawn = pixels(panel).astype(float)
        wanted = drawn[..., :3] + GREY * (1 - drawn[..., 3:] / 255)
        assert np.abs(shown[..., :3] - wanted).max() <= 1
        assert (shown[..., 0] != GREY).any()


@contextmanager
def grey_picture(gl):
    texture = gl.texture(SIZE, 4, bytes([GREY, GREY, GREY, 255]) * (SIZE[0] * SIZE[1]))
    target = gl.framebuffer([texture])
    try:
        yield target
    finally:
        target.release()
        texture.release()


def test_boxes_around_a_room_are_all_of_the_rest_once():
    for room in ((0, 0, 10, 8), (2, 0, 7, 8), (3, 2, 9, 5), (0, 0, 4, 8), (5, 5, 5, 5)):
        n = np.zeros((8, 10), int)
        for x0, y0, x1, y1 in [*around(room, (10, 8)), room]:
            n[y0:y1, x0:x1] += 1
        assert (n == 1).all(), room


def test_boxes_that_lie_over_each_other_are_blended_once():
    assert inside((10, 10, 90, 50), [(0.5, 20.5, 30.5, 30.5), (90, 0, 99, 99)]) == [(10, 20, 31, 31)]
    assert blended([(3, 4, 50, 60)]) == [(3, 4, 50, 60)]
    boxes = [(3, 4, 100, 60), (40, 20, 130, 90), (500, 300, 501, 301)]
    n = np.zeros((400, 600), int)
    for x0, y0, x1, y1 in blended(boxes):
        n[y0:y1, x0:x1] += 1
    assert n.max() == 1 and all((n[y0:y1, x0:x1] == 1).all() for x0, y0, x1, y1 in boxes)
    assert n.sum() < (5 * 3 + 1) * TILE**2


def test_rectangles_cover_each_tile_once(rng):
    for share in (0.0, 0.2, 0.7, 1.0):
        covered = rng.random((9, 13)) < share
        n = np.zeros(covered.shape, int)
        for x0, y0, x1, y1 in rectangles(covered):
            n[y0:y1, x0:x1] += 1
        assert np.array_equal(n, covered.astype(int))
    column = np.zeros((20, 30), bool)
    column[:, 25:] = True
    assert rectangles(column) == [(25, 0, 30, 20)]
