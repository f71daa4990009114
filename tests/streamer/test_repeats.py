"""Worlds in which chunks repeat: each is stored once, is read wherever it lies, and is missed everywhere."""

import shutil
from importlib import import_module

import numpy as np
import pytest
from attributes import make_attributed
from voxtide.atlas import address
from voxtide.atlas.chunk import unpack
from voxtide.streamer import planes
from voxtide.streamer.metadata import CODEC_NAMES
from voxtide.streamer.region_file import INDEX_BYTES, read_index
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world

N_TILES = 5


def tiled():
    """Each chunk around the origin holds one of a few tiles -> voxels [N, 3], rgba [N, 4], entity ids [N]."""
    rng = np.random.default_rng(0)
    tiles = [np.argwhere(rng.random((16, 16, 16)) < 0.01) for _ in range(N_TILES)]
    colours = [rng.integers(1, 256, (len(tile), 4), np.uint8) for tile in tiles]
    entities = [rng.integers(1, 300, len(tile), np.uint32) for tile in tiles]
    chunks = np.unique(rng.integers(-8, 8, (300, 3)), axis=0)
    kinds = rng.integers(0, N_TILES, len(chunks)).tolist()
    voxels = [chunk * 16 + tiles[k] for chunk, k in zip(chunks, kinds, strict=True)]
    return (
        np.concatenate(voxels),
        np.concatenate([colours[k] for k in kinds]),
        np.concatenate([entities[k] for k in kinds]),
    )


VOXELS, RGBA, IDS = tiled()


@pytest.fixture(scope="module", params=["zstd", "lz4"])
def world(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("repeats") / request.param
    values = {"semantic": (VOXELS, IDS)}
    return make_attributed(path, VOXELS, RGBA, values, entities={1: "a"}, codec=request.param)


def finest(world):
    return [r for r in world.regions if r.level == 0]


def test_each_region_stores_each_tile_once(world):
    assert len(finest(world)) == 8
    for record in (file for region in finest(world) for file in region.files):
        index = read_index((world.path / record.key).read_bytes()[-INDEX_BYTES:])
        assert index.morton.size == record.n_chunks > 20
        stored = dict(zip(index.offsets.tolist(), index.n_bytes.tolist(), strict=True))
        assert len(stored) == N_TILES and list(stored) == sorted(stored)
        assert sum(stored.values()) < record.n_bytes < sum(stored.values()) + 300


def test_every_voxel_is_where_it_was(world):
    assert verify(world.path).ok
    assert (world.read_voxels(0, VOXELS) == RGBA).all()
    assert (world.read_plane("semantic", 0, VOXELS) == IDS).all()


def test_any_chunks_are_the_same_as_those_of_whole_regions(world):
    rng = np.random.default_rng(1)
    whole, of_plane = {}, {}
    for record in world.regions:
        region = world.read_region(record, n_threads=2)
        ids = address.chunk_id(record.level, region.chunks).tolist()
        whole.update(zip(ids, region.packed, strict=True))
        chunks, packed = planes.read_region(world, record.planes[0], pytest.fail)
        of_plane.update(zip(address.chunk_id(record.level, chunks).tolist(), packed, strict=True))
    ids = np.array(list(whole), np.uint64)
    for n in (1, 2, 7, 60, ids.size):
        some = rng.permutation(ids)[:n]
        assert world.read_packed(some) == [whole[i] for i in some.tolist()]
        assert world.read_plane_chunks("semantic", some) == [of_plane.get(i) for i in some.tolist()]


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_zarr_reads_them(world):
    zarr = pytest.importorskip("zarr")
    import_module("voxtide.streamer.zarr_codec")  # as zarr does where the package is installed
    semantic = import_module("voxtide.streamer.zarr_planes").SemanticCodec
    zarr.registry.register_codec(CODEC_NAMES["semantic"], semantic)
    half = 1 << 23
    box = (slice(half - 128, half + 128),) * 3
    expected, ids = np.zeros((256, 256, 256, 4), np.uint8), np.zeros((256, 256, 256), np.uint32)
    expected[tuple((VOXELS + 128).T[::-1])] = RGBA
    ids[tuple((VOXELS + 128).T[::-1])] = IDS
    group = zarr.open(world.path, mode="r")
    assert (group["color/0"][box] == expected).all()  # parts of eight shards
    assert (group["semantic/0"][box] == ids).all()
    shard = (slice(half, half + 256),) * 3  # one of them, whole
    assert (group["color/0"][shard][:128, :128, :128] == expected[128:, 128:, 128:]).all()


def test_damage_to_a_tile_is_told_of_every_chunk_that_holds_it(world, tmp_path):
    path = shutil.copytree(world.path, tmp_path / "w")
    record = finest(world)[3]
    index = world.index_of(record)
    place = index.offsets[index.offsets > 0].min()
    data = bytearray((path / record.key).read_bytes())
    data[place + 9] ^= 1
    (path / record.key).write_bytes(data)
    lost = np.flatnonzero(index.offsets == place)
    assert lost.size > 3
    region = world.read_region(record)
    names = [f"0/{x},{y},{z}" for x, y, z in region.chunks[lost].tolist()]
    found = verify(path).bad
    assert [bad.chunk for bad in found] == names and all("crc32c" in bad.what for bad in found)
    told = []
    some = open_world(path).read_packed(address.chunk_id(0, region.chunks[::2]), told.append)
    assert [error.chunk for error in told] == [names[i] for i in range(lost.size) if lost[i] % 2 == 0]
    for i, packed in zip(range(0, record.n_chunks, 2), some, strict=True):
        assert (packed is None) == (i in lost) and packed in (None, region.packed[i])


def test_a_tile_that_is_read_once_is_kept_once(world):
    region = world.read_region(finest(world)[0])
    assert len({id(packed) for packed in region.packed}) == N_TILES
    assert unpack(region.packed[0]).any()
