"""Splats in every layout read back what was written; formats of one scene agree within their precision."""

import struct

import foreign
import numpy as np
import pytest
from data import needs
from voxtide.tools.sources import Gaussians, open_source
from voxtide.tools.sources.gaussians import TINY_SCALE

C0 = 0.5 / np.sqrt(np.pi)


def write(tmp_path, name, data: bytes):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(path, n=1 << 20) -> Gaussians:
    batches = list(open_source(path).batches(n))
    assert all(1 <= len(b) <= n for b in batches)
    fields = Gaussians.__dataclass_fields__
    return Gaussians(**{f: np.concatenate([getattr(b, f) for b in batches]) for f in fields})


def expect(columns) -> dict[str, np.ndarray]:
    c = {name: a.astype(np.float64) for name, a in columns.items()}
    rotation = np.stack([c[f"rot_{i}"] for i in range(4)], 1)
    colour = np.stack([0.5 + C0 * c[f"f_dc_{i}"] for i in range(3)], 1)
    scales = [np.exp(c[f"scale_{i}"]) if f"scale_{i}" in c else np.full(len(c["x"]), 1e-9) for i in range(3)]
    return {
        "positions": np.stack([c["x"], c["y"], c["z"]], 1),
        "scales": np.stack(scales, 1),
        "rotations": rotation / np.sqrt((rotation**2).sum(1, keepdims=True)),
        "opacities": 1 / (1 + np.exp(-c["opacity"])),
        "rgb": np.round(np.clip(colour, 0, 1) * 255),
    }


def assert_reads(path, columns) -> None:
    got = read(path)
    for name, value in expect(columns).items():
        np.testing.assert_allclose(getattr(got, name), value, rtol=3e-7, atol=1e-7, err_msg=name)
    assert got.positions.dtype == got.scales.dtype == got.rotations.dtype == got.opacities.dtype == np.float32
    assert got.rgb.dtype == np.uint8


@pytest.fixture
def rng():
    return np.random.default_rng(7)


LAYOUTS = [(False, 0), (True, 0), (True, 9), (False, 24), (True, 45), (True, 7)]


@pytest.mark.parametrize("encoding", foreign.ORDERS)
@pytest.mark.parametrize(("normals", "rest"), LAYOUTS)
def test_ply_layouts(tmp_path, rng, encoding, normals, rest):
    columns = foreign.splat_columns(rng, normals=normals, rest=rest)
    path = write(tmp_path, "a.ply", foreign.ply(("vertex", columns), encoding=encoding))
    assert_reads(path, columns)
    source = open_source(path)
    assert (source.kind, source.up, source.n_items) == ("gaussians", "-y", 7)
    assert source.notes.get("sh_degree") == {0: 0, 9: 1, 24: 2, 45: 3}.get(rest)
    assert source.notes.get("sh_ignored") == (7 if rest == 7 else None)


@pytest.mark.parametrize("encoding", foreign.ORDERS)
def test_ply_any_order_any_type_any_company(tmp_path, rng, encoding):
    columns = foreign.splat_columns(rng, dtype="f8")
    columns |= {"red": np.arange(7, dtype="u1"), "label": np.arange(7, dtype="i2")}
    columns["scale_1"] = np.arange(-7, 0, dtype="i1")
    shuffled = {name: columns[name] for name in rng.permutation(list(columns))}
    elements = ("camera", {"fov": np.ones(3, "f8")}), ("vertex", shuffled), ("tail", {"q": np.ones(2, "u1")})
    for eol in ("\n", "\r\n"):
        data = foreign.ply(*elements, encoding=encoding, eol=eol, comments=["antialiased 1"])
        path = write(tmp_path, "a.PLY", data)
        assert_reads(path, columns)
        assert open_source(path).notes["comment"] == "antialiased 1"


def test_2dgs_has_a_thin_third_axis(tmp_path, rng):
    columns = foreign.splat_columns(rng)
    del columns["scale_2"]
    path = write(tmp_path, "a.ply", foreign.ply(("vertex", columns)))
    assert_reads(path, columns)
    assert open_source(path).notes["format"] == "2DGS ply"
    assert (read(path).scales[:, 2] == np.float32(TINY_SCALE)).all()


def test_infinite_logits_are_opaque_and_nothing(tmp_path, rng):
    columns = foreign.splat_columns(rng, n=4)
    columns["opacity"][:] = [np.inf, -np.inf, 0, 800]
    for encoding in foreign.ORDERS:
        got = read(write(tmp_path, "a.ply", foreign.ply(("vertex", columns), encoding=encoding)))
        assert got.opacities.tolist() == [1, 0, 0.5, 1]


@pytest.mark.parametrize("name", foreign.SPLAT_NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_record_with_a_number_that_is_none_is_dropped(tmp_path, rng, name, bad):
    columns = foreign.splat_columns(rng)
    columns[name][3] = bad
    path = write(tmp_path, "a.ply", foreign.ply(("vertex", columns)))
    kept = 7 if name == "opacity" and np.isinf(bad) else 6
    assert len(read(path)) == kept
    assert open_source(path).n_items == 7


def test_degenerate_records_are_dropped_or_floored(tmp_path, rng):
    columns = foreign.splat_columns(rng, n=6, dtype="f8")
    for i in range(4):
        columns[f"rot_{i}"][0] = 0  # no direction
    columns["scale_0"][1] = 200  # exp is no float32
    columns["x"][2] = 1e300  # no float32 either
    columns["scale_0"][3] = -800  # exp underflows: thin, not gone
    columns["rot_0"][4] = 1e-30  # short quaternions still point somewhere
    columns["rot_1"][4] = columns["rot_2"][4] = columns["rot_3"][4] = 0
    got = read(write(tmp_path, "a.ply", foreign.ply(("vertex", columns))))
    assert len(got) == 3
    assert got.scales[0, 0] == np.float32(TINY_SCALE)
    assert got.rotations[1].tolist() == [1, 0, 0, 0]


def test_signalling_nan_is_dropped_without_a_warning(tmp_path, rng):
    columns = foreign.splat_columns(rng)
    data = foreign.ply(("vertex", columns))
    at = len(data) - 7 * 14 * 4  # x of the first
    path = write(tmp_path, "a.ply", data[:at] + struct.pack("<I", 0x7FA00000) + data[at + 4 :])
    assert len(read(path)) == 6


@pytest.mark.parametrize("n", [1, 3, 7, 1000])
def test_batches_are_bounded_and_repeatable(tmp_path, rng, n):
    columns = foreign.splat_columns(rng)
    for encoding in foreign.ORDERS:
        source = open_source(write(tmp_path, "a.ply", foreign.ply(("vertex", columns), encoding=encoding)))
        for _ in range(2):
            assert [len(b) for b in source.batches(n)] == [min(n, 7 - i) for i in range(0, 7, n)]


# Compressed .ply -----------------------------------------------------------------------------------

LOW = {"x": -1, "y": 0, "z": 10, "scale_x": -4, "scale_y": -3, "scale_z": -2, "r": 0.25, "g": 0, "b": 0.5}
HIGH = {"x": 1, "y": 2, "z": 20, "scale_x": 0, "scale_y": -1, "scale_z": -2, "r": 0.75, "g": 1, "b": 0.5}
PACKED = {
    "position": 2047 << 21 | 0 << 11 | 2047,  # max x, min y, max z
    "scale": 0 << 21 | 1023 << 11 | 5,  # min x, max y, z has no extent
    "rotation": 2 << 30 | 1023 << 20 | 512 << 10 | 511,  # y is largest; w = 1/sqrt 2, x and z nearly 0
    "color": 255 << 24 | 51 << 16 | 204 << 8 | 102,
}


def compressed(n, packed=PACKED, *, colour_bounds=True, sh=0, encoding="binary_little_endian") -> bytes:
    axes = list(LOW)[: 9 if colour_bounds else 6]
    ends = (("min", LOW), ("max", HIGH))
    bounds = {f"{end}_{a}": np.full(-(-n // 256), values[a], "f4") for end, values in ends for a in axes}
    columns = {f"packed_{k}": np.full(n, v, "u4") for k, v in packed.items()}
    rest = [("sh", {f"f_rest_{i}": np.zeros(n, "u1") for i in range(sh)})] if sh else []
    return foreign.ply(("chunk", bounds), ("vertex", columns), *rest, encoding=encoding)


@pytest.mark.parametrize("encoding", ["binary_little_endian", "binary_big_endian"])
def test_compressed_ply_known_answer(tmp_path, encoding):
    got = read(write(tmp_path, "a.ply", compressed(300, sh=9, encoding=encoding)), n=100)
    assert len(got) == 300
    np.testing.assert_allclose(got.positions[299], [1, 0, 20], atol=1e-6)
    np.testing.assert_allclose(got.scales[0], np.exp([-4, -1, -2]), rtol=1e-6)
    np.testing.assert_allclose(got.rotations[0], [np.sqrt(0.5), 0, np.sqrt(0.5), 0], atol=1e-3)
    np.testing.assert_allclose(got.opacities[0], 102 / 255, rtol=1e-6)
    assert got.rgb[0].tolist() == [191, 51, 128]


def test_compressed_ply_without_colour_bounds(tmp_path):
    got = read(write(tmp_path, "a.ply", compressed(2, colour_bounds=False)))
    assert got.rgb[0].tolist() == [255, 51, 204]


@pytest.mark.parametrize("largest", range(4))
def test_compressed_rotation_places_its_largest(tmp_path, largest):
    # 1023 is +1/sqrt 2, in the first slot that is not the largest.
    packed = PACKED | {"rotation": largest << 30 | 1023 << 20 | 511 << 10 | 511}
    got = read(write(tmp_path, "a.ply", compressed(1, packed)))
    want = np.zeros(4)
    want[[largest, 0 if largest else 1]] = np.sqrt(0.5)
    np.testing.assert_allclose(got.rotations[0], want, atol=2e-3)


# .splat and .spz -----------------------------------------------------------------------------------


def test_splat_known_answer(tmp_path):
    record = struct.pack("<6f8B", 1.5, -2, 3, 0.1, 0, 4, 10, 20, 30, 51, 128, 255, 128, 128)
    turnless = struct.pack("<6f8B", 1.5, -2, 3, 0.1, 0, 4, 10, 20, 30, 51, 128, 128, 128, 128)
    negative = struct.pack("<6f8B", 1.5, -2, 3, -0.1, 1, 4, 10, 20, 30, 51, 128, 255, 128, 128)
    path = write(tmp_path, "a.splat", record + turnless + negative)
    got = read(path)
    assert (len(got), open_source(path).n_items, open_source(path).up) == (1, 3, "-y")
    assert got.positions[0].tolist() == [1.5, -2, 3]
    np.testing.assert_allclose(got.scales[0], [0.1, TINY_SCALE, 4])
    assert got.rotations[0].tolist() == [0, 1, 0, 0]
    assert got.rgb[0].tolist() == [10, 20, 30]
    np.testing.assert_allclose(got.opacities, [0.2])


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("degree", [0, 1, 4])
def test_spz_known_answer(tmp_path, version, degree):
    path = write(tmp_path, "a.spz", foreign.two_spz_splats(version, degree))
    source, got = open_source(path), read(path, n=1)
    assert (source.up, source.n_items, source.notes["antialiased"]) == ("y", 2, 1)
    np.testing.assert_allclose(got.positions, [[1, -0.5, 1 / 4096], [-2048, 0, 2048 - 1 / 4096]])
    np.testing.assert_allclose(got.scales[0], np.exp([0.0, 1.0, -10.0]), rtol=1e-6)
    np.testing.assert_allclose(got.opacities, [1, 0.2])
    want = np.round(255 * (0.5 + C0 * (np.array([64, 128, 192]) / 255 - 0.5) / 0.15))
    assert got.rgb[0].tolist() == want.tolist() == [8, 128, 249]
    half = np.sqrt(0.5)
    want = [[0, 1, 0, 0], [0, -1, 0, 0]] if version == 2 else [[0, half, half, 0], [half, -half, 0, 0]]
    np.testing.assert_allclose(got.rotations, want, atol=6e-3)


# Real scenes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n", "up"),
    [
        ("biker.ply", 152_746, "-y"),
        ("biker.compressed.ply", 152_746, "-y"),
        ("biker.spz", 152_746, "y"),
        ("train-1000.ply", 1000, "-y"),
        ("playcanvas-test.ply", 64, "-y"),
        ("test-splat.3-points-from-train.ply", 3, "-y"),
        ("test-splat.3-points-from-train.splat", 3, "-y"),
        ("test-splat.3-points-from-train.spz", 3, "y"),
    ],
)
def test_real_files(name, n, up):
    path = needs("splat", name)
    source, got = open_source(path), read(path, n=40_000)
    assert (source.kind, source.n_items, len(got), source.up) == ("gaussians", n, n, up)
    np.testing.assert_allclose(np.linalg.norm(got.rotations, axis=1), 1, atol=1e-6)


def y_down(g: Gaussians) -> Gaussians:
    """A right-up-back scene as the right-down-forward one: half a turn about x."""
    positions, rotations = g.positions * np.float32([1, -1, -1]), g.rotations * np.float32([1, 1, -1, -1])
    return Gaussians(positions, g.scales, rotations, g.opacities, g.rgb)


def assert_agree(a: Gaussians, b: Gaussians, *, position, log_scale, degrees, opacity, rgb) -> None:
    assert np.abs(a.positions - b.positions).max() <= position
    # .spz holds no sigma below e^-10
    logs = [np.log(g.scales.clip(np.exp(-10))) for g in (a, b)]
    assert np.abs(logs[0] - logs[1]).max() <= log_scale
    cosine = np.abs((a.rotations.astype(np.float64) * b.rotations).sum(1)).clip(0, 1)
    assert np.degrees(2 * np.arccos(cosine)).max() <= degrees
    assert np.abs(a.opacities - b.opacities).max() <= opacity
    assert np.abs(a.rgb.astype(int) - b.rgb).max() <= rgb


def test_three_splats_in_three_formats():
    stem = "test-splat.3-points-from-train"
    ply, splat, spz = (read(needs("splat", f"{stem}.{e}")) for e in ("ply", "splat", "spz"))
    # The .splat's writer cut its bytes where it could have rounded them.
    assert_agree(ply, splat, position=0, log_scale=1e-6, degrees=1.1, opacity=1 / 255, rgb=1)
    assert_agree(
        ply, y_down(spz), position=0.5001 / 4096, log_scale=1 / 32, degrees=0.2, opacity=0.501 / 255, rgb=1
    )


def test_biker_in_three_formats():
    ply, packed, spz = (read(needs("splat", f"biker.{e}")) for e in ("ply", "compressed.ply", "spz"))
    # The .ply was written from the .spz, so they are equal; the compressed one was not.
    assert_agree(ply, y_down(spz), position=0, log_scale=1e-6, degrees=0.06, opacity=1e-6, rgb=0)
    assert_agree(ply, packed, position=0.55 / 4096, log_scale=1.2 / 32, degrees=0.2, opacity=1e-6, rgb=1)
