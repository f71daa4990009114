"""Packed chunks: three ways to the same bytes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.atlas import address, chunk, layout


def random_chunk(rng, occupied):
    rgba = rng.integers(0, 256, (16, 16, 16, 4), dtype=np.uint8)
    rgba[..., 3] = np.maximum(rgba[..., 3], 1) * (rng.random((16, 16, 16)) < occupied)
    return rgba


def pack_one_by_one(rgba):
    """The layout as the design states it, a voxel at a time."""
    mask, colours = bytearray(layout.MASK_BYTES), bytearray()
    for index in range(4096):
        block, bit = divmod(index, 64)
        x, y, z = (block >> s & 3 for s in (0, 2, 4))
        i, j, k = (bit >> s & 3 for s in (0, 2, 4))
        voxel = rgba[z * 4 + k, y * 4 + j, x * 4 + i]
        if voxel[3]:
            mask[index // 8] |= 1 << index % 8
            colours += voxel.tobytes()
    return bytes(mask + colours)


@pytest.mark.parametrize("occupied", [0.0, 0.001, 0.15, 0.9, 1.0])
def test_pack_is_the_stated_layout_and_unpack_its_inverse(rng, occupied):
    rgba = random_chunk(rng, occupied)
    packed = chunk.pack(rgba)
    assert packed == pack_one_by_one(rgba)
    assert np.array_equal(chunk.unpack(packed), rgba * (rgba[..., 3:] > 0))
    assert len(packed) <= chunk.MAX_PACKED_BYTES
    assert (len(packed) >= chunk.MIN_PACKED_BYTES) == bool(rgba[..., 3].any())


def test_black_is_a_colour_and_what_is_empty_has_none():
    rgba = np.full((16, 16, 16, 4), 0, np.uint8)
    rgba[..., :3] = 77  # colours of empty voxels are not kept
    rgba[3, 2, 1] = [0, 0, 0, 1]
    back = chunk.unpack(chunk.pack(rgba))
    assert back[3, 2, 1].tolist() == [0, 0, 0, 1]
    assert back.sum() == 1


def test_pack_sorted_equals_pack_chunk_by_chunk(rng):
    chunks = {
        rank: random_chunk(rng, p) for rank, p in [(0, 0.1), (1, 1.0), (7, 0.001), (4095, 0.3), (2**40, 0.5)]
    }
    local = address.local_of_mask_index(np.arange(4096))
    index, rgba = [], []
    for rank, dense in chunks.items():
        ordered = dense[local[:, 2], local[:, 1], local[:, 0]]
        bits = np.flatnonzero(ordered[:, 3])
        index.append(rank << 12 | bits)
        rgba.append(ordered[bits])
    ranks, packed = chunk.pack_sorted(np.concatenate(index), np.concatenate(rgba))
    assert ranks.tolist() == list(chunks)
    assert packed == [chunk.pack(dense) for dense in chunks.values()]


def test_pack_sorted_of_nothing():
    ranks, packed = chunk.pack_sorted(np.empty(0, np.int64), np.empty((0, 4), np.uint8))
    assert (ranks.size, packed) == (0, [])


@pytest.mark.parametrize(
    ("index", "coverage"),
    [([3, 3], [1, 1]), ([4, 3], [1, 1]), ([3, 4], [1, 0])],
    ids=["twice", "unsorted", "empty"],
)
def test_pack_sorted_asserts_its_contract(index, coverage):
    rgba = np.array([[9, 9, 9, a] for a in coverage], np.uint8)
    with pytest.raises(AssertionError):
        chunk.pack_sorted(np.array(index, np.int64), rgba)


@pytest.mark.parametrize("shape", [(16, 16, 16, 3), (16, 16, 15, 4), (4096, 4)])
def test_pack_asserts_its_shape(shape):
    with pytest.raises(AssertionError):
        chunk.pack(np.zeros(shape, np.uint8))


def test_any_buffer_is_accepted(rng):
    rgba = random_chunk(rng, 0.2)
    rgba *= rgba[..., 3:] > 0
    packed = chunk.pack(rgba)
    offset = memoryview(b"xyz" + packed)[3:]
    for buffer in (packed, bytearray(packed), offset, np.frombuffer(packed, np.uint8)):
        assert np.array_equal(chunk.unpack(buffer), rgba)


def hostile():
    one = np.zeros((16, 16, 16, 4), np.uint8)
    one[0, 0, 0] = [1, 2, 3, 4]
    packed = chunk.pack(one)
    full = bytes([255]) * layout.MASK_BYTES
    return {
        "nothing": b"",
        "one byte": b"\x01",
        "half a mask": packed[:256],
        "mask without its colour": packed[:512],
        "half a colour": packed[:-1],
        "one byte too many": packed + b"\x00",
        "one voxel too many": packed + packed[-4:],
        "a bit more than colours": b"\x03" + packed[1:],
        "a colour more than bits": b"\x00" + packed[1:],
        "coverage 0": packed[:-1] + b"\x00",
        "full mask, no colours": full,
        "full mask, one short": full + bytes([255]) * (4 * 4095),
        "full mask, one over": full + bytes([255]) * (4 * 4097),
        "dense chunk": bytes(4 * 4096),
    }


@pytest.mark.parametrize("name", hostile())
def test_damage_is_refused(name):
    with pytest.raises(ValueError, match="chunk"):
        chunk.unpack(hostile()[name])


@given(st.binary(max_size=700))
@settings(max_examples=300)
def test_any_bytes_unpack_to_what_packs_to_them_or_are_refused(data):
    try:
        rgba = chunk.unpack(data)
    except ValueError:
        return
    assert chunk.pack(rgba) == data


@given(st.data())
@settings(max_examples=100)
def test_one_flipped_bit_is_refused_or_is_another_valid_chunk(data):
    rgba = random_chunk(np.random.default_rng(1), 0.02)
    packed = bytearray(chunk.pack(rgba))
    bit = data.draw(st.integers(0, len(packed) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8
    is_coverage = bit >= 4096 and bit // 8 % 4 == 3
    if bit < 4096:  # the mask disagrees with the length
        with pytest.raises(ValueError, match="says otherwise"):
            chunk.unpack(packed)
    elif is_coverage and packed[bit // 8] == 0:
        with pytest.raises(ValueError, match="coverage 0"):
            chunk.unpack(packed)
    else:  # another colour: only the file's checksum can tell
        assert chunk.pack(chunk.unpack(packed)) == packed
