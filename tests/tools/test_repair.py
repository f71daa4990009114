"""What is damaged is baked again, and a repaired world is the original one, byte for byte."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import bakery
import numpy as np
import pytest
from data import needs
from voxtide.streamer.manifest import parse_manifest
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.tools import cli, mend
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.errors import UserError
from voxtide.tools.rebake import cropped_to
from voxtide.tools.repair import checked_source, repair
from voxtide.tools.sources import open_source
from voxtide.tools.voxelise import kinds, points
from voxtide.tools.voxelise.semantic import rows_of

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Labelled points around the origin, in eight regions of level 0."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(-230, 230, (1500, 2))
    places = np.column_stack([xy, 40 * np.sin(xy[:, 0] / 50)])
    batch = bakery.points(places, rng.integers(0, 256, (1500, 3)))
    batch = replace(batch, semantic=rng.integers(0, 4, 1500).astype(np.uint32))
    names = {1: "ground", 2: "tree", 3: "house"}
    return bakery.source(tmp_path_factory.mktemp("source"), batch, entities=names)


OPTIONS = BakeOptions(
    voxel_size_m=1.0, at=(3.25, 0.0, -1.5), bounds_m=((-215.0, -220.0, -60.0), (221.0, 220.0, 70.0))
)


@pytest.fixture(scope="module")
def original(tmp_path_factory, source):
    path = tmp_path_factory.mktemp("original") / "w"
    bake(source, path, OPTIONS)
    assert len({r.region for r in open_world(path).regions if r.level == 0}) == 8
    return path


@pytest.fixture
def copy(original, tmp_path):
    return shutil.copytree(original, tmp_path / "w")


def flip(file, at=40):
    data = bytearray(file.read_bytes())
    data[at] ^= 16
    file.write_bytes(data)


def truncate(file):
    file.write_bytes(file.read_bytes()[:-7])


def unlink(file):
    file.unlink()


def link(file):
    file.unlink()
    file.symlink_to("/etc/hostname")


def empty(file):
    file.write_bytes(b"")


def whole_again(path, original, source, keys, **lost):
    assert not verify(path).ok
    report = repair(path, source, lost)
    assert report.after.ok and sorted(report.repaired) == sorted(keys)
    assert bakery.file_bytes(path) == bakery.file_bytes(original)


def regions(path, level, plane="color"):
    return [f.key for r in open_world(path).regions for f in r.files if f.level == level and f.plane == plane]


@pytest.mark.parametrize(
    ("damage", "level", "plane"),
    [
        (flip, 0, "color"),
        (unlink, 0, "color"),
        (truncate, 0, "semantic"),
        (link, 0, "semantic"),
        (flip, 1, "color"),
        (empty, 2, "semantic"),
        (unlink, 5, "color"),
    ],
)
def test_one_damaged_region(copy, original, source, damage, level, plane):
    key = regions(copy, level, plane)[-1]
    damage(copy / key)
    whole_again(copy, original, source, [key])


def test_every_region_of_every_plane_at_once(copy, original, source):
    keys = [f.key for r in open_world(copy).regions for f in r.files]
    for n, key in enumerate(keys):
        (flip, truncate, unlink)[n % 3](copy / key)
    whole_again(copy, original, source, keys)


def test_two_regions_and_metadata_at_once(copy, original, source):
    keys = [*regions(copy, 0)[2:4], regions(copy, 3)[0], "color/2/zarr.json", "semantic/zarr.json"]
    for key in keys:
        flip(copy / key)
    shutil.rmtree(copy / "semantic" / "1")
    keys += [*regions(original, 1, "semantic"), "semantic/1/zarr.json"]
    whole_again(copy, original, source, keys)


def test_only_what_is_damaged_is_written(copy, source):
    key = regions(copy, 0)[0]
    before = {p: p.stat().st_ino for p in copy.rglob("*") if p.is_file()}
    flip(copy / key)
    repair(copy, source)
    assert [p for p, inode in before.items() if p.stat().st_ino != inode] == [copy / key]


@pytest.mark.parametrize("at", [0, 100, 700, -2])
def test_one_changed_byte_of_the_root_is_found_without_being_told_anything(copy, original, source, at):
    flip(copy / "zarr.json", at)
    whole_again(copy, original, source, ["zarr.json"])


LOST = {"voxel_size_m": 1, "at": [3.25, 0, -1.5], "bounds_m": [[-215, -220, -60], [221, 220, 70]]}


@pytest.mark.parametrize("damage", [truncate, unlink, empty])
def test_a_lost_root_comes_back_with_the_options(copy, original, source, damage):
    damage(copy / "zarr.json")
    whole_again(copy, original, source, ["zarr.json"], **LOST)


def test_a_lost_root_and_two_lost_regions(copy, original, source):
    keys = ["zarr.json", regions(copy, 0)[1], regions(copy, 2, "semantic")[0]]
    for key in keys:
        unlink(copy / key)
    whole_again(copy, original, source, keys, **LOST)


@pytest.mark.parametrize("lost", [{}, {"voxel_size_m": 2.0}, {**LOST, "up": "y"}])
def test_wrong_options_for_a_lost_root_change_nothing(copy, source, lost):
    for key in ("zarr.json", regions(copy, 0)[1]):
        unlink(copy / key)
    before = bakery.file_bytes(copy)
    with pytest.raises(UserError, match="--option"):
        repair(copy, source, lost)
    assert bakery.file_bytes(copy) == before
    with pytest.raises(UserError, match="no such options"):
        repair(copy, source, {"voxelsize": 1})


def test_a_region_is_baked_from_what_falls_into_it(original, source):
    options = checked_source(open_world(original).meta, source)
    for record in open_world(original).regions[:8]:
        voxels, rgba, attributes = cropped_to(source, options)(record.region)
        assert (voxels >> 8 == record.region).all() and len(voxels) == len(rgba) == record.n_voxels
        assert (attributes["semantic"][0] >> 8 == record.region).all()


def test_another_source_is_refused(copy, tmp_path, source):
    flip(copy / regions(copy, 0)[0])
    other = tmp_path / "other.bin"
    other.write_bytes(b"another one")
    before = bakery.file_bytes(copy)
    with pytest.raises(UserError, match=r"is not what this world was baked from: that was scene\.bin"):
        repair(copy, replace(source, path=other))
    assert bakery.file_bytes(copy) == before


def test_a_source_that_reads_differently_is_found_out(copy, source):
    """The same file, and other voxels: as another version of a reader might give them."""
    flip(copy / regions(copy, 0)[0])
    before = bakery.file_bytes(copy)

    def batches(n):
        for batch in source.batches(n):
            yield replace(batch, rgb=batch.rgb ^ 1)

    with pytest.raises(UserError, match="comes out differently"):
        repair(copy, replace(source, batches=batches))
    assert bakery.file_bytes(copy) == before


def test_a_changed_byte_of_the_manifest_is_found(copy, original, source):
    size = (copy / "manifest").stat().st_size
    for at in (3, 60, size // 2, size - 70, size - 36, size - 5, size - 1):
        flip(copy / "manifest", at)
        whole_again(copy, original, source, ["manifest"])
    for byte in b" \nx":  # in the digest: one that splits the closing record, too
        data = bytearray((copy / "manifest").read_bytes())
        data[-9] = byte
        (copy / "manifest").write_bytes(data)
        whole_again(copy, original, source, ["manifest"])
    flip(copy / "manifest", 500)
    key = regions(original, 0)[0]
    flip(copy / key)
    whole_again(copy, original, source, ["manifest", key])


def test_a_lost_manifest_says_what_can_be_done(copy, source):
    for damage in (truncate, unlink):
        damage(copy / "manifest")
        with pytest.raises(UserError, match=r"bake again with --overwrite and the options .*voxel_size_m"):
            repair(copy, source)


def test_what_is_foreign_stays_and_is_told(copy, source):
    (copy / "notes.txt").write_text("mine")
    flip(copy / regions(copy, 0)[0])
    report = repair(copy, source)
    assert [b.file for b in report.after.bad] == ["'notes.txt'"] and (copy / "notes.txt").exists()


def test_mending_tells_nothing_where_two_bytes_differ(original):
    data = bytearray((original / "manifest").read_bytes())
    data[70] ^= 1
    data[90] ^= 1
    assert mend.manifest(bytes(data)) is None and mend.manifest(b"") is None
    assert parse_manifest((original / "manifest").read_bytes())


@pytest.mark.parametrize(
    ("scene", "options"),
    [
        ("biker.compressed.ply", ("--voxel-size", "0.02", "--at=0.3,-0.2,-0.9")),
        ("depot.vox", ("--voxel-size", "0.01", "--at=-0.5,-0.6,-0.3")),
    ],
)
def test_shipped_scenes_from_the_command_line(tmp_path, capsys, scene, options):
    path, kept = tmp_path / "w", tmp_path / "kept"
    assert cli.main(["bake", str(ASSETS / scene), str(path), *options]) == 0
    shutil.copytree(path, kept)
    record = max((r for r in open_world(path).regions if r.level == 0), key=lambda r: r.n_bytes)
    assert len(regions(path, 0)) >= 4
    flip(path / record.key)
    unlink(path / regions(path, 1)[0])
    assert cli.main(["verify", str(path)]) == 3
    capsys.readouterr()
    assert cli.main(["verify", str(path), "--repair", str(ASSETS / scene), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and sorted(told["repaired"]) == sorted([record.key, regions(path, 1)[0]])
    assert bakery.file_bytes(path) == bakery.file_bytes(kept)
    assert cli.main(["verify", str(path), "--repair", str(ASSETS / scene)]) == 0


def test_options_on_the_command_line(copy, capsys):
    assert cli.main(["verify", str(copy), "--option", "a=1"]) == 2
    assert "--repair" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_scan_of_points(tmp_path):
    scan = open_source(needs("pointcloud", "fragment.pcd"))
    bake(scan, tmp_path / "w", BakeOptions(voxel_size_m=0.005))
    shutil.copytree(tmp_path / "w", tmp_path / "kept")
    keys = [r.key for r in open_world(tmp_path / "w").regions if r.level in (0, 2)]
    for key in keys:
        truncate(tmp_path / "w" / key)
    whole_again(tmp_path / "w", tmp_path / "kept", scan, keys)


def test_stamps_of_observations_come_back(tmp_path, monkeypatch):
    """Points one by one stand for frames: each an observation, most of them outside of a repair's crop."""
    one_by_one = replace(
        kinds.KINDS["points"],
        observes=True,
        voxelise=lambda b, placement, _: (
            [points.voxelise(rows_of(b, np.array([i])), placement)[0] for i in range(len(b))],
            {},
        ),
    )
    monkeypatch.setitem(kinds.KINDS, "points", one_by_one)
    batch = bakery.points(np.random.default_rng(0).uniform(-20, 20, (300, 3)))
    seen = bakery.source(tmp_path, batch)
    bake(seen, tmp_path / "w", BakeOptions(voxel_size_m=4.0))
    shutil.copytree(tmp_path / "w", tmp_path / "kept")
    keys = [*regions(tmp_path / "w", 0, "updated")[:2], *regions(tmp_path / "w", 1, "updated")[-2:]]
    for key in keys:
        truncate(tmp_path / "w" / key)
    whole_again(tmp_path / "w", tmp_path / "kept", seen, keys)
    unlink(tmp_path / "w" / "zarr.json")
    whole_again(tmp_path / "w", tmp_path / "kept", seen, ["zarr.json"], voxel_size_m=4.0)
