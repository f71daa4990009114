"""The corrected figures, each as it is quoted in the design and in the audit of the proposal."""

import dataclasses

import pytest
from voxtide.atlas import layout
from voxtide.atlas.plan import CHUNK_BYTES, Question, chunks_in, dense_voxels, plan, view_chunks

ISLAND = plan(Question(area_km2=1, height_m=50))


def about(value, digits=3):
    """Equal to that many significant digits."""
    return pytest.approx(value, rel=0.5 * 10 ** (1 - digits))


@pytest.mark.parametrize(
    ("area_km2", "height_m", "voxels", "n_bytes"),
    [
        (100e-6, 2, 2e8, 0.8e9),  # an apartment
        (1, 50, 5e13, 200e12),  # an island: terabytes, not gigabytes
        (10, 80, 8e14, 3.2e15),
        (100, 100, 1e16, 40e15),
        (10, 100, 1e15, 4e15),
    ],
)
def test_dense_worlds(area_km2, height_m, voxels, n_bytes):
    answer = plan(Question(area_km2=area_km2, height_m=height_m))
    assert answer.dense_voxels == pytest.approx(voxels)
    assert answer.dense_bytes == pytest.approx(n_bytes)


def test_a_dense_pyramid_shrinks_by_eight():
    dense = plan(Question(area_km2=1, height_m=50, occupancy=1.0))
    expected = [200e12, 25e12, 3.13e12, 391e9, 48.8e9, 6.10e9]
    assert [level.n_bytes for level in dense.levels] == [about(b) for b in expected]
    assert dense.pyramid_bytes == about(228.6e12, 4)
    assert dense.levels[0].n_chunks_min == about(1.22e10)


def test_a_flat_layer_shrinks_by_four():
    expected = [40e9, 10e9, 2.5e9, 625e6, 156e6, 39.1e6]
    assert [level.n_bytes for level in ISLAND.levels] == [about(b) for b in expected]
    assert ISLAND.levels[0].n_voxels == pytest.approx(1e10)
    assert ISLAND.levels[5].n_voxels == about(9.77e6)
    assert [level.voxel_size_m for level in ISLAND.levels] == pytest.approx(
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32]
    )


def test_five_layers_are_the_proposals_200_gb():
    five = plan(Question(surface_layers=5))
    assert [level.n_bytes / 1e9 for level in five.levels] == pytest.approx(
        [200, 50, 12.5, 3.125, 0.78125, 0.1953125]
    )
    assert five.pyramid_bytes == about(267e9)
    assert five.levels[0].n_voxels / five.dense_voxels == pytest.approx(0.001)


def test_a_thin_layer_pays_for_whole_chunk_masks():
    finest = ISLAND.levels[0]
    assert finest.n_chunks_min == pytest.approx(1e10 / 256)
    assert finest.packed_bytes_min == pytest.approx(40e9 + 1e10 / 256 * layout.MASK_BYTES)
    thick = plan(Question(surface_layers=32)).levels[0]
    assert thick.n_chunks_min == pytest.approx(2 * 1e10 / 256)


def test_chunks_and_budgets():
    assert CHUNK_BYTES == 16_384
    assert 200 * CHUNK_BYTES == 3_276_800  # not 6 GB
    assert ISLAND.vram_chunks == 366_210  # whole ones
    assert round(6e9 / CHUNK_BYTES) == 366_211  # the rounded figure that is quoted
    assert chunks_in(CHUNK_BYTES * 7) == 7
    assert chunks_in(CHUNK_BYTES * 7 - 1) == 6


def test_a_pixel_matched_view():
    assert ISLAND.view_chunks == 8_100
    assert ISLAND.view_bytes == about(133e6)
    assert view_chunks(3840, 2160) == 32_400
    assert view_chunks(3840, 2160) * CHUNK_BYTES == about(531e6)
    assert view_chunks(1, 1) == 1
    expected = [9.4, 18.7, 37.4, 74.8, 150, 299]
    assert [level.pixel_wide_at_m for level in ISLAND.levels] == [
        pytest.approx(d, rel=0.006) for d in expected
    ]


def test_a_walk():
    assert round(ISLAND.walk_chunks_per_s) == 11_719
    assert round(ISLAND.walk_chunks_per_frame) == 195  # not half a chunk
    assert ISLAND.walk_bytes_per_s == about(192e6)
    assert ISLAND.sphere_chunks_per_s == about(3.45e6)
    assert ISLAND.sphere_bytes_per_s == about(56.6e9)
    assert round(ISLAND.near_chunks) == 110_447
    assert ISLAND.near_bytes == about(1.81e9)
    at_5_gb_per_s = 5e9 / ISLAND.walk_bytes_per_s * 5
    assert at_5_gb_per_s == about(130)  # metres per second


def test_the_answer_scales_as_its_formulas_do():
    half = plan(Question(voxel_size_m=0.005))
    assert half.dense_voxels == pytest.approx(8 * ISLAND.dense_voxels)
    assert half.levels[0].n_voxels == pytest.approx(4 * ISLAND.levels[0].n_voxels)
    assert half.levels[1].n_bytes == pytest.approx(ISLAND.levels[0].n_bytes)
    assert half.walk_chunks_per_s == pytest.approx(4 * ISLAND.walk_chunks_per_s)
    assert half.view_chunks == ISLAND.view_chunks  # the screen decides, not the world
    assert plan(Question(area_km2=1000)).view_chunks == ISLAND.view_chunks
    assert dense_voxels(1e-6, 1, 0.01) == pytest.approx(1e6)  # one cubic metre


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Question)])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_figures_that_are_not_positive_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Question(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("occupancy", 1.01), ("n_levels", 17), ("fov_y_deg", 180)])
def test_figures_above_their_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Question(**{name: value})


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ISLAND.view_chunks = 1
