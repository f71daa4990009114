"""Scrubbing: nothing that differs from what was baked goes unseen, and what is whole is not accused."""

import os
import shutil

import numpy as np
import pytest
from voxtide.streamer.errors import WorldError
from voxtide.streamer.region_file import read_index, stored_bytes
from voxtide.streamer.verify import verify
from worlds import make_world, surface

VOXELS, RGBA = surface(900, 300)


@pytest.fixture(scope="module", params=["zstd", "lz4"])
def world(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("verify") / "w"
    return make_world(path, VOXELS, RGBA, codec=request.param)


@pytest.fixture
def copy(world, tmp_path):
    return shutil.copytree(world.path, tmp_path / "w")


def test_a_whole_world_is_whole(world):
    seen = []
    report = verify(world.path, seen.append)
    assert report.ok and not report.bad
    assert report.n_regions == len(world.regions) == len(seen)
    assert report.n_chunks == sum(r.n_chunks for r in world.regions)
    assert sum(seen) == sum(r.n_bytes for r in world.regions)


def flip(path, bit):
    with open(path, "r+b") as file:
        file.seek(bit >> 3)
        byte = file.read(1)[0]
        file.seek(bit >> 3)
        file.write(bytes([byte ^ 1 << (bit & 7)]))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Four chunks in level 0, two of them the same, so that scrubbing it a thousand times takes seconds."""
    voxels, rgba = np.array([[-1, 0, 0], [3, 3, 3], [20, 0, 0], [35, 3, 3]]), np.full((4, 4), 7, np.uint8)
    return make_world(tmp_path_factory.mktemp("tiny") / "w", voxels, rgba).path


def test_1000_random_bit_flips_are_all_found(tiny):
    rng = np.random.default_rng(5)
    paths = sorted(p for p in tiny.rglob("*") if p.is_file())
    regions = [p for p in paths if p.name == "0"]
    others = [p for p in paths if p.name != "0"]
    for n in range(1000):
        pool = regions if n % 2 else others
        path = pool[rng.integers(len(pool))]
        data = path.read_bytes()
        # half of a region's flips in its chunks
        n_bytes = stored_bytes(read_index(data)) if n % 4 == 1 else len(data)
        bit = int(rng.integers(8 * n_bytes))
        flip(path, bit)
        report = verify(tiny)
        assert not report.ok, (path, bit)
        assert all(b.file == str(path.relative_to(tiny)) for b in report.bad), (path, bit, report.bad)
        flip(path, bit)
    assert verify(tiny).ok


@pytest.mark.slow
def test_every_bit_of_manifest_and_root_is_found(tiny):
    for name in ("manifest", "zarr.json"):
        for bit in range(8 * (tiny / name).stat().st_size):
            flip(tiny / name, bit)
            assert not verify(tiny).ok, (name, bit)
            flip(tiny / name, bit)


def some_region(path):
    return max((p for p in path.rglob("0") if p.is_file()), key=lambda p: p.stat().st_size)


def only_bad(path, file, what, chunk=None):
    bad = verify(path).bad
    assert [(b.file, b.chunk) for b in bad] == [(str(file.relative_to(path)), chunk)], bad
    assert what in bad[0].what, bad


def test_flip_in_a_chunk_is_named_by_chunk(copy, world):
    record = max(world.regions, key=lambda r: r.n_chunks)
    chunk = world.read_region(record).chunks[2]
    flip(copy / record.key, 8 * (int(world.index_of(record).offsets[2]) + 11))
    only_bad(copy, copy / record.key, "crc32c", "{}/{},{},{}".format(record.level, *chunk))
    report = verify(copy)
    assert report.n_regions == len(world.regions) - 1
    assert report.n_chunks == sum(r.n_chunks for r in world.regions) - 1


def test_truncated_grown_empty_and_missing(copy):
    region = some_region(copy)
    whole = region.read_bytes()
    for changed in (whole[:-1], whole[: len(whole) // 2], whole[1:], whole + b"\0", b""):
        region.write_bytes(changed)
        only_bad(copy, region, "bytes, the manifest says")
    region.unlink()
    only_bad(copy, region, "missing")
    region.write_bytes(whole)
    for name in ("color/3/zarr.json", "color/zarr.json", "zarr.json"):
        data = (copy / name).read_bytes()
        (copy / name).unlink()
        only_bad(copy, copy / name, "missing")
        (copy / name).write_bytes(data)
    (copy / "manifest").unlink()
    only_bad(copy, copy / "manifest", "not a finished Voxtide world")


def test_zeroed_sectors(copy):
    region = some_region(copy)
    whole = region.read_bytes()
    for start in range(0, len(whole) - 4096, 16_384):
        if whole[start : start + 4096] != bytes(4096):
            region.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
            assert {b.file for b in verify(copy).bad} == {str(region.relative_to(copy))}


def test_swapped_files_of_equal_size(tmp_path):
    # two single voxels in two regions whose files have equal sizes and right checksums
    voxels = np.array([[0, 0, 0], [256, 0, 0]])
    path = make_world(tmp_path / "w", voxels, np.array([[11, 22, 34, 255], [12, 24, 37, 255]])).path
    a, b = (path / f"color/0/c/32768/32768/{x}/0" for x in (32768, 32769))
    assert a.stat().st_size == b.stat().st_size
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    only_bad(path, a, "not the file that the manifest names")
    b.write_bytes(first)
    assert len(verify(path).bad) == 2


def test_foreign_files(copy):
    for name in (
        "notes.txt",
        "color/0/c/1/2/3/0",
        "color/0/c/1/2/3/.0.0123456789abcdef.tmp",
        "color/9/zarr.json",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(b"?")
        assert [b.file for b in verify(copy).bad] == [repr(name)]
        (copy / name).unlink()
    (copy / "\x1b[2J\n").symlink_to("/etc/passwd")
    assert "\n" not in verify(copy).bad[0].file and verify(copy).bad[0].what.startswith("foreign: a link")


def test_deep_folders_are_not_entered(copy):
    (copy / "/".join("d" * 40) / "e").mkdir(parents=True)
    assert "foreign" in verify(copy).bad[0].what and len(verify(copy).bad) == 1


def test_a_journal_left_beside_its_manifest_is_no_damage(copy):
    (copy / "manifest.journal").write_bytes(b"voxtide journal 1 ...")
    assert verify(copy).ok


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "fifo"])
@pytest.mark.parametrize("name", ["region", "zarr.json", "color/2/zarr.json", "manifest"])
def test_anything_but_a_file_in_place_of_a_file(copy, tmp_path, kind, name):
    path = some_region(copy) if name == "region" else copy / name
    aside = path.rename(tmp_path / "aside")  # the very bytes, behind a link
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(aside if kind == "link" else "nowhere")
    only_bad(copy, path, "not a regular file" if kind in ("folder", "fifo") else "symbolic link")


def test_a_linked_folder_on_the_way(copy, tmp_path):
    (copy / "color" / "1").rename(tmp_path / "aside")
    (copy / "color" / "1").symlink_to(tmp_path / "aside")
    bad = verify(copy).bad
    assert all("link" in b.what and "color/1" in b.file for b in bad) and len(bad) > 2


def test_no_folder_at_all(tmp_path):
    with pytest.raises(WorldError, match="no such folder"):
        verify(tmp_path / "none")
