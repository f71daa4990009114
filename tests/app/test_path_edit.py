"""Editing a path: keys come, go, move and change their time; each step can be taken back."""

from dataclasses import replace

import pytest
from voxtide.app import moves, path_edit
from voxtide.app.camera import Pose
from voxtide.app.path_edit import MIN_GAP_S, STEP_S, Draft, Editor
from voxtide.app.paths import MAX_S, CameraPath, Key

A, B, C = (Pose(i, 0, 0, 10 * i, 0) for i in range(3))


def draft_with(*poses, **rest):
    draft = Draft(**rest)
    for pose in poses:
        draft = path_edit.insert(draft, pose, 50)
    return draft


def at(draft):
    return [(key.t, key.pose) for key in draft.keys]


def test_keys_come_behind_the_chosen_one():
    draft = draft_with(A, C)
    assert at(draft) == [(0, A), (STEP_S, C)] and draft.chosen == 1
    draft = path_edit.insert(path_edit.choose(draft, 0), B, 70)
    assert at(draft) == [(0, A), (STEP_S / 2, B), (STEP_S, C)] and draft.chosen == 1
    assert draft.keys[1].fov_deg == 70
    behind = path_edit.insert(path_edit.choose(draft, None), A)
    assert behind.keys[-1].t == 2 * STEP_S and behind.chosen == 3


def test_between_keys_that_are_too_close_none_comes():
    draft = path_edit.delay(draft_with(A, B), 1, 0)
    assert draft.keys[1].t == pytest.approx(MIN_GAP_S)
    with pytest.raises(ValueError, match="too close"):
        path_edit.insert(path_edit.choose(draft, 0), C)


def test_deleting_keeps_the_others_times():
    draft = draft_with(A, B, C)
    assert at(path_edit.delete(draft, 1)) == [(0, A), (2 * STEP_S, C)]
    first = path_edit.delete(draft, 0)
    assert at(first) == [(0, B), (STEP_S, C)] and first.chosen == 0
    assert path_edit.delete(draft, 2).chosen == 1
    assert path_edit.delete(draft_with(A), 0) == Draft()
    assert Draft().path is None


def test_a_time_stays_between_its_neighbours():
    draft = draft_with(A, B, C)
    assert path_edit.retime(draft, 1, 3.0).keys[1].t == 3.0
    assert path_edit.retime(draft, 1, 99).keys[1].t == 2 * STEP_S - MIN_GAP_S
    assert path_edit.retime(draft, 1, -1).keys[1].t == MIN_GAP_S
    assert path_edit.retime(draft, 0, 5) == draft
    assert path_edit.retime(draft, 2, 99).keys[2].t == 99


def test_what_follows_moves_along_when_a_key_comes_later():
    draft = path_edit.delay(draft_with(A, B, C), 1, 5.0)
    assert [key.t for key in draft.keys] == [0, 5, 5 + STEP_S]


def test_stretching_keeps_each_parts_share():
    draft = path_edit.stretch(draft_with(A, B, C, loop=True, closing_s=4.0), 16.0)
    assert [key.t for key in draft.path.keys] == [0, 4, 8, 16]
    assert path_edit.stretch(draft_with(A), 9) == draft_with(A)


def test_changing_places_leaves_the_times():
    draft = path_edit.swap(draft_with(A, B, C), 2, 1)
    assert at(draft) == [(0, A), (STEP_S, C), (2 * STEP_S, B)] and draft.chosen == 1


def test_a_foreign_lens_goes_when_the_field_of_view_is_set():
    draft = path_edit.draft_of(CameraPath((Key(0, A, 50, (1, 2, 3, 4)),)))
    assert path_edit.move(draft, 0, B).keys[0].lens == (1, 2, 3, 4)
    assert path_edit.widen(draft, 0, 60).keys[0] == Key(0, A, 60)


@pytest.mark.parametrize("path", [moves.walk(A, 1, 2), moves.turn(A, 360, 3), CameraPath((Key(0.5, A),))])
def test_a_path_is_the_path_of_its_draft(path):
    got = path_edit.draft_of(path).path
    assert [replace(k.pose, yaw=k.pose.yaw % 360) for k in got.keys] == [
        replace(k.pose, yaw=k.pose.yaw % 360) for k in path.keys
    ]
    assert [k.t for k in got.keys] == pytest.approx([k.t for k in path.keys])
    assert (got.fps, got.loop) == (path.fps, path.loop)


def test_each_step_can_be_taken_back_and_made_again():
    editor = Editor()
    drafts = [editor.draft]
    for pose in (A, B, C):
        editor.do(path_edit.insert(editor.draft, pose))
        drafts.append(editor.draft)
    for draft in reversed(drafts[:-1]):
        editor.undo()
        assert (editor.draft, editor.path) == (draft, draft.path)
    assert not editor.can_undo
    editor.undo()
    for draft in drafts[1:]:
        editor.redo()
        assert (editor.draft, editor.path) == (draft, draft.path)
    assert not editor.can_redo
    editor.undo()
    editor.do(path_edit.move(editor.draft, 0, C))
    assert not editor.can_redo, "what was taken back is gone once something else is done"


def test_dragging_is_one_step_and_choosing_is_none():
    editor = Editor(draft_with(A, B))
    before = editor.draft
    for t in (3.0, 4.0, 5.0):
        editor.do(path_edit.retime(editor.draft, 1, t), ("time", 1))
    editor.do(path_edit.choose(editor.draft, 0))
    editor.undo()
    assert editor.draft == before
    for t in (3.0, 4.0):
        editor.do(path_edit.retime(editor.draft, 1, t), ("time", 1))
        editor.release()
    editor.undo()
    assert editor.draft.keys[1].t == 3.0


def test_what_would_be_no_path_changes_nothing():
    editor = Editor()
    editor.do(draft_with(A, B))
    before = editor.draft, editor.path
    with pytest.raises(ValueError, match="t grows"):
        editor.do(path_edit.delay(editor.draft, 1, MAX_S + 1))
    assert (editor.draft, editor.path) == before
    editor.undo()
    assert editor.draft == Draft()


def test_old_steps_are_forgotten(monkeypatch):
    monkeypatch.setattr(path_edit, "MAX_UNDO", 3)
    editor = Editor()
    for i in range(9):
        editor.do(path_edit.insert(editor.draft, Pose(i, 0, 0, 0, 0)))
    for _ in range(9):
        editor.undo()
    assert len(editor.draft.keys) == 6
