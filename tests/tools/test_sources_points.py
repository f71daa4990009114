"""Coloured points: .ply and .pcd in every encoding read back what was written."""

import struct

import foreign
import numpy as np
import pytest
from data import needs
from voxtide.tools.sources import Points, open_source
from voxtide.tools.sources.pcd import lzf

XYZ = {"x": np.array([1.5, -2, 3]), "y": np.array([0.1, 1e6, -7]), "z": np.array([0.0, 5, 6])}
RGB = np.array([[255, 0, 7], [1, 2, 3], [9, 99, 199]], np.uint8)
PACKED = RGB.astype("u4") @ np.array([1 << 16, 1 << 8, 1], "u4")


def write(tmp_path, name, data: bytes):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(path, n=1 << 20) -> Points:
    batches = list(open_source(path).batches(n))
    assert all(1 <= len(b) <= n for b in batches)
    return Points(np.concatenate([b.positions for b in batches]), np.concatenate([b.rgb for b in batches]))


def assert_points(path, rgb=RGB) -> None:
    got = read(path, n=2)
    assert got.positions.dtype == np.float64 and got.rgb.dtype == np.uint8
    np.testing.assert_array_equal(got.positions, np.stack(list(XYZ.values()), 1))
    np.testing.assert_array_equal(got.rgb, rgb)
    source = open_source(path)
    assert (source.kind, source.n_items, source.up) == ("points", 3, "z")


@pytest.mark.parametrize("encoding", foreign.ORDERS)
@pytest.mark.parametrize("names", ["red green blue", "diffuse_red diffuse_green diffuse_blue", "r g b"])
@pytest.mark.parametrize(("kind", "factor"), [("u1", 1), ("u2", 257), ("f4", 1 / 255), ("f8", 1 / 255)])
def test_ply(tmp_path, encoding, names, kind, factor):
    colours = {name: (RGB[:, i] * np.float64(factor)).astype(kind) for i, name in enumerate(names.split())}
    columns = {"nx": np.zeros(3), **colours, **XYZ, "alpha": np.full(3, 255, "u1")}
    faces = ("face", {"a": np.zeros(0, "u1")})  # declared, but none: still points
    assert_points(write(tmp_path, "a.ply", foreign.ply(("vertex", columns), faces, encoding=encoding)))


def test_points_without_colour_are_light_grey(tmp_path):
    grey = np.full((3, 3), 200)
    assert_points(write(tmp_path, "a.ply", foreign.ply(("vertex", XYZ))), grey)
    text = b"1.5 .1 0\n-2 1e6 5\n3 -7 6"
    assert_points(write(tmp_path, "a.pcd", foreign.pcd("x y z", "8 8 8", "F F F", 3, text, "ascii")), grey)


def test_points_that_are_nowhere_are_dropped(tmp_path):
    columns = {k: v.copy() for k, v in XYZ.items()}
    columns["y"][1] = np.nan
    for encoding in foreign.ORDERS:
        path = write(tmp_path, "a.ply", foreign.ply(("vertex", columns), encoding=encoding))
        assert (len(read(path)), open_source(path).n_items) == (2, 3)


def test_text_beyond_its_declared_integer_is_clipped(tmp_path):
    head = foreign.ply(
        ("vertex", {**XYZ, **dict.fromkeys(("red", "green", "blue"), RGB[:, 0])}), encoding="ascii"
    )
    head = head[: head.index(b"end_header\n") + 11]
    got = read(write(tmp_path, "a.ply", head + b"0 0 0 300 -5 nan\n1 1 1 1e99 inf -inf\n2 2 2 1 2 3\n"))
    assert got.rgb.tolist() == [[255, 0, 0], [255, 255, 0], [1, 2, 3]]


# A PCD with padding, a double and a colour packed into four bytes.
PCD_ROW = np.dtype([("x", "<f8"), ("pad", "<u1", 3), ("y", "<f8"), ("rgb", "<u4"), ("z", "<f8")])


def pcd_rows() -> np.ndarray:
    rows = np.zeros(3, PCD_ROW)
    for name, values in XYZ.items():
        rows[name] = values
    rows["rgb"] = PACKED
    return rows


def pcd(data: bytes, encoding: str, name="rgb", kind="F") -> bytes:
    return foreign.pcd(
        f"x _ y {name} z", "8 1 8 4 8", f"F U F {kind} F", 3, data, encoding, counts="1 3 1 1 1"
    )


@pytest.mark.parametrize("kind", ["F", "U", "I"])
@pytest.mark.parametrize("name", ["rgb", "rgba"])
def test_pcd_binary(tmp_path, kind, name):
    assert_points(write(tmp_path, "a.pcd", pcd(pcd_rows().tobytes(), "binary", name, kind)))


def test_pcd_binary_compressed_holds_columns(tmp_path):
    columns = b"".join(np.ascontiguousarray(pcd_rows()[name]).tobytes() for name in PCD_ROW.names)
    packed = foreign.lzf_literals(columns)
    body = struct.pack("<II", len(packed), len(columns)) + packed
    assert_points(write(tmp_path, "a.pcd", pcd(body, "binary_compressed")))


def as_integer(packed) -> str:
    return str(packed)


def as_float(packed) -> str:
    return repr(float(packed))


def as_bits(packed) -> str:
    return repr(packed.view("f4").item())


@pytest.mark.parametrize("as_text", [as_integer, as_float, as_bits])
def test_pcd_ascii_packs_colour_as_a_number_or_as_bits(tmp_path, as_text):
    rows = zip(*XYZ.values(), PACKED, strict=True)
    lines = [f"{x} 1 2 3 {y} {as_text(c)} {z}" for x, y, z, c in rows]
    assert_points(write(tmp_path, "a.pcd", pcd("\r\n".join(lines).encode(), "ascii")))


def test_lzf_back_references():
    # A literal, 11 bytes from distance 1 (a run), three literals, 3 bytes from distance 3.
    packed = bytes([0, 65, 7 << 5, 2, 0, 2, 66, 67, 68, 1 << 5, 2])
    assert lzf(packed, 18) == b"A" * 12 + b"BCDBCD"
    assert lzf(packed, 19) is None
    assert lzf(bytes([0, 65, 1 << 5, 1]), 4) is None  # before the beginning
    assert lzf(bytes([3, 65]), 4) is None  # fewer literals than promised
    assert lzf(bytes([0, 65, 7 << 5]), 4) is None  # ends inside a reference
    assert lzf(bytes([1, 65, 66]), 1) is None  # longer than declared


@pytest.mark.parametrize(
    ("parts", "n"),
    [
        (("pointcloud", "fragment.pcd"), 113_662),
        (("rgbd", "icl_livingroom1_micro", "test_fragments", "fragment_002.ply"), 112_698),
    ],
)
def test_real_files(parts, n):
    path = needs(*parts)
    got = read(path, n=30_000)
    assert len(got) == open_source(path).n_items == n
    assert (np.ptp(got.positions, axis=0) > 0.5).all() and (
        np.ptp(got.positions, axis=0) < 10
    ).all()  # a room, m
    assert got.rgb.std() > 20  # photographed
