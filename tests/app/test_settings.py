"""One table makes flags, documentation and what is stored; what is stored is never trusted and never torn."""

import argparse
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from bare_panel import bare_session
from voxtide.app import settings_file
from voxtide.app.camera import Pose
from voxtide.app.remembering import KEEP_S, Remembering
from voxtide.app.settings import GROUPS, TABLE, Settings, as_markdown, fits
from voxtide.app.settings_file import Memory, load, save
from voxtide.tools.cli import parser
from voxtide.tools.commands import view

DOCS = Path(__file__).resolve().parents[2] / "docs"


def view_help():
    command = argparse.ArgumentParser()
    view.add_arguments(command)
    return " ".join(command.format_help().split())


def test_the_page_is_current():
    assert (DOCS / "settings.md").read_text("utf-8") == as_markdown(), (
        "write app.settings.as_markdown() to it"
    )


def test_every_setting_is_a_flag_and_on_the_page():
    text, page = view_help(), as_markdown()
    for said in TABLE:
        assert said.group in GROUPS
        for where in (text, page):
            assert said.flag in where
            assert said.sentence in where
        assert said.unit in text
        assert fits(said, said.default)


@pytest.mark.parametrize("said", TABLE, ids=lambda s: s.field)
def test_a_flag_sets_its_setting(said):
    value = (not said.default) if said.is_switch else said.range[1]
    flag = (said.flag if value else f"--no-{said.flag[2:]}") if said.is_switch else f"{said.flag}={value}"
    args = parser().parse_args(["view", "x.vxt", flag])
    assert view.given(args, TABLE) == {said.field: value}


@pytest.mark.parametrize("wrong", ["--fov=0", "--fov=nan", "--exposure=9", "--vram=-1", "--target-fps=much"])
def test_a_flag_out_of_range_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["view", "x.vxt", wrong])
    assert wrong.split("=")[0] in capsys.readouterr().err


def remembered():
    poses = {"a.vxt": {1: Pose(1, 2, 3, 40, -5)}}
    return Memory(Settings(fov_deg=80.0, inertia=False), ["a.vxt", "b.vxt"], poses, "layout", (800, 600))


def test_what_is_stored_comes_back(tmp_path):
    path = tmp_path / "deep" / "viewer.json"
    save(path, remembered())
    assert load(path) == (remembered(), [])
    assert [p.name for p in path.parent.iterdir()] == ["viewer.json"], "no part file is left"


NOT_OURS = [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 99}', b'{"a": ' * 5000]


@pytest.mark.parametrize("content", NOT_OURS, ids=range(len(NOT_OURS)))
def test_a_broken_file_is_told_and_the_defaults_are_used(tmp_path, content):
    path = tmp_path / "viewer.json"
    path.write_bytes(content)
    memory, told = load(path)
    assert memory == Memory()
    assert len(told) == 1
    assert str(path) in told[0]


def test_a_value_that_cannot_be_is_left_out(tmp_path):
    path = tmp_path / "viewer.json"
    save(path, remembered())
    data = json.loads(path.read_text())
    data["settings"] |= {"fov_deg": 1e9, "shadows": "yes", "haze_percent": None, "smell": 3, "inertia": False}
    data |= {
        "recent": "x",
        "window": [1e9, 2],
        "bookmarks": {"a": {"1": [1, 2], "x": [1, 2, 3, 4, 5]}, "b": 3},
    }
    path.write_text(json.dumps(data))
    memory, told = load(path)
    assert memory.settings == Settings(inertia=False)
    assert (memory.recent, memory.window, memory.bookmarks) == ([], None, {})
    assert len(told) == 3


def test_a_write_that_dies_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "viewer.json"
    save(path, remembered())

    def dies(_descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(settings_file.os, "fsync", dies)
    with pytest.raises(OSError, match="no space"):
        save(path, Memory())
    assert load(path) == (remembered(), [])
    assert [p.name for p in tmp_path.iterdir()] == ["viewer.json"]


def test_a_flag_counts_for_one_start_and_what_is_chosen_stays(tmp_path):
    path = tmp_path / "viewer.json"
    save(path, remembered())
    remembering = Remembering(path, {"fov_deg": 30.0, "haze_percent": 9.0})
    session = bare_session(settings=remembering.memory.settings)
    assert (session.settings.fov_deg, session.settings.inertia) == (30.0, False)
    session.settings.haze_percent, session.settings.shadows = 12.0, True
    remembering.end(session, "new layout", (640, 480))
    memory, _ = load(path)
    assert memory.settings == Settings(fov_deg=80.0, inertia=False, haze_percent=12.0, shadows=True)
    assert (memory.layout, memory.window) == ("new layout", (640, 480))


def test_a_change_is_written_soon_and_not_at_once(tmp_path):
    path = tmp_path / "viewer.json"
    remembering = Remembering(path, {})
    session = bare_session(settings=remembering.memory.settings)
    remembering.keep(session, 0.0)
    session.settings.fov_deg = 70.0
    remembering.keep(session, 1.0)
    assert not path.exists()
    remembering.keep(session, 1.1 + KEEP_S)
    for thread in threading.enumerate():
        if thread.name == "voxtide-settings":
            thread.join(10)
    assert load(path)[0].settings.fov_deg == 70.0


def test_safe_mode_reads_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    remembering = Remembering(None, {})
    session = bare_session(settings=replace(remembering.memory.settings, fov_deg=70.0))
    remembering.keep(session, 0.0)
    remembering.keep(session, 100.0)
    remembering.end(session, "", (640, 480))
    assert list(tmp_path.iterdir()) == []
