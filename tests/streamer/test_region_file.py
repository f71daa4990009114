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
    assert len(data) == sum(map(len, stored)) + rf.index_bytes(3)
    assert rf.index_bytes(3) == 3 * 2 + 3 * 2 + 2 + 4


def test_full_region_of_noise_is_the_largest_that_there_is():
    codes = np.arange(4096)
    assert (morton_of_chunk(chunk_of_morton(codes)) == codes).all()
    stored = encode_chunks([chunk_of(1, 4096)], "lz4")[0]
    data = rf.assemble(codes, [stored[:-2] + code.to_bytes(2, "little") for code in range(4096)])
    index = parse(data)
    assert index.morton.size == 4096 and rf.stored_bytes(index) == 4096 * len(stored)
    assert len(data) - rf.stored_bytes(index) == rf.INDEX_BYTES == 4096 * 2 + 512 + 2 + 4
    assert len(data) <= rf.MAX_REGION_BYTES


@pytest.mark.parametrize(("n", "n_bytes"), [(1, 10), (255, 1026), (256, 1030), (257, 1032)])
def test_codes_are_a_list_where_that_is_shorter_than_bits(n, n_bytes):
    codes = np.random.default_rng(n).permutation(4096)[:n]
    codes.sort()
    data = rf.assemble(codes, [b"fifteen bytes %d" % i for i in range(n)])
    index = parse(data)
    assert (index.morton == codes).all() and len(data) - rf.stored_bytes(index) == n_bytes


def test_the_other_form_is_refused():
    data = region()[1]
    chunks = data[: rf.stored_bytes(parse(data))]
    lengths = parse(data).n_bytes.astype("<u2").tobytes()
    places = np.packbits(np.isin(np.arange(4096), [0, 5, 77, 4095]), bitorder="little").tobytes()
    with pytest.raises(ValueError, match="crc32c"):
        parse(chunks + sealed(lengths + places + b"\4\0"))


def test_equal_chunks_are_stored_once():
    a, b, c = (chunk_of(seed, 40) for seed in (1, 2, 3))
    codes = [0, 2, 9, 70, 71, 4095]
    data = rf.encode(np.array(codes), [a, b, a, c, b, a], "zstd")
    stored = encode_chunks([a, b, c], "zstd")
    n_a, n_b, n_c = map(len, stored)
    entries = [n_a, n_b, rf.SAME | 0, n_c, rf.SAME | 1, rf.SAME | 0]
    assert data == b"".join(stored) + index_of(entries, codes)
    index = parse(data)
    assert index.offsets.tolist() == [0, n_a, 0, n_a + n_b, n_a, 0]
    assert index.n_bytes.tolist() == [n_a, n_b, n_a, n_c, n_b, n_a]
    decoded, bad = decode_chunks(data, index.offsets, index.n_bytes, "zstd")
    assert not bad and unfold(decoded) == ([a, b, a, c, b, a], {})


@settings(max_examples=400, deadline=None)
@given(n=st.sampled_from([5, 256]), at=st.integers(0, 8 * rf.index_bytes(256) - 1))
def test_any_flipped_bit_of_the_index_is_found(n, at):
    data = bytearray(rf.assemble(np.arange(n), [b"fifteen bytes %d" % (i % 4) for i in range(n)]))
    bit = at % (8 * rf.index_bytes(n))
    data[-1 - (bit >> 3)] ^= 1 << (bit & 7)
    with pytest.raises(ValueError, match=r"crc32c|a region has 1 to"):
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
