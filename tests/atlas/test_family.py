"""Arithmetic on ids agrees with that on coordinates, at every level and at the edges of the world."""

import numpy as np
import pytest
from voxtide.atlas import address
from voxtide.atlas.family import child_id, level_of_id, octant_of_id, parent_id
from voxtide.atlas.layout import MAX_LEVEL


def chunks_of(level, rng):
    half = address.CHUNK_BIAS >> level
    edges = np.array([[x, y, z] for x in (-half, half - 1) for y in (-half, -1, 0) for z in (half - 1, 0)])
    return np.concatenate([edges, rng.integers(-half, half, (500, 3))])


@pytest.mark.parametrize("level", range(MAX_LEVEL))
def test_a_parent_is_the_parent_of_the_coordinates(level):
    chunks = chunks_of(level, np.random.default_rng(level))
    ids = address.chunk_id(level, chunks)
    np.testing.assert_array_equal(parent_id(ids), address.chunk_id(level + 1, address.parent(chunks)))
    np.testing.assert_array_equal(octant_of_id(ids), address.octant_of_chunk(chunks))
    np.testing.assert_array_equal(child_id(parent_id(ids), octant_of_id(ids)), ids)
    assert (level_of_id(ids) == level).all()


def test_the_eight_children_of_a_chunk():
    one = address.chunk_id(3, np.array([[-5, 0, 7]]))
    level, chunks = address.chunk_of_id(child_id(np.repeat(one, 8), np.arange(8)))
    assert (level == 2).all()
    assert [tuple(c) for c in chunks.tolist()] == [
        (x, y, z) for z in (14, 15) for y in (0, 1) for x in (-10, -9)
    ]
