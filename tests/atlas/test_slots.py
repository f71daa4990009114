"""Where slots lie, and a pool driven at random against a dict."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from voxtide.atlas import address, layout
from voxtide.atlas.slots import MAX_SLOTS, SlotPool, atlas_texel, slot_origin


def test_slot_origin_is_the_stated_formula():
    slots = np.arange(3 * 4096)
    layer, chunk = slot_origin(slots)
    assert np.array_equal(layer, slots >> 12)
    assert np.array_equal(chunk, np.stack([slots & 15, slots >> 4 & 15, slots >> 8 & 15], axis=-1))
    layer, chunk = slot_origin(MAX_SLOTS - 1)
    assert (int(layer), chunk.tolist()) == (4095, [15, 15, 15])
    assert MAX_SLOTS - 1 == layout.ENTRY_SLOT_MASK


def test_every_voxel_of_a_layer_has_its_own_texel():
    taken = np.zeros((4096, 4096), np.uint8)
    local = address.local_of_mask_index(np.arange(4096))
    for first in range(4096, 8192, 256):
        slots = np.arange(first, first + 256)[:, None]
        layer, x, y = atlas_texel(slots, local)
        assert np.all(layer == 1)
        taken[y, x] += 1
    assert np.all(taken == 1)


def test_one_texel_by_hand():
    layer, x, y = atlas_texel(4096 * 7 + 5 + 16 * 6 + 256 * 9, [1, 2, 3])
    u, v, w = 5 * 16 + 1, 6 * 16 + 2, 9 * 16 + 3
    assert (int(layer), int(x), int(y)) == (7, (w & 15) << 8 | u, (w >> 4) << 8 | v)


def test_out_of_range_is_refused():
    for slot in (-1, MAX_SLOTS, 0.5):
        with pytest.raises(ValueError, match="slots"):
            slot_origin(slot)
    for local in ([0, 0, 16], [-1, 0, 0], [0.0, 0.0, 0.0]):
        with pytest.raises(ValueError, match="outside"):
            atlas_texel(0, local)
    for n in (0, -1, MAX_SLOTS + 1):
        with pytest.raises(ValueError, match="n_slots"):
            SlotPool(n)


def test_the_lowest_slots_go_first_and_the_last_returned_goes_next():
    pool = SlotPool(10)
    assert pool.take(np.arange(4, dtype=np.uint64)).tolist() == [0, 1, 2, 3]
    pool.give(np.array([1, 2]))
    assert pool.take(np.arange(3, dtype=np.uint64)).tolist() == [2, 1, 4]


def test_an_exhausted_pool_says_so_and_is_unchanged():
    pool = SlotPool(5)
    pool.take(np.array([7, 8], np.uint64))
    with pytest.raises(IndexError, match="4 slots wanted, 3 of 5 free"):
        pool.take(np.zeros(4, np.uint64))
    assert pool.n_free == 3
    assert pool.take(np.zeros(3, np.uint64)).tolist() == [2, 3, 4]
    assert pool.n_free == 0


def test_double_free_is_an_assertion_and_changes_nothing():
    pool = SlotPool(8)
    slots = pool.take(np.arange(3, dtype=np.uint64))
    for wrong in ([0, 0], [5], [8], [-1], [0, 5]):
        with pytest.raises(AssertionError):
            pool.give(np.array(wrong))
        assert pool.taken.tolist() == [True] * 3 + [False] * 5
    pool.give(slots)
    with pytest.raises(AssertionError, match="free slot"):
        pool.give(slots[:1])
    assert pool.n_free == 8


class PoolMachine(RuleBasedStateMachine):
    """Any sequence of take and give leaves the pool equal to a dict of slot -> owner."""

    SIZE = 12

    def __init__(self):
        super().__init__()
        self.pool = SlotPool(self.SIZE)
        self.owners = {}

    @rule(owners=st.lists(st.integers(0, 2**64 - 1), max_size=SIZE + 2))
    def take(self, owners):
        ids = np.array(owners, np.uint64)
        if len(owners) > self.SIZE - len(self.owners):
            with pytest.raises(IndexError):
                self.pool.take(ids)
            return
        slots = self.pool.take(ids).tolist()
        assert len(set(slots)) == len(owners)
        assert not set(slots) & set(self.owners)
        self.owners.update(zip(slots, owners, strict=True))

    @precondition(lambda self: self.owners)
    @rule(data=st.data())
    def give(self, data):
        slots = data.draw(st.lists(st.sampled_from(sorted(self.owners)), unique=True))
        self.pool.give(np.array(slots, np.int64))
        for slot in slots:
            del self.owners[slot]

    @precondition(lambda self: len(self.owners) < self.SIZE)
    @rule(data=st.data())
    def give_what_is_free(self, data):
        slot = data.draw(st.sampled_from(sorted(set(range(self.SIZE)) - set(self.owners))))
        with pytest.raises(AssertionError):
            self.pool.give(np.array([slot]))

    @invariant()
    def agrees(self):
        taken = np.flatnonzero(self.pool.taken).tolist()
        assert {slot: int(self.pool.owner[slot]) for slot in taken} == self.owners
        assert self.pool.n_free == self.SIZE - len(self.owners)


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSlotPool = PoolMachine.TestCase
