"""The two-bit bitmap against a set of tuples, above all `touched_chunks`."""

import numpy as np
import pytest
from voxtide.atlas.bitmap import OccupancyBitmap
from voxtide.atlas.uvw import voxel_to_atlas


def touched_only(uvw):
    bitmap = OccupancyBitmap(2)
    bitmap.set_touched(uvw)
    return bitmap


def brute_chunks(uvw, edge=16):
    """Sorted by z, y, x."""
    chunks = {(u // edge, v // edge, w // edge) for u, v, w in np.asarray(uvw).tolist()}
    return sorted(chunks, key=lambda c: c[::-1])


def as_tuples(chunks):
    return [tuple(c) for c in chunks.tolist()]


def test_touched_chunks_equals_brute_force_on_200_sets(rng):
    bitmap = OccupancyBitmap(2)
    bitmap.set_by_voxel(rng.integers(0, 256, (5000, 3)))  # occupancy must not leak into the answer
    for _ in range(200):
        n = int(rng.integers(0, 60))
        uvw = rng.integers(0, 256, (n, 3))
        bitmap.clear_touched()
        bitmap.set_touched(uvw)
        chunks = bitmap.touched_chunks(16)
        assert chunks.shape[1:] == (3,)
        assert chunks.dtype == np.int64
        assert as_tuples(chunks) == brute_chunks(uvw)


def test_single_voxels_in_every_tile_column(rng):
    """Columns 8..15 (w & 15 >= 8) of every tile row were lost by an earlier implementation."""
    bitmap = OccupancyBitmap(2)
    for w in range(256):
        uvw = np.array([[*rng.integers(0, 256, 2), w]])
        bitmap.clear_touched()
        bitmap.set_touched(uvw)
        assert as_tuples(bitmap.touched_chunks()) == brute_chunks(uvw), w


def test_each_chunk_is_found_from_each_of_its_corners():
    cx, cy, cz = (a.ravel() for a in np.meshgrid(*[np.arange(16)] * 3, indexing="ij"))
    chunks = np.stack([cx, cy, cz], axis=-1)
    for corner in np.ndindex(2, 2, 2):
        half = chunks[(chunks.sum(axis=1) + sum(corner)) % 2 == 0]  # a chequered region
        expected = sorted(as_tuples(half), key=lambda c: c[::-1])
        assert as_tuples(touched_only(half * 16 + np.array(corner) * 15).touched_chunks()) == expected


@pytest.mark.parametrize("edge", [16, 32, 64, 128, 256])
def test_larger_cubes(rng, edge):
    uvw = rng.integers(0, 256, (12, 3))
    assert as_tuples(touched_only(uvw).touched_chunks(edge)) == brute_chunks(uvw, edge)


@pytest.mark.parametrize("edge", [0, 8, 24, 48, 512, -16])
def test_other_edges_are_refused(edge):
    with pytest.raises(ValueError, match="edge is"):
        OccupancyBitmap(2).touched_chunks(edge)


@pytest.mark.parametrize("bits", [1, 2])
def test_occupancy_against_a_set(rng, bits):
    bitmap = OccupancyBitmap(bits)
    uvw = rng.integers(0, 256, (3000, 3))
    bitmap.set_by_voxel(np.concatenate([uvw, uvw[:100]]))  # duplicates count once
    members = set(map(tuple, uvw.tolist()))
    assert bitmap.count_occupied() == len(members)
    asked = np.concatenate([uvw[:200], rng.integers(0, 256, (2000, 3)), uvw[:200] ^ 1])
    assert bitmap.get_by_voxel(asked).tolist() == [tuple(a) in members for a in asked.tolist()]
    assert bitmap.get_by_voxel(uvw[0].astype(np.uint8)).shape == ()
    assert bool(bitmap.get_by_voxel(uvw[0].astype(np.uint8)))


def test_the_two_bits_do_not_know_each_other(rng):
    bitmap = OccupancyBitmap(2)
    solid, hit = rng.integers(0, 256, (2, 4000, 3))
    bitmap.set_by_voxel(solid)
    bitmap.set_touched(hit)
    members = set(map(tuple, solid.tolist()))
    touched = set(map(tuple, hit.tolist()))
    both = np.concatenate([solid, hit])
    assert bitmap.get_by_voxel(both).tolist() == [tuple(a) in members for a in both.tolist()]
    assert bitmap.get_touched(both).tolist() == [tuple(a) in touched for a in both.tolist()]
    assert (bitmap.count_occupied(), bitmap.count_touched()) == (len(members), len(touched))
    before = bitmap.to_dense()
    bitmap.clear_touched()
    assert bitmap.count_touched() == 0
    assert not bitmap.get_touched(hit).any()
    assert bitmap.touched_chunks().shape == (0, 3)
    assert np.array_equal(bitmap.to_dense(), before)


def test_the_bytes_are_the_published_layout():
    """Byte x >> 2 of row y, bits (x & 3) * 2 and + 1; with one bit, byte x >> 3, bit x & 7."""
    for u, v, w in [(0, 0, 0), (255, 255, 255), (17, 3, 8), (130, 77, 201)]:
        x, y = voxel_to_atlas(u, v, w)
        two = OccupancyBitmap(2)
        two.set_by_voxel([u, v, w])
        data = two.to_bytes()
        assert len(data) == 4 * 2**20
        assert data[y * 1024 + (x >> 2)] == 1 << (x & 3) * 2
        assert two.words[y, x >> 4] == 1 << (x & 15) * 2
        two.set_touched([u, v, w])
        assert two.words[y, x >> 4] == 3 << (x & 15) * 2
        one = OccupancyBitmap(1)
        one.set_by_voxel([u, v, w])
        data = one.to_bytes()
        assert len(data) == 2 * 2**20
        assert data[y * 512 + (x >> 3)] == 1 << (x & 7)


@pytest.mark.parametrize("bits", [1, 2])
def test_bytes_and_dense_come_back(rng, bits):
    dense = rng.random((256, 256, 256)) < 0.01
    bitmap = OccupancyBitmap.from_dense(dense, bits)
    assert bitmap.count_occupied() == dense.sum()
    assert np.array_equal(bitmap.to_dense(), dense)
    w, v, u = np.nonzero(dense)
    assert bitmap.get_by_voxel(np.stack([u, v, w], axis=-1)).all()
    if bits == 2:
        assert bitmap.count_touched() == 0
        bitmap.set_touched([1, 2, 3])
    again = OccupancyBitmap.from_bytes(bitmap.to_bytes(), bits)
    assert np.array_equal(again.words, bitmap.words)
    again.set_by_voxel([0, 0, 0])  # a copy, not a view of read-only bytes


def test_one_bit_has_nothing_touched():
    bitmap = OccupancyBitmap(1)
    for call in (
        lambda: bitmap.set_touched([0, 0, 0]),
        lambda: bitmap.get_touched([0, 0, 0]),
        bitmap.clear_touched,
        bitmap.count_touched,
        bitmap.touched_chunks,
    ):
        with pytest.raises(ValueError, match="no touched bits"):
            call()
    assert bitmap.count_occupied() == 0


def test_bad_input_is_refused():
    bitmap = OccupancyBitmap(2)
    for uvw in ([256, 0, 0], [0, -1, 0], [[0, 0, 256]], [0.0, 0.0, 0.0], [0, 0], [[0, 0, 0, 0]]):
        for call in (bitmap.set_by_voxel, bitmap.get_by_voxel, bitmap.set_touched, bitmap.get_touched):
            with pytest.raises(ValueError, match=r"outside|integer|voxels are"):
                call(uvw)
    assert bitmap.count_occupied() == bitmap.count_touched() == 0
    for bits in (0, 3, 8):
        with pytest.raises(ValueError, match="1 or 2"):
            OccupancyBitmap(bits)
        with pytest.raises(ValueError, match="1 or 2"):
            OccupancyBitmap.from_bytes(b"", bits)
    with pytest.raises(ValueError, match="bytes are not"):
        OccupancyBitmap.from_bytes(bytes(2 * 2**20), 2)
    with pytest.raises(ValueError, match="bytes are not"):
        OccupancyBitmap.from_bytes(bytes(2 * 2**20 + 1), 1)
    with pytest.raises(ValueError, match="bool"):
        OccupancyBitmap.from_dense(np.zeros((256, 256, 256), np.uint8))
    with pytest.raises(ValueError, match="region"):
        OccupancyBitmap.from_dense(np.zeros((256, 256, 128), bool))
