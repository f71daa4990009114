"""The bytes of a region: what goes in comes out, and an index that lies is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lies import LYING_INDICES, index_of, put, sealed, with_index
from voxtide.atlas.address import chunk_of_morton, morton_of_chunk
from voxtide.streamer import region_file as rf
from voxtide.streamer.codec import CODECS, decode_chunks, encode_chunks, unfold


def chunk_of(seed, n_voxels):
    rng = np.random.default_rng(seed)
    bits = np.zeros(4096, np.uint8)
    bits[rng.permutation(4096)[:n_voxels]] = 1
    return (
        np.packbits(bits, bitorder="little").tobytes()
        + rng.integers(1, 256, 4 * n_voxels, np.uint8).tobytes()
    )


def region(codes=(0, 5, 77, 4095), codec="zstd"):
    chunks = [chunk_of(code, 1 + code % 90) for code in codes]
    return chunks, rf.encode(np.array(codes), chunks, codec)


def parse(data):
    return rf.parse_index(data[-rf.INDEX_BYTES :], len(data))


@settings(max_examples=40, deadline=None)
@given(
    codes=st.lists(st.integers(0, 4095), min_size=1, max_size=12, unique=True).map(sorted),
    codec=st.sampled_from(CODECS),
    seed=st.integers(0, 1000),
)
def test_round_trip(codes, codec, seed):
    chunks = [chunk_of(seed + i, 1 + (seed * (i + 1)) % 300) for i in range(len(codes))]
    data = rf.encode(np.array(codes), chunks, codec)
    index = parse(data)
    assert index.morton.tolist() == codes
    decoded, bad = decode_chunks(data, index.offsets, index.n_bytes, codec)
    assert not bad and unfold(decoded) == (chunks, {})


def test_index_says_where_chunks_lie_in_morton_order():
    chunks, data = region((1, 2, 4))  # x, y and z neighbour of chunk 0
    stored = encode_chunks(chunks, "zstd")
    assert data == b"".join(stored) + index_of([len(one) for one in stored], [1, 2, 4])
    assert len(data) == sum(map(len, stored)) + rf.index_bytes(3) and rf.index_bytes(3) == 3 * 2 + 512 + 4


def test_full_region_of_noise_is_the_largest_that_there_is():
    codes = np.arange(4096)
    assert (morton_of_chunk(chunk_of_morton(codes)) == codes).all()
    data = rf.encode(codes, [chunk_of(1, 4096)] * 4096, "lz4")
    assert parse(data).morton.size == 4096 and len(data) <= rf.MAX_REGION_BYTES


@settings(max_examples=300, deadline=None)
@given(bit=st.integers(0, 8 * rf.index_bytes(4) - 1))
def test_any_flipped_bit_of_the_index_is_found(bit):
    data = bytearray(region()[1])
    data[-1 - (bit >> 3)] ^= 1 << (bit & 7)
    with pytest.raises(ValueError, match="crc32c"):
        parse(bytes(data))


@pytest.mark.parametrize("case", LYING_INDICES)
def test_an_index_that_lies_is_refused_though_its_crc_is_right(case):
    edit, message = LYING_INDICES[case]
    with pytest.raises(ValueError, match=message):
        parse(with_index(region()[1], edit))


def test_the_bad_entry_is_named_by_its_chunk():
    with pytest.raises(ValueError, match=r"chunk \(3, 0, 0\)"):
        parse(with_index(region((0, 9, 77))[1], put(1, 5)))


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=0, max_size=200), st.integers(0, 1 << 64))
def test_noise_is_refused(noise, file_bytes):
    tail = (noise * (rf.INDEX_BYTES // max(len(noise), 1) + 1))[: rf.INDEX_BYTES]
    for said in (file_bytes, rf.INDEX_BYTES + file_bytes % 1000):
        for data in (tail, sealed(tail[:-4])):
            with pytest.raises(ValueError):  # noqa: PT011 - any of its messages
                rf.parse_index(data, said)


def test_keys():
    assert rf.region_key(0, (-1, 0, 2)) == "color/0/c/32770/32768/32767/0"
    assert rf.region_key(15, (0, -1, 0)) == "color/15/c/1/0/1/0"
    for level, place in ((0, (1 << 15, 0, 0)), (0, (0, -(1 << 15) - 1, 0)), (15, (1, 0, 0)), (16, (0, 0, 0))):
        with pytest.raises(ValueError, match="outside"):
            rf.region_key(level, place)


def test_the_writer_refuses_what_the_reader_would():
    good = chunk_of(0, 3)
    for codes, chunks in (
        ([1, 0], [good, good]),
        ([0, 0], [good, good]),
        ([4096], [good]),
        ([], []),
        ([0], [good[:-4]]),
        ([0], [bytes(512)]),
    ):
        with pytest.raises(AssertionError):
            rf.encode(np.array(codes, np.int64), chunks, "zstd")
