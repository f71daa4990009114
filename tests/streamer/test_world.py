"""Reading a world: what was put in comes out, and one bad chunk costs one chunk."""

import os
import pickle

import numpy as np
import pytest
from voxtide.atlas import address
from voxtide.atlas.chunk import unpack
from voxtide.streamer.errors import WorldError, quoted
from voxtide.streamer.world import open_world
from worlds import MAX_TOP_CHUNKS, levels_of, make_world, surface

VOXELS, RGBA = surface(3000, 400)


@pytest.fixture(scope="module", params=["zstd", "lz4"])
def world(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / request.param
    return make_world(
        path, VOXELS, RGBA, codec=request.param, voxel_size_m=0.02, sources=[{"licence": "CC0"}]
    )


def test_metadata(world):
    meta = world.meta
    assert (meta.voxel_size_m, meta.n_levels, meta.codec) == (0.02, 6, world.path.name)
    assert meta.bounds_voxels == (tuple(VOXELS.min(0).tolist()), tuple((VOXELS.max(0) + 1).tolist()))
    assert meta.sources == ({"licence": "CC0"},)
    assert sum(r.n_voxels for r in world.regions if r.level == 0) == len(VOXELS)
    assert list(world.regions) == sorted(world.regions, key=lambda r: (r.level, r.region))


def test_every_voxel_of_every_level(world):
    for level, (voxels, rgba) in enumerate(levels_of(VOXELS, RGBA)):
        assert (voxels.min(0) < 0).any() and (world.read_voxels(level, voxels) == rgba).all()


def test_empty_places_are_zero(world):
    rng = np.random.default_rng(0)
    places = rng.integers(-(1 << 23), 1 << 23, (2000, 3))
    places = np.concatenate(
        [places, VOXELS[:500] + np.array([0, 0, 200]), [[-(1 << 23)] * 3, [(1 << 23) - 1] * 3]]
    )
    assert not world.read_voxels(0, places).any()
    assert world.read_voxels(0, np.empty((0, 3), np.int64)).shape == (0, 4)
    assert world.read_chunk(0, (5000, 0, 0)) is None and world.read_chunk(0, (0, 0, 15)) is None


def test_a_region_whole_equals_its_chunks_one_by_one(world):
    for record in world.regions[::7]:
        region = world.read_region(record, n_threads=2)
        assert region.chunks.shape == (record.n_chunks, 3)
        assert (address.region_of_chunk(region.chunks) == record.region).all()
        for chunk, packed in zip(region.chunks, region.packed, strict=True):
            assert (unpack(packed) == world.read_chunk(record.level, tuple(chunk.tolist()))).all()


def test_any_chunks_in_any_order_with_repeats(world):
    expected = {}
    for record in world.regions:
        region = world.read_region(record)
        ids = address.chunk_id(record.level, region.chunks).tolist()
        expected.update(zip(ids, region.packed, strict=True))
    rng = np.random.default_rng(0)
    empty = address.chunk_id(rng.integers(0, 16, 300), rng.integers(-1 << 19, 1 << 19, (300, 3)))
    beside = address.chunk_id(0, address.chunk_of(VOXELS[:300] + np.array([0, 0, 64])))
    ids = np.array(list(expected), np.uint64)
    pick = rng.permutation(np.concatenate([ids, ids[::3], empty, beside]))
    assert (address.chunk_of_id(ids)[1] < 0).any()
    assert world.read_packed(pick) == [expected.get(i) for i in pick.tolist()]
    assert world.read_packed(empty[:3]) == [None] * 3
    assert world.read_packed(np.empty(0, np.uint64)) == []


def test_out_of_range_is_refused(world):
    for level in (-1, 6):
        with pytest.raises(ValueError, match="level"):
            world.read_chunk(level, (0, 0, 0))
        with pytest.raises(ValueError, match="level"):
            world.read_voxels(level, VOXELS[:1])
    with pytest.raises(ValueError, match="outside"):
        world.read_voxels(0, np.array([[1 << 23, 0, 0]]))


def damage(world, record, at):
    """Flip a bit of the file that many bytes into it (negative: before its end)."""
    path = world.path / record.key
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def fresh(path):
    world = make_world(path, VOXELS, RGBA)
    return world, max(world.regions, key=lambda r: r.n_chunks)


def test_one_bad_chunk_costs_one_chunk(tmp_path):
    world, record = fresh(tmp_path / "w")
    whole = world.read_region(record)
    place = int(world.index_of(record).offsets[5])
    damage(world, record, place + 20)
    name = "{}/{},{},{}".format(record.level, *whole.chunks[5])
    with pytest.raises(WorldError, match="crc32c") as caught:
        world.read_region(record)
    assert (caught.value.file, caught.value.chunk) == (record.key, name)
    bad = []
    region = world.read_region(record, bad.append)
    assert [b.chunk for b in bad] == [name] and len(region.packed) == record.n_chunks - 1
    assert (region.chunks == np.delete(whole.chunks, 5, axis=0)).all()
    assert region.packed == [p for i, p in enumerate(whole.packed) if i != 5]
    with pytest.raises(WorldError, match="crc32c"):
        world.read_chunk(record.level, tuple(whole.chunks[5].tolist()))
    assert world.read_chunk(record.level, tuple(whole.chunks[6].tolist())) is not None
    some = world.read_packed(address.chunk_id(record.level, whole.chunks), bad.append)
    assert some[5] is None and some[4] == whole.packed[4] and len(bad) == 2


def test_a_bad_index_costs_its_region(tmp_path):
    world, record = fresh(tmp_path / "w")
    damage(world, record, -300)
    bad = []
    assert world.read_region(record, bad.append).packed == []
    inside = np.array(record.region) * 16 + np.array([[0, 0, 0], [1, 0, 0]])
    assert world.read_packed(address.chunk_id(record.level, inside), bad.append) == [None] * 2
    others = [r for r in world.regions if r is not record]
    ids = [address.chunk_id(r.level, world.read_region(r).chunks) for r in others]
    got = world.read_packed(np.concatenate([*ids, address.chunk_id(record.level, inside)]), [].append)
    assert None not in got[:-2] and got[-2:] == [None] * 2
    assert [b.chunk for b in bad] == [None, None] and "index" in bad[0].what
    assert world.read_voxels(5, VOXELS >> 5)[:, 3].all()


def test_a_file_that_shrinks_while_it_is_read_is_an_error_not_a_crash(tmp_path):
    world, record = fresh(tmp_path / "w")
    world.index_of(record)
    (world.path / record.key).write_bytes(b"")
    place = np.array(record.region) * 16 + address.chunk_of_morton(world.index_of(record).morton[:2])
    for read in (world.read_region, lambda r: world.read_packed(address.chunk_id(r.level, place))):
        with pytest.raises(WorldError, match="0 bytes, the manifest says"):
            read(record)


def test_short_reads_and_io_errors(tmp_path, monkeypatch):
    world, record = fresh(tmp_path / "w")
    real = os.pread
    whole = world.read_region(record)
    monkeypatch.setattr("os.pread", lambda fd, n, at: real(fd, (n + 1) // 2, at))
    assert world.read_region(record).packed == whole.packed

    def failing(fd, n, at):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.pread", failing)
    with pytest.raises(WorldError, match="Input/output error"):
        world.read_region(record)


def test_no_world_here(tmp_path):
    for path, what in ((tmp_path / "none", "no such folder"), (tmp_path, "not a finished Voxtide world")):
        with pytest.raises(WorldError, match=what):
            open_world(path)


def test_errors_survive_pickling_and_foreign_text_is_tamed():
    error = pickle.loads(pickle.dumps(WorldError("f", "what", "0/1,2,3")))
    assert str(error) == "f: chunk 0/1,2,3: what" and error.chunk == "0/1,2,3"
    assert "\n" not in quoted("a\nb\x1b[2J") and "\x1b" not in quoted("\x1b") and len(quoted("x" * 999)) < 210


def test_the_top_level_fits_in_a_few_chunks(tmp_path):
    wide = np.array([[-9000, 0, 5], [9000, 1, 5]])
    world = make_world(tmp_path / "w", wide, np.full((2, 4), 255, np.uint8))
    top = address.chunk_of(wide >> (world.meta.n_levels - 1))
    assert world.meta.n_levels > 6 and np.ptp(top, axis=0).max() < MAX_TOP_CHUNKS
