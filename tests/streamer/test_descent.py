"""What a stream tells about the level below, against its voxels one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from voxtide.atlas.address import chunk_id, chunk_of_id, octant_of_chunk, parent
from voxtide.atlas.chunk import pack, unpack
from voxtide.atlas.layout import CHUNK
from voxtide.atlas.streams import encode
from voxtide.streamer.descent import children, octants, present

HALF = CHUNK // 2


@given(st.lists(st.sets(st.tuples(*[st.integers(0, CHUNK - 1)] * 3), min_size=1, max_size=12), max_size=6))
def test_octants_are_those_that_hold_a_voxel(chunks):
    packed = []
    for voxels in chunks:
        rgba = np.zeros((CHUNK, CHUNK, CHUNK, 4), np.uint8)
        for x, y, z in voxels:
            rgba[z, y, x] = 255
        packed.append(pack(rgba))
    got = octants([encode(one) for one in packed])
    assert got.dtype == np.uint8 and got.shape == (len(chunks),)
    for bits, one in zip(got.tolist(), packed, strict=True):
        z, y, x = np.nonzero(unpack(one)[..., 3])
        expected = {int(i) for i in x // HALF + 2 * (y // HALF) + 4 * (z // HALF)}
        assert {i for i in range(8) if bits >> i & 1} == expected


LEVEL_CHUNK = st.tuples(st.integers(0, 7), st.tuples(*[st.integers(-2000, 2000)] * 3), st.integers(0, 255))


@given(st.lists(LEVEL_CHUNK, max_size=8))
def test_children_are_all_that_exist_in_the_order_of_their_parents(items):
    ids = np.array([chunk_id(k, np.array(at)) for k, at, _ in items], np.uint64)
    got = children(ids, np.array([bits for _, _, bits in items], np.uint8))
    expected = [
        int(chunk_id(k - 1, np.array(at) * 2 + [i & 1, i >> 1 & 1, i >> 2]))
        for k, at, bits in items
        for i in range(8)
        if k > 0 and bits >> i & 1
    ]
    assert got.tolist() == expected
    level, at = chunk_of_id(got)
    for one, chunk in zip(level, at, strict=True):
        assert (int(one) + 1, tuple(parent(chunk))) in {(k, p) for k, p, _ in items}
        bits = [b for k, p, b in items if (k, p) == (one + 1, tuple(parent(chunk)))]
        assert any(b >> int(octant_of_chunk(chunk)) & 1 for b in bits)


def test_present_tells_where_there_is_something():
    at, held = present([None, b"a", None, b"b"])
    assert at.tolist() == [1, 3] and held == [b"a", b"b"]
    at, held = present([None])
    assert at.size == 0 and at.dtype == np.int64 and held == []
