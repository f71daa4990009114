"""Which frames the window draws: moving ones with few pixels, then all of them, and then none."""

from dataclasses import replace

import numpy as np
import pytest
from voxtide.app import show
from voxtide.app.camera import Pose
from voxtide.app.resolution import REST_S
from voxtide.app.scene import load
from voxtide.app.session import Session
from voxtide.app.settings import Settings
from voxtide.app.show import Show
from voxtide.streamer.world import open_world
from worlds import make_world

SIZE = (320, 200)
PICTURE = (0.0, 0.0, *map(float, SIZE))


class Clock:
    """In place of the module time."""

    def __init__(self):
        self.now = 10.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def shown(gl, tmp_path, monkeypatch):
    z, y, x = (a.ravel() for a in np.mgrid[0:3, 0:40, 0:40])
    rgba = np.full((x.size, 4), 200, np.uint8)
    make_world(tmp_path / "plate.vxt", np.stack([x, y, z], -1), rgba, voxel_size_m=0.01)
    scene = load(gl, open_world(tmp_path / "plate.vxt"), 1 << 28)
    session = Session("plate", scene, Pose(0.2, -0.5, 0.5, 90, -40), Settings(target_fps=40.0), SIZE)
    clock = Clock()
    monkeypatch.setattr(show, "time", clock)
    made = Show(gl, SIZE)
    yield made, session, clock
    made.release()
    scene.release()


def one(made, session, clock, takes_s, turn=0.0):
    """A frame of the loop that takes so long where it draws. -> pixels that it drew; None: it drew none"""
    session.pose = replace(session.pose, yaw=session.pose.yaw + turn)
    drawn = made.draw(session, PICTURE, SIZE)
    clock.now += takes_s if drawn else 0.004
    if drawn:
        made.shown(session, 0.0)
    return session.view.size[0] * session.view.size[1] if drawn else None


def test_what_is_drawn_when_the_view_moves_and_when_it_rests(shown):
    made, session, clock = shown
    whole = SIZE[0] * SIZE[1]
    for _ in range(6):
        few = one(made, session, clock, 0.06, turn=1.0)  # more than twice as long as is wished
    assert few < whole / 2
    stopped, drawn = clock.now, []
    while not (drawn and drawn[-1] == whole):
        drawn.append(one(made, session, clock, 0.06))
        assert len(drawn) < 60
    assert set(drawn[:-1]) == {None}, "no few pixels once more: they would make all of them come later"
    assert clock.now - stopped <= REST_S + 0.06 + 0.01, "the rest, and the one frame that has all"
    assert one(made, session, clock, 0.06) == whole, "it may not be settled yet"
    assert one(made, session, clock, 0.06) is None, "nothing is left to draw"


def test_a_hand_that_pauses_does_not_make_the_picture_coarser(shown):
    """The pause is no slow frame."""
    made, session, clock = shown
    for _ in range(12):
        steady = one(made, session, clock, 1 / 40, turn=1.0)
    for _ in range(10):
        assert one(made, session, clock, 1 / 40) is None
        clock.now += 0.05  # less than it takes to be at rest
        pausing = one(made, session, clock, 1 / 40, turn=1.0)
    assert pausing >= steady
