"""Several worlds open at once: one is shown, the others wait in the list with where one stood in them."""

import numpy as np
import pytest
from gates import wait_until
from voxtide.app.actions import run_pressed
from voxtide.app.camera import Pose
from voxtide.app.library import Opened, OpenError
from voxtide.app.settings import Settings
from voxtide.app.worlds import Worlds
from voxtide.streamer.world import open_world
from worlds import make_world

N = ord("N")  # glfw's code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("worlds")
    z, y, x = (a.ravel() for a in np.mgrid[0:3, 0:40, 0:40])
    for i, name in enumerate(("a", "b", "c")):
        voxels = np.stack([x + 50 * i, y, z], -1)
        rgba = np.full((len(voxels), 4), (80 * i, 90, 200, 255), np.uint8)
        make_world(path / f"{name}.vxt", voxels, rgba, voxel_size_m=0.01)
    return path


class Shelf:
    """A library of those worlds by their names."""

    def __init__(self, folder):
        self.folder = folder

    def is_world(self, name):
        return (self.folder / name).exists()

    def open(self, name):
        if not self.is_world(name):
            raise OpenError(f"{name}: no such world")
        source = open_world(self.folder / name)
        x = source.meta.bounds_voxels[0][0] * 0.01
        return Opened(name, source, lambda size, fov: Pose(x, -1.0, 1.0, 90.0, -20.0))

    def bake(self, name, voxel_size_m):
        raise OpenError(f"{name}: no scene")


@pytest.fixture
def opened(gl, folder):
    worlds = Worlds(gl, Shelf(folder), lambda error: None)
    session = worlds.first("a.vxt", Settings(vram_mb=64.0), (90, 60))
    yield worlds, session
    worlds.close(session)
    session.scene.release()


def shows(worlds, session, name):
    wait_until(lambda: worlds.step(session) or session.name == name)
    assert session.name == name


def test_one_goes_from_world_to_world_and_back_to_where_one_was(opened):
    worlds, session = opened
    run_pressed(session, [(N, 0)])
    assert session.messages[-1][1] == "No other world is open: drop one on the window"
    at = session.pose = Pose(0.3, 0.3, 0.5, 10.0, -5.0)
    for name in ("b.vxt", "c.vxt"):
        session.open_next.append(name)
        shows(worlds, session, name)
    assert session.worlds == ["a.vxt", "b.vxt", "c.vxt"]
    assert session.pose == session.home == Pose(1.0, -1.0, 1.0, 90.0, -20.0), "a new one is seen whole"
    run_pressed(session, [(N, 0)])
    shows(worlds, session, "a.vxt")
    assert session.pose == at
    assert session.home.x == 0.0
    run_pressed(session, [(N, 0)])
    shows(worlds, session, "b.vxt")
    session.worlds.remove("c.vxt")  # as the list's button does
    run_pressed(session, [(N, 0)])
    shows(worlds, session, "a.vxt")
    assert session.worlds == ["a.vxt", "b.vxt"]


def test_a_world_that_cannot_be_opened_leaves_the_one_that_is_shown(opened, folder):
    worlds, session = opened
    session.worlds.append("gone.vxt")
    scene = session.scene
    session.open_next.append("gone.vxt")
    wait_until(lambda: worlds.step(session) or session.messages)
    assert session.messages[-1][1] == "gone.vxt: no scene"
    assert session.scene is scene and session.name == "a.vxt"


def test_a_small_world_takes_no_more_slots_than_it_has_chunks(opened):
    _, session = opened
    source = session.scene.streamer.source
    n_chunks = sum(region.n_chunks for region in source.regions)
    assert session.scene.pool.n_slots == max(n_chunks, session.scene.root.n_chunks + 8)
