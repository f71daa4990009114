"""SOG: known bytes give known splats, in a bundle, a folder and a streamed folder; and the real ones."""

import json
import zipfile

import foreign
import numpy as np
import pytest
from data import needs
from voxtide.tools.errors import UserError
from voxtide.tools.sources import Gaussians, open_source
from voxtide.tools.sources.gaussians import SH_C0


def read(path, n=1 << 20) -> Gaussians:
    batches = list(open_source(path).batches(n))
    assert all(1 <= len(b) <= n for b in batches)
    return Gaussians(*(np.concatenate([getattr(b, k) for b in batches]) for k in Gaussians.__slots__))


def images() -> dict[str, np.ndarray]:
    """Four splats and twelve pixels that are none."""
    zero = np.zeros((4, 4, 4), np.uint8)
    out = {name: zero.copy() for name in ("means_l", "means_u", "scales", "quats", "sh0")}
    for image in out.values():
        image[..., 3] = 255
    out["means_u"][0, :4, :3] = [[0, 128, 255], [255, 0, 0], [0, 0, 0], [64, 64, 64]]
    out["means_l"][0, :4, :3] = [[0, 0, 255], [255, 0, 0], [0, 0, 0], [1, 2, 3]]
    out["scales"][0, :4, :3] = [[0, 255, 1], [9, 9, 9], [0, 0, 0], [0, 0, 0]]
    out["quats"][0, :4] = [[255, 0, 128, 252], [0, 0, 0, 253], [127, 128, 127, 255], [1, 2, 3, 251]]
    out["sh0"][0, :4] = [[0, 128, 255, 51], [1, 2, 3, 255], [0, 0, 0, 1], [0, 0, 0, 255]]
    return out


BOOK = np.linspace(-6, 2, 256)
MEANS = {"mins": [-1.0, -2.0, 0.0], "maxs": [1.0, 2.0, 3.0], "files": ["means_l.webp", "means_u.webp"]}


def meta(version=2) -> dict:
    old = {"mins": [-6.0] * 3, "maxs": [2.0] * 3}
    old4 = {"mins": [-6.0] * 3 + [-4.0], "maxs": [2.0] * 3 + [4.0]}
    book = {"codebook": BOOK.tolist()}
    return {
        **({"version": 2, "count": 4} if version == 2 else {}),
        "means": {**MEANS, **({} if version == 2 else {"shape": [4, 3]})},
        "scales": {**(book if version == 2 else old), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {**(book if version == 2 else old4), "files": ["sh0.webp"]},
    }


def scene(version=2, changes=()) -> dict[str, bytes]:
    files = {f"{name}.webp": foreign.webp(image) for name, image in images().items()}
    return {**files, "meta.json": json.dumps({**meta(version), **dict(changes)}).encode()}


def bundle(path, files, kind=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def folder(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def assert_known(got: Gaussians, opacities) -> None:
    assert len(got) == 3  # the fourth has no rotation
    logs = np.array([[-1, -2 + 4 * 32768 / 65535, 3], [1, -2, 0], [-1, -2, 0]])
    np.testing.assert_allclose(got.positions, np.sign(logs) * np.expm1(np.abs(logs)), rtol=1e-6)
    np.testing.assert_allclose(got.scales, np.exp(BOOK[[[0, 255, 1], [9, 9, 9], [0, 0, 0]]]), rtol=1e-6)
    np.testing.assert_allclose(got.opacities, opacities, atol=1e-6)
    half = np.sqrt(0.5)
    first = np.array([0, half, -half, (128 / 255 - 0.5) * np.sqrt(2)])
    first[0] = np.sqrt(max(0, 1 - (first**2).sum()))
    np.testing.assert_allclose(got.rotations[0], first / np.linalg.norm(first), atol=1e-6)
    # The second is longer than 1 without its largest: it is normalised.
    np.testing.assert_allclose(got.rotations[1], np.array([-1, 0, -1, -1]) / np.sqrt(3), atol=1e-6)
    assert got.rotations[2][3] > 0.999
    colour = np.rint(255 * np.clip(0.5 + SH_C0 * BOOK[[[0, 128, 255], [1, 2, 3], [0, 0, 0]]], 0, 1))
    np.testing.assert_array_equal(got.rgb, colour)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bundle(tmp_path, kind):
    path = bundle(tmp_path / "a.sog", scene(), kind)
    assert_known(read(path, n=2), np.array([51, 255, 1]) / 255)
    source = open_source(path)
    assert (source.kind, source.n_items, source.up, source.notes["format"]) == (
        "gaussians",
        4,
        "-y",
        "sog v2",
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_folder_and_its_meta_json(tmp_path, version):
    path = folder(tmp_path / "scene", scene(version))
    logit = -4 + 8 * np.array([51, 255, 1]) / 255
    opacities = 1 / (1 + np.exp(-logit)) if version == 1 else np.array([51, 255, 1]) / 255
    for name in (path, path / "meta.json"):
        assert_known(read(name), opacities)
    assert {p.name for p in open_source(path).files} == {p.name for p in path.iterdir()}


def test_a_streamed_scene_at_each_level(tmp_path):
    node = {"lods": {"0": {"file": 0, "offset": 1, "count": 2}, "1": {"file": 1, "offset": 0, "count": 1}}}
    tree = {"children": [node, {"children": [{"lods": {"0": {"file": 0, "offset": 0, "count": 1}}}]}]}
    lod = {
        "lodLevels": 2,
        "filenames": ["0_0/meta.json", "1_0/meta.json"],
        "tree": tree,
        "environment": "env/meta.json",
    }
    files = {f"{k}/{name}": data for k in ("0_0", "1_0") for name, data in scene().items()}
    path = folder(tmp_path / "s", {**files, "lod-meta.json": json.dumps(lod).encode()})
    assert_known(read(path), np.array([51, 255, 1]) / 255)
    assert open_source(path).notes["environment"] == "left out"
    assert len(read(path / "lod-meta.json?lod=1")) == 1
    for query, says in [
        ("lod=2", "levels of detail 0 to 1"),
        ("lod=-1", "levels"),
        ("x=1", "has no option"),
        ("lod", "="),
    ]:
        with pytest.raises(UserError, match=says):
            open_source(path / f"lod-meta.json?{query}")


BAD_META = [
    ({"version": 3}, "version 3"),
    ({"count": 17}, "too few for 17 splats"),
    ({"count": 0}, "holds no splats"),
    ({"count": 1 << 40}, "whole number"),
    ({"count": True}, "whole number"),
    ({"means": {**MEANS, "files": ["../means_l.webp", "means_u.webp"]}}, "plain relative path"),
    ({"means": {**MEANS, "files": ["/etc/passwd", "means_u.webp"]}}, "plain relative path"),
    ({"means": {**MEANS, "files": ["no.webp", "means_u.webp"]}}, "No such file"),
    ({"means": {**MEANS, "mins": [0, 0, float("nan")]}}, "3 finite numbers"),
    ({"scales": {"codebook": [1.0], "files": ["scales.webp"]}}, "256 finite numbers"),
    ({"quats": []}, "an object quats"),
]


@pytest.mark.parametrize(("change", "says"), BAD_META, ids=[says for _, says in BAD_META])
def test_a_header_that_lies(tmp_path, change, says):
    path = folder(tmp_path / "s", scene(changes=change))
    with pytest.raises(UserError, match=says) as error:
        list(open_source(path).batches(9))
    assert str(error.value).isprintable()


def test_an_image_that_declares_what_its_bytes_cannot_hold(tmp_path):
    """A WebP of 16,383 x 16,383 pixels in a few bytes is a gigabyte: refused before a decoder sees it."""
    head = (
        b"RIFF"
        + bytes(4)
        + b"WEBPVP8L"
        + (20).to_bytes(4, "little")
        + b"\x2f"
        + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    )
    path = folder(tmp_path / "s", {**scene(), "quats.webp": head + bytes(20)})
    with pytest.raises(UserError, match="declares 16384 x 16384 pixels"):
        open_source(path)


def test_a_zip_that_lies(tmp_path):
    path = bundle(tmp_path / "a.sog", scene(), zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    for changed, says in [
        (data[:200], "damaged"),
        (b"PK\x03\x04" + bytes(500), "damaged"),
        (foreign.ply(("vertex", {"x": np.ones(1)})), "a .ply file"),
    ]:
        path.write_bytes(changed)
        with pytest.raises(UserError, match=says):
            open_source(path)
    bundle(path, {"a.txt": b"x"})
    with pytest.raises(UserError, match=r"holds no meta.json"):
        open_source(path)


def test_the_real_ones():
    bundle_of_4225 = read(needs("splat", "wave_0001.sog"))
    assert len(bundle_of_4225) == 4225 and np.ptp(bundle_of_4225.positions, axis=0).max() > 1
    assert open_source(needs("splat", "playcanvas-logo")).n_items == 307_128
    flowers = open_source(needs("splat", "flowers"))
    assert flowers.n_items == 542_104  # as the data's index says
    low, high = np.inf, -np.inf
    for batch in flowers.batches(1 << 17):
        low, high = np.minimum(low, batch.positions.min(0)), np.maximum(high, batch.positions.max(0))
    tree = json.loads(needs("splat", "flowers", "lod-meta.json").read_text())["tree"]
    assert (low >= np.array(tree["bound"]["min"]) - 0.05).all() and (
        high <= np.array(tree["bound"]["max"]) + 0.05
    ).all()
