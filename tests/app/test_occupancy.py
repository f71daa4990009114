"""What is occupied near the user: the thread brings it, asking never waits, damage stays unknown."""

import threading
import time

import numpy as np
import pytest
from gates import wait_until
from voxtide.app.moving import occupancy
from voxtide.app.moving.occupancy import Occupancy
from voxtide.app.moving.solid import solid_in
from worlds import levels_of, make_world, surface


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("w") / "w", *surface(60_000, 400))


@pytest.fixture
def near(world):
    made = Occupancy(world)
    yield made
    made.close()


class Slow:
    """A source that answers when the gate is open, and counts."""

    def __init__(self, world):
        self.world, self.meta, self.gate, self.n_read = world, world.meta, threading.Event(), 0

    def read_many(self, ids, on_bad=None):
        self.gate.wait(20)
        self.n_read += len(ids)
        return self.world.read_many(ids, on_bad)


def test_everything_within_reach_becomes_known_and_is_right(near, rng):
    near.look_around((0.3, -0.2, 0.1), reach_m=0.5)
    wait_until(lambda: near.is_settled)
    levels = levels_of(*surface(60_000, 400))
    for level in range(near.n_levels):
        at = np.array([30, -20, 10]) >> level
        span = max(50 >> level, 4)
        there = levels[level][0]
        there = there[(np.abs(there - at) < span).all(axis=1)]
        cells = np.concatenate([at + rng.integers(-span, span, (500, 3)), there])
        occupied, known = near.ask(level, cells)
        assert known.all()
        truth = set(map(tuple, levels[level][0].tolist()))
        assert occupied.tolist() == [tuple(c) in truth for c in cells.tolist()]
        assert occupied.any()
    solid = solid_in(near.ask, near.n_levels, np.array([0, -50, -30]), np.array([60, 10, 50]))
    voxels = levels[0][0]
    inside = ((voxels >= (0, -50, -30)) & (voxels < (60, 10, 50))).all(axis=1)
    assert len(solid.lo) == inside.sum() > 100
    assert len(solid.unknown_lo) == 0


def test_outside_the_world_nothing_is_and_that_is_known(near):
    occupied, known = near.ask(0, np.array([[10**6, 0, 0], [0, 0, -5000]]))
    assert known.all() and not occupied.any()
    assert not near.occupied(np.array([[10**6, 0, 0]])).any()


def test_asking_never_waits_for_a_read(world):
    slow = Slow(world)
    near = Occupancy(slow)
    near.look_around((0.0, 0.0, 0.0), reach_m=0.3)
    began = time.thread_time()
    occupied, known = near.ask(0, surface(60_000, 400)[0][:100])
    assert time.thread_time() - began < 1.0  # it returned at all: the gate is shut
    assert not known.any() and not occupied.any()
    assert not near.is_settled
    slow.gate.set()
    wait_until(lambda: near.is_settled)
    near.close()


def test_only_what_can_hold_something_is_read_and_once(world):
    slow = Slow(world)
    slow.gate.set()
    near = Occupancy(slow)
    near.look_around((0.0, 0.0, 0.0), reach_m=0.6)
    wait_until(lambda: near.is_settled)
    n_read = slow.n_read
    box_chunks = (2 * 60 / 16 + 1) ** 3
    assert n_read < box_chunks, "a surface is not a block"
    near.look_around((0.001, 0.0, 0.0), reach_m=0.6)
    wait_until(lambda: near.is_settled)
    assert slow.n_read - n_read < n_read / 4
    near.close()


def test_old_masks_leave_when_there_are_too_many(world, monkeypatch):
    monkeypatch.setattr(occupancy, "MAX_MASKS", 200)
    near = Occupancy(world)
    for x in (-3.0, 0.0, 3.0):
        near.look_around((x, 0.0, 0.0), reach_m=0.4)
        wait_until(lambda: near.is_settled)
    assert len(near._masks) <= 200
    near.close()


def test_what_cannot_be_read_stays_unknown(world):
    voxels = surface(60_000, 400)[0]

    class Broken(Slow):
        def read_many(self, ids, on_bad=None):
            level = ids >> np.uint64(60)
            packed = self.world.read_many(ids)
            if (level == 0).any():
                on_bad("damaged")
                return [None] * len(ids)
            return packed

    near = Occupancy(Broken(world))
    near.look_around((0.0, 0.0, 0.0), reach_m=0.3)
    wait_until(lambda: near.is_settled)
    inside = voxels[(np.abs(voxels) < 25).all(axis=1)]
    occupied, known = near.ask(0, inside)
    assert not known.any() and not occupied.any()
    assert near.ask(1, inside >> 1)[0].all()
    near.close()
