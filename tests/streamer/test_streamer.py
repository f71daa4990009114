"""The streamer without a GPU: imagined rays ask, and what comes, fails and goes is right on every frame."""

import threading
import time

import numpy as np
import pytest
from bench.bench_main_thread import Walk, crowded
from bench.crowd import Crowd
from gates import Gated, Memory, wait_until
from imagined import around
from streamed import HERE, RAM, THERE, Clock, Film, open_film
from voxtide.atlas import layout
from voxtide.atlas.address import chunk_id, chunk_of_id, parent
from voxtide.streamer.chunk_state import LEGAL, ChunkState
from voxtide.streamer.stores import FailingFiles, HungFiles, LocalFiles, SlowFiles
from voxtide.streamer.streamer import MAX_PINNED, PINNED_SHARE, RETRY_S, Streamer
from voxtide.streamer.upload_budget import Budgets
from voxtide.streamer.world import open_world
from worlds import make_world, surface


@pytest.fixture(scope="module")
def memory():
    return Memory(*surface(4000, 300))


@pytest.fixture
def film(memory):
    made = open_film(memory)
    yield made
    made.streamer.close()


def n_wanted(memory, sight):
    """How many chunks a settled view has resident at least: the pinned ones and all in sight."""
    film = open_film(memory)
    film.settle(sight)
    film.streamer.close()
    return len(film.said[0])


def holds_right_data(film, memory):
    chunks = film.streamer.residency.table.chunks
    for chunk, slot in zip(chunks.ids.tolist(), chunks.slots.tolist(), strict=True):
        assert film.held[slot] == memory.chunks[chunk]


def test_the_coarse_levels_are_there_before_the_first_frame(film, memory):
    ids = film.streamer.residency.resident_ids
    levels = chunk_of_id(ids)[0]
    assert levels.max() == memory.meta.n_levels - 1 and levels.min() >= layout.MIN_PINNED_LEVEL
    limit = max(memory.root.n_chunks, min(len(memory.chunks) // PINNED_SHARE, MAX_PINNED))
    assert 0 < ids.size <= limit
    holds_right_data(film, memory)


def test_a_view_settles_and_every_slot_holds_its_chunk(film, memory):
    for sight in (HERE, THERE, HERE):
        film.settle(sight)
        holds_right_data(film, memory)
    assert film.streamer.n_loaded == film.streamer.residency.n_resident + film.streamer.n_evicted


def test_with_room_for_one_view_only_each_settles_in_turn(memory):
    n = max(n_wanted(memory, HERE), n_wanted(memory, THERE)) + 4
    assert n < 0.7 * len(memory.chunks)
    film = open_film(memory, n)
    for _ in range(3):
        for sight in (HERE, THERE):
            film.settle(sight)
            holds_right_data(film, memory)
            assert film.streamer.residency.n_resident <= n
    film.streamer.close()
    assert film.streamer.n_evicted > n


def test_below_the_working_set_it_comes_to_rest(memory):
    n = n_wanted(memory, HERE) * 2 // 3
    film = open_film(memory, n)
    for _ in range(80):
        film.draw(HERE)
        time.sleep(0.001)
    film.settle(HERE, ok=lambda film: True)
    before = film.streamer.residency.resident_ids, film.streamer.n_evicted
    for _ in range(60):
        film.draw(HERE)
    assert film.n_missing > 0
    np.testing.assert_array_equal(film.streamer.residency.resident_ids, before[0])
    assert film.streamer.n_evicted == before[1]
    film.streamer.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("streamer") / "w", *surface(3000, 500)).path


def nearest_region(path):
    """A level-0 region that HERE wants chunks of."""
    records = [r for r in open_world(path).regions if r.level == 0 and r.region[:2] == (-1, 0)]
    return max(records, key=lambda r: r.n_chunks)


def film_of(path, store, told, clock=time.monotonic):
    world = open_world(path, store)
    n = sum(r.n_chunks for r in world.regions)
    return Film(Streamer(world, Budgets(n, RAM), told.append, clock=clock))


def test_a_failed_read_is_told_once_rests_and_recovers_when_mended(path):
    lost = nearest_region(path)
    told, failing, calls, clock = [], {lost.key}, [], Clock()
    store = FailingFiles(LocalFiles(path), lambda key: key in failing and not calls.append(key))
    film = film_of(path, store, told, clock)
    streamer = film.streamer

    def only_lost(film):
        level, at = chunk_of_id(asked_of(film))
        return film.n_missing > 0 and (level == 0).all() and (at >> 4 == np.array(lost.region)).all()

    film.settle(HERE, only_lost)
    some = int(asked_of(film)[0])
    wait_until(lambda: film.draw(HERE) and streamer.state_of(some) is ChunkState.FAILED)
    assert [error.file for error in told] == [lost.key]
    up = chunk_id(1, parent(chunk_of_id(np.array([some], np.uint64))[1]))
    assert streamer.state_of(int(up[0])) is ChunkState.RESIDENT, "its parent is drawn"
    clock.now += RETRY_S * 0.9
    n_calls = 0

    def rests():
        nonlocal n_calls
        n_calls = len(calls)
        for _ in range(20):
            film.draw(HERE)
            time.sleep(0.001)
        return len(calls) == n_calls

    wait_until(rests)  # a thread that got up late may serve an older wish once more
    clock.now += RETRY_S
    wait_until(lambda: film.draw(HERE) and len(calls) > n_calls)
    film.settle(HERE, only_lost)
    assert len(told) == 1, "a retry is silent"
    failing.clear()
    clock.now += 2 * RETRY_S
    film.settle(HERE)
    assert streamer.state_of(some) is ChunkState.RESIDENT and len(told) == 1
    streamer.close()


def asked_of(film):
    _, requests, said = film.said
    return film.streamer.residency.asked(requests["slot"], requests["octant"], said + 1)


def test_a_slow_store_settles(path):
    told = []
    film = film_of(path, SlowFiles(LocalFiles(path), 0.01), told)
    film.settle(HERE)
    film.streamer.close()
    assert not told


def test_a_hung_region_leaves_the_rest_and_closing_is_quick(path):
    hung = nearest_region(path)
    release, told = threading.Event(), []
    film = film_of(path, HungFiles(LocalFiles(path), lambda key: key == hung.key, release), told)

    def only_hung():
        film.draw(HERE)
        level, at = chunk_of_id(asked_of(film))
        return film.n_missing > 0 and (level == 0).all() and (at >> 4 == np.array(hung.region)).all()

    wait_until(only_hung)
    start = time.monotonic()
    film.streamer.close()
    assert time.monotonic() - start < 2.0 and not told
    release.set()
    wait_until(lambda: not any(thread.is_alive() for thread in film.streamer._loader._threads))


def test_every_move_of_a_chunk_is_legal(memory):
    """One thread, its reads let through one by one: between two looks no chunk makes more than two moves."""
    source = FailsNow(memory)
    gated, clock = Gated(source), Clock()
    n = n_wanted(memory, HERE) + 4
    streamer = Streamer(gated, Budgets(n, 100 << 10, upload_chunks_per_frame=30), n_threads=1, clock=clock)
    gated.open = True
    film = Film(streamer)
    gated.open = False
    rng = np.random.default_rng(3)
    some = rng.permutation(memory.ids)[:150].tolist()
    states, seen, moves = dict.fromkeys(some, ChunkState.ABSENT), set(), set()

    def look():
        for chunk in some:
            now = streamer.state_of(chunk)
            moves.add((states[chunk], now))
            states[chunk] = now
            seen.add(now)

    i = 0
    while i < 120 or seen != set(ChunkState):
        i += 1
        assert i < 5000, f"never seen: {set(ChunkState) - seen}"
        source.fails = i % 10 == 3
        look()
        film.draw((HERE, THERE)[i // 12 % 2])
        look()
        clock.now += 0.2
        if gated.waiting.wait(0.01):
            look()
            gated.let_one_through()
            until = time.monotonic() + 60
            while not (streamer._loader._done.qsize() or gated.waiting.is_set() or time.monotonic() > until):
                time.sleep(0.0005)
    gated.open = True
    gated.gate.release(10)
    streamer.close()
    # A thread with an older wish may read again what came in since: this copy waits while the first one
    # is resident, and is what is left when that is evicted.
    for before, now in moves - {(ChunkState.RESIDENT, ChunkState.UPLOADING)}:
        one = LEGAL[before] | {before}
        assert now in one | {c for b in one for c in LEGAL[b]}, f"{before} to {now}"


class FailsNow:
    """Memory whose reads all fail while `fails`."""

    def __init__(self, inner):
        self.inner, self.meta, self.fails = inner, inner.meta, False

    def read_many(self, ids, on_bad=None):
        if not self.fails:
            return self.inner.read_many(ids, on_bad)
        from voxtide.streamer.errors import WorldError

        on_bad(WorldError("somewhere", "fails"))
        return [None] * ids.size


def test_a_chunk_that_holds_nothing_is_passed_from_then_on(memory):
    """A world whose coarse voxels promise more than there is: told to the rays once, and not asked again."""
    hole = next(i for i in memory.ids.tolist() if i >> 60 == 0)
    lacking = Memory.__new__(Memory)
    lacking.__dict__ |= memory.__dict__ | {"chunks": {i: p for i, p in memory.chunks.items() if i != hole}}
    film = open_film(lacking, len(memory.chunks))
    x, y, z = (chunk_of_id(np.array([hole], np.uint64))[1][0] * 16 + 8).tolist()

    def only_the_hole(film):
        return asked_of(film).tolist() in ([], [hole])

    film.settle(around(x, y, z + 40), only_the_hole)
    up = chunk_id(1, parent(chunk_of_id(np.array([hole], np.uint64))[1]))
    slot = int(film.streamer.residency.table.chunks.find(up)[0])
    entries = film.entries[memory.root.n_chunks + 8 * slot + np.arange(8)]
    assert (entries == layout.ENTRY_EMPTY).sum() == 1
    film.streamer.close()


@pytest.mark.parametrize("source", [Crowd(), Crowd(fails=True)], ids=["fast", "failing"])
def test_the_books_are_right_at_a_hundred_thousand_chunks(source):
    streamer = crowded(source)
    entries = streamer.residency.table.entries.copy()
    walk, n_evicted = Walk(streamer), 0
    said = walk.step(1)
    frame = 1
    while frame < 41 or not (n_evicted or source.fails):
        frame += 1
        assert frame < 4000, "nothing comes"
        touched, requests, sight = said
        update = streamer.update(touched, requests, frame - 1, sight, frame)
        for writes in (update.withdraw, update.publish):
            entries[writes[:, 0]] = writes[:, 1]
        n_evicted += update.n_evicted
        said = walk.step(frame + 84)  # the view jumps at frame 41, and every 125 frames
        time.sleep(0.003)
    residency = streamer.residency
    streamer.close()
    np.testing.assert_array_equal(entries, residency.table.entries)
    assert residency.n_resident <= 100_000 and streamer.n_evicted == n_evicted
    assert (n_evicted > 0) is (not source.fails)
    ids = residency.resident_ids
    level, at = chunk_of_id(ids)
    below = level < residency.table.root.level
    assert (residency.table.chunks.find(chunk_id(level[below] + 1, parent(at[below]))) >= 0).all()
    assert (residency.owners[residency.table.chunks.slots] == ids).all()


def test_a_root_chunk_that_fails_is_asked_for_again_and_pinned_when_it_comes(memory):
    clock, told = Clock(), []
    failing = FailsNow(memory)
    failing.fails = True
    film = open_film(failing, len(memory.chunks), clock=clock, on_bad=told.append)
    assert film.streamer.residency.n_resident == 0
    for _ in range(5):
        film.draw(HERE)
    failing.fails = False
    clock.now += RETRY_S + 0.1
    film.settle(HERE, lambda film: film.streamer.residency.n_resident > 0)
    film.settle(HERE)
    assert len(told) == 1
    residency = film.streamer.residency
    there = [i for i in memory.root.ids.tolist() if i in memory.chunks]
    assert residency._pinned[residency.table.chunks.find(np.array(there, np.uint64))].all()
    empty = [e for e in residency.table.entries[: memory.root.n_chunks] if e == layout.ENTRY_EMPTY]
    assert len(empty) == memory.root.n_chunks - len(there)
    film.streamer.close()
