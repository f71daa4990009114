"""Worlds made to hurt, with every checksum and digest right: one WorldError each, soon, and little memory."""

import json
import os
import resource
import shutil
import struct
import sys
from dataclasses import replace

import numpy as np
import pytest
from lies import LYING_INDICES, index_of, sealed, with_index
from voxtide.atlas.chunk import pack
from voxtide.streamer import manifest as mf
from voxtide.streamer import region_file as rf
from voxtide.streamer.codec import MAX_STORED_BYTES
from voxtide.streamer.errors import WorldError
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from worlds import make_world, surface


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("hostile") / "w", *surface(60, 30)).path


@pytest.fixture
def path(original, tmp_path):
    before = peak_bytes()
    yield shutil.copytree(original, tmp_path / "w")
    assert peak_bytes() - before < 100 << 20


def peak_bytes():
    """Most memory this process ever had: ru_maxrss, kB on Linux and bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def seal(path, changed=None, **counts):
    """Make the manifest agree with what the files are now; counts are claimed for the changed region."""
    old = mf.parse_manifest((path / "manifest").read_bytes())
    parts = {part: (path / part.key).read_bytes() for part in (*old.files, *old.regions)}
    new = [replace(part, n_bytes=len(data), digest=mf.digest_of(data)) for part, data in parts.items()]
    new = [replace(part, **counts) if changed == path / part.key else part for part in new]
    n_files = len(old.files)
    (path / "manifest").write_bytes(mf.encode_manifest(new[:n_files], new[n_files:]))


def set_json(path, key, edit):
    document = json.loads((path / key).read_text())
    edit(document)
    (path / key).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def read_everything(path):
    world = open_world(path)
    for record in world.regions:
        world.read_region(record)


def assert_refused(path, match=None):
    with pytest.raises(WorldError, match=match) as caught:
        read_everything(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert not verify(path).ok


def at(*keys, value):
    def edit(document):
        for key in keys[:-1]:
            document = document[key]
        if value is KeyError:
            del document[keys[-1]]
        else:
            document[keys[-1]] = value

    return edit


ROOT, WORLD = "zarr.json", ("attributes", "voxtide")
ARRAY, SHARD = "color/0/zarr.json", ("codecs", 0, "configuration")
PICKLE = {"name": "numcodecs.pickle", "configuration": {}}
JSON_EDITS = {
    "future format": (ROOT, at(*WORLD, "format", value=5), "format 5"),
    "a past format": (ROOT, at(*WORLD, "format", value=3), "format 3; .* format 4: bake it again"),
    "format true": (ROOT, at(*WORLD, "format", value=True), "format"),
    "zarr 2": (ROOT, at("zarr_format", value=2), "zarr_format"),
    "no voxtide": (ROOT, at("attributes", value={}), "not the root"),
    "attributes a list": (ROOT, at("attributes", value=[1]), "not the root"),
    "voxel size 0": (ROOT, at(*WORLD, "voxel_size_m", value=0.0), "voxel_size_m"),
    "voxel size text": (ROOT, at(*WORLD, "voxel_size_m", value="1"), "voxel_size_m"),
    "voxel size huge": (ROOT, at(*WORLD, "voxel_size_m", value=1e300), "voxel_size_m"),
    "levels -1": (ROOT, at(*WORLD, "n_levels", value=-1), "n_levels"),
    "levels 2^40": (ROOT, at(*WORLD, "n_levels", value=1 << 40), "n_levels"),
    "levels true": (ROOT, at(*WORLD, "n_levels", value=True), "n_levels"),
    "levels fewer than regions have": (ROOT, at(*WORLD, "n_levels", value=5), "manifest"),
    "levels more than there are": (ROOT, at(*WORLD, "n_levels", value=7), "does not name"),
    "bounds of floats": (ROOT, at(*WORLD, "bounds_voxels", value=[[0.5] * 3, [1] * 3]), "bounds"),
    "bounds of two": (ROOT, at(*WORLD, "bounds_voxels", value=[[0, 0], [1, 1]]), "bounds"),
    "bounds of three corners": (ROOT, at(*WORLD, "bounds_voxels", value=[[0] * 3] * 3), "unpack"),
    "bounds 2^40": (ROOT, at(*WORLD, "bounds_voxels", value=[[0] * 3, [1 << 40] * 3]), "bounds"),
    "bounds turned round": (ROOT, at(*WORLD, "bounds_voxels", value=[[5] * 3, [1] * 3]), "bounds"),
    "codec pickle": (ROOT, at(*WORLD, "codec", "name", value="pickle"), "codec"),
    "codec a list": (ROOT, at(*WORLD, "codec", "name", value=["zstd"]), "codec"),
    "the other codec": (ROOT, at(*WORLD, "codec", "name", value="lz4"), "codecs"),
    "codec level 99": (ROOT, at(*WORLD, "codec", "level", value=99), "level"),
    "sources text": (ROOT, at(*WORLD, "sources", value="abc"), "sources"),
    "sources missing": (ROOT, at(*WORLD, "sources", value=KeyError), "not the root"),
    "unknown field": (ROOT, at(*WORLD, "extra", value=1), "not expected"),
    "must understand": (ROOT, at("consolidated_metadata", value={"must_understand": True}), "not expected"),
    "chunk edge 2^40": (
        ARRAY,
        at("chunk_grid", "configuration", "chunk_shape", value=[1 << 40] * 4),
        "chunk",
    ),
    "shape 2^60": (ARRAY, at("shape", value=[1 << 60] * 4), "shape"),
    "inner chunk of 1": (ARRAY, at(*SHARD, "chunk_shape", value=[1, 1, 1, 4]), "chunk_shape"),
    "float data": (ARRAY, at("data_type", value="float64"), "data_type"),
    "fill 7": (ARRAY, at("fill_value", value=7), "fill_value"),
    "fill 0.0": (ARRAY, at("fill_value", value=0.0), "fill_value"),
    "pickle in the chain": (ARRAY, at(*SHARD, "codecs", 1, value=PICKLE), "codecs"),
    "one codec more": (ARRAY, at(*SHARD, "codecs", value=[PICKLE] * 4), "codecs"),
    "the other form": (ARRAY, at(*SHARD, "codecs", 0, "configuration", "form", value="plain"), "form"),
    "no crc": (ARRAY, at(*SHARD, "index_codecs", value=[{"name": "bytes"}]), "index_codecs"),
    "index at the start": (ARRAY, at(*SHARD, "index_location", value="start"), "index_location"),
    "v2 keys": (ARRAY, at("chunk_key_encoding", "name", value="v2"), "chunk_key_encoding"),
    "a group, not an array": (ARRAY, at("node_type", value="group"), "node_type"),
    "name with a newline": (ARRAY, at("a\nb\x1b", value=1), "not expected"),
}


@pytest.mark.parametrize("case", JSON_EDITS)
def test_metadata_that_lies(path, case):
    key, edit, match = JSON_EDITS[case]
    set_json(path, key, edit)
    seal(path)
    assert_refused(path, match)


RAW = {
    "empty": b"",
    "not JSON": b"PK\x03\x04",
    "not UTF-8": b'{"a": "\xff"}',
    "deep lists": b"[" * 500_000,
    "deep and closed": b"[" * 5000 + b"]" * 5000,
    "deep objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a long number": b"1" * 100_000,
    "a number": b"1",
    "null": b"null",
    "NaN": b'{"attributes": {"voxtide": {"format": NaN}}}',
    "larger than 1 MiB": b" " * (1 << 20) + b"{}",
}


@pytest.mark.parametrize("case", RAW)
@pytest.mark.parametrize("key", [ROOT, ARRAY])
def test_metadata_that_is_none(path, key, case):
    (path / key).write_bytes(RAW[case])
    seal(path)
    assert_refused(path, "zarr.json")


@pytest.mark.parametrize("key", [ROOT, ARRAY])
def test_metadata_deep_enough_to_parse(path, key):
    (path / key).write_bytes(b"[" * 100 + b"]" * 100)
    seal(path)
    assert_refused(path, "nested deeper than 32")


def test_metadata_deep_inside_the_sources(path):
    deep: list = []
    for _ in range(40):
        deep = [deep]
    set_json(path, ROOT, at(*WORLD, "sources", value=[{"d": deep}]))
    seal(path)
    assert_refused(path, "nested")


@pytest.mark.parametrize("edit", [lambda b: b.replace(b'"format": 4', b'"format": 9, "format": 4'),
                                  lambda b: b.replace(b": 4,", b":  4,"), lambda b: b + b"\n",
                                  lambda b: b.replace(b"0.01", b"1e-2")])  # fmt: skip
def test_metadata_with_a_second_spelling(path, edit):
    data = (path / ROOT).read_bytes()
    assert edit(data) != data
    (path / ROOT).write_bytes(edit(data))
    seal(path)
    assert_refused(path, "not written as Voxtide does")


def region_of(path):
    return max((p for p in (path / "color/0").rglob("0") if p.is_file()), key=lambda p: p.stat().st_size)


@pytest.mark.parametrize("case", LYING_INDICES)
def test_index_that_lies(path, case):
    # the edits fit a region of a few different chunks: make one
    voxels = np.array([[0, 0, 0], [49, 0, 0], [255, 255, 255]])
    shutil.rmtree(path)
    make_world(path, voxels, np.full((3, 4), 200, np.uint8))
    target = path / "color/0/c/32768/32768/32768/0"
    target.write_bytes(with_index(target.read_bytes(), LYING_INDICES[case][0]))
    seal(path)
    assert_refused(path, LYING_INDICES[case][1])


BODIES = {
    "1 GiB of zstd": b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", 1 << 30) + bytes(40),
    "2^63 of zstd": b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 63) + bytes(40),
    "zstd with a dictionary": b"\x28\xb5\x2f\xfd\x61\x07" + struct.pack("<H", 600) + bytes(40),
    "too few bytes of zstd": b"\x28\xb5\x2f\xfd\x20\x01" + bytes(40),
    "a skippable frame": struct.pack("<II", 0x184D2A50, 32) + bytes(32),
    "noise": bytes(range(60)),
    "an overlong chunk": bytes(MAX_STORED_BYTES),
}


@pytest.mark.parametrize("case", BODIES)
def test_chunk_that_lies(path, case):
    stored = sealed(BODIES[case])
    target = region_of(path)
    target.write_bytes(stored + index_of([len(stored)], [0]))
    seal(path, target, n_chunks=1, n_voxels=1)
    assert_refused(path, "zstd frame|length outside|claims 1 bytes")


def test_4096_chunks_that_are_one(path):
    everything = pack(np.random.default_rng(0).integers(1, 256, (16, 16, 16, 4), np.uint8))
    target = region_of(path)
    target.write_bytes(rf.encode(np.arange(4096), [everything] * 4096, "zstd"))
    assert target.stat().st_size < 26_000
    seal(path, target, n_chunks=4096, n_voxels=1 << 24)
    assert verify(path).ok  # and the fixture says in how much memory


def test_regions_too_small_and_too_large(path):
    target = region_of(path)
    target.write_bytes(bytes(rf.MIN_REGION_BYTES - 1))
    before = (path / "manifest").read_bytes()
    seal(path)
    assert_refused(path, "manifest")
    (path / "manifest").write_bytes(before)
    os.truncate(target, 1 << 40)  # a hole: takes no disk, must take no memory
    assert_refused(path, "bytes, the manifest says")


@pytest.mark.parametrize("change", [{"n_chunks": 4, "n_voxels": 300}, {"n_voxels": 299}])
def test_counts_that_lie(path, change):
    seal(path, region_of(path), **change)
    assert_refused(path, "manifest")


def test_manifest_naming_files_outside(path, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    old = mf.parse_manifest((path / "manifest").read_bytes())
    for key in ("../secret", "/etc/passwd", "color/../zarr.json", "color/17/zarr.json"):
        extra = mf.FileRecord(key, 6, mf.digest_of(b"secret"))
        (path / "manifest").write_bytes(mf.encode_manifest([*old.files, extra], old.regions))
        assert_refused(path, "zarr.json files")


def test_manifest_larger_than_its_cap(path):
    os.truncate(path / "manifest", (256 << 20) + 1)
    assert_refused(path, "at most")


@pytest.mark.parametrize(
    "place", ["color", "color/0", "color/0/c", "manifest", "zarr.json", "color/0/zarr.json"]
)
def test_links_out_of_the_world(path, tmp_path, place):
    (path / place).rename(tmp_path / "aside")
    (path / place).symlink_to(tmp_path / "aside")
    assert_refused(path, "symbolic link")


def test_fifo_does_not_hang(path):
    target = region_of(path)
    target.unlink()
    os.mkfifo(target)
    assert_refused(path, "not a regular file")


def test_device_in_place_of_a_region(path):
    target = region_of(path)
    target.unlink()
    target.symlink_to("/dev/zero")
    assert_refused(path, "symbolic link")
