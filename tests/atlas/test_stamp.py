"""The observation byte: how it wraps, which of two is newer, and what `now` adds."""

import numpy as np
import pytest
from voxtide.atlas.stamp import CYCLE, NEVER, OLDEST, age, newer, stamp_of, stamp_of_age


def test_stamps_count_and_wrap_and_are_never_never():
    n = np.arange(1, 2000)
    stamps = stamp_of(n)
    assert stamps[:3].tolist() == [1, 2, 3] and stamp_of(0) == NEVER
    assert stamps[254] == 255 and stamps[255] == 1 and stamps.min() == 1
    with pytest.raises(ValueError, match="counted from 1"):
        stamp_of(-1)


def test_the_one_up_to_127_steps_ahead_is_newer():
    for start in (1, 100, 200, 255, 1000):
        for ahead in range(1, 128):
            assert newer(stamp_of(start + ahead), stamp_of(start)), (start, ahead)
            assert not newer(stamp_of(start), stamp_of(start + ahead)), (start, ahead)
    assert not newer(stamp_of(129), stamp_of(1))  # 128 steps: now it is the older one


def test_of_two_different_stamps_exactly_one_is_newer():
    a, b = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    assert ((newer(a, b) ^ newer(b, a)) == (a != b)).all()
    assert newer(7, NEVER) and not newer(NEVER, 7) and not newer(NEVER, NEVER)


def test_age_orders_all_stamps_seen_from_now():
    for last in (1, 3, 254, 255, 256, 700):
        seen = np.arange(max(1, last - 254), last + 1)
        ages = age(stamp_of(seen), int(stamp_of(last)))
        assert (ages == last - seen).all()
        assert (stamp_of_age(ages, int(stamp_of(last))) == stamp_of(seen)).all()
    assert age(NEVER, 9) == OLDEST and stamp_of_age(OLDEST, 9) == NEVER
    near = np.arange(300, 300 + CYCLE // 2 + 1)  # where pairs have an order, it is this one
    ages = age(stamp_of(near), int(stamp_of(near[-1])))
    assert newer(stamp_of(near[1:]), stamp_of(near[:-1])).all() and (np.diff(ages) == -1).all()


@pytest.mark.parametrize("now", [0, -1, 256])
def test_now_must_be_a_stamp(now):
    with pytest.raises(ValueError, match="now must be"):
        age([1], now)
