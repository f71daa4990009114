"""Addresses, above all on the negative side and at the edges of the world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voxtide.atlas import address, layout, uvw

coordinate = st.integers(-(2**31), 2**31 - 1)
voxel = st.tuples(coordinate, coordinate, coordinate)
EDGES = [-(2**31), -257, -256, -255, -17, -16, -15, -1, 0, 1, 15, 16, 17, 255, 256, 2**31 - 1]


@given(voxel)
def test_region_and_uvw_are_floor_division_and_remainder(v):
    assert address.region_of(v).tolist() == [n // 256 for n in v]
    assert address.uvw_of(v).tolist() == [n % 256 for n in v]
    assert address.chunk_of(v).tolist() == [n // 16 for n in v]
    assert address.parent(v).tolist() == [n // 2 for n in v]
    assert address.voxel_at(address.region_of(v), address.uvw_of(v)).tolist() == list(v)


@given(voxel)
def test_a_chunk_lies_in_the_region_of_its_voxels(v):
    chunk = address.chunk_of(v)
    assert address.region_of_chunk(chunk).tolist() == address.region_of(v).tolist()
    local = address.chunk_of_morton(address.morton_of_chunk(chunk))
    assert local.tolist() == [n // 16 % 16 for n in v]


@given(voxel, st.integers(1, 15))
def test_parents_compose(v, levels):
    p = np.array(v)
    for _ in range(levels):
        p = address.parent(p)
    assert p.tolist() == [n >> levels for n in v]


def test_edges_in_every_dtype_that_holds_them():
    for dtype in (np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64):
        held = [n for n in EDGES if np.iinfo(dtype).min <= n <= np.iinfo(dtype).max]
        v = np.array([[n, n, n] for n in held], dtype)
        for function, expected in (
            (address.chunk_of, [n // 16 for n in held]),
            (address.region_of, [n // 256 for n in held]),
            (address.uvw_of, [n % 256 for n in held]),
            (address.region_of_chunk, [n // 16 for n in held]),
            (address.parent, [n // 2 for n in held]),
        ):
            out = function(v)
            assert out.dtype == np.int64
            assert out[:, 0].tolist() == expected, (function, dtype)


def test_a_million_voxels_over_a_thousand_regions_are_all_found(rng):
    """The hierarchical address (region, texel of its UVW) as a key, against a dict of tuples."""
    regions = rng.integers(-(2**23), 2**23, (1200, 3))
    regions[:4] = [[-1, -1, -1], [0, 0, 0], [-(2**23), 2**23 - 1, 0], [2**23 - 1, -(2**23), -1]]
    voxels = regions[rng.integers(0, len(regions), 1_000_000)] * 256 + rng.integers(0, 256, (1_000_000, 3))
    assert voxels.min() < -(2**30)
    assert voxels.max() > 2**30

    def key(v):
        populated, rank = np.unique(
            np.concatenate([regions, address.region_of(v)]), axis=0, return_inverse=True
        )
        x, y = uvw.voxel_to_atlas(*address.uvw_of(v).T)
        return len(populated), rank.reshape(-1)[len(regions) :] << 24 | y << 12 | x

    n_populated, keys = key(voxels)
    assert n_populated == 1200
    value = {}
    for row, v in enumerate(zip(*voxels.T.tolist(), strict=True)):
        value[v] = row  # the last one wins
    order = np.argsort(keys, kind="stable")
    last = np.append(np.flatnonzero(np.diff(keys[order])), len(keys) - 1)
    assert len(last) == len(value)  # as many distinct keys as distinct voxels: no aliases

    asked = np.concatenate([voxels[::2], regions * 256 + rng.integers(0, 256, regions.shape)])
    _, wanted = key(asked)
    at = np.searchsorted(keys[order][last], wanted).clip(max=len(last) - 1)
    found = np.where(keys[order][last][at] == wanted, order[last][at], -1)
    assert found.tolist() == [value.get(v, -1) for v in zip(*asked.T.tolist(), strict=True)]


def test_voxel_of_floors_towards_minus_infinity():
    points = [[-0.001, 0.0, 0.001], [-0.01, 0.0099, 0.01], [-5.005, 1e6, -1e6]]
    assert address.voxel_of(points, 0.01).tolist() == [[-1, 0, 0], [-1, 0, 1], [-501, 100000000, -100000000]]


@pytest.mark.parametrize("point", [np.nan, np.inf, -np.inf, 1e300])
def test_a_point_without_a_voxel_is_refused(point):
    with pytest.raises(ValueError, match="not finite"):
        address.voxel_of([[0.0, 0.0, 0.0], [0.0, point, 0.0]], 0.01)


INTEGER_FUNCTIONS = [
    address.chunk_of, address.region_of, address.region_of_chunk, address.uvw_of, address.parent,
    address.octant_of_chunk, address.check_in_world, address.mask_index, address.morton_of_chunk,
    lambda v: address.chunk_id(0, v), lambda v: address.voxel_at([0, 0, 0], v),
]  # fmt: skip


@pytest.mark.parametrize("function", INTEGER_FUNCTIONS)
def test_metres_are_not_voxels(function):
    """-0.5 would truncate to voxel 0, and NaN compares as inside the world."""
    for bad in (np.array([-0.5, 0.5, 1.5]), [np.nan] * 3, np.array([True] * 3), ["1", "2", "3"]):
        with pytest.raises(ValueError, match="integers"):
            function(bad)
    with pytest.raises(ValueError, match="int64"):
        function(np.array([2**63] * 3, np.uint64))


def test_chunk_ids_come_back_and_sort_by_level_z_y_x(rng):
    n = 20_000
    levels = rng.integers(0, 16, n)
    chunks = rng.integers(-(2**19), 2**19, (n, 3))
    chunks[:3] = [[-(2**19)] * 3, [2**19 - 1] * 3, [-1, 0, -1]]
    ids = address.chunk_id(levels, chunks)
    assert ids.dtype == np.uint64
    back_levels, back_chunks = address.chunk_of_id(ids)
    assert np.array_equal(back_levels, levels)
    assert np.array_equal(back_chunks, chunks)
    assert len(np.unique(ids)) == len(set(zip(levels.tolist(), map(tuple, chunks.tolist()), strict=True)))
    by_id = np.argsort(ids, kind="stable")
    assert np.array_equal(by_id, np.lexsort((*chunks.T, levels)))


@pytest.mark.parametrize(
    ("level", "chunk"),
    [
        (0, [2**19, 0, 0]),
        (0, [0, -(2**19) - 1, 0]),
        (0, [0, 0, 2**63 - 1]),
        (16, [0, 0, 0]),
        (-1, [0, 0, 0]),
    ],
)
def test_a_chunk_without_an_id_is_refused(level, chunk):
    with pytest.raises(ValueError, match="outside"):
        address.chunk_id(level, np.array(chunk))


def test_the_world_ends_where_it_says():
    for level in (0, 1, 15):
        half = 2 ** (layout.ORIGIN_BITS - level)
        address.check_in_world([[-half, 0, half - 1]], level)
        for outside in (-half - 1, half):
            with pytest.raises(ValueError, match="outside"):
                address.check_in_world([[0, outside, 0]], level)
    address.check_in_world(np.empty((0, 3), np.int64))
    last = address.chunk_of([2**layout.ORIGIN_BITS - 1] * 3)
    assert address.chunk_of_id(address.chunk_id(0, last))[1].tolist() == last.tolist()


def test_mask_index_is_a_permutation_in_block_order():
    z, y, x = np.meshgrid(*[np.arange(16)] * 3, indexing="ij")
    local = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    index = address.mask_index(local)
    assert sorted(index.tolist()) == list(range(4096))
    assert np.array_equal(address.local_of_mask_index(index), local)
    for (lx, ly, lz), i in zip(local[::37].tolist(), index[::37].tolist(), strict=True):
        block = lx // 4 + ly // 4 * 4 + lz // 4 * 16
        assert i == block * 64 + lx % 4 + ly % 4 * 4 + lz % 4 * 16


def test_morton_is_a_permutation_that_interleaves_bits():
    codes = np.arange(4096)
    chunks = address.chunk_of_morton(codes)
    assert np.array_equal(address.morton_of_chunk(chunks), codes)
    assert np.array_equal(address.morton_of_chunk(chunks - 160), codes)  # any region
    for code in range(0, 4096, 11):
        x, y, z = (int(f"{code:012b}"[axis::3], 2) for axis in (2, 1, 0))
        assert chunks[code].tolist() == [x, y, z]


def test_octants_count_in_x_then_y_then_z():
    chunks = np.array([[x, y, z] for z in (-2, -1) for y in (4, 5) for x in (-8, -7)])
    assert address.octant_of_chunk(chunks).tolist() == list(range(8))


def test_local_addresses_out_of_range_are_refused():
    with pytest.raises(ValueError, match="outside"):
        address.mask_index([0, 16, 0])
    with pytest.raises(ValueError, match="outside"):
        address.mask_index([0, -1, 0])
    for value in (-1, 4096):
        with pytest.raises(ValueError, match="outside"):
            address.local_of_mask_index(value)
        with pytest.raises(ValueError, match="outside"):
            address.chunk_of_morton([0, value])
    for value in (-1, 256):
        with pytest.raises(ValueError, match="outside"):
            address.voxel_at([0, 0, 0], [0, 0, value])
