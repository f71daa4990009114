"""Each tier holds what it says, and refuses the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voxtide.atlas import precision
from voxtide.atlas.precision import TIERS

MAX_INTEGER = {"RGBA8": 255, "RGBA16UI": 65_535, "RGBA16F": 2_048, "RGBA32F": 2**24, "RGBA32UI": 2**32 - 1}
REACH_AT_1_CM_M = {
    "RGBA8": 2.56, "RGBA16UI": 655.36, "RGBA16F": 20.48, "RGBA32F": 167_772.16, "RGBA32UI": 42_949_672.96,
}  # fmt: skip
tiers = pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)


@tiers
def test_the_published_ranges(tier):
    assert set(TIERS) == set(MAX_INTEGER)
    assert tier.max_integer == MAX_INTEGER[tier.name]
    assert tier.reach_m(0.01) == pytest.approx(REACH_AT_1_CM_M[tier.name])


@tiers
def test_exact_up_to_the_limit_and_not_beyond(tier):
    n = min(tier.max_integer + 1, 100_000)
    ends = np.concatenate([np.arange(n), tier.max_integer - np.arange(n)])
    assert np.array_equal(precision.load(tier, precision.store(tier, ends)), ends)
    beyond = np.array([tier.max_integer + 1])
    assert beyond.astype(tier.dtype).astype(np.int64) != beyond  # the limit is the format's own
    for refused in (beyond, np.array([-1]), tier.max_integer + 1):
        with pytest.raises(ValueError, match="exactly"):
            precision.store(tier, refused)
    with pytest.raises(ValueError, match="integers"):
        precision.store(tier, np.array([1.0]))


@tiers
@given(data=st.data())
def test_round_trip_is_within_half_a_cell(tier, data):
    low = data.draw(st.floats(-1e4, 1e4), "low")
    extent = data.draw(st.floats(1, 1e6), "extent")
    high = low + extent
    fractions = np.array(data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=20), "fractions"))
    positions = np.clip(low + fractions * (high - low), low, high)
    stored = precision.quantise(tier, positions, low, high)
    assert stored.dtype == tier.dtype
    error = np.abs(precision.dequantise(tier, stored, low, high) - positions)
    rounding = 4 * np.spacing(max(abs(low), abs(high)))  # of float64, not of the tier
    assert error.max() <= precision.cell_width(tier, low, high) / 2 + rounding


@pytest.mark.parametrize("name", ["RGBA8", "RGBA16UI", "RGBA16F"])
def test_every_cell_is_equally_wide_and_comes_back(name):
    tier = TIERS[name]
    n = 1 << tier.bits
    middles = precision.dequantise(tier, precision.store(tier, np.arange(n)), -3.0, 5.0)
    assert precision.load(tier, precision.quantise(tier, middles, -3.0, 5.0)).tolist() == list(range(n))
    cells = precision.load(
        tier, precision.quantise(tier, np.linspace(-3, 5, n * 16, endpoint=False), -3.0, 5.0)
    )
    assert set(np.bincount(cells).tolist()) == {16}


@tiers
def test_ends_of_the_interval(tier):
    low, high = -2.0, 6.0
    cells = precision.load(tier, precision.quantise(tier, [low, np.nextafter(high, low), high], low, high))
    assert cells.tolist() == [0, 2**tier.bits - 1, 2**tier.bits - 1]


@tiers
@pytest.mark.parametrize("position", [np.nan, np.inf, -np.inf, -1e-9, 1.0000001])
def test_a_position_outside_is_refused(tier, position):
    with pytest.raises(ValueError, match="outside"):
        precision.quantise(tier, [0.5, position], 0.0, 1.0)


@pytest.mark.parametrize("interval", [(1, 1), (2, 1), (0, np.inf), (np.nan, 1), (-1.7e308, 1.7e308)])
def test_what_is_not_an_interval_is_refused(interval):
    with pytest.raises(ValueError, match="not an interval"):
        precision.cell_width(TIERS["RGBA8"], *interval)


def test_cells_finer_than_float64_are_refused():
    assert precision.cell_width(TIERS["RGBA16UI"], 1e9, 1e9 + 1) > 0
    with pytest.raises(ValueError, match="finer"):
        precision.quantise(TIERS["RGBA32UI"], [1e9], 1e9, 1e9 + 1)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("RGBA16F", np.array([2049.0], np.float32)),
        ("RGBA16F", np.array([np.nan], np.float16)),
        ("RGBA16F", np.array([4096.0], np.float16)),
        ("RGBA32F", np.array([0.5], np.float32)),
        ("RGBA32F", np.array([-1], np.float32)),
        ("RGBA32F", np.array([np.inf], np.float32)),
        ("RGBA8", np.array([7], np.int64)),
    ],
)
def test_stored_values_that_no_tier_wrote_are_refused(name, stored):
    with pytest.raises(ValueError, match=r"integers|stored"):
        precision.load(TIERS[name], stored)


def test_a_stored_integer_above_the_last_cell_is_not_a_position():
    tier = TIERS["RGBA16F"]
    with pytest.raises(ValueError, match="cells"):
        precision.dequantise(tier, precision.store(tier, [2048]), 0.0, 1.0)
