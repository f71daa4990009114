"""Planes beside the colour: what is written is read, damage is found, and a world without stays as it was."""

import json
import os
import shutil
import signal

import bakery
import numpy as np
import pytest
from attributes import make_attributed, plane_levels, some_attributes
from lies import index_of
from voxtide.atlas import address, plane
from voxtide.streamer import manifest as mf
from voxtide.streamer import metadata
from voxtide.streamer.errors import WorldError
from voxtide.streamer.plane_codec import decode_plane, encode_planes
from voxtide.streamer.planes import read_region
from voxtide.streamer.region_file import SAME, assemble, read_index, stored_bytes
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.streamer.writer import WorldWriter
from worlds import make_world, surface

VOXELS, RGBA = surface(1500, 300)
PLANES, NOW = some_attributes(VOXELS)
ENTITIES = {1: "ground", 2: "tree", 20_000: "maison à colombages"}


@pytest.fixture(scope="module", params=["zstd", "lz4"])
def world(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("planes") / "w"
    return make_attributed(path, VOXELS, RGBA, PLANES, entities=ENTITIES, now=NOW, codec=request.param)


@pytest.fixture
def copy(world, tmp_path):
    return shutil.copytree(world.path, tmp_path / "w")


def test_every_value_of_every_level_is_read_back(world):
    assert world.meta.planes == plane.NAMES and world.meta.entities == ENTITIES and world.meta.now == NOW
    for name in plane.NAMES:
        for level, (voxels, values) in enumerate(plane_levels(name, *PLANES[name], world.meta.n_levels, NOW)):
            found = world.read_plane(name, level, voxels)
            assert found.dtype == plane.DTYPES[name] and (found == values).all(), (name, level)
    labelled = {tuple(v) for v in PLANES["semantic"][0].tolist()}
    bare = np.array([v for v in VOXELS.tolist() if tuple(v) not in labelled])
    assert len(bare) > 100 and not world.read_plane("semantic", 0, bare).any()
    assert not world.read_plane("updated", 0, [[0, 0, 7_000_000], [300, 299, 200]]).any()
    assert world.read_plane("semantic", 0, np.empty((0, 3), int)).shape == (0,)


def test_asking_for_what_is_not_there(world, tmp_path):
    bare = make_world(tmp_path / "bare", VOXELS, RGBA)
    with pytest.raises(ValueError, match="no plane 'semantic' here: this world has none"):
        bare.read_plane("semantic", 0, VOXELS)
    with pytest.raises(ValueError, match="has semantic, updated"):
        world.read_plane("../color", 0, VOXELS)
    with pytest.raises(ValueError, match="level 99"):
        world.read_plane("semantic", 99, VOXELS)


def test_the_colour_does_not_know_of_planes(world, tmp_path):
    """Colour files with planes are those without; and nothing of planes is in a world that has none."""
    bare = make_world(tmp_path / "bare", VOXELS, RGBA, codec=world.meta.codec)
    theirs, ours = bakery.file_bytes(bare.path), bakery.file_bytes(world.path)
    assert all(ours[key] == theirs[key] for key in theirs if key.startswith("color/"))
    assert set(json.loads(theirs["zarr.json"])["attributes"]["voxtide"]) == {
        "format", "voxel_size_m", "n_levels", "bounds_voxels", "codec", "sources",
    }  # fmt: skip
    assert b"semantic" not in theirs["manifest"] and b"updated" not in theirs["manifest"]


def test_any_order_writes_the_same_bytes(world, tmp_path):
    again = make_attributed(
        tmp_path / "again", VOXELS, RGBA, PLANES, entities=ENTITIES, now=NOW, codec=world.meta.codec, order=-1
    )
    assert bakery.file_bytes(again.path) == bakery.file_bytes(world.path)


def test_a_frequent_entity_costs_little(world):
    ids = PLANES["semantic"][1]
    one_byte = np.full_like(ids, 3)
    assert len(plane.pack_sorted("semantic", np.arange(len(ids)), one_byte)[1][0]) == 512 + len(ids)


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_verify_reads_planes_and_names_what_is_wrong(copy):
    assert verify(copy).ok
    world = open_world(copy)
    record = max((p for r in world.regions for p in r.planes), key=lambda p: p.n_chunks)
    flip(copy / record.key, int(world.index_of(record).offsets[1]) + 9)
    (bad,) = verify(copy).bad
    assert bad.file == record.key and "crc32c" in bad.what and bad.chunk is not None
    good = []
    assert len(read_region(world, record, good.append)[1]) == record.n_chunks - 1 and len(good) == 1
    (copy / record.key).unlink()
    assert [(b.file, b.what) for b in verify(copy).bad] == [(record.key, "missing")]


def test_a_damaged_chunk_of_a_plane_raises_where_it_is_read(copy):
    world = open_world(copy)
    record = world.regions[0].planes[0]
    flip(copy / record.key, 9)
    with pytest.raises(WorldError, match="crc32c"):
        world.read_plane("semantic", 0, VOXELS)
    assert world.read_plane("updated", 0, VOXELS).all()  # and it is nobody else's matter


def test_another_planes_good_file_is_not_taken(copy):
    world = open_world(copy)
    a, b = (r.planes[0] for r in world.regions[:2])
    shutil.copy(copy / b.key, copy / a.key)
    assert a.key in [bad.file for bad in verify(copy).bad]


def test_random_bit_flips_in_planes_are_all_found(tmp_path):
    voxels, rgba = np.array([[-1, 0, 0], [3, 3, 3], [20, 0, 0]]), np.full((3, 4), 7, np.uint8)
    values = {"semantic": (voxels, np.array([1, 300, 70_000], np.uint32))}
    path = make_attributed(tmp_path / "w", voxels, rgba, values, entities={1: "a"}).path
    files = [*sorted(p for p in (path / "semantic").rglob("*") if p.is_file()), path / "zarr.json"]
    rng = np.random.default_rng(2)
    for n in range(60):
        file = files[n % len(files)]
        size = file.stat().st_size
        of_chunks = size if file.suffix else stored_bytes(read_index(file.read_bytes()))
        at = int(rng.integers(size if n % 2 else of_chunks))  # all of it, or its chunks
        flip(file, at)
        report = verify(path)
        assert not report.ok and str(file.relative_to(path)) in [b.file for b in report.bad], (file, at)
        flip(file, at)
    assert verify(path).ok


def sealed_with(path, key, data):
    """Put other bytes in place of a plane's file, and make the manifest say that they are right."""
    (path / key).write_bytes(data)
    old = mf.parse_manifest((path / "manifest").read_bytes())
    text = (path / "manifest").read_bytes()
    record = next(p for r in old.regions for p in r.planes if p.key == key)
    before = f"{record.plane} {record.n_bytes} {record.digest} {record.n_chunks} {record.n_voxels}"
    after = f"{record.plane} {len(data)} {mf.digest_of(data)} {record.n_chunks} {record.n_voxels}"
    body = text[: text.rfind(b"\nend ") + 1].replace(before.encode(), after.encode(), 1)
    n_files, n_regions = text[text.rfind(b"\nend ") + 5 :].split(b" ")[:2]
    closing = f"end {n_files.decode()} {n_regions.decode()} {mf.digest_of(body)}\n".encode()
    (path / "manifest").write_bytes(body + closing)


@pytest.mark.parametrize(
    ("packed", "what"),
    [
        (b"\7" + bytes(511) + b"\1\2", "2 values, its mask says 3"),
        (b"\7" + bytes(511) + b"\1\0\2", "value of 0"),
        (b"\7" + bytes(511) + b"\x80\x80\x80\x80", "cut in the middle"),
        (b"\1" + bytes(511) + b"\x80\x80\x80\1", "3 are the most"),
        (bytes(512), "claims 512 bytes"),
        (bytes(13_000), "claims 13000 bytes"),
        (bytes(50 << 20), "claims 52428800 bytes"),
    ],
)
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_sealed_lie_is_one_error(tmp_path, packed, what, codec):
    voxels, rgba = np.array([[3, 3, 3], [9, 9, 9]]), np.full((2, 4), 7, np.uint8)
    values = {"semantic": (voxels, np.array([1, 300], np.uint32))}
    world = make_attributed(tmp_path / "w", voxels, rgba, values, entities={1: "a"}, codec=codec)
    key = world.regions[0].planes[0].key
    stored = encode_planes([packed], codec)
    with pytest.raises(ValueError, match=what):
        decode_plane("semantic", stored[0], codec)
    body = stored[0] + b"\0" * (14 - len(stored[0]))
    sealed_with(world.path, key, body + index_of([len(body) % SAME], [0]))
    (bad,) = verify(world.path).bad
    assert bad.file == key and any(part in bad.what for part in (what, "outside 14..", "add up"))


def test_a_good_file_that_the_manifest_does_not_name(tmp_path):
    """Right checksums, right size, right counts, another value: only the digest tells."""
    values = {"semantic": (np.array([[3, 3, 3]]), np.array([5], np.uint32))}
    world = make_attributed(tmp_path / "w", np.array([[3, 3, 3]]), np.full((1, 4), 7, np.uint8), values)
    record = world.regions[0].planes[0]
    packed = plane.pack_sorted(
        "semantic", np.array([address.mask_index([3, 3, 3])]), np.array([6], np.uint32)
    )
    data = assemble(packed[0], encode_planes(packed[1], world.meta.codec))
    assert len(data) == record.n_bytes
    (world.path / record.key).write_bytes(data)
    (bad,) = verify(world.path).bad
    assert bad.file == record.key and "not the file that the manifest names" in bad.what


def test_manifest_lines_with_planes_have_one_spelling():
    digest = "a0" * 16
    attributes = (
        mf.RegionRecord(1, (0, -1, 2), 70_000, digest, 3, 9, "semantic"),
        mf.RegionRecord(1, (0, -1, 2), 66_000, digest, 1, 4, "updated"),
    )
    record = mf.RegionRecord(1, (0, -1, 2), 90_000, digest, 3, 30, planes=attributes)
    data = mf.encode_manifest([], [record])
    assert mf.parse_manifest(data).regions == (record,)
    assert attributes[0].key == "semantic/1/c/16386/16383/16384" and record.key.endswith("/0")
    body = data[: data.rfind(b"\nend ") + 1]
    for old, new in (
        (b"semantic", b"semantik"),
        (b"semantic", b"color"),
        (b"semantic 70000 " + digest.encode() + b" 3 9", b"updated 66000 " + digest.encode() + b" 1 4"),
        (b" updated 66000 " + digest.encode() + b" 1 4", b" updated 66000 " + digest.encode() + b" 1"),
        (b" 1 4\n", b" 1 4 \n"),
        (b" 1 4\n", b" 0 0\n"),
        (b" 1 4\n", b" 1 5000\n"),
    ):
        assert old in body
        changed = body.replace(old, new)
        with pytest.raises(WorldError):
            mf.parse_manifest(changed + f"end 0 1 {mf.digest_of(changed)}\n".encode())
    bake = mf.BakeParameters(0.01, "zstd", 5, "1.5.7", "-")
    journal = mf.encode_journal_head(bake) + mf.encode_journal_record(record)
    assert mf.parse_journal(journal).regions == {(1, (0, -1, 2)): record}


def test_metadata_of_planes_is_checked():
    good = metadata.WorldMeta(0.01, 1, ((0, 0, 0), (1, 1, 1)), "zstd", 5, (), ("semantic",), {1: "a"})
    assert metadata.parse_root(metadata.encode_all(good)["zarr.json"]) == good
    for planes, entities, now, what in (
        (("updated", "semantic"), {}, 1, "in that order"),
        (("heat",), {}, 0, "must be of"),
        (("semantic", "semantic"), {}, 0, "in that order"),
        (("semantic",), {0: "none"}, 0, "entity 0"),
        (("semantic",), {2_113_664: "x"}, 0, "entity 2113664"),
        (("semantic",), {1: 5}, 0, "must be a name"),
        ((), {1: "a"}, 0, "no plane semantic"),
        (("updated",), {}, 0, "goes with a plane updated"),
        ((), {}, 3, "goes with a plane updated"),
        (("updated",), {}, 256, "must be a stamp"),
    ):
        with pytest.raises(ValueError, match=what):
            metadata.check(metadata.WorldMeta(*metadata_args(planes, entities, now)))
    root = json.loads(metadata.encode_all(good)["zarr.json"])
    for name, value in (("planes", ["semantic", "semantic"]), ("planes", 3), ("planes", "semantic"),
                        ("entities", []), ("entities", {"x": "a"}), ("entities", {"01": "a"}),
                        ("now", 7), ("now", None), ("planes", [[]]), ("planes", [])):  # fmt: skip
        lie = json.loads(json.dumps(root))
        lie["attributes"]["voxtide"][name] = value
        with pytest.raises(WorldError):
            metadata.parse_root(json.dumps(lie, indent=2, sort_keys=True).encode() + b"\n")


def metadata_args(planes, entities, now):
    return 0.01, 1, ((0, 0, 0), (1, 1, 1)), "zstd", 5, (), planes, entities, now


def test_a_bake_killed_between_the_files_of_a_region_resumes(tmp_path):
    """The region's line comes last, so a plane without its line is written again."""
    whole = make_attributed(tmp_path / "whole", VOXELS, RGBA, PLANES, entities=ENTITIES, now=NOW)
    path = tmp_path / "w"
    child = os.fork()
    if not child:
        from voxtide.streamer import planes

        count, write = iter(range(100)), planes.files.write_file

        def dying(root, key, data):
            write(root, key, data)
            if key.startswith("semantic/") and next(count) == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        planes.files.write_file = dying
        make_attributed(path, VOXELS, RGBA, PLANES, entities=ENTITIES, now=NOW)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert len(list((path / "semantic").rglob("*"))) > 2
    with WorldWriter(path, voxel_size_m=0.01, resume=True) as writer:
        assert len(writer.regions) == 2 and all(r.planes for r in writer.regions.values())
        kept = {f.key for r in writer.regions.values() for f in r.files} | {"manifest.journal"}
        assert set(bakery.file_bytes(path)) == kept  # the third region's files, which no line names, are gone
    shutil.rmtree(path)
    assert verify(whole.path).ok


def test_overwriting_a_world_with_planes_leaves_nothing_of_them(tmp_path):
    make_attributed(tmp_path / "w", VOXELS, RGBA, PLANES, entities=ENTITIES, now=NOW)
    with WorldWriter(tmp_path / "w", voxel_size_m=0.01, overwrite=True):
        assert set(bakery.file_bytes(tmp_path / "w")) == {"manifest.journal"}
        assert not (tmp_path / "w" / "semantic").exists()


zarr = pytest.importorskip("zarr")


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_zarr_reads_planes(world):
    from voxtide.streamer.zarr_codec import INDEX_NAME, IndexCodec
    from voxtide.streamer.zarr_planes import PlaneCodec, SemanticCodec, UpdatedCodec

    zarr.registry.register_codec(INDEX_NAME, IndexCodec)
    for codec in (SemanticCodec, UpdatedCodec):  # as the entry points do where the package is installed
        zarr.registry.register_codec(metadata.CODEC_NAMES[codec.plane], codec)
        assert codec.from_dict(codec().to_dict()) == codec() and isinstance(codec(), PlaneCodec)
        with pytest.raises(ValueError, match="no configuration"):
            codec.from_dict({"name": metadata.CODEC_NAMES[codec.plane], "configuration": {"level": 1}})
    group = zarr.open(world.path, mode="r")
    half = 1 << 23
    for name in plane.NAMES:
        array = group[f"{name}/0"]
        assert array.shape == (1 << 24,) * 3 and array.dtype == plane.DTYPES[name]
        box = array[(slice(half - 20, half + 30),) * 3]
        voxels = np.stack(np.meshgrid(*[np.arange(-20, 30)] * 3, indexing="ij"), -1)[..., ::-1].reshape(-1, 3)
        expected = world.read_plane(name, 0, voxels).reshape(50, 50, 50)
        assert expected.any() and (box == expected).all()
        assert group[f"{name}/5"].metadata.dimension_names == ("z", "y", "x")


def test_zarr_writes_planes_too(tmp_path):
    from voxtide.streamer.zarr_planes import SemanticCodec

    array = zarr.create_array(
        tmp_path / "a", shape=(32, 32, 32), chunks=(16, 16, 16), dtype="uint32", fill_value=0,
        serializer=SemanticCodec(), compressors=[zarr.codecs.ZstdCodec(level=5)],
    )  # fmt: skip
    values = np.random.default_rng(0).integers(0, 2_113_664, (32, 32, 32), dtype=np.uint32)
    values[:16, :16, :16] = 0
    array[:] = values
    assert (zarr.open_array(tmp_path / "a", mode="r")[:] == values).all()
    wrong = zarr.create_array(
        {}, shape=(16, 16, 16), chunks=(16, 16, 16), dtype="uint8", serializer=SemanticCodec()
    )
    with pytest.raises(ValueError, match="packs uint32"):
        wrong[0, 0, 0] = 1
