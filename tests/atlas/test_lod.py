"""Levels of detail: known answers, the slow twin, and order independence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voxtide.atlas import lod


def sparse_of(dense):
    """[z, y, x, 4] -> (voxels [N, 3], rgba [N, 4]) of what has coverage."""
    z, y, x = np.nonzero(dense[..., 3])
    return np.stack([x, y, z], axis=-1), dense[z, y, x]


def random_dense(rng, edge, occupied):
    dense = rng.integers(0, 256, (edge, edge, edge, 4), dtype=np.uint8)
    dense[..., 3] = np.maximum(dense[..., 3], 1) * (rng.random((edge, edge, edge)) < occupied)
    return dense


def srgb_exactly(numerator, denominator):
    """Independent of the tables: byte of a linear fraction, from the published transfer function."""
    linear = numerator / denominator
    return round(255 * (linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


def test_tables_invert_and_do_not_depend_on_the_last_bit_of_pow():
    assert np.array_equal(lod.SRGB_OF_LINEAR[lod.LINEAR_OF_SRGB], np.arange(256))
    assert lod.LINEAR_OF_SRGB[[0, 255]].tolist() == [0, 65535]
    assert np.all(np.diff(lod.SRGB_OF_LINEAR.astype(int)) >= 0)
    forward = 65535 * lod._linear_of_srgb(np.arange(256) / 255)
    back = 255 * lod._srgb_of_linear(np.arange(65536) / 65535)
    for exact in (forward, back):
        assert np.abs(exact % 1 - 0.5).min() > 1e-7  # pow() is good to 1e-13 of these values


def test_black_and_white_meet_at_188():
    rgba = np.array([[0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
    parents, out = lod.reduce_sparse(np.array([[0, 0, 0], [1, 1, 1]]), rgba)
    assert parents.tolist() == [[0, 0, 0]]
    assert out.tolist() == [[188, 188, 188, 64]]  # 510 / 8 = 63.75


@pytest.mark.parametrize(("a", "b", "mean"), [(0, 5, 3), (0, 11, 6), (1, 33, 22)])
def test_a_mean_that_ends_in_a_half_is_rounded_up(a, b, mean):
    """Linear 0 and 99: 49.5 becomes 50, which is byte 3; 49 would be byte 2."""
    assert int(lod.LINEAR_OF_SRGB[a] + lod.LINEAR_OF_SRGB[b]) % 2 == 1
    rgba = np.array([[a, a, a, 200], [b, b, b, 200]], np.uint8)
    _, out = lod.reduce_sparse(np.array([[0, 0, 0], [0, 0, 1]]), rgba)
    assert out[0].tolist() == [mean, mean, mean, 50]


def test_coverage_weights_the_colour():
    rgba = np.array([[255, 0, 10, 30], [0, 255, 10, 90]], np.uint8)
    _, out = lod.reduce_sparse(np.array([[0, 0, 0], [1, 0, 0]]), rgba)
    assert out[0].tolist() == [srgb_exactly(1, 4), srgb_exactly(3, 4), 10, 15]


@pytest.mark.parametrize(
    ("total", "mean"), [(1, 1), (3, 1), (4, 1), (11, 1), (12, 2), (20, 3), (8 * 255, 255)]
)
def test_mean_coverage_rounds_half_up_and_never_vanishes(total, mean):
    assert lod._mean_coverage(np.array([total], np.uint32)).tolist() == [mean]


def test_a_single_faint_voxel_survives_every_level():
    voxels, rgba = np.array([[-123456, 77, 8388607]]), np.array([[9, 8, 7, 1]], np.uint8)
    for level in range(1, 16):
        voxels, rgba = lod.reduce_sparse(voxels, rgba)
        assert voxels.tolist() == [[-123456 >> level, 77 >> level, 8388607 >> level]]
        assert rgba.tolist() == [[9, 8, 7, 1]]


@pytest.mark.parametrize("occupied", [0.01, 0.3, 1.0])
def test_uniform_colour_stays_itself_through_five_levels(rng, occupied):
    for colour in ([0, 0, 0], [1, 2, 3], [255, 254, 128], rng.integers(0, 256, 3)):
        dense = np.zeros((32, 32, 32, 4), np.uint8)
        dense[..., 3] = 255 * (rng.random((32, 32, 32)) < occupied)
        dense[dense[..., 3] > 0, :3] = colour
        voxels, rgba = sparse_of(dense)
        for _ in range(5):
            voxels, rgba = lod.reduce_sparse(voxels, rgba)
            assert np.all(rgba[:, :3] == np.asarray(colour))
        if occupied == 1.0:
            assert rgba[:, 3].tolist() == [255]


@pytest.mark.parametrize("occupied", [0.0, 0.02, 0.2, 0.9, 1.0])
def test_sparse_equals_dense(rng, occupied):
    dense = random_dense(rng, 32, occupied)
    twin = lod.reduce_dense(dense)
    parents, rgba = lod.reduce_sparse(*sparse_of(dense))
    expected_parents, expected = sparse_of(twin)
    assert np.array_equal(parents, expected_parents)  # also: the order is (z, y, x)
    assert np.array_equal(rgba, expected)


def test_dense_against_one_parent_at_a_time(rng):
    dense = random_dense(rng, 8, 0.4)
    out = lod.reduce_dense(dense)
    for z, y, x in np.ndindex(4, 4, 4):
        children = dense[2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(8, 4).astype(int)
        weight = children[:, 3].sum()
        assert (out[z, y, x, 3] > 0) == (weight > 0)
        if weight:
            for channel in range(3):
                linear = lod.LINEAR_OF_SRGB.astype(int)[children[:, channel]] @ children[:, 3]
                exact = srgb_exactly(linear, 65535 * weight)
                assert abs(int(out[z, y, x, channel]) - exact) <= 1  # 16 bits of linear light


def test_rgb_of_an_empty_child_has_no_influence(rng):
    dense = random_dense(rng, 16, 0.3)
    clean = dense * (dense[..., 3:] > 0)
    assert not np.array_equal(dense, clean)
    assert np.array_equal(lod.reduce_dense(dense), lod.reduce_dense(clean))


def test_any_order_any_place_same_bytes(rng):
    voxels, rgba = sparse_of(random_dense(rng, 24, 0.2))
    parents, out = lod.reduce_sparse(voxels, rgba)
    for shift in ([0, 0, 0], [-24, -2, 2], [-(2**23), 2**22, -(2**31)]):
        p = rng.permutation(len(voxels))
        moved, same = lod.reduce_sparse(voxels[p] + shift, rgba[p])
        assert np.array_equal(moved, parents + np.array(shift) // 2)
        assert np.array_equal(same, out)


def test_a_set_too_wide_for_one_key_gives_the_same(rng):
    near, rgba = sparse_of(random_dense(rng, 16, 0.3))
    voxels = np.concatenate([near, [[-(2**31)] * 3, [2**31 - 1] * 3]])
    rgba = np.concatenate([rgba, [[1, 2, 3, 4], [5, 6, 7, 8]]]).astype(np.uint8)
    p = rng.permutation(len(voxels))
    parents, out = lod.reduce_sparse(voxels[p], rgba[p])
    expected, colours = lod.reduce_sparse(near, rgba[:-2])
    assert parents[[0, -1]].tolist() == [[-(2**30)] * 3, [2**30 - 1] * 3]
    assert np.array_equal(parents[1:-1], expected)
    assert np.array_equal(out[1:-1], colours)
    with pytest.raises(ValueError, match="twice"):
        lod.reduce_sparse(np.concatenate([voxels, voxels[:1]]), np.concatenate([rgba, rgba[:1]]))


@given(st.sets(st.tuples(*[st.integers(-5, 5)] * 3)), st.randoms(use_true_random=False))
def test_parents_are_exactly_the_halved_voxels(voxels, random):
    rows = sorted(voxels)
    random.shuffle(rows)
    rgba = np.full((len(rows), 4), 255, np.uint8)
    parents, out = lod.reduce_sparse(np.array(rows, np.int64).reshape(-1, 3), rgba)
    expected = sorted({(x // 2, y // 2, z // 2) for x, y, z in voxels}, key=lambda v: v[::-1])
    assert [tuple(p) for p in parents.tolist()] == expected
    n_children = [sum((x // 2, y // 2, z // 2) == p for x, y, z in voxels) for p in expected]
    assert out[:, 3].tolist() == [(n * 255 + 4) // 8 for n in n_children]


BAD_SETS = {
    "duplicate": (np.zeros((2, 3), np.int64), np.full((2, 4), 255, np.uint8)),
    "coverage 0": (np.zeros((1, 3), np.int64), np.zeros((1, 4), np.uint8)),
    "float voxels": (np.zeros((1, 3)), np.ones((1, 4), np.uint8)),
    "unsigned voxels": (np.zeros((1, 3), np.uint64), np.ones((1, 4), np.uint8)),
    "float colours": (np.zeros((1, 3), np.int64), np.ones((1, 4))),
    "lengths differ": (np.zeros((2, 3), np.int64), np.ones((1, 4), np.uint8)),
    "two axes": (np.zeros((1, 2), np.int64), np.ones((1, 4), np.uint8)),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_bad_sets_are_refused(name):
    with pytest.raises(ValueError, match=r"voxel|rgba"):
        lod.reduce_sparse(*BAD_SETS[name])


def test_odd_edges_are_refused():
    with pytest.raises(ValueError, match="need"):
        lod.reduce_dense(np.zeros((3, 2, 2, 4), np.uint8))
