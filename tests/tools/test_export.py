"""What every export has in common, and the formats of points, cells and images, each read back."""

import errno
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import small_worlds
from bakery import file_bytes, world_voxels
from voxtide.atlas import address
from voxtide.streamer.world import open_world
from voxtide.tools import export as exports
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.export import FORMATS, ExportOptions, palette
from voxtide.tools.sources import open_source
from worlds import make_world

SIZE = 0.01
ASSETS = Path(__file__).resolve().parents[2] / "assets"


def export(world, out, **options):
    return exports.export(world, out, ExportOptions(**options), lambda *_: None)


def few_colours(voxels):
    """[N, 4]: a colour of 60, by place; coverage varies where nothing asks for solid."""
    code = (voxels @ np.array([1, 7, 3])) // 5 % 60
    return np.stack([code * 4, 255 - code * 3, code % 7 * 30, np.full(len(code), 255)], -1).astype(np.uint8)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """(world, voxels, rgba): boxes around the origin in eight regions, 60 colours."""
    voxels, _ = small_worlds.noise()
    rgba = few_colours(voxels)
    world = make_world(tmp_path_factory.mktemp("noise") / "w.vxt", voxels, rgba, voxel_size_m=SIZE)
    return world, voxels, rgba


@pytest.fixture(scope="module")
def garish(tmp_path_factory):
    """(world, voxels, rgba): the same boxes, every voxel another colour and another coverage."""
    voxels, rgba = small_worlds.noise()
    rgba[:, 3] = np.random.default_rng(3).integers(1, 256, len(rgba))
    world = make_world(tmp_path_factory.mktemp("garish") / "w.vxt", voxels, rgba, voxel_size_m=SIZE)
    return world, voxels, rgba


def surface_of(voxels):
    """The voxels [M, 3] of a set [N, 3] that have an empty neighbour, by sorted keys."""

    def key(v):
        return (v + (1 << 20)) @ np.array([1, 1 << 21, 1 << 42])

    there = key(voxels)
    steps = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])
    inner = np.all([np.isin(key(voxels + step), there) for step in steps], axis=0)
    return voxels[~inner]


def in_order(voxels, *others):
    order = np.lexsort(voxels.T)
    return (voxels[order], *(o[order] for o in others))


def read_all(path):
    source = open_source(path)
    batches = list(source.batches(1 << 14))
    names = [n for n in type(batches[0]).__slots__ if getattr(batches[0], n) is not None]
    return source, {n: np.concatenate([getattr(b, n) for b in batches]) for n in names}


def test_points_are_the_surface(noise, tmp_path):
    world, voxels, rgba = noise
    report = export(world, tmp_path / "p.ply")
    _, got = read_all(tmp_path / "p.ply")
    (expected,) = in_order(surface_of(voxels))
    found, colours = in_order(np.floor(got["positions"] / SIZE).astype(np.int64), got["rgb"])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(colours, world.read_voxels(0, found)[:, :3])
    assert report.voxels == len(expected) < len(voxels)
    np.testing.assert_allclose(got["positions"] / SIZE % 1, 0.5, atol=1e-3)
    assert (rgba[:, 3] == 255).all()


def test_points_carry_normals_that_look_outwards(tmp_path):
    at = np.argwhere(np.ones((5, 4, 3))) + np.array((-2, 250, 7))
    world = make_world(tmp_path / "w.vxt", at, few_colours(at), voxel_size_m=SIZE)
    export(world, tmp_path / "p.ply")
    head, _, body = (tmp_path / "p.ply").read_bytes().partition(b"end_header\n")
    assert b"property float nx" in head
    rows = np.frombuffer(body, [("p", "<f4", 3), ("n", "<f4", 3), ("c", "u1", 3)])
    assert len(rows) == 60 - 3 * 2 * 1
    np.testing.assert_allclose(np.linalg.norm(rows["n"], axis=1), 1, atol=1e-6)
    outwards = ((rows["p"] - rows["p"].mean(0)) * rows["n"]).sum(1)
    assert (outwards > 0).all()


def test_points_far_away_keep_their_place(tmp_path):
    at = np.array([[8_000_000, -8_000_000, 5], [8_000_001, -8_000_000, 5]])
    world = make_world(tmp_path / "w.vxt", at, few_colours(at), voxel_size_m=SIZE, n_levels=16)
    export(world, tmp_path / "p.ply")
    _, got = read_all(tmp_path / "p.ply")
    np.testing.assert_array_equal(in_order(np.floor(got["positions"] / SIZE).astype(np.int64))[0], at)


def test_gaussians_read_back(garish, tmp_path):
    world, voxels, _ = garish
    export(world, tmp_path / "g.splat.ply")
    export(world, tmp_path / "same.ply", gaussians=True)
    assert (tmp_path / "g.splat.ply").read_bytes() == (tmp_path / "same.ply").read_bytes()
    source, got = read_all(tmp_path / "g.splat.ply")
    assert (source.kind, source.up, source.notes["format"]) == ("gaussians", "-y", "3DGS ply")
    x, y, z = got["positions"].T.astype(np.float64)
    found = np.floor(np.stack([x, z, -y], -1) / SIZE).astype(np.int64)  # y points down
    np.testing.assert_array_equal(in_order(found)[0], in_order(surface_of(voxels))[0])
    rgba = world.read_voxels(0, found)
    np.testing.assert_array_equal(got["rgb"], rgba[:, :3])
    np.testing.assert_allclose(got["opacities"], np.minimum(rgba[:, 3] / 255, 0.99), atol=1e-4)
    np.testing.assert_allclose(got["scales"], SIZE / 2, rtol=1e-6)


def test_gaussians_baked_again_are_the_surface(noise, tmp_path):
    world, voxels, _ = noise
    export(world, tmp_path / "g.splat.ply", bounds_m=((-0.8, -0.8, -0.4), (0.4, 0.4, 0.4)))
    voxels = voxels[((voxels >= (-80, -80, -40)) & (voxels < 40)).all(1)]
    bake(open_source(tmp_path / "g.splat.ply"), tmp_path / "b.vxt", BakeOptions(voxel_size_m=SIZE))
    found = set(map(tuple, world_voxels(tmp_path / "b.vxt")[0].tolist()))
    expected = set(map(tuple, surface_of(voxels).tolist()))
    assert len(expected) > 4_000
    assert len(expected - found) < 0.01 * len(expected)
    # Splats are smoothed by 1.1 voxels along two axes (docs/fidelity.md), so what comes back is thicker.
    near = {tuple(v) for d in np.argwhere(np.ones((5, 5, 5))) - 2 for v in (voxels + d).tolist()}
    assert found <= near


def test_vox_is_exact_up_to_255_colours(noise, tmp_path):
    world, voxels, rgba = noise
    report = export(world, tmp_path / "v.vox")
    assert report.facts["exact_colours"] is True
    assert report.facts["models"] == 8
    assert report.voxels == len(voxels)
    _, got = read_all(tmp_path / "v.vox")
    found, colours = in_order(got["voxels"], got["rgba"])
    expected, wanted = in_order(voxels, rgba)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(colours, wanted)


def test_vox_baked_again_is_the_same_world(noise, tmp_path):
    world, _, _ = noise
    export(world, tmp_path / "v.vox")
    bake(open_source(tmp_path / "v.vox"), tmp_path / "b.vxt", BakeOptions(voxel_size_m=SIZE))
    regions = [name for name in file_bytes(tmp_path / "b.vxt") if name.startswith("color/") and "/c/" in name]
    assert len(regions) > 8
    for name in regions:
        assert (tmp_path / "b.vxt" / name).read_bytes() == (world.path / name).read_bytes()


def test_vox_of_many_colours_is_near(garish, tmp_path):
    world, voxels, rgba = garish
    report = export(world, tmp_path / "v.vox")
    assert report.facts["exact_colours"] is False
    assert report.facts["palette"] <= 255
    _, got = read_all(tmp_path / "v.vox")
    found, colours = in_order(got["voxels"], got["rgba"])
    expected, wanted = in_order(voxels, rgba)
    np.testing.assert_array_equal(found, expected)
    naive = wanted & np.array([0xE0, 0xE0, 0xC0, 255], np.uint8) | np.array([16, 16, 32, 0], np.uint8)
    assert apart(colours, wanted) < 0.9 * apart(naive, wanted), "of noise there is little to gain"


def apart(a, b):
    """Mean distance of colours in OKLab."""
    return np.linalg.norm(palette.oklab(a[:, :3]) - palette.oklab(b[:, :3]), axis=1).mean()


def test_palette_of_a_scan_beats_median_cut():
    from PIL import Image

    rgb = read_all(ASSETS / "biker.compressed.ply")[1]["rgb"]
    counts = np.bincount(palette.codes(rgb), minlength=palette.N_COLOURS).astype(np.uint32)
    colours, index, exact = palette.choose(counts, 255)
    assert not exact
    cut = Image.fromarray(rgb[None]).quantize(255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    theirs = np.asarray(cut.convert("RGB"))[0]
    assert apart(colours[index[palette.codes(rgb)]], rgb) < 0.9 * apart(theirs, rgb)


def test_palette_keeps_what_is_frequent():
    counts = np.zeros(palette.N_COLOURS, np.uint32)
    rng = np.random.default_rng(0)
    counts[rng.integers(0, palette.N_COLOURS, 5000)] += 1
    counts[0x336699] = 10_000_000
    colours, index, exact = palette.choose(counts, 255)
    assert not exact
    assert 200 < len(colours) <= 255
    assert np.abs(colours[index[0x336699]].astype(int) - (0x33, 0x66, 0x99)).max() <= 1
    assert len(np.unique(colours, axis=0)) == len(colours)
    np.testing.assert_array_equal(palette.choose(counts, 255)[1], index)


@pytest.mark.parametrize("region", [(0, 0, 0), (-1, -1, -1)])
def test_a_region_goes_out_and_comes_back(garish, tmp_path, region):
    world, voxels, _ = garish
    report = export(world, tmp_path / "r.png", region=region)
    assert [f.name for f in report.files] == ["r.png", "r.bitmap"]
    assert (tmp_path / "r.bitmap").stat().st_size == 1 << 21
    bake(open_source(tmp_path / "r.png"), tmp_path / "b.vxt", BakeOptions(voxel_size_m=SIZE))
    again = open_world(tmp_path / "b.vxt")
    (record,) = [r for r in again.regions if r.level == 0]
    assert record == world.region_at(0, region), "the same file, by its digest"
    inside = (address.region_of(voxels) == region).all(1).sum()
    assert report.voxels == inside == record.n_voxels


def test_a_region_without_alpha_needs_its_bitmap(noise, tmp_path):
    from PIL import Image

    world, _, _ = noise
    export(world, tmp_path / "r.png", region=(0, 0, 0))
    _, wanted = read_all(tmp_path / "r.png")
    with Image.open(tmp_path / "r.png") as image:
        image.convert("RGB").save(tmp_path / "rgb.png", compress_level=1)
    with pytest.raises(UserError, match=r"no alpha: put rgb\.bitmap"):
        open_source(tmp_path / "rgb.png")
    (tmp_path / "r.bitmap").rename(tmp_path / "rgb.bitmap")
    _, got = read_all(tmp_path / "rgb.png")
    np.testing.assert_array_equal(got["rgba"], wanted["rgba"])
    np.testing.assert_array_equal(got["voxels"], wanted["voxels"])


def test_damaged_regions_are_refused(noise, tmp_path):
    world, _, _ = noise
    report = export(world, tmp_path / "r.png", region=(0, 0, 0))
    whole, bits = (tmp_path / "r.png").read_bytes(), (tmp_path / "r.bitmap").read_bytes()
    path, beside = tmp_path / "bad.png", tmp_path / "bad.bitmap"

    def refused(data, bitmap, match):
        path.write_bytes(data)
        beside.unlink(missing_ok=True)
        if bitmap is not None:
            beside.write_bytes(bitmap)
        with pytest.raises(UserError, match=match) as told:
            open_source(path)
        assert "\n" not in str(told.value)

    refused(whole[:20], None, "4096")
    refused(whole[:60_000], None, "damaged PNG")
    refused(whole[:200] + bytes(200) + whole[400:], None, "damaged PNG")
    refused(whole[:16] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + whole[24:], None, "no region")
    second = b"IHDR" + b"\0\1\0\0" * 2 + b"\x08\x06\0\0\0"
    path.write_bytes(
        whole[:33] + struct.pack(">I", 13) + second + struct.pack(">I", zlib.crc32(second)) + whole[33:]
    )
    assert open_source(path).n_items == report.voxels, "only the first header counts"
    refused(b"GIF89a" + whole, None, "expected a region's image")
    refused(whole, bits[:-1], "2,097,151 bytes")
    refused(whole, bytes([bits[0] ^ 1]) + bits[1:], "disagree")
    for text in ('{"format": 1, "level": 0, "region": [0, 0, 1e9]}', "[" * 4000, "{}", "[]", "5", "x" * 5000):
        body = b"tEXtvoxtide\0" + text.encode()
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        refused(whole[:-12] + chunk + whole[-12:], None, "text chunk 'voxtide' is damaged")


def test_mutations_of_a_region_are_read_or_refused(noise, tmp_path):
    world, _, _ = noise
    export(world, tmp_path / "r.png", region=(0, 0, 0))
    whole = (tmp_path / "r.png").read_bytes()
    rng = np.random.default_rng(7)
    n_read, messages = 0, []
    for _ in range(16):
        data = bytearray(whole)
        for at in rng.integers(0, 300, rng.integers(1, 4)):
            data[at] = rng.integers(256)
        if rng.random() < 0.5:  # a chunk of a known kind and of any content, with a right crc
            kind = rng.choice(
                [b"acTL", b"fcTL", b"tRNS", b"PLTE", b"iCCP", b"zTXt", b"iTXt", b"gAMA", b"eXIf"]
            )
            body = bytes(kind) + rng.bytes(int(rng.integers(0, 40)))
            data = bytearray(whole)
            data[33:33] = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        (tmp_path / "m.png").write_bytes(data)
        try:
            n_read += open_source(tmp_path / "m.png").n_items > 0
        except UserError as error:
            messages.append(str(error))
    assert n_read and messages
    assert all(m.isprintable() and len(m) < 600 for m in messages)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_crop_holds_what_lies_in_it(noise, tmp_path, suffix):
    """Bounds, in metres, cut by voxel centres; a level is that level's voxels."""
    world, _, _ = noise
    box = ((-1.301, -0.9, -0.5), (-0.305, -0.211, -0.11))
    report = export(world, tmp_path / f"c{suffix}", bounds_m=box, level=1)
    low, high = np.ceil(np.array(box) / (2 * SIZE) - 0.5).astype(int)
    assert report.bounds_voxels == (tuple(low.tolist()), tuple(high.tolist()))
    at = np.argwhere(np.ones(high - low)) + low
    rgba = world.read_voxels(1, at)
    there = at[rgba[:, 3] > 0]
    assert len(there) > 100
    if suffix in (".ply", ".splat.ply"):
        there = surface_of(there)
    assert report.voxels == len(there)
    assert report.level == 1


MISTAKES = [
    (["OUT.xyz"], "must end in"),
    ([".ply"], "must end in"),
    (["no/such/OUT.ply"], "make it first"),
    (["OUT.vox", "--gaussians"], "is for a .ply"),
    (["OUT.ply", "--level", "77"], "levels 0 to"),
    (["OUT.ply", "--bounds=9,9,9,10,10,10"], "nothing of the world lies there"),
    (["OUT.ply", "--bounds=1,1,1,0,0,0"], "lower corner first"),
    (["OUT.ply", "--region=7,7,7"], "nothing of the world lies there"),
    (["OUT.png"], "say --region"),
    (["WORLD/OUT.ply"], "in the world itself"),
    (["there.ply"], "pass -f"),
    (["folder.ply", "-f"], "is a folder"),
    (["there.ome.zarr", "-f"], "is a file"),
    (["other.ome.zarr", "-f"], "not an OME-Zarr"),
]


@pytest.mark.parametrize(
    ("arguments", "says"), MISTAKES, ids=lambda a: " ".join(a) if isinstance(a, list) else ""
)
def test_mistakes_are_told_and_nothing_is_written(noise, tmp_path, monkeypatch, capsys, arguments, says):
    world, _, _ = noise
    monkeypatch.chdir(tmp_path)
    for name in ("there.ply", "there.ome.zarr", "other.ome.zarr/precious"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "folder.ply").mkdir()
    before = file_bytes(tmp_path), file_bytes(world.path)
    out, *rest = (a.replace("WORLD", str(world.path)) for a in arguments)
    assert main(["export", str(world.path), out, *rest]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert (file_bytes(tmp_path), file_bytes(world.path)) == before


@pytest.mark.parametrize("suffix", FORMATS)
def test_json_is_one_object_and_f_replaces(noise, tmp_path, capsys, suffix):
    world, _, _ = noise
    out = tmp_path / f"e{suffix}"
    command = ["export", str(world.path), str(out), "--region=0,0,0", "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["voxels"] > 0
    assert told["bytes"] == sum(map(len, file_bytes(tmp_path).values()))
    first = file_bytes(tmp_path)
    assert main(command) == 2
    assert main([*command, "-f"]) == 0
    assert file_bytes(tmp_path) == first, "the same bytes again, and nothing left over"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_leaves_what_was_there(noise, tmp_path, monkeypatch, suffix):
    world, _, _ = noise
    out = tmp_path / f"e{suffix}"
    export(world, out, region=(0, 0, 0))
    before = file_bytes(tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        export(world, out, region=(0, 0, 0), overwrite=True)
    assert file_bytes(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == len({name.split("/")[0] for name in before})


def test_a_damaged_world_is_told_and_nothing_is_written(tmp_path, capsys):
    voxels, rgba = small_worlds.noise()
    world = make_world(tmp_path / "w.vxt", voxels[:2000], rgba[:2000], voxel_size_m=SIZE)
    region = "--region=" + ",".join(map(str, world.regions[0].region))
    path = world.path / world.regions[0].key
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    for suffix in FORMATS:
        out = tmp_path / f"e{suffix}"
        assert main(["export", str(world.path), str(out), region]) == 3
        assert world.regions[0].key in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["w.vxt"]
