"""Streams against a twin that goes byte by byte, and against everything that a stream might say."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.atlas import palette, streams
from voxtide.atlas.chunk import pack


def packed_chunk(n_voxels, seed=0, alpha=None, colours=None):
    """n_voxels anywhere in a chunk; of random colours, or so many different ones; A random or as given"""
    rng = np.random.default_rng(seed)
    dense = np.zeros((4096, 4), np.uint8)
    at = rng.permutation(4096)[:n_voxels]
    palette = rng.integers(1, 256, (colours or n_voxels, 4))
    dense[at] = palette[np.arange(n_voxels) % len(palette)]
    if alpha is not None:
        dense[at, 3] = alpha
    return pack(dense.reshape(16, 16, 16, 4))


def slow_decode(stream):
    """A stream that does not lie -> the packed chunk, one byte at a time."""
    return slow_palette(stream) if stream[0] else slow_planes(stream[1:])


def slow_planes(stream):
    mask, at = bytearray(512), 8
    for block in range(64):
        if stream[block >> 3] >> (block & 7) & 1:
            mask[8 * block : 8 * block + 8] = stream[at : at + 8]
            at += 8
    n = sum(byte.bit_count() for byte in mask)
    left = len(stream) - at
    n_planes = {3: 3, 4: 4, 3 * n: 3, 4 * n: 4}[left]
    planes = []
    for k in range(n_planes):
        values = [0]
        for i in range(n):
            residual = stream[at + k * n + i] if left > 4 or n == 1 else stream[at + k] * (i == 0)
            values.append((values[-1] + residual) % 256)
        planes.append(values[1:])
    out = mask
    for i in range(n):
        red = planes[0][i]
        green = (planes[1][i] + red) % 256
        blue = (planes[2][i] + green) % 256
        out += bytes([red, green, blue, planes[3][i] if n_planes == 4 else 255])
    return bytes(out)


def slow_palette(stream):
    k = stream[0]
    n_planes = (len(stream) - 1 - 2048) // k
    planes = []
    for p in range(n_planes):
        values = [0]
        for i in range(k):
            values.append((values[-1] + stream[1 + p * k + i]) % 256)
        planes.append(values[1:])
    colours = []
    for i in range(k):
        red, green = planes[0][i], (planes[0][i] + planes[1][i]) % 256
        alpha = planes[3][i] if n_planes == 4 else 255
        colours.append([red, green, (green + planes[2][i]) % 256, alpha])
    dense = np.zeros((16, 16, 16, 4), np.uint8)
    for x, y, z in itertools.product(range(16), repeat=3):
        number = 256 * x + 16 * y + z
        said = stream[1 + n_planes * k + number // 2] >> 4 * (number % 2) & 15
        if said:
            dense[z, y, x] = colours[said - 1]
    return pack(dense)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4096), st.sampled_from([None, 255, 7]), st.sampled_from([None, 1, 2, 15, 16])
        ),
        max_size=9,
    )
)
def test_round_trip(kinds):
    chunks = [packed_chunk(n, seed, alpha, colours) for seed, (n, alpha, colours) in enumerate(kinds)]
    encoded = [streams.encode(chunk) for chunk in chunks]
    assert all(streams.MIN_STREAM_BYTES <= len(e) <= streams.MAX_STREAM_BYTES for e in encoded)
    assert streams.decode(encoded) == (chunks, [])


@pytest.mark.parametrize("alpha", [None, 255, 1])
@pytest.mark.parametrize("colours", [None, 1, 15])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 300, 900, 4096])
def test_agrees_with_the_slow_twin(n, alpha, colours):
    chunk = packed_chunk(n, n, alpha, colours)
    stream = streams.encode(chunk)
    assert (stream[0] == 15) == (n >= 900 and colours == 15)
    assert slow_decode(stream) == chunk


def test_forms_have_their_lengths():
    blocks = 1 + 8 + 64 * 8
    assert len(streams.encode(packed_chunk(4096))) == blocks + 4 * 4096 == streams.MAX_STREAM_BYTES
    assert len(streams.encode(packed_chunk(4096, alpha=255))) == blocks + 3 * 4096
    assert len(streams.encode(packed_chunk(4096, colours=1))) == blocks + 4
    assert len(streams.encode(packed_chunk(4096, alpha=255, colours=1))) == blocks + 3
    assert len(streams.encode(packed_chunk(1, alpha=255))) == 1 + 8 + 8 + 3 == streams.MIN_STREAM_BYTES
    assert len(streams.encode(packed_chunk(4096, colours=15))) == 1 + 4 * 15 + 2048 == palette.MAX_BYTES
    assert len(streams.encode(packed_chunk(4096, alpha=255, colours=2))) == 1 + 3 * 2 + 2048
    assert len(streams.encode(packed_chunk(4096, colours=16))) == blocks + 4 * 4096


def test_a_chunk_has_the_shorter_form():
    for n in (400, 500, 505, 506, 507, 510, 511, 600):  # 521 + 3n bytes or fewer, or 2055
        chunk = packed_chunk(n, 1, alpha=255, colours=2)
        few, stream = palette.encode(chunk), streams.encode(chunk)
        planes = 1 + 8 + 8 * int((np.frombuffer(chunk, "<u8", 64) != 0).sum()) + 3 * n
        assert len(few) == 2055 and len(stream) == min(planes, 2055) and (stream == few) == (planes > 2055)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 700])
def test_more_streams_than_are_decoded_together(n):
    chunks = [packed_chunk(1 + i % 40, i, 255 if i % 3 else None) for i in range(n)]
    assert streams.decode([streams.encode(c) for c in chunks]) == (chunks, [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 70), min_size=1, max_size=40), st.integers(0, 1 << 30))
def test_running_sums_are_sums(lengths, seed):
    data = np.random.default_rng(seed).integers(0, 256, sum(lengths), np.uint8)
    ends = np.cumsum(lengths)
    expected = [np.cumsum(data[b - n : b], dtype=np.uint8) for n, b in zip(lengths, ends, strict=True)]
    found = streams.running_sums(data.tobytes() + bytes(-data.size % 8), np.array(lengths))
    assert found.dtype == np.uint8 and (found == np.concatenate(expected)).all()


def test_masks_are_those_of_the_packed_chunks():
    chunks = [packed_chunk(1 + 13 * i, i, colours=1 if i % 5 == 0 else None) for i in range(300)]
    masks = streams.masks([streams.encode(chunk) for chunk in chunks])
    assert masks.shape == (300, 64) and masks.tobytes() == b"".join(chunk[:512] for chunk in chunks)
    assert streams.masks([]).shape == (0, 64)


GOOD = streams.encode(packed_chunk(100))
OPAQUE = streams.encode(packed_chunk(100, alpha=255))
ONE = streams.encode(packed_chunk(1, alpha=255))
FEW = palette.encode(packed_chunk(900, alpha=255, colours=3))  # 1 + 9 + 2,048 bytes
THREES_TO_TWOS = bytes(16 * min(i >> 4, 2) + min(i & 15, 2) for i in range(256))
FULL_BLOCKS = b"\0" + b"\xff" * 8
LIES = {
    "no blocks": bytes(9) + OPAQUE[9:],
    "a block too many": bytes([0, 255, *ONE[2:]]),
    "more blocks than bytes": FULL_BLOCKS + bytes(40),
    "blocks and no colour": FULL_BLOCKS + b"\xff" * 512,
    "an empty block": ONE[:9] + bytes(8) + ONE[17:],
    "a byte too few": GOOD[:-1],
    "a byte too many": GOOD + b"\x01",
    "no residuals but two": OPAQUE[: -3 * 100] + b"\x01\x02",
    "residuals for one voxel less": OPAQUE[:-3],
    "A = 0": ONE + b"\x00",
    "A = 0 for many": GOOD[: -4 * 100] + b"\x01\x01\x01\x00",
    "A = 0 at the end": GOOD[:-1] + bytes([(GOOD[-1] - packed_chunk(100)[-1]) % 256]),
    "a full mask for a few": FULL_BLOCKS + b"\xff" * 512 + bytes(100),
    "zeros": bytes(20),
    "a colour, and its voxels are missing": b"\1" + ONE[1:],
    "255 colours": b"\xff" + GOOD[1:],
    "no colours": b"\0" + FEW[1:],
    "a colour too many": bytes([FEW[0] + 1]) + FEW[1:],
    "a colour too few": bytes([FEW[0] - 1]) + FEW[1:],
    "a palette without its last voxels": FEW[:-1],
    "a palette and a byte more": FEW + b"\0",
    "two bytes between a palette and its voxels": FEW[:-2048] + b"\7\7" + FEW[-2048:],
    "16 colours": b"\x10" + b"\1" * 16 + bytes(32) + bytes(range(256)) * 8,
    "a voxel of no colour of the palette": FEW[:-1] + bytes([FEW[-1] & 15 | 0x40]),
    "a colour that no voxel has": FEW[:-2048] + FEW[-2048:].translate(THREES_TO_TWOS),
    "a palette and no voxel": FEW[:-2048] + bytes(2048),
    "colours that do not increase": FEW[:1] + b"\5\0\xff" + FEW[4:],
    "a colour twice": FEW[:1] + b"\5\0\1" + b"\0" * 6 + FEW[10:],
    "a colour with A = 0": b"\1\5\0\0\0" + b"\1" * 2048,
}


@pytest.mark.parametrize("case", LIES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_stream_that_lies_is_told_and_the_others_decoded(case, place):
    good = [packed_chunk(30, 1), packed_chunk(900, 2, alpha=255, colours=4), packed_chunk(50, 3, colours=1)]
    parts = [streams.encode(chunk) for chunk in good]
    parts[place] = LIES[case]
    packed, liars = streams.decode(parts)
    assert liars == [place] and packed[place] == b""
    assert [packed[i] for i in range(3) if i != place] == [good[i] for i in range(3) if i != place]
    expected = [i == place and not case.startswith("A = 0") for i in range(3)]  # it does not look at colours
    assert streams.lying(parts).tolist() == expected


@pytest.mark.parametrize("n", [1, 40, 700])
def test_blocks_and_masks_are_those_of_the_chunk(n):
    chunks = [packed_chunk(n, 1), packed_chunk(n, 2, 255, 3), packed_chunk(n, 3, colours=1)]
    dense = np.zeros((16, 16, 16, 4), np.uint8)
    dense[2:9, 3:14, 5:7] = 9, 8, 7, 255  # z, y, x: and most blocks are empty
    chunks += [pack(dense)]
    some = [streams.encode(one) for one in chunks]
    some[3:] = [palette.encode(chunks[3])]
    expected = np.stack([np.frombuffer(one, "<u8", 64) for one in chunks])
    assert (streams.masks(some) == expected).all()
    found = np.unpackbits(streams.blocks(some), axis=1, bitorder="little")
    assert (found == (expected != 0)).all() and 0 < found[3].sum() < 30


def test_liars_among_liars():
    packed, liars = streams.decode(list(LIES.values()))
    assert liars == list(range(len(LIES))) and packed == [b""] * len(LIES)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(min_size=20, max_size=600), min_size=1, max_size=6),
    st.sampled_from(["", "blocks", "palette"]),
)
def test_any_bytes_decode_to_chunks_or_to_nothing(parts, headed):
    if headed == "blocks":  # a few of them, so that more of these get further
        parts = [bytes([0, 1 << (p[0] & 7), 0, 0, 0, 0, 0, 0, 0]) + p[9:] for p in parts]
    elif headed == "palette":
        parts = [
            b"\2" + p[1:7] + (p * 103)[-2048:].translate(bytes(i % 3 for i in range(256))) for p in parts
        ]
    packed, liars = streams.decode(parts)
    for i, chunk in enumerate(packed):
        assert (chunk == b"") == (i in liars)
        assert chunk == b"" or (slow_decode(parts[i]) == chunk and (chunk[515::4].count(0) == 0))
    lying = streams.lying(parts)
    assert set(np.flatnonzero(lying)) <= set(liars)
    assert all(
        slow_decode(part)[515::4].count(0) for i, part in enumerate(parts) if i in liars and not lying[i]
    )


def test_what_lies_together():
    assert streams.decode([]) == ([], [])
    sizes = np.array([200_000, 100_000, *[20] * 600, 90_000])
    spans = list(streams.steps(sizes))
    assert [a for a, _ in spans] == [0, *[b for _, b in spans[:-1]]] and spans[-1][1] == sizes.size
    assert all(b - a == 1 or sizes[a:b].sum() <= 1 << 18 for a, b in spans)
    assert max(b - a for a, b in spans) == 256
