"""The bijection, exhaustively, and the input that broke earlier versions of it."""

import numpy as np
import pytest
from voxtide.atlas.uvw import atlas_to_voxel, image_to_region, region_to_image, voxel_to_atlas

N = 256
INTEGER_DTYPES = [np.dtype(sign + size) for sign in "iu" for size in "1248"]


def test_every_voxel_comes_back_and_no_texel_is_missed():
    taken = np.zeros((4096, 4096), bool)
    u, v = np.arange(N)[None, :], np.arange(N)[:, None]
    for w in range(N):  # a slice at a time: 2^24 int64 triples at once would be 400 MB
        x, y = voxel_to_atlas(u, v, np.full((N, N), w))
        assert not taken[y, x].any()
        taken[y, x] = True
        back_u, back_v, back_w = atlas_to_voxel(x, y)
        assert np.array_equal(back_u, np.broadcast_to(u, (N, N)))
        assert np.array_equal(back_v, np.broadcast_to(v, (N, N)))
        assert np.all(back_w == w)
    assert taken.all()


def test_it_is_the_published_formula(rng):
    for u, v, w in rng.integers(0, 256, (2000, 3)).tolist():
        assert voxel_to_atlas(u, v, w) == (((w & 15) << 8) | u, ((w >> 4) << 8) | v)
    for x, y in rng.integers(0, 4096, (2000, 2)).tolist():
        assert atlas_to_voxel(x, y) == (x & 255, y & 255, (y >> 8) * 16 + (x >> 8))


def test_ints_in_ints_out():
    texel = voxel_to_atlas(10, 20, 37)
    assert texel == (1290, 532)
    assert atlas_to_voxel(*texel) == (10, 20, 37)
    assert {type(n) for n in (*texel, *atlas_to_voxel(*texel))} == {int}


@pytest.mark.parametrize("dtype", INTEGER_DTYPES, ids=str)
def test_no_dtype_overflows(dtype):
    """uint8 is what an image holds; 8-bit arithmetic gave (10, 20) for (10, 20, 37)."""
    for make in (lambda n: np.array([n], dtype), dtype.type):  # arrays and NumPy scalars
        x, y = voxel_to_atlas(make(10), make(20), make(37))
        assert (x.item(), y.item()) == (1290, 532)
        assert x.dtype == y.dtype == np.int64
    top = min(255, np.iinfo(dtype).max)
    x, y = voxel_to_atlas(*np.full((3, 1), top, dtype))
    assert [a.item() for a in atlas_to_voxel(x, y)] == [top] * 3


OUTSIDE = [256, -1, 2**31, 2**63 - 1, -(2**63), 2**70]


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("value", OUTSIDE)
def test_a_voxel_outside_is_refused(axis, value):
    uvw = [1, 2, 3]
    uvw[axis] = value
    with pytest.raises(ValueError, match=r"outside|integer"):
        voxel_to_atlas(*uvw)
    if abs(value) < 2**63:
        with pytest.raises(ValueError, match="outside"):
            voxel_to_atlas(*[np.array([0, n]) for n in uvw])


@pytest.mark.parametrize("axis", range(2))
@pytest.mark.parametrize("value", [4096, *OUTSIDE[1:]])
def test_a_texel_outside_is_refused(axis, value):
    texel = [1, 2]
    texel[axis] = value
    with pytest.raises(ValueError, match=r"outside|integer"):
        atlas_to_voxel(*texel)


@pytest.mark.parametrize(
    "value", [1.0, 1.5, np.float32(1), np.array([1.0]), np.array([True]), True, "1", None]
)
def test_what_is_not_an_integer_is_refused(value):
    with pytest.raises(ValueError, match="integer"):
        voxel_to_atlas(value, 0, 0)
    with pytest.raises(ValueError, match="integer"):
        atlas_to_voxel(value, 0)


def test_empty_arrays_stay_empty():
    none = np.empty((0, 5), np.uint8)
    assert [a.shape for a in voxel_to_atlas(none, none, none)] == [(0, 5)] * 2


def test_region_image_holds_each_voxel_at_its_texel(rng):
    region = rng.integers(0, 256, (N, N, N, 4), dtype=np.uint8)
    image = region_to_image(region)
    assert image.shape == (4096, 4096, 4)
    assert image.dtype == np.uint8
    u, v, w = rng.integers(0, 256, (3, 20000))
    x, y = voxel_to_atlas(u, v, w)
    assert np.array_equal(image[y, x], region[w, v, u])
    assert np.array_equal(image_to_region(image), region)


def test_region_image_refuses_other_shapes():
    with pytest.raises(ValueError, match="region is"):
        region_to_image(np.zeros((256, 256, 255, 4), np.uint8))
    with pytest.raises(ValueError, match="image is"):
        image_to_region(np.zeros((4096, 4095, 4), np.uint8))
