"""The RAM tier: a least-recently-used cache by bytes, against the shortest program that is one."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voxtide.streamer.ram_tier import RamTier

BUDGET = 100
KEYS = st.lists(st.integers(0, 12).map(lambda k: k | 15 << 60), max_size=8)
PUTS = st.lists(st.tuples(st.integers(0, 12).map(lambda k: k | 15 << 60), st.integers(1, 120)), max_size=8)


def array(ids):
    return np.array(ids, np.uint64)


def get_slowly(kept, ids):
    """kept: [(id, packed)], the least recently used first -> (kept afterwards, what is found)."""
    known = dict(kept)
    found = [known.get(i) for i in ids]
    for i in ids:
        if i in known:
            kept = [pair for pair in kept if pair[0] != i] + [(i, known[i])]
    return kept, found


def put_slowly(kept, pairs):
    for i, packed in pairs:
        kept = [pair for pair in kept if pair[0] != i]
        if len(packed) <= BUDGET:
            kept = [*kept, (i, packed)]
        while sum(len(p) for _, p in kept) > BUDGET:
            kept = kept[1:]
    return kept


@given(st.lists(st.one_of(KEYS.map(lambda k: ("get", k)), PUTS.map(lambda p: ("put", p))), max_size=30))
def test_it_does_what_the_slow_one_does(steps):
    tier, kept, n_asked = RamTier(BUDGET), [], 0
    for serial, (what, items) in enumerate(steps):
        if what == "get":
            kept, expected = get_slowly(kept, items)
            assert tier.get_many(array(items)) == expected
            n_asked += len(items)
        else:
            pairs = [(i, bytes([serial]) * n) for i, n in items]
            kept = put_slowly(kept, pairs)
            tier.put_many(array([i for i, _ in pairs]), [p for _, p in pairs])
        counts = tier.counts()
        assert counts.n_bytes == sum(len(p) for _, p in kept) <= BUDGET
        assert counts.n_chunks == len(kept) and counts.n_hits + counts.n_misses == n_asked
    assert tier.get_many(array([i for i, _ in kept])) == [p for _, p in kept]


def test_nothing_is_copied():
    tier, own = RamTier(1000), bytes(range(9))
    tier.put_many(array([2]), [own])
    assert tier.get_many(array([2]))[0] is own


def test_counts_budget_and_clear():
    tier = RamTier(5)
    tier.put_many(array([1, 2, 3]), [b"aa", b"bb", b"cc"])
    tier.put_many(array([4]), [b"larger"])
    assert tier.get_many(array([1, 2, 3, 4, 3])) == [None, b"bb", b"cc", None, b"cc"]
    counts = tier.counts()
    assert (counts.n_hits, counts.n_misses, counts.n_evicted, counts.n_bytes) == (3, 2, 1, 4)
    tier.clear()
    assert tier.get_many(array([2])) == [None] and tier.counts().n_bytes == 0
    nothing = RamTier(0)
    nothing.put_many(array([1]), [b"a"])
    assert nothing.counts().n_chunks == 0
    with pytest.raises(ValueError, match="-1"):
        RamTier(-1)
    with pytest.raises(ValueError, match="zip"):
        tier.put_many(array([1, 2]), [b"a"])


def test_many_threads():
    tier, wrong = RamTier(4000), []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            ids = rng.integers(0, 300, 20).astype(np.uint64)
            for i, packed in zip(ids.tolist(), tier.get_many(ids), strict=True):
                if packed is not None and packed != bytes([i % 256]) * (i + 1):
                    wrong.append(i)
            tier.put_many(ids, [bytes([i % 256]) * (i + 1) for i in ids.tolist()])
            if tier.counts().n_bytes > 4000:
                wrong.append("budget")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = tier.counts()
    assert not wrong and counts.n_hits + counts.n_misses == 4 * 200 * 20
    ids = array(range(300))
    assert sum(len(p) for p in tier.get_many(ids) if p) == counts.n_bytes
