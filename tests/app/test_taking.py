"""Screenshots: whole, where they are said to be, and the way back to where they were taken."""

import numpy as np
import pytest
from PIL import Image
from voxtide.app import path_desk, snapshot, taking
from voxtide.app.actions import run_pressed
from voxtide.app.camera import Pose, look
from voxtide.app.frame import draw
from voxtide.app.library import OpenError
from voxtide.app.light import light_from
from voxtide.app.path_desk import Desk
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.app.render.renderer import Renderer
from voxtide.app.scene import load, stream
from voxtide.app.session import Session
from voxtide.app.settings import Settings
from voxtide.app.worlds import Worlds
from voxtide.streamer.world import open_world
from worlds import make_world

SIZE = (90, 60)
HOME = Pose(0.31, 0.32, 0.6, 47, -30)
F12 = 301  # glfw's code


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    y, x = np.mgrid[0:120, 0:120]
    h = (20 + 9 * np.sin(x / 17) + 7 * np.cos(y / 11)).astype(np.int64)
    voxels = np.stack([x, y, h], -1).reshape(-1, 3)
    rgba = np.stack([x * 2, y * 2, h * 4, np.full_like(x, 255)], -1).reshape(-1, 4).astype(np.uint8)
    path = tmp_path_factory.mktemp("taking") / "hills.vxt"
    make_world(path, voxels, rgba, voxel_size_m=0.01)
    return open_world(path)


def session_on(scene, **values):
    session = Session("some/my hills.vxt", scene, HOME, Settings(), SIZE)
    session.path = Desk()
    for name, value in values.items():
        setattr(session, name, value)
    return session


def taken(session):
    """Press F12, and let the window go on until it is done. -> the PNG"""
    run_pressed(session, [(F12, 0)])
    while path_desk.is_busy(session):
        path_desk.step(session, 0.01)
    (said,) = (text for _, text in session.messages if text.startswith("Screenshot: "))
    session.messages.clear()
    return taking.pictures_folder() / said.removeprefix("Screenshot: ")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(taking, "pictures_folder", lambda: tmp_path / "pictures" / "voxtide")
    return tmp_path / "pictures" / "voxtide"


def test_a_screenshot_is_what_the_whole_world_looks_like_from_there(gl, world, folder):
    """Taken at once, before anything but the coarse levels has come."""
    scene = stream(gl, world, 3000 * BYTES_PER_SLOT, 1 << 26)
    session = session_on(scene)
    file = taken(session)
    assert file == folder / "my-hills-0001.png"
    assert not session.frozen
    whole, renderer = load(gl, world, 1 << 30), Renderer(gl, SIZE)
    view = look(HOME, SIZE, session.settings.fov_deg, scene.voxel_size_m, whole.root.corner_voxel)
    draw(renderer, whole, view, light_from(session.settings, whole.extent_voxels))
    with Image.open(file) as image:
        np.testing.assert_array_equal(np.asarray(image), renderer.read_picture()[..., :3])
    assert taken(session) == folder / "my-hills-0002.png"
    for thing in (renderer, whole, scene):
        thing.release()


@pytest.mark.parametrize("projection", ["planar", "stereo", "equirect", "cube"])
def test_it_knows_where_it_was_taken_and_leads_back(gl, world, projection):
    scene = load(gl, world, 1 << 30)
    session = session_on(scene, projection=projection, size=(97, 61))
    session.settings.fov_deg = 48.0
    file = taken(session)
    at, size = snapshot.read(file)
    assert (at.pose, at.fov_deg, at.projection) == (HOME, 48.0, projection)
    with Image.open(file) as image:
        assert size == image.size
    elsewhere = session_on(scene)
    worlds = Worlds(gl, Shelf(), lambda error: None)
    elsewhere.pose = Pose(9, 9, 9, 9, 9)
    elsewhere.open_next = [str(file)]  # as if it had been dropped on the window
    worlds.step(elsewhere)
    assert (elsewhere.pose, elsewhere.settings.fov_deg, elsewhere.projection) == (HOME, 48.0, projection)
    worlds.close(elsewhere)
    scene.release()


class Shelf:
    def is_world(self, name):
        return False

    def bake(self, name, voxel_size_m):
        raise OpenError(f"{name}: no scene")


def test_another_png_goes_the_way_of_every_file(gl, world, tmp_path):
    scene = load(gl, world, 1 << 30)
    session, worlds = session_on(scene), Worlds(gl, Shelf(), lambda error: None)
    Image.new("RGB", (4, 4)).save(tmp_path / "other.PNG")
    session.open_next = [str(tmp_path / "other.PNG"), str(tmp_path / "none.png")]
    worlds.step(session)
    assert [text for _, text in session.messages] == [
        f"{tmp_path / 'other.PNG'}: no scene",
        f"{tmp_path / 'none.png'}: no scene",
    ]
    worlds.close(session)
    scene.release()


def test_where_nothing_can_be_written_one_line_says_so(gl, world, folder):
    folder.parent.mkdir()
    folder.write_text("a file, where the folder should be")
    scene = load(gl, world, 1 << 30)
    session = session_on(scene)
    taking.screenshot(session)
    assert not path_desk.is_busy(session)
    assert session.messages[0][1].startswith("No screenshot: ")
    path_desk.add_key(session)
    path_desk.play(session)
    taking.screenshot(session)
    assert session.messages[-1][1] == "Not while a path is played or recorded"
    scene.release()


def test_names_are_plain_and_free(folder):
    folder.mkdir(parents=True)
    (folder / "a-b-0001.png").touch()
    assert taking.free_name(folder, "a/b").name == "a-b-0002.png"
    assert taking.free_name(folder, "../..").name == "world-0001.png"
    assert taking.free_name(folder, "x" * 500).name == "x" * 60 + "-0001.png"
