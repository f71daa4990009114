"""Loader threads: what is wanted now comes, stale wishes are dropped, trouble stays in its region."""

import threading
import time

import numpy as np
import pytest
from gates import Gated, Memory, wait_until
from voxtide.atlas.address import chunk_id, chunk_of_id
from voxtide.atlas.id_map import IdMap
from voxtide.streamer.descent import children, octants
from voxtide.streamer.errors import WorldError
from voxtide.streamer.loader import CHAIN, CLOSE_S, STEP, STUCK_S, Journey, Loader, Resident, Room, Wanted
from voxtide.streamer.ram_tier import RamTier
from voxtide.streamer.stores import FailingFiles, HungFiles, LocalFiles, SlowFiles
from voxtide.streamer.view import Sight
from voxtide.streamer.world import open_world
from worlds import make_world, surface

NONE = np.empty(0, np.uint64), np.empty(0, np.uint8)
EYE = np.array([[0.0, 0.0, 30.0]])
NEAR = Sight(EYE, np.zeros((0, 3)), None, 1e-6)  # wants everything
FAR = Sight(EYE, np.zeros((0, 3)), None, 1e6)  # wants nothing finer


@pytest.fixture(scope="module")
def memory():
    return Memory(*surface(4000, 300))


def loader_of(source, n_threads=2, ram_bytes=0, on_bad=None):
    return Loader(source, RamTier(ram_bytes), on_bad or (lambda error: None), n_threads)


def wish(ids, sight=FAR, n_room=0, journey=None, resident=NONE, coming=NONE[0]):
    ids = np.array(ids, np.uint64)
    table = IdMap()
    table.add(resident[0], np.arange(resident[0].size))
    held = Resident(table.now, resident[1])
    return Wanted(ids, sight, held, coming, Room(n_room), journey or Journey(sight, sight, NONE))


def collect(loader, condition, timeout_s=60.0):
    """Arrivals until `condition` of all of them holds. -> {chunk: packed}, bad ids"""
    got, bad = {}, []

    def enough():
        for arrivals in loader.arrivals():
            got.update(zip(arrivals.ids.tolist(), arrivals.streams, strict=True))
            got.update(dict.fromkeys([*arrivals.empty.tolist(), *arrivals.bad.tolist()]))
            bad.extend(arrivals.bad.tolist())
        return condition(got)

    wait_until(enough, timeout_s)
    return got, bad


def drained(loader):
    """Nothing is under way. What two threads claimed in one instant may still come a second time."""
    for _ in loader.arrivals():
        pass
    return loader.n_under_way == 0


def test_what_is_asked_comes_and_nothing_else(memory):
    ids = np.random.default_rng(0).permutation(memory.ids)[:300]
    nothing = chunk_id(0, np.array([[400, 400, 400]]))
    loader = loader_of(memory)
    loader.want(wish([*ids, *nothing]))
    got, bad = collect(loader, lambda got: len(got) == 301)
    loader.close()
    assert got == {i: memory.chunks[i] for i in ids.tolist()} | {int(nothing[0]): None}
    assert not bad and loader.n_under_way == 0


def test_a_held_loader_begins_nothing_until_it_may(memory):
    memory.read.clear()
    loader = loader_of(memory)
    loader.is_held = True
    loader.want(wish(memory.root.ids))
    time.sleep(0.05)
    assert not memory.read
    loader.is_held = False
    got, _ = collect(loader, lambda got: len(got) == memory.root.n_chunks)
    loader.close()
    assert set(got) == set(memory.root.ids.tolist())


def test_the_most_urgent_are_read_first(memory):
    ids = np.random.default_rng(1).permutation(memory.ids)[:400]
    memory.read.clear()
    loader = loader_of(memory, n_threads=1)
    loader.want(wish(ids))
    collect(loader, lambda got: len(got) == 400)
    loader.close()
    assert np.concatenate(memory.read).tolist() == ids.tolist()
    assert len(memory.read) > 1


def test_a_chain_is_followed_down_without_being_asked(memory):
    top = memory.root.ids
    loader = loader_of(memory)
    loader.want(wish(top, NEAR, n_room=len(memory.chunks)))
    got, _ = collect(loader, lambda got: len(got) >= len(memory.chunks))
    loader.close()
    assert {i: p for i, p in got.items() if p} == memory.chunks


def test_a_view_that_wants_nothing_finer_gets_nothing_finer(memory):
    loader = loader_of(memory)
    loader.want(wish(memory.root.ids, FAR, n_room=100))
    collect(loader, lambda got: len(got) == memory.root.n_chunks)
    time.sleep(0.05)
    assert not list(loader.arrivals())
    loader.close()


@pytest.mark.parametrize("n_room", [0, 1, 7, 100])
def test_no_more_is_read_than_there_is_room(memory, n_room):
    """And what there was no room for is not taken for being read: it can be asked for later."""
    top = memory.root.ids
    loader = loader_of(memory, n_threads=1)
    loader.want(wish(top, NEAR, n_room=n_room))
    got, _ = collect(loader, lambda got: len(got) == CHAIN * top.size + n_room)
    wait_until(lambda: drained(loader))
    rest = np.setdiff1d(memory.ids, np.array(list(got), np.uint64))
    loader.want(wish(rest))
    collect(loader, lambda got: len(got) == rest.size)
    loader.close()


def test_a_resident_chunk_leads_down_without_being_read(memory):
    top = np.sort(memory.root.ids[[i in memory.chunks for i in memory.root.ids.tolist()]])
    bits = octants([memory.chunks[i] for i in top.tolist()])
    memory.read.clear()
    loader = loader_of(memory, n_threads=1)
    below = children(top, bits)
    loader.want(wish(top, NEAR, n_room=below.size, resident=(top, bits)))
    got, _ = collect(loader, lambda got: len(got) >= below.size)
    loader.close()
    assert set(below.tolist()) <= set(got) and not set(top.tolist()) & set(got)


def test_what_waits_to_come_in_is_not_read_again(memory):
    ids = memory.ids[:100]
    loader = loader_of(memory)
    loader.want(wish(ids, coming=np.sort(ids[::2])))
    got, _ = collect(loader, lambda got: len(got) == 50)
    loader.close()
    assert set(got) == set(ids[1::2].tolist())


def test_a_stale_wish_is_dropped_and_flight_is_bounded(memory):
    gated = Gated(memory)
    memory.read.clear()
    loader = loader_of(gated, n_threads=1)
    old, new = memory.ids[:600], memory.ids[600:610]
    loader.want(wish(old))
    assert gated.waiting.wait(10)
    assert loader.n_under_way == STEP, "one step of one batch"
    assert loader.is_reading(int(old[0])) and loader.is_queued(int(old[-1]))
    for _ in range(50):
        loader.want(wish(new))
    assert loader.n_under_way == STEP, "wishes do not pile up"
    assert not loader.is_queued(int(old[-1]))
    gated.open = True
    gated.let_one_through()
    got, _ = collect(loader, lambda got: set(new.tolist()) <= set(got))
    loader.close()
    assert set(got) == {*old[:STEP].tolist(), *new.tolist()}, "the rest of the batch is nobody's wish now"


def test_a_chain_is_left_when_the_journey_ends(memory):
    gated = Gated(memory)
    loader = loader_of(gated, n_threads=1)
    loader.want(wish(memory.root.ids, NEAR, n_room=1000))
    assert gated.waiting.wait(10)
    loader.want(wish([], NEAR))
    gated.open = True
    gated.let_one_through()
    collect(loader, lambda got: len(got) == memory.root.n_chunks)
    time.sleep(0.05)
    assert not list(loader.arrivals()) and loader.n_under_way == 0
    loader.close()


def test_a_journey_begins_with_a_cut_below_the_pinned_chunks(memory):
    top = memory.root.ids[[i in memory.chunks for i in memory.root.ids.tolist()]]
    bits = octants([memory.chunks[i] for i in top.tolist()])
    below = children(top, bits)
    loader = loader_of(memory)
    sight = Sight(EYE, np.zeros((0, 3)), None, 1e-6)
    loader.want(wish([], sight, n_room=10_000, journey=Journey(sight, sight, (top, bits))))
    got, _ = collect(loader, lambda got: len(got) >= len(memory.chunks) - top.size)
    loader.close()
    assert set(below.tolist()) <= set(got) and not set(top.tolist()) & set(got)


def test_the_second_time_it_comes_from_ram(memory):
    ids = memory.ids[:200]
    loader = loader_of(memory, ram_bytes=1 << 24)
    for _ in range(2):
        loader.want(wish(ids))
        got, _ = collect(loader, lambda got: len(got) == 200)
        wait_until(lambda: drained(loader))
        assert all(got[i] == memory.chunks[i] for i in ids.tolist())
        memory.read.clear()
    loader.close()
    assert not memory.read


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("loader") / "w", *surface(1500, 500)).path


def by_region(path):
    """{record: ids} of level 0, the largest first."""
    world = open_world(path)
    records = sorted((r for r in world.regions if r.level == 0), key=lambda r: -r.n_chunks)
    return {r: chunk_id(0, world.read_region(r).chunks) for r in records}


def test_a_slow_store_brings_all(path):
    ids = np.concatenate(list(by_region(path).values()))
    loader = loader_of(open_world(path, SlowFiles(LocalFiles(path), 0.002)))
    loader.want(wish(ids))
    got, bad = collect(loader, lambda got: len(got) == ids.size)
    loader.close()
    assert not bad and None not in got.values()


def test_a_failing_region_is_told_and_the_others_come(path):
    regions = by_region(path)
    lost, *fine = regions
    told, failing = [], {lost.key}
    world = open_world(path, FailingFiles(LocalFiles(path), failing.__contains__))
    loader = loader_of(world, on_bad=told.append)
    loader.want(wish(np.concatenate([regions[lost], *(regions[r] for r in fine)])))
    got, bad = collect(loader, lambda got: len(got) == sum(map(len, regions.values())))
    assert set(bad) == set(regions[lost].tolist()) == {i for i, packed in got.items() if packed is None}
    assert told and all(isinstance(e, WorldError) and e.file == lost.key for e in told)
    wait_until(lambda: drained(loader))
    failing.clear()
    loader.want(wish(regions[lost]))
    got, bad = collect(loader, lambda got: len(got) == regions[lost].size)
    assert not bad and None not in got.values()
    loader.close()


def test_a_hung_region_does_not_keep_the_others(path):
    """Although every thread may be stuck in it at first, and its chunks stay the most urgent ones."""
    regions = by_region(path)
    hung, *fine = regions
    assert regions[hung].size > 2
    release = threading.Event()
    world = open_world(path, HungFiles(LocalFiles(path), lambda key: key == hung.key, release))
    loader = loader_of(world)
    for chunk in regions[hung].tolist():  # one wish each, so that both threads step into it
        loader.want(wish([chunk]))
        time.sleep(0.01)
    others = np.concatenate([regions[r] for r in fine])
    everything = np.concatenate([regions[hung], others])
    got = {}

    def came(ids):
        loader.want(wish([i for i in everything.tolist() if i not in got]))
        for arrivals in loader.arrivals():
            got.update(zip(arrivals.ids.tolist(), arrivals.streams, strict=True))
            got.update(dict.fromkeys([*arrivals.empty.tolist(), *arrivals.bad.tolist()]))
        return set(ids.tolist()) <= set(got)

    wait_until(lambda: came(others))
    assert not set(got) & set(regions[hung].tolist())
    release.set()
    wait_until(lambda: came(everything))
    wait_until(lambda: drained(loader))
    loader.want(wish([]))
    wait_until(lambda: n_alive(loader) == 2)  # those that had been stuck have gone
    loader.close()
    assert n_alive(loader) == 0


def n_alive(loader):
    """Threads of this loader alone: another test may have left its own behind."""
    return sum(thread.is_alive() for thread in loader._threads)


def test_closing_waits_for_no_hung_read(path):
    regions = by_region(path)
    release = threading.Event()
    world = open_world(path, HungFiles(LocalFiles(path), lambda key: True, release))
    loader = loader_of(world)
    loader.want(wish(np.concatenate(list(regions.values()))))
    wait_until(lambda: loader.n_under_way > 0)
    start = time.monotonic()
    loader.close()
    assert time.monotonic() - start < 2.0
    release.set()
    wait_until(lambda: n_alive(loader) == 0)
    assert CLOSE_S < 2.0 and STUCK_S < CLOSE_S


def test_levels_come_coarse_before_fine(memory):
    top = memory.root.ids
    loader = loader_of(memory, n_threads=1)
    loader.want(wish(top, NEAR, n_room=10_000))
    seen = []
    wait_until(
        lambda: seen.extend(a.ids for a in loader.arrivals()) or sum(map(len, seen)) >= len(memory.chunks)
    )
    loader.close()
    levels = np.concatenate([chunk_of_id(ids)[0] for ids in seen])
    assert (np.diff(levels) <= 0).all()
    assert set(levels.tolist()) == set(range(memory.meta.n_levels))
