"""The system's file dialogs, without a system: what is done with the names that they give."""

from types import SimpleNamespace

import pytest
from bare_panel import bare_session
from voxtide.app import path_desk
from voxtide.app.camera import Pose
from voxtide.app.panel import dialogs


class Dialog:
    def __init__(self, kind, arguments):
        self.kind, self.arguments, self.answer = kind, arguments, None

    def ready(self, timeout):
        assert timeout == 0, "no frame waits for a person"
        return self.answer is not None

    def result(self):
        return self.answer


@pytest.fixture
def shown(monkeypatch):
    """The dialogs that were shown, in order."""
    seen = []

    def one(kind):
        return lambda *arguments: seen.append(Dialog(kind, arguments)) or seen[-1]

    kinds = {kind: one(kind) for kind in ("open_file", "save_file", "select_folder")}
    monkeypatch.setattr(dialogs, "portable_file_dialogs", SimpleNamespace(**kinds))
    monkeypatch.setattr(dialogs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(dialogs, "_open", [])
    return seen


def answered(session, shown, answer):
    dialogs.hear(session)  # nobody has chosen yet
    shown[-1].answer = answer
    dialogs.hear(session)
    dialogs.hear(session)


def test_worlds_and_scenes_are_opened_next(shown):
    session = bare_session()
    dialogs.ask_for_world(session)
    dialogs.ask_for_world(session)
    assert [d.kind for d in shown] == ["select_folder"], "one at a time"
    answered(session, shown, "some/world.vxt")
    dialogs.ask_for_scene(session)
    answered(session, shown, ["some/scene.ply"])
    dialogs.ask_for_scene(session)
    answered(session, shown, [])  # somebody thought better of it
    assert session.open_next == ["some/world.vxt", "some/scene.ply"]


def test_a_path_is_saved_and_opened_where_one_says(shown, tmp_path):
    session = bare_session()
    session.pose = Pose(1, 2, 3, 4, 5)
    path_desk.add_key(session)
    dialogs.ask_where_to_save(session)
    assert shown[-1].kind == "save_file" and shown[-1].arguments[1].endswith("path.json")
    answered(session, shown, str(tmp_path / "mine"))
    assert session.path.file == str(tmp_path / "mine.json")
    other = bare_session()
    dialogs.ask_for_path(other)
    answered(other, shown, [str(tmp_path / "mine.json")])
    assert other.path.draft.keys == session.path.draft.keys
    assert other.path.file == str(tmp_path / "mine.json")
    dialogs.ask_for_path(other)
    assert shown[-1].arguments[1] == str(tmp_path), "it begins where the last one was"
    answered(other, shown, [str(tmp_path / "none.json")])
    assert "none.json" in other.messages[-1][1] and len(other.path.draft.keys) == 1


def test_a_films_name_is_taken_over(shown):
    session = bare_session()
    dialogs.ask_for_film(session)
    answered(session, shown, "a/film")
    assert session.path.out == "a/film.mp4"
    dialogs.ask_for_film(session)
    answered(session, shown, "")
    assert session.path.out == "a/film.mp4"


def test_without_a_helper_one_line_says_so(shown, monkeypatch):
    monkeypatch.setattr(dialogs.shutil, "which", lambda name: None)
    monkeypatch.setattr(dialogs.sys, "platform", "linux")
    session = bare_session()
    dialogs.ask_for_path(session)
    assert not shown
    assert session.messages[0][1].startswith("No file dialog here")
