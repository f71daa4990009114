"""The stored form of a chunk: what zarr's own codecs read and write, and nothing else is decoded."""

import struct

import google_crc32c
import lz4.block
import numcodecs
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.atlas import streams
from voxtide.atlas.chunk import MAX_PACKED_BYTES, pack
from voxtide.streamer import codec


def packed_chunk(n_voxels, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.zeros((4096, 4), np.uint8)
    at = rng.permutation(4096)[:n_voxels]
    dense[at] = rng.integers(1, 256, (n_voxels, 4))
    return pack(dense.reshape(16, 16, 16, 4))


def sealed(body):
    return body + struct.pack("<I", google_crc32c.value(body))


@pytest.mark.parametrize("name", codec.CODECS)
@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 4096), min_size=1, max_size=6), lead=st.integers(0, 9))
def test_round_trip_of_any_sizes_at_any_offset(name, sizes, lead):
    chunks = [packed_chunk(n, seed) for seed, n in enumerate(sizes)]
    stored = codec.encode_chunks(chunks, name)
    n_bytes = np.array([len(s) for s in stored])
    assert n_bytes.max() <= codec.MAX_STORED_BYTES and n_bytes.min() >= codec.MIN_STORED_BYTES
    data = b"\xaa" * lead + b"".join(stored)
    decoded, bad = codec.decode_chunks(data, lead + np.cumsum(n_bytes) - n_bytes, n_bytes, name)
    assert not bad and decoded == [streams.encode(chunk) for chunk in chunks]
    assert codec.unfold(decoded) == (chunks, {})


@pytest.mark.parametrize("name", codec.CODECS)
def test_incompressible_and_uniform_chunks_stay_inside_the_bounds(name):
    rng = np.random.default_rng(1)
    full = np.full((16, 16, 16, 4), 9, np.uint8)
    noise = rng.integers(1, 256, (16, 16, 16, 4), dtype=np.uint8)
    for stored, chunk in zip(
        codec.encode_chunks([pack(full), pack(noise)], name), (full, noise), strict=True
    ):
        assert codec.MIN_STORED_BYTES <= len(stored) <= codec.MAX_STORED_BYTES
        assert codec.decode_chunk(stored, name) == pack(chunk)


@pytest.mark.parametrize(("name", "theirs"), [("zstd", numcodecs.Zstd(level=5)), ("lz4", numcodecs.LZ4())])
def test_numcodecs_reads_ours_and_ours_reads_numcodecs(name, theirs):
    for n in (1, 60, 61, 400, 4096):
        chunk = packed_chunk(n)
        stored = codec.encode_chunks([chunk], name)[0]
        assert stored == sealed(stored[:-4])
        assert theirs.decode(stored[:-4]) == streams.encode(chunk)
        assert codec.decode_chunk(sealed(bytes(theirs.encode(streams.encode(chunk)))), name) == chunk


@pytest.mark.parametrize("n", [1, 2, 50, 100])  # of sizes in one byte of the header, and in two
def test_zstd_frames_carry_their_size_and_no_checksum(n):
    head = zstandard.get_frame_parameters(codec.encode_chunks([packed_chunk(n)], "zstd")[0])
    assert head.content_size == len(streams.encode(packed_chunk(n)))
    assert not head.has_checksum and head.dict_id == 0


def test_lz4_blocks_are_streams():
    assert lz4.block.decompress(codec.encode_chunks([GOOD], "lz4")[0][:-4]) == STREAM


@pytest.mark.parametrize("name", codec.CODECS)
def test_bytes_do_not_depend_on_what_was_encoded_before(name):
    chunks = [packed_chunk(n, n) for n in range(1, 400, 13)]
    together = codec.encode_chunks(chunks, name)
    assert codec.encode_chunks(chunks[::-1], name)[::-1] == together
    assert [codec.encode_chunks([c], name)[0] for c in chunks] == together


@pytest.mark.parametrize("name", codec.CODECS)
def test_every_single_bit_flip_is_found(name):
    stored = codec.encode_chunks([packed_chunk(7)], name)[0]
    for bit in range(8 * len(stored)):
        flipped = bytearray(stored)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(ValueError, match="crc32c"):
            codec.decode_chunk(bytes(flipped), name)


def frame(chunk, **options):
    return zstandard.ZstdCompressor(level=5, **options).compress(chunk)


GOOD = packed_chunk(100)
HOLE = GOOD[:-1] + b"\x00"
STREAM = streams.encode(GOOD)
LYING_STREAM = b"\0" + b"\xff" * 520 + STREAM[-400:]
N_HELD = len(STREAM) - 256  # as two bytes of the header say it
HOSTILE = {
    "1 GiB claimed by zstd": ("zstd", b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", 1 << 30) + bytes(99)),
    "zstd of 32 MiB": ("zstd", frame(bytes(32 << 20))),
    "zstd without a size": ("zstd", frame(STREAM, write_content_size=False)),
    "zstd with a checksum": ("zstd", frame(STREAM, write_checksum=True)),
    "zstd claims less": ("zstd", frame(STREAM)[:5] + struct.pack("<H", N_HELD - 1) + frame(STREAM)[7:]),
    "zstd claims more": ("zstd", frame(STREAM)[:5] + struct.pack("<H", 16905 - 256) + frame(STREAM)[7:]),
    "zstd claims too much": ("zstd", frame(STREAM)[:5] + struct.pack("<H", 16906 - 256) + frame(STREAM)[7:]),
    "zstd claims one byte": ("zstd", frame(STREAM)[:4] + b"\x20\x01" + frame(STREAM)[7:]),
    "zstd cut": ("zstd", frame(STREAM)[:-9]),
    "zstd of noise": ("zstd", frame(STREAM)[:7] + b"\xee" * 200),
    "a byte more": ("zstd", frame(STREAM + b"\x01")),
    "zstd of a packed chunk": ("zstd", frame(GOOD)),
    "only a mask": ("zstd", frame(STREAM[:-400])),
    "nothing but zeros": ("zstd", frame(bytes(20))),
    "a mask that lies": ("zstd", frame(LYING_STREAM)),
    "coverage 0": ("zstd", frame(streams.encode(HOLE))),
    "1 GiB claimed by lz4": ("lz4", struct.pack("<I", 1 << 30) + bytes(99)),
    "4 GiB claimed by lz4": ("lz4", b"\xff" * 99),
    "lz4 claims less": ("lz4", struct.pack("<I", 19) + lz4.block.compress(STREAM, store_size=False)),
    "lz4 claims more": ("lz4", struct.pack("<I", 16904) + lz4.block.compress(STREAM, store_size=False)),
    "lz4 of a byte more": ("lz4", lz4.block.compress(STREAM + b"\x01")),
    "lz4 of a packed chunk": ("lz4", lz4.block.compress(GOOD)),
    "lz4 of noise": ("lz4", struct.pack("<I", 912) + b"\xee" * 200),
    "lz4 of a mask that lies": ("lz4", lz4.block.compress(LYING_STREAM)),
    "lz4 of coverage 0": ("lz4", lz4.block.compress(streams.encode(HOLE))),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_right_crc_does_not_make_a_chunk_right(case):
    name, body = HOSTILE[case]
    with pytest.raises(ValueError, match=r"claims|decode|disagree|not a zstd frame"):
        codec.decode_chunk(sealed(body), name)


@pytest.mark.parametrize("name", codec.CODECS)
def test_one_bad_chunk_among_good_ones_is_named_and_the_rest_decoded(name):
    chunks = [packed_chunk(n, n) for n in (3, 50, 700)]
    stored = codec.encode_chunks(chunks, name)
    bodies = [body for owner, body in HOSTILE.values() if owner == name and len(body) < 17_000]
    for place in range(3):
        for body in bodies:
            mixed = [*stored]
            mixed[place] = sealed(body)
            n_bytes = np.array([len(m) for m in mixed])
            decoded, bad = codec.decode_chunks(b"".join(mixed), np.cumsum(n_bytes) - n_bytes, n_bytes, name)
            decoded, liars = codec.unfold(decoded)
            assert list(bad | liars) == [place] and len(decoded[place]) == 0
            assert [decoded[i] for i in range(3) if i != place] == [
                c for i, c in enumerate(chunks) if i != place
            ]


@pytest.mark.parametrize("n", [0, 13, codec.MAX_STORED_BYTES + 1, 1 << 20])
def test_stored_lengths_outside_the_bounds_are_refused(n):
    with pytest.raises(ValueError, match="stored bytes"):
        codec.decode_chunk(bytes(n), "zstd")


def test_no_chunks_are_no_work_and_no_crash():
    none = np.empty(0, np.int64)
    assert codec.decode_chunks(b"", none, none, "zstd") == ([], {})
    assert MAX_PACKED_BYTES < codec.MAX_STORED_BYTES
