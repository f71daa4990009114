"""The panel's parts without a window: every setting and every shortcut is in it, and it says what is true."""

import numpy as np
import pytest
from bare_panel import bare_imgui, bare_session, in_window, said
from imgui_bundle import imgui
from voxtide.app.actions import ACTIONS, HELD, run_pressed
from voxtide.app.panel import looks, over, preferences, voxel, widgets, world
from voxtide.app.panel.feed import KEYS, feed, press_after_motion
from voxtide.app.session import Picked
from voxtide.app.settings import TABLE
from voxtide.app.window import Event
from voxtide.atlas import address
from voxtide.atlas.layout import PASSES
from voxtide.atlas.uvw import voxel_to_atlas

PICTURE = (0.0, 0.0, 1200.0, 900.0)


def test_every_setting_is_in_the_panel():
    text = said(in_window(preferences.draw, bare_session()))
    assert [s.name for s in TABLE if s.name not in text] == []


def test_a_widget_shows_the_value_and_its_tooltip_names_the_flag():
    session = bare_session()
    session.settings.fov_deg = 77.0
    (field_of_view,) = (s for s in TABLE if s.field == "fov_deg")
    assert "77 °" in said(in_window(widgets.setting, session, field_of_view))
    assert "--fov" in widgets.explain(field_of_view)
    assert field_of_view.sentence in widgets.explain(field_of_view)


@pytest.mark.parametrize("said_of", TABLE, ids=lambda s: s.field)
def test_drawing_a_setting_leaves_its_value(said_of):
    session = bare_session()
    said(in_window(widgets.setting, session, said_of))
    assert getattr(session.settings, said_of.field) == said_of.default


def test_every_shortcut_is_in_the_help():
    session = bare_session(shows_help=True)
    text = " ".join(said(lambda: over.help_list(session, PICTURE), n_frames=3).split())
    assert len(ACTIONS) > 10
    for key, sentence in [*HELD, *((a.label, a.sentence) for a in ACTIONS)]:
        assert " ".join(key.split()) in text
        assert sentence in text


def test_no_key_stands_twice():
    keys = [(a.key, a.mods) for a in ACTIONS]
    assert len(set(keys)) == len(keys)


def test_number_keys_show_the_passes():
    session = bare_session()
    for i, name in enumerate(PASSES):
        run_pressed(session, [(ord("1234567890"[i]), 0)])
        assert session.pass_name == name


def test_every_pass_has_a_button_and_a_text():
    text = said(in_window(looks.draw, bare_session()))
    for name in PASSES:
        assert name in text
        assert looks.PASS_TEXTS[name]


def test_a_picked_voxel_says_where_its_bytes_come_from():
    picked = Picked((-3, 700, 21), 2, (10, 20, 30, 255), 4.25, (-0.11, 28.0, 0.9), face=1)
    lines = {name: value for name, value, _ in voxel.lines(picked)}
    u, v, w = address.uvw_of(np.array(picked.voxel)).tolist()
    assert (u, v, w) == (253, 188, 21)
    assert lines["UVW"] == "fd bc 15"
    assert lines["Texel"] == ", ".join(str(c) for c in voxel_to_atlas(u, v, w))
    assert lines["Region"] == "-1, 2, 0"
    assert lines["Chunk"] == "-1, 43, 1"
    assert lines["Face"] == "+x"
    text = said(in_window(voxel.draw, bare_session(picked=picked)))
    assert "fd bc 15" in text


def test_the_world_window_lists_what_is_open_and_what_was():
    session = bare_session(worlds=["a/world.vxt"], recent=["a/world.vxt", "b/older.vxt"])
    text = said(in_window(world.draw, session))
    assert text.count("world.vxt") == 1
    assert "older.vxt" in text


def test_messages_are_shown_for_a_while():
    session = bare_session()
    session.say("Something happened")
    when = session.messages[0][0]
    assert "Something happened" in said(lambda: over.messages(session, PICTURE, when + 1))
    with bare_imgui():
        imgui.new_frame()
        assert not over.messages(session, PICTURE, when + over.MESSAGE_S + 1)
        imgui.end_frame()


def test_keys_and_clicks_reach_imgui():
    with bare_imgui() as io:
        feed(io, [Event("cursor", x=40, y=50), Event("button", 0, True), Event("char", ord("x"))], set())
        imgui.new_frame()
        assert (io.mouse_pos.x, io.mouse_pos.y) == (40, 50)
        imgui.end_frame()
        imgui.new_frame()
        assert imgui.is_mouse_down(0)
        imgui.end_frame()
    assert len(KEYS) > 60


def test_a_press_behind_a_motion_waits_until_the_mouse_has_been_seen_there():
    move, press, release = Event("cursor", x=1, y=2), Event("button", 0, True), Event("button", 0)
    assert press_after_motion([move, press, release]) == 1
    assert press_after_motion([press, release, move]) == 3
    assert press_after_motion([press, move, release, press]) == 3
    assert press_after_motion([move, release]) == 2
    assert press_after_motion([]) == 0
