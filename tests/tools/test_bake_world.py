"""Whole bakes: the same bytes whatever the order, levels that agree, options, refusals, real scenes."""

import itertools
from dataclasses import asdict, replace

import bakery
import numpy as np
import pytest
from data import needs
from voxtide.atlas import address, lod
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.tools import bake as bake_module
from voxtide.tools import pyramid
from voxtide.tools.bake import BakeOptions, Resources, bake
from voxtide.tools.baking import driver, reading, scenes
from voxtide.tools.errors import UserError
from voxtide.tools.sources import open_source


def baked(tmp_path, batch, name="world", **options):
    out = tmp_path / name
    return out, bake(bakery.source(tmp_path, batch), out, BakeOptions(**options))


def some_gaussians(rng, n=400):
    sigmas = np.exp(rng.uniform(-5.5, -3, (n, 3)))
    turns = rng.normal(size=(n, 4))
    return bakery.gaussians(
        rng.normal(0, 0.7, (n, 3)),
        sigmas,
        rng.uniform(0, 1, n).astype(np.float32),
        turns,
        rng.integers(0, 256, (n, 3)),
    )


def test_a_world_holds_what_was_baked(tmp_path, rng):
    places = np.unique(rng.integers(-600, 600, (3000, 3)), axis=0)
    rgba = rng.integers(1, 256, (len(places), 4)).astype(np.uint8)
    out, report = baked(tmp_path, bakery.cells(places, rgba))
    order = np.lexsort(places.T)
    voxels, colours = bakery.world_voxels(out)
    assert np.array_equal(voxels, places[order]) and np.array_equal(colours, rgba[order])
    checked = verify(out)
    assert checked.ok and sum(report.chunks) == checked.n_chunks
    meta = open_world(out).meta
    assert meta.bounds_voxels == (tuple(places.min(0).tolist()), tuple((places.max(0) + 1).tolist()))
    assert report.voxels == len(places) and meta.n_levels == len(report.chunks)
    assert report.bytes == sum(r.n_bytes for r in open_world(out).regions)
    assert report.bits_per_voxel == pytest.approx(8 * report.bytes / len(places)) and report.dropped == {}
    assert set(asdict(report)) >= {"seconds", "peak_rss_bytes"} and report.peak_rss_bytes > 1 << 20


def test_each_level_is_the_reduction_of_the_one_below(tmp_path, rng):
    out, report = baked(tmp_path, some_gaussians(rng))
    below, colours = bakery.world_voxels(out)
    for level in range(1, len(report.chunks)):
        voxels, rgba = bakery.world_voxels(out, level)
        expected, expected_rgba = lod.reduce_sparse(below, colours)
        assert np.array_equal(voxels, expected) and np.array_equal(rgba, expected_rgba)
        assert {tuple(v) for v in (below >> 1).tolist()} == {tuple(v) for v in voxels.tolist()}
        below, colours = voxels, rgba
    assert report.dropped.keys() == {"faint"} and len(report.chunks) == 6


@pytest.mark.parametrize("kind", ["gaussians", "points", "voxels"])
def test_order_and_batches_do_not_matter(tmp_path, rng, monkeypatch, kind):
    batch = {
        "gaussians": lambda: some_gaussians(rng),
        "points": lambda: bakery.points(rng.normal(0, 0.3, (4000, 3)), rng.integers(0, 256, (4000, 3))),
        "voxels": lambda: bakery.cells(
            np.unique(rng.integers(-40, 40, (4000, 3)), axis=0)[:3000], rng.integers(1, 256, (3000, 4))
        ),
    }[kind]()
    options = {"scale": 0.004} if kind == "voxels" else {}
    out, _ = baked(tmp_path, batch, **options)
    expected = bakery.file_bytes(out)
    assert len(expected) > 6
    again, _ = baked(tmp_path, batch, "again", **options)
    assert bakery.file_bytes(again) == expected
    monkeypatch.setattr(reading, "BATCH", 37)
    monkeypatch.setattr(scenes, "BATCH", 37)
    monkeypatch.setattr(scenes, "KEEP", 0)
    monkeypatch.setattr(driver, "LEAST_ROWS", 100)
    shuffled = bakery.part(batch, rng.permutation(len(batch)))
    other = tmp_path / "other"
    bake(bakery.source(tmp_path, shuffled), other, BakeOptions(**options), means=Resources(memory_bytes=1))
    assert bakery.file_bytes(other) == expected


def test_provenance_names_the_file_and_not_the_machine(tmp_path):
    out, _ = baked(tmp_path, bakery.points([0, 0, 0]), up="-y", at=(1, 2, 3))
    (source,) = open_world(out).meta.sources
    assert source["file"] == "scene.bin" and source["kind"] == "points" and source["n_items"] == 1
    assert source["xxh3_128"] == bake_module.digest(tmp_path / "scene.bin") and len(source["xxh3_128"]) == 32
    assert source["options"]["at"] == [1, 2, 3] and source["options"]["scale"] == 1
    assert all(str(tmp_path).encode() not in data for data in bakery.file_bytes(out).values())
    voxels, _ = bakery.world_voxels(out)
    assert voxels.tolist() == [[100, 200, 300]]


def test_a_world_from_corner_to_corner(tmp_path):
    corners = np.array(list(itertools.product((-(1 << 23), (1 << 23) - 1), repeat=3)))
    out, report = baked(tmp_path, bakery.points(corners + 0.5), voxel_size_m=1.0)
    voxels, _ = bakery.world_voxels(out)
    assert {tuple(v) for v in voxels.tolist()} == {tuple(c) for c in corners.tolist()}
    assert len(report.chunks) == 16 and verify(out).ok


def test_storage_order_is_by_region_then_morton_then_mask(rng):
    near = rng.integers(-300, 300, (2000, 3))
    for voxels in (near, np.concatenate([near, [[-(1 << 23)] * 3, [(1 << 23) - 1] * 3]])):
        order, local, firsts = pyramid.storage_order(voxels)
        v = voxels[order]
        rank = np.searchsorted(firsts, np.arange(len(v)), side="right")
        keys = list(zip(rank.tolist(), local.tolist(), strict=True))
        assert keys == sorted(keys)
        regions = address.region_of(v[firsts])[:, ::-1].tolist()
        assert regions == sorted(regions) and len(regions) == len({tuple(r) for r in regions})
        assert np.array_equal(address.region_of(v), address.region_of(v[firsts])[rank - 1])
        corner = address.chunk_of_morton(local >> 12) * 16 + address.local_of_mask_index(local & 4095)
        assert np.array_equal(address.voxel_at(address.region_of(v), corner), v)


def test_levels_end_where_the_world_spans_four_chunks():
    def levels(width, low=0):
        return pyramid.min_levels(((low, 0, 0), (low + width, 1, 1)))

    assert levels(1) == levels(4 << 9) == 6  # 4 chunks of level 5 are 2048 voxels
    assert levels((4 << 9) + 1) == 7
    assert levels(4 << 9, low=1) == 7 and levels(4 << 9, low=-1024) == 6
    assert levels(1 << 24, low=-(1 << 23)) == 16


def test_more_levels_on_request_and_never_fewer(tmp_path):
    _, report = baked(tmp_path, bakery.points([0, 0, 0]), n_levels=9)
    assert report.chunks == [1] * 9
    with pytest.raises(UserError, match="at least 6"):
        baked(tmp_path, bakery.points([0, 0, 0]), "few", n_levels=5)
    assert not (tmp_path / "few").exists()


def test_an_existing_world_is_not_touched(tmp_path):
    out, _ = baked(tmp_path, bakery.points([0, 0, 0]))
    before = bakery.file_bytes(out)
    with pytest.raises(UserError, match="--overwrite"):
        baked(tmp_path, bakery.points([1, 1, 1]))
    with pytest.raises(UserError, match="leaves no voxel"):  # and a bake that fails early leaves it whole
        baked(tmp_path, bakery.points([1, 1, 1]), overwrite=True, bounds_m=((5, 5, 5), (6, 6, 6)))
    assert bakery.file_bytes(out) == before
    baked(tmp_path, bakery.points([1, 1, 1]), overwrite=True)
    assert bakery.world_voxels(out)[0].tolist() == [[100, 100, 100]]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="thesis"):
        baked(tmp_path, bakery.points([1, 1, 1]), "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(UserError, match="is a file"):
        baked(tmp_path, bakery.points([1, 1, 1]), "scene.bin")


EMPTY = [
    (bakery.points([0, 0, 0]), {"bounds_m": ((1, 1, 1), (2, 2, 2))}, "1 lie outside --bounds"),
    (bakery.gaussians([0, 0, 0], 0.1, 0.05), {}, "1 are fainter than --min-opacity 0.1"),
    (bakery.gaussians([0, 0, 0], 0.1, 0.9), {"max_scale_m": 0.05}, "1 are larger than --max-scale"),
    (bakery.gaussians([0, 0, 0], 0.1, 0.3), {}, "--threshold 0.5: lower it"),
    (bakery.gaussians([9, 9, 9], 0.1, 0.9), {"bounds_m": ((1, 1, 1), (2, 2, 2))}, "1 lie outside --bounds"),
]


@pytest.mark.parametrize(("batch", "options", "why"), EMPTY)
def test_nothing_left_is_refused_with_the_reason(tmp_path, batch, options, why):
    with pytest.raises(UserError, match=why):
        baked(tmp_path, batch, **options)
    assert not (tmp_path / "world").exists()


NAN = float("nan")
WRONG = [
    {"voxel_size_m": 0.0},
    {"voxel_size_m": NAN},
    {"voxel_size_m": 1e9},
    {"up": "x"},
    {"scale": 0.0},
    {"scale": float("inf")},
    {"at": (0, 0)},
    {"at": (0, NAN, 0)},
    {"bounds_m": ((0, 0, 0), (1, 0, 1))},
    {"bounds_m": ((0, 0, 0), (1, NAN, 1))},
    {"n_levels": 0},
    {"n_levels": 17},
    {"codec": "gzip"},
    {"threshold": 0.0},
    {"threshold": 1.0},
    {"min_opacity": 1.1},
    {"min_opacity": NAN},
    {"max_scale_m": 0.0},
]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_a_wrong_option_is_named(tmp_path, options):
    name = {
        "voxel_size_m": "voxel-size",
        "bounds_m": "bounds",
        "n_levels": "levels",
        "max_scale_m": "max-scale",
    }
    (key,) = options
    with pytest.raises(UserError, match=f"--{name.get(key, key.replace('_', '-'))} "):
        baked(tmp_path, bakery.points([0, 0, 0]), **options)


def test_far_too_small_voxels_are_refused_with_a_size_that_works(tmp_path, rng):
    batch = some_gaussians(rng)
    with pytest.raises(UserError, match=r"use --voxel-size") as refusal:
        baked(tmp_path, batch, voxel_size_m=1e-5)
    size = float(str(refusal.value).split("--voxel-size ")[1].split()[0])
    assert 1e-4 < size < 1e-3
    middle = batch.positions[batch.opacities.argmax()]
    box = (tuple((middle - 1e-4).tolist()), tuple((middle + 1e-4).tolist()))
    _, report = baked(tmp_path, batch, voxel_size_m=1e-5, bounds_m=box)
    assert 0 < report.voxels <= 21**3
    with pytest.raises(UserError, match=r"use --voxel-size"):
        baked(tmp_path, bakery.cells([[0, 0, 0]]), "cell", scale=1000.0, voxel_size_m=0.01)
    box = ((99.0, 99.0, 99.0), (99.1, 99.1, 99.1))
    _, report = baked(
        tmp_path, bakery.cells([[0, 0, 0]]), "cell", scale=1000.0, voxel_size_m=0.01, bounds_m=box
    )
    assert report.voxels == 1000


def test_huge_splats_are_floaters_and_a_few_splats_are_not(tmp_path, rng):
    crowd = some_gaussians(rng)
    crowd.opacities[:] = 0.9
    crowd.scales[7] = 0.6  # the scene is about 3.3 m: 15 % are 0.5 m
    crowd.scales[8] = 0.4  # large, and there for everyone to see
    _, report = baked(tmp_path, crowd)
    assert report.dropped == {"huge": 1}
    few = bakery.gaussians([[0, 0, 0], [0.1, 0, 0]], [[0.5] * 3, [0.2] * 3])
    _, report = baked(tmp_path, few, "few", voxel_size_m=0.05)
    assert report.dropped == {}


def test_records_that_the_reader_refused_are_counted(tmp_path):
    source = replace(bakery.source(tmp_path, bakery.points([[0, 0, 0], [1, 1, 1]])), n_items=5)
    assert bake(source, tmp_path / "world", BakeOptions()).dropped == {"invalid": 3}


def test_progress_reaches_the_end(tmp_path):
    seen = []
    bake(
        bakery.source(tmp_path, bakery.gaussians([0, 0, 0], 0.1)),
        tmp_path / "world",
        BakeOptions(),
        lambda *step: seen.append(step),
    )
    assert seen[0][0] == "survey" and seen[-1] == ("levels", 6, 6)
    assert ("voxelise", 1, 1) in seen


@pytest.mark.slow
def test_the_biker_and_its_compressed_twin_bake_alike(tmp_path):
    keys = []
    for name in ("biker.ply", "biker.compressed.ply"):
        out = tmp_path / name
        report = bake(open_source(needs("splat", name)), out, BakeOptions())
        assert verify(out).ok and 4e5 < report.voxels < 6e5
        voxels, _ = bakery.world_voxels(out)
        keys.append({tuple(v) for v in voxels.tolist()})
    overlap = len(keys[0] & keys[1]) / len(keys[0] | keys[1])
    assert overlap > 0.9, overlap


def test_a_magicavoxel_file_is_copied_cell_by_cell(tmp_path):
    source = open_source(needs("vox", "opengametools", "test_multiple_model_scene.vox"))
    cells = np.concatenate([b.voxels for b in source.batches(1 << 16)])
    out = tmp_path / "world"
    report = bake(source, out, BakeOptions(voxel_size_m=0.05))
    voxels, _ = bakery.world_voxels(out)
    assert report.voxels == len(cells)
    assert np.array_equal(voxels, cells[np.lexsort(cells.T)])


def test_a_point_cloud_of_a_room(tmp_path):
    source = open_source(needs("pointcloud", "fragment.pcd"))
    report = bake(source, tmp_path / "world", BakeOptions(voxel_size_m=0.02))
    positions = np.concatenate([b.positions for b in source.batches(1 << 20)])
    assert report.voxels == len(np.unique(np.floor(positions / 0.02), axis=0))
