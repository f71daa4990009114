"""A short soak: nothing is left behind, and no budget is exceeded. The long one is tests/bench/soak.py."""

import gc

import pytest
from bench import soak
from small_worlds import VOXEL_M, noise
from voxtide.streamer.world import open_world
from worlds import make_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("soak") / "noise", *noise(), voxel_size_m=VOXEL_M).path


def test_a_soak_leaves_nothing_behind(gl, path):
    gc.collect()
    n_objects = soak.n_gl_objects()
    figures = soak.soak(gl, open_world(path), 300)
    assert figures["chunks_evicted"] > 100, "it is a soak only if chunks come and go"
    assert figures["unresolved_pixels"] == 0 and figures["told"] == 0
    start, most = figures["at_start"], figures["at_most"]
    assert most["threads"] == start["threads"] and most["gl_objects"] == start["gl_objects"]
    assert most["fds"] <= start["fds"] + 4, "two threads may have a file and its folder open"
    assert figures["over_budget"] == {"slots": 0, "ram_bytes": 0, "upload_bytes": 0}
    assert soak.n_gl_objects() <= n_objects + 1, "a deleted program lives on while it is the current one"


def test_gl_objects_are_counted(gl):
    n_objects = soak.n_gl_objects()
    kept = [gl.buffer(reserve=16), gl.texture((4, 4), 4)]
    assert soak.n_gl_objects() == n_objects + 2
    for one in kept:
        one.release()
    assert soak.n_gl_objects() == n_objects
