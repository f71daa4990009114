"""The path in the viewer: played, drawn over the scene, recorded a step a frame; and the window Path."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from imgui_bundle import imgui
from small_worlds import POSES, VOXEL_M, WORLDS
from voxtide.app import frame, path_desk, path_edit, recording, snapshot, taking
from voxtide.app.camera import Pose, look
from voxtide.app.light import light_from
from voxtide.app.panel import path as window
from voxtide.app.path_desk import Desk, PathError
from voxtide.app.paths import CameraPath, Key
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.app.render.renderer import Renderer
from voxtide.app.scene import load, stream
from voxtide.app.session import Session
from voxtide.app.settings import Settings
from worlds import make_world

SIZE = (64, 36)
HOME = Pose(0, -3, 1, 90, 0)


class Files:
    """PathFiles that remember what they were asked."""

    def __init__(self):
        self.saved, self.frames, self.closed = {}, [], False

    def load(self, file):
        if file.name not in self.saved:
            raise PathError(f"{file}: cannot be read")
        return self.saved[file.name]

    def save(self, file, path):
        self.saved[file.name] = path

    @contextmanager
    def film(self, out, size, fps, projection):
        self.frames.append((out.name, size, fps, projection))
        yield lambda pixels: self.frames.append(pixels)
        self.closed = True


def session_of(scene=None):
    root = SimpleNamespace(corner_voxel=np.zeros(3, np.int64))
    scene = scene or SimpleNamespace(voxel_size_m=VOXEL_M, root=root, extent_voxels=100.0)
    session = Session("a world", scene, HOME, Settings(fov_deg=60.0), (320, 180))
    session.path = Desk(Files(), size=SIZE)
    return session


def with_keys(session, *poses):
    for pose in poses:
        session.pose = pose
        path_desk.add_key(session)
    return session.path


A, B = Pose(-1, 0, 0, 0, 0), Pose(1, 0, 0, 80, 0)


def test_playing_moves_the_eye_and_stops_at_the_end():
    session = session_of()
    desk = with_keys(session, A, B)
    path_desk.edit(session, lambda d: path_edit.widen(d, 1, 30))
    path_desk.play(session)
    seen = []
    for _ in range(30):
        path_desk.step(session, 0.1)
        seen.append((session.pose.x, session.settings.fov_deg, path_desk.is_busy(session)))
    assert seen[9][:2] == (pytest.approx(0), pytest.approx(45))
    assert seen[-1] == (1, 60, False), "at the last key, with the user's own field of view again"
    assert desk.at_s == 2.0
    path_desk.play(session)
    path_desk.step(session, 0.1)
    assert session.pose.x < -0.5, "from the start once more"
    path_desk.play_or_stop(session)
    assert not path_desk.is_busy(session) and session.settings.fov_deg == 60


def test_a_loop_goes_on():
    session = session_of()
    with_keys(session, A, B)
    path_desk.edit(session, lambda d: path_edit.replace(d, loop=True))
    path_desk.play(session)
    for _ in range(45):
        path_desk.step(session, 0.1)
    assert path_desk.is_busy(session) and session.path.at_s == pytest.approx(0.5)


def test_the_way_lies_over_the_scene_and_only_there(monkeypatch):
    session = session_of()
    other = object()
    session.strokes = [other]
    with_keys(session, A, B)
    session.pose = HOME
    path_desk.step(session, 0.0)
    mine = session.strokes[1:]
    assert session.strokes[0] is other and len(mine) >= 3
    assert all(s.points.shape[1] == 2 and np.isfinite(s.points).all() for s in mine)
    path_desk.step(session, 0.0)
    assert [id(s) for s in session.strokes[1:]] == [id(s) for s in mine], "nothing is made anew for nothing"
    session.pose = Pose(0.1, -3, 1, 90, 0)
    path_desk.step(session, 0.0)
    assert [id(s) for s in session.strokes[1:]] != [id(s) for s in mine]
    path_desk.play(session)
    path_desk.step(session, 0.1)
    assert session.strokes == [other], "who plays wants to see the film"


def test_files_are_read_and_written_and_what_fails_is_said(tmp_path):
    session = session_of()
    path_desk.save(session, tmp_path / "a.json")
    with_keys(session, A, B)
    before = session.path.path
    path_desk.save(session, tmp_path / "a.json")
    path_desk.edit(session, lambda d: path_edit.delete(d, 0))
    path_desk.load(session, tmp_path / "a.json")
    assert session.path.path == before
    session.path.editor.undo()
    assert len(session.path.draft.keys) == 1, "the path before is one step back"
    path_desk.load(session, tmp_path / "none.json")
    said = [text for _, text in session.messages]
    assert "at least one key" in said[0] and "cannot be read" in said[-1]


@pytest.fixture(scope="module")
def worlds(gl_context, tmp_path_factory):
    """-> a small world, and all frames of a path through it as they are when all is resident"""
    world = make_world(
        tmp_path_factory.mktemp("desk") / "terrain", *WORLDS["terrain"](), voxel_size_m=VOXEL_M
    )
    whole = load(gl_context, world, 1 << 30)
    renderer = Renderer(gl_context, SIZE)
    keys = [Key(float(i), Pose(*pose), 65) for i, pose in enumerate(POSES["terrain"][:2])]
    path, truth = CameraPath(tuple(keys), 3), []
    for key in path.poses():
        view = look(key.pose, SIZE, key.fov_deg, VOXEL_M, whole.root.corner_voxel)
        frame.draw(renderer, whole, view, light_from(Settings(), whole.extent_voxels))
        truth.append(renderer.read_picture())
    n_slots = whole.n_resident
    whole.release()
    renderer.release()
    return world, path, truth, n_slots


def recorded(session, out, most=4000):
    desk = session.path
    taking.film(session, out)
    assert session.frozen, "one view at a time is streamed"
    for _ in range(most):
        path_desk.step(session, 0.01)
        if desk.done is None:
            return [text for _, text in session.messages]
    raise AssertionError("it never ends")


@pytest.mark.slow
def test_what_the_window_records_is_the_resident_world_bit_for_bit(gl_context, worlds, tmp_path):
    world, path, truth, n_slots = worlds
    scene = stream(gl_context, world, n_slots * BYTES_PER_SLOT, 1 << 26)
    try:
        session = session_of(scene)
        session.path.editor.do(path_edit.draft_of(path))
        recorded(session, tmp_path / "a.mp4")
        first, *frames = session.path.files.frames
        assert first == ("a.mp4", SIZE, 3, "planar") and session.path.files.closed
        assert len(frames) == len(truth) == 4
        for got, want in zip(frames, truth, strict=True):
            np.testing.assert_array_equal(got, want)
        assert not session.frozen
        recorded(session, tmp_path / "frames")
        files = sorted((tmp_path / "frames").iterdir())
        assert [snapshot.read(f)[0].pose for f in files] == [k.pose for k in path.poses()]
    finally:
        scene.release()


@pytest.mark.slow
def test_another_view_drawn_between_is_not_mistaken_for_the_recorded_one(gl_context, worlds):
    world, path, truth, n_slots = worlds
    scene = stream(gl_context, world, n_slots * BYTES_PER_SLOT, 1 << 26)
    away = look(Pose(0, 0, 50, 0, 89), SIZE, 65, VOXEL_M, scene.root.corner_voxel)
    light = light_from(Settings(), scene.extent_voxels)
    other = Renderer(gl_context, SIZE)
    got = []
    try:
        for i, _ in enumerate(recording.record(scene, path, SIZE, light, lambda i, k, p: got.append(p))):
            if i % 2:  # as a window that goes on streaming would: its rays see the sky and miss nothing
                frame.draw_streamed(other, scene, away, light)
        for a, b in zip(got, truth, strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        other.release()
        scene.release()


@pytest.mark.slow
def test_a_recording_that_finds_no_room_says_so_and_one_that_is_stopped_ends(gl_context, worlds, tmp_path):
    world, path, _, _ = worlds
    scene = stream(gl_context, world, 1, 1 << 26)
    try:
        session = session_of(scene)
        session.path.editor.do(path_edit.draft_of(path))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frame, "PATIENCE_S", 0.5)
            said = recorded(session, tmp_path / "a.mp4", most=100_000)
        assert "frame 0 cannot be drawn whole" in said[-1]
        assert not session.path.files.closed
        taking.film(session, tmp_path / "b.mp4")
        path_desk.step(session, 0.0)
        path_desk.stop(session)
        assert not path_desk.is_busy(session) and not session.frozen
    finally:
        scene.release()


class Hand:
    """imgui without a window, and a mouse in it."""

    def __init__(self, session):
        self.session, self.io = session, imgui.get_io()
        self.io.display_size, self.io.delta_time = imgui.ImVec2(340, 900), 1 / 60
        self.io.backend_flags |= imgui.BackendFlags_.renderer_has_textures
        self.places = {}

    def frame(self):
        imgui.new_frame()
        imgui.set_next_window_pos(imgui.ImVec2(0, 0))
        imgui.set_next_window_size(imgui.ImVec2(340, 900))
        imgui.begin("Path")
        window.draw(self.session)
        imgui.end()
        imgui.render()

    def press(self, x, y):
        self.io.add_mouse_pos_event(x, y)
        self.frame()
        for down in (True, False):
            self.io.add_mouse_button_event(0, down)
            self.frame()
        self.frame()


@pytest.fixture
def hand(monkeypatch):
    context = imgui.create_context()
    imgui.get_io().set_ini_filename("")
    made = Hand(session_of())
    places, button = {}, imgui.button

    def seen(name, *rest):
        pressed = button(name, *rest)
        lo, hi = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        places[name] = (lo.x + hi.x) / 2, (lo.y + hi.y) / 2
        return pressed

    monkeypatch.setattr(window.imgui, "button", seen)
    made.press_button = lambda name: (made.frame(), made.press(*places[name]))
    yield made
    imgui.destroy_context(context)


def test_the_window_adds_moves_and_deletes_keys_and_takes_it_back(hand):
    session, desk = hand.session, hand.session.path
    session.pose = A
    hand.press_button("Add key")
    session.pose = B
    hand.press_button("Add key")
    assert [k.pose for k in desk.draft.keys] == [A, B] and desk.draft.chosen == 1
    session.pose = HOME
    hand.press_button("Here")
    assert desk.draft.keys[1].pose == HOME
    hand.press_button("Up")
    assert [k.pose for k in desk.draft.keys] == [HOME, A]
    hand.press_button("Delete")
    assert [k.pose for k in desk.draft.keys] == [A]
    for _ in range(3):
        hand.press_button("Undo")
    assert [k.pose for k in desk.draft.keys] == [A, B]
    hand.press_button("Save")
    assert desk.files.saved["path.json"] == desk.path
    hand.press_button("Play")
    assert desk.is_playing
    hand.press_button("Stop")
    assert not desk.is_playing


def test_the_window_shows_a_path_of_500_keys_and_a_recording(hand):
    desk = hand.session.path
    keys = tuple(Key(i / 16, Pose(i, 0, 0, 0, 0)) for i in range(500))
    desk.editor.do(path_edit.draft_of(CameraPath(keys, 16)))
    desk.editor.do(path_edit.choose(desk.draft, 499))
    hand.frame()
    desk.done = 0.5
    hand.frame()
