"""Entity ids as codes of one to three bytes."""

import numpy as np
import pytest
from voxtide.atlas import entity


def slow(i):
    """One id's code, written down from the definition."""
    if i < 128:
        return bytes([i])
    if i < 16_512:
        rest = i - 128
        return bytes([0x80 | rest >> 7, rest & 127])
    rest = i - 16_512
    return bytes([0x80 | rest >> 14, 0x80 | rest >> 7 & 127, rest & 127])


def test_all_ids_round_trip():
    ids = np.arange(entity.N_IDS)
    codes = entity.encode(ids)
    assert len(codes) == 128 + 2 * 16_384 + 3 * 2_097_152
    found = entity.decode(codes)
    assert found.dtype == np.uint32 and (found == ids).all()


def test_codes_are_those_of_the_definition(rng):
    edges = [0, 1, 127, 128, 129, 255, 16_511, 16_512, 16_513, 2_113_662, 2_113_663]
    ids = np.concatenate([edges, rng.integers(0, entity.N_IDS, 500), rng.integers(0, 20_000, 500)])
    rng.shuffle(ids)
    assert entity.encode(ids) == b"".join(map(slow, ids.tolist()))
    assert (entity.decode(entity.encode(ids)) == ids).all()
    assert entity.n_bytes(ids).tolist() == [len(slow(i)) for i in ids.tolist()]
    assert entity.encode([]) == b"" and entity.decode(b"").shape == (0,)
    assert (slow(127), slow(128), slow(16_512), slow(2_113_663)) == (
        b"\x7f",
        b"\x80\x00",
        b"\x80\x80\x00",
        b"\xff\xff\x7f",
    )


def test_no_code_begins_another_one():
    for length, first in ((1, 0), (2, 128), (3, 16_512)):
        code = slow(first)
        assert len(code) == length and all(b >= 128 for b in code[:-1]) and code[-1] < 128


@pytest.mark.parametrize("codes", [b"\x80", b"\x01\xff", b"\x81\x80", b"\xff\xff", b"\x05\x80\x80"])
def test_truncated_codes_raise(codes):
    with pytest.raises(ValueError, match="cut in the middle"):
        entity.decode(codes)


@pytest.mark.parametrize("codes", [b"\x80\x80\x80\x00", b"\x01\xff\xff\xff\x7f\x02", b"\x80" * 5 + b"\0"])
def test_over_long_codes_raise(codes):
    with pytest.raises(ValueError, match="3 are the most"):
        entity.decode(codes)


def test_ids_that_have_no_code_raise():
    for ids in ([-1], [entity.N_IDS], [0, 1 << 40], np.array([1 << 63], np.uint64)):
        with pytest.raises(ValueError, match="outside"):
            entity.encode(ids)
    with pytest.raises(ValueError, match="integers"):
        entity.encode([1.0])
