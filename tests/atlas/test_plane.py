"""Planes packed, and one level up, against slow twins."""

from collections import Counter

import numpy as np
import pytest
from voxtide.atlas import address, plane
from voxtide.atlas.lod_planes import reduce_plane, reduce_semantic, reduce_updated
from voxtide.atlas.stamp import newer, stamp_of


def some_values(rng, name, n):
    if name == "updated":
        return rng.integers(1, 256, n).astype(np.uint8)
    return rng.choice([1, 5, 127, 128, 16_511, 16_512, 2_113_663], n).astype(np.uint32)


@pytest.mark.parametrize("name", plane.NAMES)
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 1])
def test_a_chunk_round_trips(rng, name, share):
    dense = some_values(rng, name, 4096).reshape(16, 16, 16)
    dense[rng.random((16, 16, 16)) >= share] = 0
    packed = plane.pack(name, dense)
    found = plane.unpack(name, packed)
    assert found.dtype == dense.dtype and (found == dense).all()
    if name == "updated":
        assert len(packed) == 512 + np.count_nonzero(dense)


@pytest.mark.parametrize("name", plane.NAMES)
def test_pack_sorted_is_pack_of_every_chunk(rng, name):
    index = np.sort(rng.choice(40 * 4096, 3000, replace=False))
    index = index[(index >> 12) % 3 != 1]  # gaps
    values = some_values(rng, name, index.size)
    ranks, packed = plane.pack_sorted(name, index, values)
    assert ranks.tolist() == sorted(set((index >> 12).tolist())) and len(packed) == len(ranks)
    for rank, one in zip(ranks, packed, strict=True):
        here = index >> 12 == rank
        dense = np.zeros((16, 16, 16), plane.DTYPES[name])
        x, y, z = address.local_of_mask_index(index[here] & 4095).T
        dense[z, y, x] = values[here]
        assert one == plane.pack(name, dense)
    assert plane.pack_sorted(name, index[:0], values[:0])[1] == []


def test_damage_is_told():
    mask = bytes([7]) + bytes(511)
    for packed, what in (
        (b"\0" * 511, "shorter"),
        (mask + b"\1\2", "2 values, its mask says 3"),
        (mask + b"\1\2\3\4", "4 values"),
        (mask + b"\1\2\0", "value of 0"),
        (mask + b"\1\2\x80", "cut in the middle"),
        (mask + b"\1\2\x80\x80\x80\1", "3 are the most"),
    ):
        with pytest.raises(ValueError, match=what):
            plane.split("semantic", packed)
    with pytest.raises(ValueError, match="value of 0"):
        plane.split("updated", mask + b"\1\0\3")


def slow_parents(voxels, values, choose):
    families = {}
    for voxel, value in zip(voxels.tolist(), values.tolist(), strict=True):
        families.setdefault(tuple(c >> 1 for c in voxel), []).append(value)
    return {parent: choose(children) for parent, children in families.items()}


def slow_vote(children):
    votes = Counter(children)
    return min(votes, key=lambda i: (-votes[i], i))


def as_dict(voxels, values):
    return {tuple(v): i for v, i in zip(voxels.tolist(), values.tolist(), strict=True)}


def sparse(rng, n, spread=9):
    return np.unique(rng.integers(-spread, spread, (n, 3)), axis=0)


@pytest.mark.parametrize("n_ids", [1, 2, 3, 200])
def test_the_most_frequent_child_wins_and_of_equals_the_lowest(rng, n_ids):
    voxels = sparse(rng, 3000)
    ids = (1 + rng.integers(0, n_ids, len(voxels)) * 10_000).astype(np.uint32)
    parents, found = reduce_semantic(voxels, ids)
    assert found.dtype == np.uint32 and as_dict(parents, found) == slow_parents(voxels, ids, slow_vote)
    assert (np.lexsort(parents.T) == np.arange(len(parents))).all()
    shuffled = rng.permutation(len(voxels))
    again = reduce_semantic(voxels[shuffled], ids[shuffled])
    assert (again[0] == parents).all() and (again[1] == found).all()


def test_a_tie_of_four_against_four_goes_to_the_lower_id():
    voxels = np.argwhere(np.ones((2, 2, 2)))
    ids = np.array([9, 9, 9, 9, 4, 4, 4, 4], np.uint32)
    assert reduce_semantic(voxels, ids)[1].tolist() == [4]
    ids[4] = 9
    assert reduce_semantic(voxels, ids)[1].tolist() == [9]


@pytest.mark.parametrize("last", [3, 100, 255, 400])
def test_the_newest_child_wins(rng, last):
    voxels = sparse(rng, 2000)
    seen = rng.integers(max(1, last - 254), last + 1, len(voxels))
    parents, found = reduce_updated(voxels, stamp_of(seen), int(stamp_of(last)))
    newest = slow_parents(voxels, seen, max)
    assert found.dtype == np.uint8
    assert as_dict(parents, found) == {p: int(stamp_of(n)) for p, n in newest.items()}
    shuffled = rng.permutation(len(voxels))
    assert (reduce_updated(voxels[shuffled], stamp_of(seen[shuffled]), int(stamp_of(last)))[1] == found).all()


def test_newest_of_near_stamps_is_what_pairs_say(rng):
    voxels = np.argwhere(np.ones((2, 2, 2)))
    for start in (1, 200, 250):
        stamps = stamp_of(start + rng.permutation(8) * 15)
        (found,) = reduce_updated(voxels, stamps, int(stamp_of(start + 110)))[1]
        assert all(newer(found, s) for s in stamps if s != found)


def test_refusals_and_nothing():
    one = np.zeros((1, 3), np.int64)
    with pytest.raises(ValueError, match="value of 0"):
        reduce_semantic(one, np.zeros(1, np.uint32))
    with pytest.raises(ValueError, match="twice"):
        reduce_semantic(np.zeros((2, 3), np.int64), np.ones(2, np.uint32))
    with pytest.raises(ValueError, match="need voxels"):
        reduce_semantic(one, np.ones(2, np.uint32))
    for name in plane.NAMES:
        parents, values = reduce_plane(name, one[:0], np.zeros(0, plane.DTYPES[name]), 1)
        assert parents.shape == (0, 3) and values.shape == (0,) and values.dtype == plane.DTYPES[name]
