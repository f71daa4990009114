"""What cannot be read is refused in one line; whatever the bytes, nothing else ever escapes."""

import gzip
import io
import os
import pickle
import struct
import zipfile

import foreign
import mesh_bytes
import numpy as np
import pytest
from voxtide.tools.errors import UserError, shown
from voxtide.tools.sources import READERS, open_source
from voxtide.tools.sources import source as s

RNG = np.random.default_rng(11)
COLUMNS = foreign.splat_columns(RNG)
SPLATS = foreign.ply(("vertex", COLUMNS))
TEXT_SPLATS = foreign.ply(("vertex", COLUMNS), encoding="ascii")
SPLAT = struct.pack("<6f8B", 1, 2, 3, 1, 1, 1, 10, 20, 30, 51, 255, 128, 128, 128)
XYZ = {name: np.arange(3, dtype="f4") for name in "xyz"}
PCD = foreign.pcd("x y z", "4 4 4", "F F F", 3, np.arange(9, dtype="<f4").tobytes())
COLUMN_BYTES = np.arange(9, dtype="<f4").tobytes()
LZF = foreign.lzf_literals(COLUMN_BYTES)
LZF_PCD = foreign.pcd(
    "x y z", "4 4 4", "F F F", 3, struct.pack("<II", len(LZF), 36) + LZF, "binary_compressed"
)
SPZ = {version: foreign.two_spz_splats(version, 1) for version in (2, 3, 4)}
MODEL = foreign.model((4, 3, 1), [(0, 0, 0, 1), (3, 2, 0, 3)])
VOX = foreign.vox(
    *(
        MODEL,
        foreign.transform(0, 1),
        foreign.group(1, 2),
        foreign.transform(2, 3, frames=({"_t": "1 2 3"},)),
    ),
    *(foreign.shape(3, 0), foreign.chunk("RGBA", bytes(1024))),
)
PACKED = foreign.ply(
    (
        "chunk",
        {f"{e}_{p}{a}": np.ones(1, "f4") for e in ("min", "max") for p in ("", "scale_") for a in "xyz"},
    ),
    ("vertex", {f"packed_{k}": np.ones(2, "u4") for k in ("position", "rotation", "scale", "color")}),
)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("archive/data.pkl", b"x" * 100)
    return out.getvalue()


def without(name: str) -> bytes:
    return foreign.ply(("vertex", {k: v for k, v in COLUMNS.items() if k != name}))


def spz_table(entry: int, value: int) -> bytes:
    """Version 4 with one number of its table of streams replaced."""
    at = 32 + 8 * entry
    return SPZ[4][:at] + struct.pack("<Q", value) + SPZ[4][at + 8 :]


NAN = {**COLUMNS, "x": np.full(7, np.nan, "f4")}
BOMB = gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 3, 1 << 30, 0, 12, 0, 0))
P = b"ply\nformat binary_little_endian 1.0\n"
XYZ_LINES = b"property float x\nproperty float y\nproperty float z\n"

# name, bytes, what the message must say
BAD = [
    ("empty.ply", b"", "empty"),
    ("torch.ply", zipped(), "zip"),
    ("page.ply", b"<!DOCTYPE html>", "web page"),
    ("lfs.ply", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ("noise.ply", bytes(range(100, 200)), "of an unknown kind"),
    ("header.ply", SPLATS[:100], "end_header"),
    ("endless.ply", b"ply\n" + b"comment x\n" * 200_000, "end_header"),
    ("format.ply", b"ply\nelement vertex 1\n" + XYZ_LINES + b"end_header\n" + bytes(12), "no format line"),
    ("version.ply", b"ply\nformat ascii 2.0\nend_header\n", "not understood"),
    ("word.ply", P + b"nonsense\x1b[31m 1\nend_header\n", r"nonsense\\x1b"),
    ("negative.ply", P + b"element vertex -1\n" + XYZ_LINES + b"end_header\n", "not understood"),
    ("huge.ply", P + b"element vertex 9999999999\n" + XYZ_LINES + b"end_header\n", "limit"),
    (
        "digits.ply",
        P + b"element vertex " + b"9" * 9000 + b"\n" + XYZ_LINES + b"end_header\n",
        "not understood",
    ),
    ("count.ply", SPLATS.replace(b"vertex 7", b"vertex 8"), "cut short"),
    ("short.ply", SPLATS[:-1], "cut short"),
    ("many.ply", P + b"element vertex 2147483648\n" + XYZ_LINES + b"end_header\n" + bytes(99), "cut short"),
    ("lines.ply", TEXT_SPLATS.replace(b"vertex 7", b"vertex 9"), "fewer lines"),
    ("text.ply", TEXT_SPLATS[:-5] + b"!\n", "expected 14 numbers"),
    (
        "twice.ply",
        P + b"element vertex 1\n" + XYZ_LINES + b"property float x\nend_header\n" + bytes(16),
        "twice",
    ),
    ("type.ply", P + b"element vertex 1\nproperty quad x\nend_header\n" + bytes(16), "expected `property"),
    ("orphan.ply", P + b"property float x\nend_header\n", "not understood"),
    (
        "wide.ply",
        P + b"element vertex 1\n" + b"".join(b"property char p%d\n" % i for i in range(1025)),
        "end_header",
    ),
    ("elements.ply", P + b"".join(b"element e%d 0\n" % i for i in range(65)) + b"end_header\n", "too many"),
    ("none.ply", foreign.ply(("vertex", {k: v[:0] for k, v in XYZ.items()})), "holds no points"),
    ("flat.ply", foreign.ply(("vertex", {"x": XYZ["x"], "y": XYZ["y"]})), "x, y, z"),
    ("edges.ply", foreign.ply(("edge", XYZ)), "element vertex"),
    ("mesh.ply", foreign.ply(("vertex", XYZ), ("face", {"a": np.zeros(1, "u1")})), "expected a .ply mesh"),
    (
        "lists.ply",
        P + b"element vertex 1\n" + XYZ_LINES + b"property list uchar int q\nend_header\n" + bytes(13),
        "lists",
    ),
    (
        "before.ply",
        P
        + b"element a 1\nproperty list uchar int q\nelement vertex 1\n"
        + XYZ_LINES
        + b"end_header\n"
        + bytes(13),
        "before element vertex",
    ),
    *(
        (f"no_{name}.ply", without(name), f"has no {name}")
        for name in ("opacity", "rot_3", "f_dc_2", "scale_1", "z")
    ),
    ("nan.ply", foreign.ply(("vertex", NAN)), "not one of 7"),
    (
        "chunks.ply",
        PACKED.replace(b"vertex 2", b"vertex 1").replace(b"chunk 1", b"chunk 0"),
        "chunks do not fit",
    ),
    ("nochunk.ply", foreign.ply(("vertex", {"packed_position": np.ones(1, "u4")})), "chunk and vertex"),
    ("bounds.ply", PACKED.replace(b"min_scale_x", b"min_skale_x"), "has no min_scale_x"),
    ("float.ply", PACKED.replace(b"property uint packed_c", b"property float packed_c"), "must be uint"),
    ("ascii.ply", PACKED.replace(b"binary_little_endian", b"ascii"), "cut short|binary"),
    ("odd.splat", SPLAT + b"x", "whole .splat records"),
    ("ply.splat", SPLATS, "is a .ply file"),
    ("glb.splat", b"glTF" + bytes(28), "binary glTF"),
    ("nan.splat", struct.pack("<f", np.nan) + SPLAT[4:], "not one of 1"),
    ("pickle.spz", pickle.dumps([1]), "pickle"),
    ("gz.spz", gzip.compress(b"hello" * 9), "without .spz content"),
    ("damaged.spz", b"\x1f\x8b" + bytes(30), "does not unpack"),
    ("tail.spz", SPZ[3][:-30], "does(n't| not) unpack|do not unpack"),
    ("v1.spz", foreign.spz(1, 2, []), "version 1"),
    ("v5.spz", foreign.spz(5, 2, []), "version 5"),
    ("plain.spz", struct.pack("<4sIIBBBB16x", b"NGSP", 3, 1, 0, 12, 0, 0), "version 3"),
    ("zero.spz", foreign.spz(3, 0, []), "holds no splats"),
    ("degree.spz", foreign.spz(3, 1, [bytes(99)], degree=9), "SH degree 9"),
    ("bits.spz", foreign.spz(3, 1, [bytes(99)], fraction=60), "60 fractional bits"),
    ("bomb.spz", BOMB, "cannot hold 1,073,741,824"),
    ("half.spz", foreign.spz(3, 20, [bytes(200)]), "do not unpack"),
    ("toc.spz", SPZ[4][:60], "table of streams"),
    ("stub.spz", SPZ[4][:20], "needs 32 bytes"),
    ("packed.spz", spz_table(0, 1 << 60), "does not fit"),
    ("unpacked.spz", spz_table(1, 1 << 60), "does not fit"),
    ("zstd.spz", SPZ[4].replace(b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfe"), "do not unpack"),
    ("glb.vox", b"glTF" + bytes(40), "binary glTF"),
    ("main.vox", b"VOX \x96\0\0\0", "MAIN"),
    ("version.vox", foreign.vox(MODEL, version=99), "version 99"),
    ("short.vox", VOX[:-1], "cut short"),
    ("chunk.vox", foreign.vox(struct.pack("<4sII", b"SIZE", 1 << 31, 1 << 31)), "cut short"),
    ("shard.vox", foreign.vox(b"SIZE"), "damaged"),
    (
        "string.vox",
        foreign.vox(MODEL, foreign.chunk("nGRP", struct.pack("<3i", 0, 1, 1 << 30))),
        "a count of",
    ),
    ("pickle.pcd", pickle.dumps({"x": 1}), "pickle"),
    ("ply.pcd", SPLATS, "a .ply file"),
    ("data.pcd", PCD[:60], "no DATA line"),
    ("kind.pcd", PCD.replace(b"DATA binary", b"DATA pickle"), "expected one of ascii"),
    ("fields.pcd", PCD.replace(b"FIELDS x y z", b"FIELDS x y"), "must list the same"),
    ("noxyz.pcd", PCD.replace(b"FIELDS x y z", b"FIELDS a b c"), "without x, y, z"),
    ("type.pcd", PCD.replace(b"TYPE F", b"TYPE Q"), "type Q4"),
    ("counts.pcd", PCD.replace(b"WIDTH", b"COUNT 9999 1 1\nWIDTH"), "adds up"),
    ("triple.pcd", PCD.replace(b"WIDTH", b"COUNT 3 1 1\nWIDTH"), "must be 1"),
    ("width.pcd", PCD.replace(b"WIDTH 3", b"WIDTH -3"), "whole number"),
    ("points.pcd", PCD.replace(b"POINTS 3", b"POINTS 4"), "WIDTH x HEIGHT"),
    ("many.pcd", PCD.replace(b" 3\n", b" 2147483648\n"), "cut short"),
    ("over.pcd", PCD.replace(b" 3\n", b" 9999999999\n"), "limit"),
    ("short.pcd", PCD[:-1], "cut short"),
    ("key.pcd", PCD.replace(b"VIEWPOINT", b"VIEWPIONT"), "VIEWPIONT"),
    ("lzf.pcd", LZF_PCD[:-1], "cut short"),
    (
        "ratio.pcd",
        LZF_PCD.replace(struct.pack("<II", len(LZF), 36), struct.pack("<II", len(LZF), 35)),
        "do not fit",
    ),
    ("bad_lzf.pcd", LZF_PCD.replace(LZF[:1], b"\xff"), "do not unpack|cut short"),
    ("scene.xyz", b"1 2 3\n", "expected a file that ends in .ply, .splat, .spz, .sog, .vox, .pcd, .las"),
    ("scene", b"1 2 3\n", "expected a file that ends in"),
]


def drain(path) -> int:
    return sum(len(batch) for batch in open_source(path).batches(4))


@pytest.mark.parametrize(("name", "data", "says"), BAD, ids=[row[0] for row in BAD])
def test_refused_in_one_line(tmp_path, name, data, says):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=says) as error:
        drain(path)
    message = str(error.value)
    assert message.isprintable() and len(message) < 600 and name in message


def test_paths_that_are_no_files(tmp_path):
    (tmp_path / "folder.ply").mkdir()
    os.mkfifo(tmp_path / "pipe.ply")
    (tmp_path / "loop.ply").symlink_to(tmp_path / "loop.ply")
    for name, says in [
        ("folder.ply", "is a folder"),
        ("pipe.ply", "not a regular file"),
        ("loop.ply", "cannot open"),
        ("absent.ply", "No such file"),
        ("new\nline\x1b.ply", "No such file"),
        ("nul\0.ply", "null"),
    ]:
        with pytest.raises(UserError, match=says) as error:
            open_source(tmp_path / name)
        assert str(error.value).isprintable()


def test_an_unreadable_file(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(SPLATS)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads every file")
    with pytest.raises(UserError, match="permission"):
        open_source(path)


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "a.splat"
    with path.open("wb") as file:
        file.truncate(s.MAX_FILE_BYTES + 32)  # sparse: takes no room
    with pytest.raises(UserError, match="limit"):
        open_source(path)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(SPLATS)
    batches = open_source(path).batches(1)
    next(batches)
    path.write_bytes(SPLATS[:-300])
    with pytest.raises(UserError, match=r"ended .* early"):
        list(batches)


def test_a_long_line_is_no_text(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(TEXT_SPLATS[: TEXT_SPLATS.index(b"end_header\n") + 11] + b"1" * (s.MAX_HEADER_BYTES + 2))
    with pytest.raises(UserError, match="line is longer"):
        open_source(path)


def test_shown_is_short_and_printable():
    assert shown("a\nb\x1b[0m") == r"a\nb\x1b[0m"
    assert shown(b"\xff\0ok") == r"ÿ\x00ok"
    for text in ("x" * 999, "\n" * 200, "\u202e" * 200, "\ud800" * 300):
        assert len(shown(text)) <= 200 and shown(text).isprintable()


SEEDS = [
    ("splats.ply", SPLATS),
    ("text.ply", TEXT_SPLATS),
    ("points.ply", foreign.ply(("vertex", {**XYZ, "red": np.ones(3, "u1")}), encoding="binary_big_endian")),
    ("packed.ply", PACKED),
    ("a.splat", SPLAT * 3),
    *((f"v{version}.spz", data) for version, data in SPZ.items()),
    ("a.vox", VOX),
    ("a.pcd", PCD),
    ("lzf.pcd", LZF_PCD),
    ("text.pcd", foreign.pcd("x y z rgb", "4 4 4 4", "F F F F", 3, b"1 2 3 4\n" * 3, "ascii")),
    *mesh_bytes.seeds(),
]


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not out:
            break
        at = int(rng.integers(len(out)))
        match int(rng.integers(6)):
            case 0:
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                out[at : at + 4] = bytes(
                    rng.choice([b"\xff" * 4, bytes(4), b"\x00\x00\xc0\x7f", b"\x00\x00\x00\x80"])
                )
            case 2:
                del out[at : at + int(rng.integers(1, 40))]
            case 3:
                out[at:at] = out[at : at + int(rng.integers(1, 40))]
            case 4:
                out[at : at + 1] = bytes(rng.choice([b"9", b"-", b" ", b"\n", b"\0", b"nan", b"1e999"]))
            case 5:
                del out[at:]
    return bytes(out)


@pytest.mark.parametrize(("name", "data"), SEEDS, ids=[row[0] for row in SEEDS])
def test_mutations_are_read_or_refused(tmp_path, name, data):
    assert drain(tmp_path_with(tmp_path, name, data)) > 0
    rng = np.random.default_rng(5)
    n_read, messages = 0, []
    for i in range(180):
        changed = mutated(data, rng)
        if i % 2 and name in ("v2.spz", "v3.spz"):  # under the compression too
            changed = gzip.compress(mutated(gzip.decompress(data), rng), 1)
        path = tmp_path_with(tmp_path, name, changed)
        try:
            n_read += drain(path) > 0
        except UserError as error:
            messages.append(str(error))
    assert n_read and messages
    assert all(m.isprintable() and len(m) < 600 for m in messages)


def tmp_path_with(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_the_seeds_have_readers():
    """That every reader is fuzzed stands in tests/fuzz."""
    assert {f".{name.rsplit('.')[-1]}" for name, _ in SEEDS} <= set(READERS)
