"""The .ome.zarr: opened by zarr-python and tensorstore, bit for bit; validated; shown by neuroglancer."""

import json
import time
from pathlib import Path

import browser
import numpy as np
import pytest
import small_worlds
import zarr
from PIL import Image
from voxtide.streamer.world import open_world
from voxtide.tools import export as exports
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.export import ExportOptions
from voxtide.tools.sources import open_source
from worlds import make_world

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SIZE = 0.25


def export(world, out, **options):
    return exports.export(world, out, ExportOptions(**options), lambda *_: None)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A world in eight regions around the origin: every colour and coverage, black ones too."""
    voxels, rgba = small_worlds.noise()
    inside = (np.abs(voxels) < (150, 50, 50)).all(1)
    voxels, rgba = voxels[inside], rgba[inside]
    rgba[:, 3] = np.random.default_rng(4).integers(1, 256, len(rgba))
    rgba[::50, :3] = 0
    return make_world(tmp_path_factory.mktemp("noise") / "w.vxt", voxels, rgba, voxel_size_m=SIZE)


@pytest.fixture(scope="module")
def exported(noise, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "w.ome.zarr"
    return out, export(noise, out)


def with_zarr(path):
    return np.asarray(zarr.open_array(path, mode="r")[...])


def with_tensorstore(path):
    tensorstore = pytest.importorskip("tensorstore", reason="needs tensorstore (pip install tensorstore)")
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    return np.asarray(tensorstore.open(spec, read=True).result().read().result())


def ome_of(path):
    return json.loads((path / "zarr.json").read_text())["attributes"]["ome"]


def places_of(path):
    """Level by level: (array's folder, its (x, y, z) lowest voxel, its voxels' size), from the metadata."""
    (multiscale,) = ome_of(path)["multiscales"]
    for dataset in multiscale["datasets"]:
        scale, move = (t[t["type"]] for t in dataset["coordinateTransformations"])
        size = scale[1]
        low = np.array(move[:0:-1]) / size - 0.5
        assert (low == np.rint(low)).all(), "half a voxel: the translation is to a voxel's centre"
        yield path / dataset["path"], low.astype(np.int64), size


@pytest.mark.parametrize("read", [with_zarr, with_tensorstore])
def test_every_level_is_the_world_bit_for_bit(noise, exported, read):
    out, report = exported
    levels = list(places_of(out))
    assert len(levels) == report.facts["levels"] >= 3
    for level, (path, low, size) in enumerate(levels):
        array = read(path)
        assert array.shape[0] == 4
        assert array.dtype == np.uint8
        assert size == SIZE * 2**level
        at = np.argwhere(np.ones(array.shape[:0:-1], bool)) + low  # (x, y, z)
        for part in np.array_split(at, max(1, len(at) >> 21)):
            x, y, z = (part - low).T
            np.testing.assert_array_equal(array[:, z, y, x].T, noise.read_voxels(level, part))
        n_voxels = sum(r.n_voxels for r in noise.regions if r.level == level)
        assert np.count_nonzero(array[3]) == n_voxels, "all of the level is there"
    assert max(with_zarr(levels[-1][0]).shape) <= 64 < max(with_zarr(levels[-2][0]).shape)


@pytest.mark.parametrize("read", [with_zarr, with_tensorstore])
def test_a_crop_from_a_level_on(noise, tmp_path, read):
    export(noise, tmp_path / "c.ome.zarr", level=1, bounds_m=((-20, -12, -7), (11, 3.3, 5)))
    for path, low, size in places_of(tmp_path / "c.ome.zarr"):
        array = read(path)
        level = int(np.log2(size / SIZE))
        at = np.argwhere(np.ones(array.shape[:0:-1], bool)) + low
        x, y, z = (at - low).T
        np.testing.assert_array_equal(array[:, z, y, x].T, noise.read_voxels(level, at))
        assert array[3].any()
        if level == 1:
            assert tuple(low) == (-40, -24, -14)
            assert array.shape == (4, 24, 31, 62)


def test_what_is_empty_takes_no_file(tmp_path):
    voxels = np.array([[0, 0, 0], [5000, 0, 0], [5000, 3000, 900]])
    rgba = np.array([[1, 2, 3, 4], [0, 0, 0, 255], [255, 255, 255, 1]], np.uint8)
    world = make_world(tmp_path / "w.vxt", voxels, rgba, voxel_size_m=SIZE)
    report = export(world, tmp_path / "s.ome.zarr")
    assert report.facts["shape_czyx"] == [4, 901, 3001, 5001]
    shards = [p for p in (tmp_path / "s.ome.zarr" / "0").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(shards) == 3
    assert report.bytes < 100_000
    array = zarr.open_array(tmp_path / "s.ome.zarr" / "0", mode="r")
    for (x, y, z), colour in zip(voxels, rgba, strict=True):
        np.testing.assert_array_equal(array[:, z, y, x], colour)
    assert not np.asarray(array[:, 100:500, 100:500, 1000:1500]).any()


def test_the_metadata_says_what_0_5_asks_for(exported):
    """The fields that the specification requires, by hand."""
    out, _ = exported
    root = json.loads((out / "zarr.json").read_text())
    assert (root["zarr_format"], root["node_type"]) == (3, "group")
    ome = root["attributes"]["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    names = [a["name"] for a in multiscale["axes"]]
    assert names == ["c", "z", "y", "x"]
    assert [a["type"] for a in multiscale["axes"]] == ["channel", "space", "space", "space"]
    assert {a["unit"] for a in multiscale["axes"][1:]} == {"meter"}
    sizes = []
    for dataset in multiscale["datasets"]:
        assert [t["type"] for t in dataset["coordinateTransformations"]] == ["scale", "translation"]
        array = json.loads((out / dataset["path"] / "zarr.json").read_text())
        assert array["dimension_names"] == names
        sizes.append(dataset["coordinateTransformations"][0]["scale"][1])
    assert sizes == sorted(sizes), "finest first"
    assert [c["color"] for c in ome["omero"]["channels"]] == ["FF0000", "00FF00", "0000FF", "FFFFFF"]
    known = {"sharding_indexed", "transpose", "bytes", "zstd", "crc32c"}
    for path, _, _ in places_of(out):
        (codec,) = json.loads((path / "zarr.json").read_text())["codecs"]
        inside = codec["configuration"]
        assert {c["name"] for c in (codec, *inside["codecs"], *inside["index_codecs"])} <= known


@pytest.mark.filterwarnings("ignore")  # not ours
def test_a_validator_of_0_5_is_content(exported):
    v05 = pytest.importorskip("ome_zarr_models.v05", reason="needs ome-zarr-models")
    out, _ = exported
    image = v05.Image.from_zarr(zarr.open_group(out, mode="r"))
    assert image.attributes.ome.version == "0.5"
    (datasets,) = image.datasets
    assert len(datasets) >= 3


def coloured(picture):
    """Fraction of a picture's pixels that have a colour."""
    channels = picture.astype(int)
    return float((channels.max(-1) - channels.min(-1) > 12).mean())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # neuroglancer's server, not ours
def test_neuroglancer_shows_it(tmp_path):
    """A real page, in a real browser: the scan's own colours are on it, and go when the layer is hidden."""
    if browser.program() is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    neuroglancer = pytest.importorskip("neuroglancer", reason="needs neuroglancer (pip install neuroglancer)")
    bake(open_source(ASSETS / "biker.compressed.ply"), tmp_path / "w.vxt", BakeOptions(voxel_size_m=0.01))
    world = open_world(tmp_path / "w.vxt")
    export(world, tmp_path / "biker.ome.zarr")
    state = json.loads((tmp_path / "biker.ome.zarr" / "neuroglancer.json").read_text())
    state["layout"] = "4panel"
    state["showDefaultAnnotations"] = state["showAxisLines"] = False
    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.Viewer()
    try:
        with browser.served(data=tmp_path) as url:
            (layer,) = state["layers"]
            layer["source"]["url"] = layer["source"]["url"].replace("http://localhost:8000", f"{url}/data")
            viewer.set_state(state)
            with browser.opened(viewer.get_viewer_url(), tmp_path / "profile") as page:
                shown = wait_for(page, lambda picture: min(map(coloured, panes(picture))) > 0.003)
                layer["visible"] = False
                viewer.set_state(state)
                hidden = wait_for(page, lambda picture: max(map(coloured, panes(picture))) < 0.001)
    finally:
        neuroglancer.stop()
    Image.fromarray(shown).save(tmp_path / "page.png")
    assert skin(shown) > 0.0005, "the biker's face"
    assert skin(hidden) < skin(shown) / 50


def skin(picture):
    """Fraction of the four views that is more red than blue, and bright."""
    red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
    return float(np.mean([pane.mean() for pane in panes((red > blue + 25) & (red > 90))]))


def panes(picture):
    """The four views, without the bars between and above them."""
    top, height, width = 60, picture.shape[0], picture.shape[1]
    middle = (top + height) // 2
    rows, columns = (
        ((top + 20, middle - 40), (middle + 40, height - 30)),
        ((60, width // 2 - 60), (width // 2 + 60, width - 60)),
    )
    return [picture[a:b, c:d] for a, b in rows for c, d in columns]


def wait_for(page, good, most_s=60):
    """The first screenshot that is good, twice in a row the same. AssertionError if there is none."""
    before = None
    end = time.monotonic() + most_s
    while time.monotonic() < end:
        picture = page.screenshot()
        if good(picture) and before is not None and np.array_equal(picture, before):
            return picture
        before = picture
        time.sleep(0.5)
    raise AssertionError(f"the page does not show it: {[coloured(p) for p in panes(before)]}, {page.log}")
