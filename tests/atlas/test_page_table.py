"""The page table leads to what is resident, and every change is told as writes that a copy can replay."""

import numpy as np
import pytest
from voxtide.atlas import layout
from voxtide.atlas.address import chunk_id, octant_of_chunk
from voxtide.atlas.page_table import PageTable, root_grid


def ids_of(level, *chunks):
    return chunk_id(level, np.array(chunks))


def walk(table, level, chunk):
    """Follow entries from the root as a ray does. -> slot or None"""
    path = [np.array(chunk) >> (k - level) for k in range(table.root.level, level - 1, -1)]
    cell = path[0] - table.root.origin
    nx, ny, _ = table.root.size
    entry = table.entries[cell[0] + nx * (cell[1] + ny * cell[2])]
    for step in path[1:]:
        if not entry & layout.ENTRY_RESIDENT:
            return None
        slot = int(entry & layout.ENTRY_SLOT_MASK)
        entry = table.entries[table.root.n_chunks + 8 * slot + int(octant_of_chunk(step))]
    return int(entry & layout.ENTRY_SLOT_MASK) if entry & layout.ENTRY_RESIDENT else None


def withdraw(table, ids):
    return table.withdraw(ids, table.addresses(ids))


@pytest.fixture
def table():
    return PageTable(root_grid(2, np.array([-70, -1, 0]), np.array([130, 64, 1])), n_slots=20)


def test_the_root_grid_covers_the_bounds(table):
    assert table.root.origin.tolist() == [-2, -1, 0]
    assert table.root.size.tolist() == [5, 2, 1]
    assert table.root.corner_voxel.tolist() == [-128, -64, 0]


def test_publish_leads_there_and_nowhere_else(table):
    ids = np.concatenate([ids_of(2, (-2, -1, 0), (1, 0, 0)), ids_of(1, (-4, -1, 1)), ids_of(0, (-8, -1, 3))])
    copy = table.entries.copy()
    writes = table.publish(ids, np.array([7, 3, 0, 19]))
    copy[writes[:, 0]] = writes[:, 1]
    np.testing.assert_array_equal(copy, table.entries)
    assert walk(table, 2, (-2, -1, 0)) == 7
    assert walk(table, 2, (1, 0, 0)) == 3
    assert walk(table, 1, (-4, -1, 1)) == 0
    assert walk(table, 0, (-8, -1, 3)) == 19
    assert walk(table, 0, (-7, -1, 3)) is None
    assert walk(table, 2, (0, 0, 0)) is None
    assert (table.entries != layout.ENTRY_NONE).sum() == 4


def test_withdraw_takes_it_back(table):
    ids = np.concatenate([ids_of(2, (0, 0, 0)), ids_of(1, (1, 1, 0), (0, 0, 0))])
    table.publish(ids, np.array([4, 5, 6]))
    writes, slots = withdraw(table, ids[1:])
    assert slots.tolist() == [5, 6]
    assert (writes[:, 1] == layout.ENTRY_NONE).all()
    assert walk(table, 1, (1, 1, 0)) is None
    assert walk(table, 2, (0, 0, 0)) == 4
    table.publish(ids[2:], np.array([5]))
    assert walk(table, 1, (0, 0, 0)) == 5


def test_order_of_life_is_enforced(table):
    with pytest.raises(AssertionError, match="parent"):
        table.publish(ids_of(1, (0, 0, 0)), np.array([0]))  # its parent is not resident
    table = PageTable(table.root, 20)
    ids = np.concatenate([ids_of(2, (0, 0, 0)), ids_of(1, (1, 0, 0))])
    table.publish(ids, np.array([1, 2]))
    with pytest.raises(AssertionError):
        table.publish(ids[:1], np.array([3]))  # resident already
    with pytest.raises(AssertionError):
        withdraw(table, ids[:1])  # its child is resident
    with pytest.raises(AssertionError, match="outside the root grid"):
        table.publish(ids_of(2, (9, 9, 9)), np.array([4]))


def test_reachable_is_below_a_resident_parent_or_in_the_root_grid(table):
    table.publish(ids_of(2, (0, 0, 0)), np.array([1]))
    ids = np.concatenate(
        [
            ids_of(2, (1, 0, 0), (9, 0, 0)),
            ids_of(1, (1, 1, 1), (2, 0, 0)),
            ids_of(0, (0, 0, 0)),
            ids_of(5, (0, 0, 0)),
        ]
    )
    assert table.is_reachable(ids).tolist() == [True, False, True, False, False, False]


def test_empty_chunks_are_told_and_forgotten(table):
    table.publish(ids_of(2, (0, 0, 0)), np.array([1]))
    writes = table.publish_empty(ids_of(1, (1, 0, 1)))
    assert writes.tolist() == [[table.root.n_chunks + 8 + 5, layout.ENTRY_EMPTY]]
    assert walk(table, 1, (1, 0, 1)) is None
    withdraw(table, ids_of(2, (0, 0, 0)))
    assert (table.entries == layout.ENTRY_NONE).all(), "whoever gets the slot next starts afresh"


def test_slots_around_a_voxel_go_down_to_the_pinned_levels():
    table = PageTable(root_grid(8, np.array([-9000, 0, 0]), np.array([9000, 1, 1])), n_slots=20)
    voxel = np.array([-1234, 7, 3])
    levels = [8, 7, 6, 5, 4]
    ids = np.concatenate([chunk_id(k, (voxel >> (k + 4))[None]) for k in levels])
    table.publish(ids, np.arange(5) + 10)
    assert table.slots_around(voxel[None]) == {8: 10, 7: 11, 6: 12, 5: 13}, "not level 4: it comes and goes"
    assert table.slots_around(np.array([[1234, 7, 3]])) == {}
    withdraw(table, ids[4:])
    withdraw(table, ids[3:4])
    assert table.slots_around(voxel[None]) == {8: 10, 7: 11, 6: 12}
    near_and_far = np.stack([voxel, np.add(voxel, (1000, 0, 0))])
    assert table.slots_around(near_and_far) == {8: 10, 7: 11}, "both eyes must lie in it"
    assert table.slots_around(np.array([[1 << 22, 0, 0]])) == {}
