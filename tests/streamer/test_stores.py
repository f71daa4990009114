"""Stores: the ranges that were asked for, errors that name the file; one region's trouble stays its own."""

import os
import threading
import time

import numpy as np
import pytest
from voxtide.atlas import address
from voxtide.streamer import spans
from voxtide.streamer.errors import WorldError
from voxtide.streamer.stores import FailingFiles, HungFiles, LocalFiles, SlowFiles
from voxtide.streamer.world import open_world
from worlds import make_world, surface

DATA = bytes(range(256)) * 8


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "0").write_bytes(DATA)
    return tmp_path


def test_local_ranges(folder):
    store = LocalFiles(folder)
    n_open = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    got = store.get_ranges("a/b/0", [(3, 5), (0, 0), (2000, 48), (3, 2)], len(DATA))
    assert got == [DATA[3:8], b"", DATA[2000:], DATA[3:5]]
    assert store.get_ranges("a/b/0", []) == []
    for key, ranges, n_bytes, what in (
        ("a/b/1", [(0, 1)], None, "missing"),
        ("a/b", [(0, 1)], None, "not a regular file"),
        ("a/b/0", [(0, 1)], len(DATA) + 1, "2048 bytes, the manifest says 2049"),
        ("a/b/0", [(2040, 9)], None, "ends at byte 2048, 1 bytes short"),
    ):
        with pytest.raises(WorldError, match=what) as caught:
            store.get_ranges(key, ranges, n_bytes)
        assert caught.value.file == key
    assert n_open is None or len(os.listdir("/proc/self/fd")) == n_open


def test_no_link_leads_out(folder):
    (folder / "a" / "link").symlink_to("b/0")
    (folder / "c").symlink_to("a")
    os.mkfifo(folder / "a" / "fifo")
    for key, what in (("a/link", "symbolic link"), ("c/b/0", "symbolic link"), ("a/fifo", "not a regular")):
        with pytest.raises(WorldError, match=what):
            LocalFiles(folder).get_ranges(key, [(0, 1)])


def test_a_mended_file_is_seen(folder):
    store = LocalFiles(folder)
    assert store.get_ranges("a/b/0", [(0, 2)], len(DATA)) == [DATA[:2]]
    (folder / "new").write_bytes(DATA[::-1])
    (folder / "new").rename(folder / "a" / "b" / "0")
    assert store.get_ranges("a/b/0", [(0, 2)], len(DATA)) == [DATA[:-3:-1]]


def test_the_others(folder):
    inner = LocalFiles(folder)
    start = time.monotonic()
    assert SlowFiles(inner, 0.02).get_ranges("a/b/0", [(1, 1)]) == [b"\x01"]
    assert time.monotonic() - start >= 0.02
    broken = {"a/b/0"}
    failing = FailingFiles(inner, broken.__contains__)
    with pytest.raises(WorldError, match="cannot be read at byte 7: Input/output error") as caught:
        failing.get_ranges("a/b/0", [(7, 1)])
    assert caught.value.file == "a/b/0"
    broken.clear()
    assert failing.get_ranges("a/b/0", [(7, 1)]) == [b"\x07"]


def test_spans_near_each_other_come_in_one_range():
    gap = spans.MERGE_GAP_BYTES
    rng = np.random.default_rng(0)
    for n in (1, 2, 40):
        n_bytes = rng.integers(1, 500, n)
        gaps = rng.choice([0, 7, gap, gap + 1, 3 * gap], n)
        offsets = np.cumsum(gaps + n_bytes) - n_bytes
        ranges, places = spans.merge(offsets, n_bytes)
        assert len(ranges) == 1 + (gaps[1:] > gap).sum()
        content = rng.integers(0, 256, offsets[-1] + 500, dtype=np.uint8).tobytes()
        data = b"".join(content[a : a + size] for a, size in ranges)
        for at, offset, size in zip(places, offsets, n_bytes, strict=True):
            assert data[at : at + size] == content[offset : offset + size]
        pick = rng.integers(0, n, 3 * n)  # in any order, and some of them again
        pick[:n] = np.arange(n)[::-1]
        again, found = spans.merge(offsets[pick], n_bytes[pick])
        assert again == ranges and (found == places[pick]).all()


def test_what_lies_in_one_place_is_one():
    offsets = np.array([0, 40, 0, 95, 40, 0])
    chunk, which = spans.distinct(offsets)
    assert chunk.size == 3 and (offsets[chunk][which] == offsets).all()


@pytest.fixture(scope="module", params=["zstd", "lz4"])
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / request.param
    return make_world(path, *surface(1500, 500), codec=request.param).path


def ids_of(world):
    """{record: ids [C]} of every region."""
    return {r: address.chunk_id(r.level, world.read_region(r).chunks) for r in world.regions}


def test_a_failing_region_is_told_once_and_the_others_come(path):
    ids = ids_of(open_world(path))
    lost = max(ids, key=lambda record: record.n_chunks)
    failing = {lost.key}
    world = open_world(path, FailingFiles(LocalFiles(path), failing.__contains__))
    everything = np.random.default_rng(0).permutation(np.concatenate(list(ids.values())))
    for _ in range(2):  # the second time with its index cached: the read of its chunks fails instead
        bad = []
        failing.add(lost.key)
        got = world.read_many(everything, bad.append)
        assert [(b.file, b.chunk) for b in bad] == [(lost.key, None)]
        assert "Input/output error" in bad[0].what
        missing = np.array([packed is None for packed in got])
        assert (missing == np.isin(everything, ids[lost])).all()
        with pytest.raises(WorldError, match="Input/output error"):
            world.read_many(everything)
        failing.clear()
        assert world.read_many(everything) == open_world(path).read_many(everything)


def test_a_slow_store_gives_the_same(path):
    ids = np.concatenate(list(ids_of(open_world(path)).values()))[:200]
    slow = open_world(path, SlowFiles(LocalFiles(path), 0.001))
    assert slow.read_many(ids) == open_world(path).read_many(ids)


def test_a_hung_region_keeps_no_other_thread_waiting(path):
    ids = ids_of(open_world(path))
    hung, fine = sorted(ids, key=lambda record: record.n_chunks)[-2:]
    release = threading.Event()
    world = open_world(path, HungFiles(LocalFiles(path), lambda key: key == hung.key, release))
    got = []
    thread = threading.Thread(target=lambda: got.extend(world.read_many(ids[hung])), daemon=True)
    thread.start()
    assert None not in world.read_many(ids[fine])  # the index of the hung one is being read meanwhile
    assert not got and thread.is_alive()
    release.set()
    thread.join(10)
    assert got == open_world(path).read_many(ids[hung])


class ShortStore:
    """Gives one byte less than it was asked for."""

    def __init__(self, inner):
        self.inner = inner

    def get_ranges(self, key, ranges, file_bytes=None):
        return [data[:-1] for data in self.inner.get_ranges(key, ranges, file_bytes)]


def test_a_store_that_breaks_its_word_is_told(path):
    world = open_world(path, ShortStore(LocalFiles(path)))
    with pytest.raises(WorldError, match="another number of bytes"):
        world.read_region(world.regions[0])
