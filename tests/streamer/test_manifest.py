"""The manifest and the journal: every bit counts, and a torn tail costs only the tail."""

import pytest
from voxtide.streamer import manifest as mf
from voxtide.streamer.errors import WorldError

REGIONS = [
    mf.RegionRecord(0, (-1, 2, -300), 70_000, "0123456789abcdef" * 2, 12, 3456),
    mf.RegionRecord(0, (0, 0, 0), 65_900, "f" * 32, 1, 1),
    mf.RegionRecord(3, (-1, 2, -3), 99_999, "a0" * 16, 4, 16_384),
]
FILES = [mf.FileRecord("color/zarr.json", 67, "ab" * 16), mf.FileRecord("zarr.json", 400, "cd" * 16)]
BAKE = mf.BakeParameters(0.01, "zstd", 5, "1.5.7", "9f3c")
JOURNAL = mf.encode_journal_head(BAKE) + b"".join(map(mf.encode_journal_record, REGIONS))


def flips(data):
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        yield bit, bytes(flipped)


def test_round_trip_in_any_order():
    data = mf.encode_manifest(FILES[::-1], REGIONS[::-1])
    assert data == mf.encode_manifest(FILES, REGIONS)
    assert mf.parse_manifest(data) == mf.Manifest(tuple(FILES), tuple(REGIONS))
    assert mf.parse_manifest(mf.encode_manifest([], [])) == mf.Manifest((), ())


def test_every_flipped_bit_of_a_manifest_is_found():
    for bit, flipped in flips(mf.encode_manifest(FILES, REGIONS)):
        with pytest.raises(WorldError):
            pytest.fail(f"bit {bit} unseen: {mf.parse_manifest(flipped)}")


def test_every_cut_and_every_doubled_byte_of_a_manifest_is_found():
    data = mf.encode_manifest(FILES, REGIONS)
    for at in range(len(data)):
        for changed in (data[:at], data[:at] + data[at : at + 1] + data[at:]):
            with pytest.raises(WorldError):
                mf.parse_manifest(changed)
    with pytest.raises(WorldError):
        mf.parse_manifest(data + b"\n")


def resealed(old, new):
    """A manifest changed by somebody who also wrote a right closing record."""
    data = mf.encode_manifest(FILES, REGIONS)
    body = data[: data.rfind(b"end ")]
    assert old in body
    body = body.replace(old, new, 1)
    return body + f"end 2 3 {mf.digest_of(body)}\n".encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"region 0 -1 2 -300", b"region 0 -1 2 -32769"),
        (b"region 0 -1 2 -300", b"region 0 -1 2 -99999999999999999999"),
        (b"region 0 -1 2 -300", b"region 16 -1 2 -300"),
        (b"region 0 -1 2 -300", b"region 0 -1 02 -300"),
        (b"region 0 -1 2 -300", b"region 0 -1 +2 -300"),
        (b"region 0 -1 2 -300", b"region 0 -1 2  -300"),
        (b"region 0 -1 2 -300", b"region 0 -1 2_0 -300"),
        (b"region 0 -1 2 -300", b"Region 0 -1 2 -300"),
        (b"region 0 0 0 0", b"region 0 -1 2 -300"),
        (b" 70000 ", b" 99999999999999 "),
        (b" 70000 ", b" 67 "),
        (b" 12 3456", b" 0 3456"),
        (b" 12 3456", b" 5000 5000"),
        (b" 12 3456", b" 12 11"),
        (b" 12 3456", b" 12 49153"),
        (b"abcdef", b"ABCDEF"),
        (b"abcdef", b"abcde"),
        (b"abcdef", b"abcde\xc3"),
        (b"color/zarr.json", b"zarr.json"),
        (b"file zarr.json 400", b"file zarr.json 0400"),
        (b"manifest 1", b"manifest 2"),
        (b"\nregion", b"\r\nregion"),
        (b"\nregion", b"\n\nregion"),
        (b" 70000 ", b" " + b"7" * 5000 + b" "),
    ],
)
def test_a_right_digest_does_not_make_a_manifest_right(old, new):
    with pytest.raises(WorldError) as caught:
        mf.parse_manifest(resealed(old, new))
    assert caught.value.file == "manifest" and len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_unsorted_manifest_is_refused():
    data = mf.encode_manifest(FILES, REGIONS)
    lines = data.splitlines(keepends=True)
    body = b"".join([*lines[:3], lines[4], lines[3], lines[5]])
    with pytest.raises(WorldError, match="sorted"):
        mf.parse_manifest(body + f"end 2 3 {mf.digest_of(body)}\n".encode())


def test_journal_cut_at_every_byte_keeps_the_whole_lines():
    ends = [i + 1 for i, byte in enumerate(JOURNAL) if byte == ord("\n")]
    for at in range(len(JOURNAL) + 1):
        if at < ends[0]:
            with pytest.raises(WorldError, match="first line"):
                mf.parse_journal(JOURNAL[:at])
            continue
        whole = sum(end <= at for end in ends) - 1
        journal = mf.parse_journal(JOURNAL[:at])
        assert journal.bake == BAKE
        assert list(journal.regions.values()) == REGIONS[:whole] and journal.n_good_bytes == ends[whole]


def test_every_flipped_bit_of_a_journal_costs_its_line_and_what_follows():
    ends = [i + 1 for i, byte in enumerate(JOURNAL) if byte == ord("\n")]
    for bit, flipped in flips(JOURNAL):
        line = sum(end <= bit >> 3 for end in ends)
        if line == 0:
            with pytest.raises(WorldError, match="first line"):
                mf.parse_journal(flipped)
        else:
            assert list(mf.parse_journal(flipped).regions.values()) == REGIONS[: line - 1], bit


def test_a_region_written_again_counts_as_last_written():
    again = mf.RegionRecord(0, (0, 0, 0), 65_901, "e" * 32, 1, 2)
    journal = mf.parse_journal(JOURNAL + mf.encode_journal_record(again))
    assert journal.regions[0, (0, 0, 0)] == again and len(journal.regions) == 3


@pytest.mark.parametrize("word", ["", "two words", "line\n", "ü", "x" * 201])
def test_parameters_must_be_one_word(word):
    with pytest.raises(ValueError, match="one word"):
        mf.encode_journal_head(mf.BakeParameters(0.01, "zstd", 5, "1.5.7", word))
