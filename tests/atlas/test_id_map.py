"""IdMap behaves as a dict, whenever it merges its arrays, and readers may keep what they hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.atlas import id_map
from voxtide.atlas.id_map import NOWHERE, IdMap, contains

ids = st.sets(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=12)


@pytest.mark.parametrize("many", [0, 5, 1000])
def test_it_is_a_dict(monkeypatch, many):
    monkeypatch.setattr(id_map, "MANY", many)

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.booleans(), ids), max_size=12), ids)
    def behaves(changes, asked):
        table, truth = IdMap(), {}
        for i, (adding, some) in enumerate(changes):
            some = some - truth.keys() if adding else some & truth.keys()
            keys = np.array(sorted(some, reverse=True), np.uint64)
            if adding:
                slots = np.arange(keys.size) + 100 * i
                table.add(keys, slots)
                truth |= dict(zip(keys.tolist(), slots.tolist(), strict=True))
            else:
                assert table.remove(keys).tolist() == [truth.pop(k) for k in keys.tolist()]
            look = np.array([*asked, *truth, *some], np.uint64)
            assert table.find(look).tolist() == [truth.get(k, NOWHERE) for k in look.tolist()]
        assert len(table) == len(truth)
        assert dict(zip(table.ids.tolist(), table.slots.tolist(), strict=True)) == truth
        assert table.ids.tolist() == sorted(truth)
        assert contains(table.ids, look := np.array([*asked], np.uint64)).tolist() == [
            k in truth for k in look.tolist()
        ]

    behaves()


def test_misuse_is_noticed():
    table = IdMap()
    table.add(np.array([5, 9], np.uint64), np.array([1, 2]))
    for wrong in ([9], [7, 7]):
        with pytest.raises(AssertionError):
            table.add(np.array(wrong, np.uint64), np.arange(len(wrong)))
    for wrong in ([7], [10]):
        with pytest.raises(AssertionError):
            table.remove(np.array(wrong, np.uint64))


def test_what_a_reader_holds_stays_sorted_and_loses_only_what_was_removed():
    table = IdMap()
    table.add(np.array([5, 9], np.uint64), np.array([1, 2]))
    ids, now = table.ids, table.now
    table.add(np.array([7], np.uint64), np.array([3]))
    table.remove(np.array([5], np.uint64))
    assert ids.tolist() == [5, 9]
    assert now.find(np.array([5, 7, 9], np.uint64)).tolist() in ([1, NOWHERE, 2], [NOWHERE, NOWHERE, 2])
