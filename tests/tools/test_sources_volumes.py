"""Volumes: .npy, .npz, Zarr and OpenVDB give the cells that were written; and what is refused."""

import io
import itertools
import json
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
from data import needs
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.errors import UserError
from voxtide.tools.sources import Voxels, open_source
from voxtide.tools.sources import source as s

zarr = pytest.importorskip("zarr")


def read(path, n=1 << 20) -> Voxels:
    """Every cell, sorted by (z, y, x)."""
    batches = list(open_source(path).batches(n))
    assert all(1 <= len(b) <= n for b in batches)
    voxels, rgba = (np.concatenate([getattr(b, k) for b in batches]) for k in ("voxels", "rgba"))
    assert len(voxels) == open_source(path).n_items
    order = np.lexsort(voxels.T)
    return Voxels(voxels[order], rgba[order])


def cells(solid) -> list[list[int]]:
    return np.argwhere(solid)[:, ::-1].tolist()


def saved(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize("kind", ["?", "u1", "i2", ">i4", "u8", "f4", "f2", ">f8"])
def test_numbers_above_nothing_are_cells(tmp_path, rng, kind):
    values = rng.integers(0, 3, (4, 5, 6)).astype(kind)
    for name, order in (("a.npy", "C"), ("f.npy", "F")):
        path = saved(tmp_path / name, np.asarray(values, order=order))
        got = read(path, n=7)
        assert got.voxels.tolist() == cells(values > 0)
        grey = np.where(values[values > 0] == values.max(), 255, 156)
        np.testing.assert_allclose(got.rgba[:, 0].astype(int), grey, atol=1)
        assert (got.rgba[:, 3] == 255).all() and (got.rgba[:, :3] == got.rgba[:, :1]).all()


def test_the_limit_is_the_users(tmp_path):
    values = np.array([[[0.0, 0.4, np.nan, 0.6, np.inf, -3]]])
    path = saved(tmp_path / "a.npy", values)
    assert read(path).voxels.tolist() == [[1, 0, 0], [3, 0, 0]]
    assert read(f"{path}?above=0.5").voxels.tolist() == [[3, 0, 0]]
    for query, says in [
        ("above=x", "expected a number"),
        ("above=1", "nothing to read"),
        ("below=1", "it has [?]above"),
    ]:
        with pytest.raises(UserError, match=says):
            open_source(f"{path}?{query}")


def test_bytes_of_colour(tmp_path, rng):
    rgba = rng.integers(0, 256, (3, 4, 5, 4)).astype("u1")
    rgba[rng.random((3, 4, 5)) < 0.5] = 0
    got = read(saved(tmp_path / "a.npy", rgba), n=9)
    solid = rgba[..., 3] > 0
    assert got.voxels.tolist() == cells(solid)
    np.testing.assert_array_equal(got.rgba, rgba[solid])
    got = read(saved(tmp_path / "b.npy", rgba[..., :3]))
    np.testing.assert_array_equal(got.rgba[:, :3], rgba[rgba[..., :3].any(-1)][:, :3])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, rng, save):
    volume, other = rng.integers(0, 2, (4, 5, 6)), np.ones((2, 2, 2))
    save(tmp_path / "a.npz", grid=volume, voxel_size=0.5)
    assert read(tmp_path / "a.npz").voxels.tolist() == cells(volume)
    save(tmp_path / "b.npz", grid=volume, other=other)
    with pytest.raises(UserError, match=r"name one with \?array="):
        open_source(tmp_path / "b.npz")
    assert len(read(tmp_path / "b.npz?array=other").voxels) == 8
    with pytest.raises(UserError, match="no volume x"):
        open_source(tmp_path / "b.npz?array=x")


@pytest.mark.parametrize(("colour", "expected"), [("u1", 51), ("f4", 51), (None, 200)])
def test_points_in_an_npz(tmp_path, rng, colour, expected):
    at = rng.normal(size=(9, 3)).astype("f4")
    at[4, 1] = np.nan
    arrays = {} if colour is None else {"rgb": np.full((9, 3), 51 if colour == "u1" else 0.2, colour)}
    np.savez_compressed(tmp_path / "a.npz", xyz=at, **arrays)
    source = open_source(tmp_path / "a.npz")
    batches = list(source.batches(4))
    np.testing.assert_array_equal(np.concatenate([b.positions for b in batches]), np.delete(at, 4, 0))
    assert (source.kind, source.n_items) == ("points", 9) and (batches[0].rgb == expected).all()


def test_real_points_in_an_npz_and_what_is_no_scene():
    garden = open_source(needs("posed_rgb", "gsplat_test_garden.npz"))
    assert (garden.kind, garden.n_items, garden.notes["colour"]) == ("points", 138_766, "colors")
    with pytest.raises(UserError, match=r"holds w2c \[500, 4, 4\]"):
        open_source(needs("lyra", "example_0", "trajectory.npz"))


def npy(array) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


CUBE = npy(np.ones((3, 3, 3), "u1"))
LARGER = npy(np.ones((5, 5, 5), "u1"))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.npy", CUBE[:-1], "cut short"),
        ("a.npy", CUBE.replace(b"(3, 3, 3)", b"(3, 3,2**9)"), "header is damaged"),
        ("a.npy", CUBE.replace(b"(3, 3, 3), ", b"(3,3,99999)"), "cut short|damaged"),
        ("a.npy", CUBE[:8], "header is damaged"),
        ("a.npy", npy(np.ones((3, 3))), r"expected numbers \[z, y, x\]"),
        ("a.npy", npy(np.ones((3, 3, 3), "c8")), "expected numbers"),
        ("a.npy", npy(np.array([{}], dtype=object)), "never loaded"),
        ("a.npy", npy(np.zeros((2, 2, 2))), "nothing to read"),
        ("a.npy", pickle.dumps([1]), "header is damaged"),
        ("a.npz", CUBE, "a NumPy array: expected an .npz"),
        ("a.npz", zipped(a=CUBE)[:100], "does not open"),
        ("a.npz", zipped(a=LARGER[:-1]), "cut short"),
        ("a.npz", zipped(a=npy(np.array([{}], dtype=object))), "holds nothing"),
        ("a.npz", zipped(a=npy(np.zeros((900, 900, 9), "u1"))), "cut short|nothing to read"),
    ],
    ids=str.split(
        "cut grows huge head flat complex object none pickle npy zip-cut inner-cut inner-object inner-huge"
    ),
)
def test_refused_in_one_line(tmp_path, name, data, says):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=says) as error:
        list(open_source(path).batches(9))
    assert str(error.value).isprintable()


# Zarr ------------------------------------------------------------------------------------------------


def stored(path, values, **how):
    array = zarr.create_array(
        path, shape=values.shape, dtype=values.dtype, **{"chunks": (4,) * values.ndim, **how}
    )
    array[...] = values
    return path


@pytest.mark.parametrize(
    "how",
    [
        {"zarr_format": 2},
        {"zarr_format": 2, "compressors": None},
        {"zarr_format": 3},
        {"shards": (8, 8, 8)},
        {"chunks": (1, 3, 7)},
        {"compressors": [zarr.codecs.BloscCodec()]},
        {"compressors": [zarr.codecs.GzipCodec()]},
    ],
    ids=["v2", "v2 plain", "v3", "sharded", "odd", "blosc", "gzip"],
)
def test_zarr(tmp_path, rng, monkeypatch, how):
    values = rng.integers(0, 3, (9, 10, 11)).astype("u2")
    path = stored(tmp_path / "a.zarr", values, **how)
    whole = read(path)
    assert whole.voxels.tolist() == cells(values > 0)
    monkeypatch.setattr(s, "READ_BYTES", 200)
    np.testing.assert_array_equal(read(path, n=13).rgba, whole.rgba)
    assert len(open_source(path).files) >= 2


def ome(path, values, axes, scale, unit="meter", version="0.5"):
    group_format = 3 if version == "0.5" else 2
    group = zarr.create_group(path, zarr_format=group_format)
    array = group.create_array(
        "s0", shape=values.shape, dtype=values.dtype, chunks=tuple(min(4, n) for n in values.shape)
    )
    array[...] = values
    kinds = {"t": "time", "c": "channel"}
    listed = [
        {"name": a, "type": kinds.get(a, "space"), **({"unit": unit} if a in "zyx" else {})} for a in axes
    ]
    steps = [{"type": "scale", "scale": scale}]
    image = {
        "multiscales": [{"axes": listed, "datasets": [{"path": "s0", "coordinateTransformations": steps}]}]
    }
    group.attrs.update({"ome": {"version": "0.5", **image}} if version == "0.5" else image)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_has_the_size_that_it_says(tmp_path, version):
    values = np.zeros((2, 3, 4), "u1")
    values[0, 0, 0] = values[1, 2, 3] = 9
    path = ome(tmp_path / "a.ome.zarr", values, "zyx", [0.75, 0.25, 0.25], version=version)
    source = open_source(path)
    assert source.unit_m == 0.25 and source.notes["format"] == "ome-zarr"
    got = read(path)
    assert got.voxels.tolist() == [[0, 0, z] for z in (0, 1, 2)] + [[3, 2, z] for z in (3, 4, 5)]
    np.testing.assert_array_equal(read(path, n=2).voxels, got.voxels)
    report = bake(source, tmp_path / "w", BakeOptions(voxel_size_m=0.25))
    assert report.voxels == 6 and report.dropped == {}


def test_ome_zarr_channels_and_time(tmp_path, rng):
    rgba = rng.integers(1, 256, (2, 4, 2, 3, 5)).astype("u1")
    path = ome(tmp_path / "rgba", rgba, "tczyx", [1.0] * 5)
    np.testing.assert_array_equal(read(path).rgba, np.moveaxis(rgba[0], 0, -1).reshape(-1, 4))
    rgba[0, 2] = 0
    with pytest.raises(UserError, match="nothing to read"):
        open_source(f"{ome(tmp_path / 'one', rgba, 'tczyx', [1.0] * 5)}?channel=2")
    flat = ome(tmp_path / "flat", rgba[0, 0, 0], "yx", [1.0, 1.0])
    assert set(read(flat).voxels[:, 2]) == {0}


def test_micrographs_are_a_voxel_a_cell(tmp_path):
    path = ome(tmp_path / "a", np.ones((2, 2, 2), "u1"), "zyx", [0.5, 0.5, 0.5], unit="micrometer")
    assert open_source(path).unit_m is None and "1e-06 m" in open_source(path).notes["cell"]


def change(path, **changes):
    meta = json.loads(path.read_text())
    path.write_text(json.dumps({**meta, **changes}))


def test_zarr_metadata_that_zarr_is_not_shown(tmp_path):
    ones = np.ones((4, 4, 4), "u1")
    for k, (changes, says) in enumerate([
        ({"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]}, "codec numcodecs.pickle is not read"),
        ({"codecs": [{"name": "voxtide.packed"}]}, "codec voxtide.packed"),
        ({"data_type": "string"}, "of type string"),
        ({"shape": [1 << 40, 4, 4]}, "is not read"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 20] * 3}}}, "are over"),
        ({"zarr_format": 4}, "no Zarr 3"),
        ({"storage_transformers": [{"name": "x"}]}, "no plain"),
    ]):  # fmt: skip
        path = stored(tmp_path / f"v3-{k}", ones)
        change(path / "zarr.json", **changes)
        with pytest.raises(UserError, match=says):
            open_source(path)
    for k, (changes, says) in enumerate([
        ({"filters": [{"id": "pickle"}]}, "is not read"),
        ({"compressor": {"id": "pickle"}}, "is not read"),
        ({"dtype": "|O"}, "of type |O"),
    ]):  # fmt: skip
        path = stored(tmp_path / f"v2-{k}", ones, zarr_format=2)
        change(path / ".zarray", **changes)
        with pytest.raises(UserError, match=says):
            open_source(path)


def test_zarr_chunks_that_are_damaged(tmp_path):
    path = stored(tmp_path / "a", np.arange(64, dtype="u1").reshape(4, 4, 4))
    chunk = path / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(UserError, match="does not unpack"):
        open_source(path)


def test_folders_that_are_no_volume(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"is a folder: .*zarr\.json"):
        open_source(tmp_path / "empty")
    zarr.create_group(tmp_path / "group")
    with pytest.raises(UserError, match="no array"):
        open_source(tmp_path / "group")
    stored(tmp_path / "group" / "inner", np.ones((2, 2, 2), "u1"))
    assert len(read(tmp_path / "group").voxels) == 8
    stored(tmp_path / "group" / "other", np.ones((2, 2), "u1"))
    with pytest.raises(UserError, match="inner, other"):
        open_source(tmp_path / "group")
    assert len(read(tmp_path / "group?array=inner").voxels) == 8
    with pytest.raises(UserError, match="plain relative path"):
        open_source(tmp_path / "group?array=..")


def test_a_world_is_no_source(tmp_path):
    bake(open_source(saved(tmp_path / "a.npy", np.ones((2, 2, 2)))), tmp_path / "w.vxt", BakeOptions())
    with pytest.raises(UserError, match="a Voxtide world already"):
        open_source(tmp_path / "w.vxt")


# OpenVDB ---------------------------------------------------------------------------------------------


class Grid:
    """As much of openvdb's as is used; values [x, y, z(, 3)] at `low`, and a tile of 2^3 cells."""

    gridClass = "unknown"  # noqa: N815

    def __init__(self, name, values, low=(0, 0, 0), kind="float", tile=None):
        self.name, self.values, self.low, self.valueTypeName, self.tile = name, values, low, kind, tile
        self.transform = types.SimpleNamespace(voxelSize=lambda: (0.1,) * 3)

    def iterOnValues(self):  # noqa: N802
        for at in np.ndindex(self.values.shape[:3]):
            cell = tuple(int(v) for v in np.add(at, self.low))
            yield types.SimpleNamespace(min=cell, max=cell, value=self.values[at].tolist())
        if self.tile:
            yield types.SimpleNamespace(min=self.tile, max=tuple(v + 1 for v in self.tile), value=1.0)

    def getConstAccessor(self):  # noqa: N802
        return types.SimpleNamespace(
            getValue=lambda cell: tuple(self.values[tuple(np.subtract(cell, self.low))])
        )


def fake_openvdb(monkeypatch, *grids):
    module = types.SimpleNamespace(
        readAllGridMetadata=lambda path: list(grids),
        read=lambda path, name: next(g for g in grids if g.name == name),
    )
    monkeypatch.setitem(sys.modules, "openvdb", module)


def test_vdb_through_a_library(tmp_path, monkeypatch, rng):
    path = tmp_path / "a.vdb"
    path.write_bytes(b" BDV" + bytes(60))
    density = rng.integers(0, 2, (4, 5, 6)).astype("f4")
    fake_openvdb(monkeypatch, Grid("density", density, low=(-2, 7, 1)))
    source = open_source(path)
    assert (source.up, source.unit_m, source.n_items) == ("y", 0.1, int(density.sum()))
    expected = np.argwhere(density) + np.array([-2, 7, 1])
    assert read(path).voxels.tolist() == expected[np.lexsort(expected.T)].tolist()
    light = np.zeros((4, 5, 6, 3), "f4")
    light[..., 0] = 0.5
    fake_openvdb(
        monkeypatch, Grid("density", density, (-2, 7, 1)), Grid("Cd", light, (-2, 7, 1), kind="vec3s")
    )
    assert (read(path).rgba == (188, 0, 0, 255)).all()
    inside = Grid("surface", 0.5 - density)
    inside.gridClass = "level set"
    fake_openvdb(monkeypatch, inside)
    assert len(read(path).voxels) == density.sum()
    fake_openvdb(monkeypatch, Grid("density", 0 * density, tile=(8, -8, 0)))
    assert {tuple(v) for v in read(path, n=3).voxels.tolist()} == set(
        itertools.product((8, 9), (-8, -7), (0, 1))
    )
    fake_openvdb(monkeypatch, Grid("names", density, kind="string"))
    with pytest.raises(UserError, match="no grid of numbers or colours"):
        open_source(path)


def test_vdb_without_a_library(tmp_path, monkeypatch):
    for name in ("openvdb", "pyopenvdb"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.vdb"
    path.write_bytes(b" BDV" + bytes(60))
    with pytest.raises(UserError, match=r"conda install -c conda-forge openvdb"):
        open_source(path)
    path.write_bytes(b"glTF" + bytes(60))
    with pytest.raises(UserError, match="binary glTF"):
        open_source(path)
