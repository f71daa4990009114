"""IdMap behaves as a dict, and never changes what was read from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.atlas.id_map import NOWHERE, IdMap, contains

ids = st.sets(st.integers(0, 2**64 - 1), max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), ids), max_size=12), ids)
def test_it_is_a_dict(changes, asked):
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
    assert len(table) == len(truth)
    assert (table.ids[1:] > table.ids[:-1]).all()
    look = np.array([*asked, *truth], np.uint64)
    assert table.find(look).tolist() == [truth.get(k, NOWHERE) for k in look.tolist()]
    assert contains(table.ids, look).tolist() == [k in truth for k in look.tolist()]


def test_misuse_is_noticed():
    table = IdMap()
    table.add(np.array([5, 9], np.uint64), np.array([1, 2]))
    for wrong in ([9], [7, 7]):
        with pytest.raises(AssertionError):
            table.add(np.array(wrong, np.uint64), np.arange(len(wrong)))
    for wrong in ([7], [10]):
        with pytest.raises(AssertionError):
            table.remove(np.array(wrong, np.uint64))


def test_a_held_view_does_not_change():
    table = IdMap()
    table.add(np.array([5, 9], np.uint64), np.array([1, 2]))
    held = table.ids
    table.add(np.array([7], np.uint64), np.array([3]))
    table.remove(np.array([5], np.uint64))
    assert held.tolist() == [5, 9]
