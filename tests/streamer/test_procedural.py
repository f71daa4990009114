"""Procedural worlds: the same everywhere, nothing lost between levels, no gaps, bad URLs told."""

import hashlib
import threading

import numpy as np
import pytest
from voxtide.atlas import address, chunk
from voxtide.streamer.errors import WorldError
from voxtide.streamer.island_shape import CENTRE, SEA_Z
from voxtide.streamer.opening import open_source_of_chunks
from voxtide.streamer.procedural import ProceduralWorld, Recipe, open_procedural, parse_url

pytestmark = pytest.mark.slow

MIDDLE = np.array([CENTRE, CENTRE, SEA_Z])


@pytest.fixture(scope="module")
def island():
    return open_procedural("procedural://island?seed=1&size_km=1&voxel_size_m=0.01")


def voxels_of(chunks, packed):
    """Occupied voxels of packed chunks: [K, 3]."""
    found = [np.empty((0, 3), np.int64)]
    for corner, data in zip(chunks, packed, strict=True):
        if data is not None:
            bits = np.flatnonzero(chunk.split(data)[0])
            found.append(address.local_of_mask_index(bits) + corner * 16)
    return np.concatenate(found)


def children(chunks):
    return (2 * chunks[:, None] + address.chunk_of_morton(np.arange(8))).reshape(-1, 3)


def walk_down(world, rng, n=24):
    """Some chunks that exist, level by level from the top: yields (level, chunks [C, 3], packed)."""
    level = world.meta.n_levels - 1
    low, high = (np.array(c) for c in world.meta.bounds_voxels)
    first, last = low >> (level + 4), (high - 1) >> (level + 4)
    axes = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    chunks = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    while level >= 0:
        packed = world.read_packed(address.chunk_id(level, chunks))
        at = [i for i, p in enumerate(packed) if p is not None]
        yield level, chunks[at], [packed[i] for i in at]
        below = np.unique(voxels_of(chunks[at], [packed[i] for i in at]) >> 3, axis=0)
        chunks = below[rng.permutation(len(below))[:n]]
        level -= 1


def around_the_middle(level, reach_m=39.0, voxel_size_m=0.01, n_columns=16):
    """Chunks of some columns wholly within 40 m of the middle, from the sea to 13 m above it: [N, 3]."""
    rng = np.random.default_rng(5)
    reach = int(reach_m / voxel_size_m)
    xy = np.unique((CENTRE + rng.integers(-reach, reach, (200, 2))) >> (level + 4), axis=0)
    far = np.maximum(abs((xy << (level + 4)) - CENTRE), abs((xy + 1 << (level + 4)) - CENTRE))
    xy = xy[np.hypot(*far.T) < 40 / voxel_size_m]
    xy = rng.permutation(xy)[:n_columns]
    z = np.arange(SEA_Z >> (level + 4), (SEA_Z + int(13 / voxel_size_m) >> (level + 4)) + 1)
    return np.array([(x, y, up) for x, y in xy.tolist() for up in z.tolist()])


def column_chunks(world, level, xy):
    """Every chunk of chunk columns [N, 2] that the bounds allow."""
    low, high = (int(c[2]) for c in world.meta.bounds_voxels)
    z = np.arange(low >> (level + 4), ((high - 1) >> (level + 4)) + 1)
    return np.array([(x, y, up) for x, y in xy for up in z.tolist()])


def test_bytes_are_pinned():
    state = hashlib.sha256()
    world = open_procedural("procedural://island?seed=7&size_km=0.3&voxel_size_m=0.02")
    for level, chunks, packed in walk_down(world, np.random.default_rng(3), n=12):
        state.update(repr((level, chunks.tolist())).encode())
        state.update(b"".join(packed))
    assert state.hexdigest()[:16] == "e2a5369fc037055a"


@pytest.mark.parametrize("level", range(6))
def test_the_middle_does_not_know_the_islands_size(level):
    ids = address.chunk_id(level, around_the_middle(level))
    worlds = [ProceduralWorld(Recipe(size_km=size)) for size in (0.1, 1, 10)]
    first, *others = (world.read_packed(ids) for world in worlds)
    assert sum(p is not None for p in first) > 5
    assert all(other == first for other in others)
    assert ProceduralWorld(Recipe(seed=2)).read_packed(ids) != first


@pytest.mark.parametrize(
    "url",
    ["seed=1&size_km=1", "seed=3&size_km=10", "seed=2&size_km=0.1", "seed=4&size_km=0.4&voxel_size_m=0.1"],
)
def test_no_level_loses_what_is_below(url):
    world = open_procedural(f"procedural://island?{url}")
    n_occupied = n_childless = 0
    for level, chunks, packed in walk_down(world, np.random.default_rng(1)):
        if level == 0:
            break
        below = children(chunks)
        finer = voxels_of(below, world.read_packed(address.chunk_id(level - 1, below)))
        parents = {tuple(v) for v in (finer >> 1).tolist()}
        own = {tuple(v) for v in voxels_of(chunks, packed).tolist()}
        assert parents <= own, f"level {level} is empty over voxels of level {level - 1}"
        n_occupied, n_childless = n_occupied + len(own), n_childless + len(own - parents)
    assert n_childless < 0.05 * n_occupied


@pytest.mark.parametrize("level", [0, 1, 3, 6])
def test_the_ground_is_closed(island, level):
    """Nothing gets from above to below by its six neighbours: a ray has nowhere to slip through."""
    rng = np.random.default_rng(level)
    for _ in range(4):
        offset = rng.integers(-20_000, 20_000, 2)
        corner = (np.array([CENTRE, CENTRE]) + offset) >> (level + 4)
        xy = [(corner[0] + i, corner[1] + j) for i in (0, 1) for j in (0, 1)]
        chunks = column_chunks(island, level, xy)
        found = voxels_of(chunks, island.read_packed(address.chunk_id(level, chunks)))
        low = found.min(0) - (0, 0, 2)
        solid = np.zeros((32, 32, int(found[:, 2].max()) - low[2] + 3), bool)
        solid[tuple((found - (*(corner * 16), low[2])).T)] = True
        air = np.zeros_like(solid)
        air[:, :, -1] = True
        while True:  # flood from above
            grown = air.copy()
            for axis in range(3):
                ahead, behind = [slice(None)] * 3, [slice(None)] * 3
                ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
                grown[tuple(ahead)] |= air[tuple(behind)]
                grown[tuple(behind)] |= air[tuple(ahead)]
            grown &= ~solid
            if (grown == air).all():
                break
            air = grown
        assert not air[:, :, 0].any()
        assert solid.any(axis=2).all(), "every column has ground or water"


def test_only_a_shell_is_occupied(island):
    xy = [(x, y) for x in range(1300, 1304) for y in range(1300, 1304)]
    chunks = column_chunks(island, 0, xy)
    found = voxels_of(chunks, island.read_packed(address.chunk_id(0, chunks)))
    assert 1.0 <= len(found) / 64**2 < 8


def test_rays_downwards_hit():
    """Slanting rays, marched in small steps through a dense patch of ground, all end in an occupied voxel."""
    world = open_procedural("procedural://island?seed=1&size_km=0.1&voxel_size_m=0.05")
    first = (CENTRE - 48) >> 4
    xy = [(first + i, first + j) for i in range(6) for j in range(6)]
    chunks = column_chunks(world, 0, xy)
    found = voxels_of(chunks, world.read_packed(address.chunk_id(0, chunks)))
    low = np.array([first * 16, first * 16, found[:, 2].min()])
    solid = np.zeros((96, 96, int(found[:, 2].max() - low[2]) + 2), bool)
    solid[tuple((found - low).T)] = True
    rng, n = np.random.default_rng(0), 400
    at = np.column_stack([rng.uniform(40, 56, (n, 2)), np.full(n, solid.shape[2] - 0.01)])
    slant = min(0.6, 38 / solid.shape[2])  # no ray leaves the patch by its sides
    step = np.column_stack([rng.uniform(-slant, slant, (n, 2)), np.full(n, -1.0)]) * 0.02
    passing = np.ones(n, bool)
    for _ in range(50 * solid.shape[2] - 1):
        at = at + step
        passing &= ~solid[tuple(np.floor(at).astype(int).T)]
    assert not passing.any()


def test_the_sea_reaches_the_edge_and_no_further():
    world = open_procedural("procedural://island?seed=1&size_km=0.05&voxel_size_m=0.05")
    (x0, y0, z0), (x1, y1, _) = world.meta.bounds_voxels
    assert (x1 - x0, y1 - y0, z0) == (1000, 1000, SEA_Z)
    edge = np.array([(x0 >> 4, y0 >> 4), (x1 >> 4, y1 >> 4)])
    chunks = column_chunks(world, 0, edge)
    found = voxels_of(chunks, world.read_packed(address.chunk_id(0, chunks)))
    assert (found[:, 2] == SEA_Z).all()
    assert found[:, :2].min() == x0
    assert found[:, :2].max() == x1 - 1


def test_read_many_keeps_order_and_takes_duplicates(island):
    _, chunks, packed = list(walk_down(island, np.random.default_rng(2)))[-3]
    ids = address.chunk_id(2, chunks)
    nothing = address.chunk_id(2, [0, 0, -5000])
    order = np.random.default_rng(3).integers(0, len(ids), 50)
    mixed = island.read_packed(np.append(ids[order], nothing))
    assert mixed[:-1] == [packed[i] for i in order]
    assert mixed[-1] is None
    assert island.read_packed(np.empty(0, np.uint64)) == []
    other = address.chunk_id(5, chunks[:1] >> 3)  # levels may be mixed
    assert island.read_packed(np.append(ids[:1], other))[0] == packed[0]
    with pytest.raises(ValueError, match="level 15"):
        island.read_packed(address.chunk_id(15, [[0, 0, 0]]))


def test_one_chunk_is_what_it_is_among_many(island):
    _, chunks, packed = list(walk_down(island, np.random.default_rng(4)))[-2]
    fresh = ProceduralWorld(island.recipe)
    for corner, data in zip(chunks[:6], packed[:6], strict=True):
        assert fresh.read_packed(address.chunk_id(1, corner[None])) == [data]


def test_packed_chunks_are_well_formed(island):
    for level, _, packed in walk_down(island, np.random.default_rng(6)):
        for data in packed:
            assert chunk.pack(chunk.unpack(data)) == data, level


def test_negative_coordinates():
    world = open_procedural("procedural://island?seed=1&size_km=2&voxel_size_m=0.01")
    corner = np.array([[-1000, -900], [-2000, 100]])
    chunks = column_chunks(world, 0, corner)
    assert (world.meta.bounds_voxels[0][0]) < 0
    found = voxels_of(chunks, world.read_packed(address.chunk_id(0, chunks)))
    assert len(np.unique(found[:, :2], axis=0)) == 2 * 256


def test_any_thread(island):
    _, chunks, packed = list(walk_down(island, np.random.default_rng(8)))[-1]
    fresh, wrong = ProceduralWorld(island.recipe), []
    ids = address.chunk_id(0, chunks)

    def read(seed):
        order = np.random.default_rng(seed).permutation(len(ids))
        if fresh.read_packed(ids[order]) != [packed[i] for i in order]:
            wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_levels_follow_the_size():
    for size, least, most in ((0.02, 6, 9), (1, 11, 13), (10, 14, 15)):
        meta = ProceduralWorld(Recipe(size_km=size)).meta
        assert least <= meta.n_levels <= most
        top = meta.n_levels + 3
        spans = [((b - 1) >> top) - (a >> top) + 1 for a, b in zip(*meta.bounds_voxels, strict=True)]
        assert max(spans) <= 4


def test_urls():
    recipe = parse_url("procedural://island?seed=4&size_km=2.5&voxel_size_m=0.05")
    assert recipe == Recipe("island", 4, 2.5, 0.05)
    assert parse_url(str(recipe)) == recipe
    assert parse_url("procedural://island") == Recipe()


@pytest.mark.parametrize(
    "url",
    [
        *(
            "procedural://city?seed=1",
            "procedural://",
            "procedural://island/x",
            "procedural://island?seed=-1",
        ),
        *(
            "procedural://island?seed=1.5",
            "procedural://island?size_km=nan",
            "procedural://island?size_km=1e3",
        ),
        *(
            "procedural://island?size_km=0",
            "procedural://island?size_km=1000",
            "procedural://island?sise_km=1",
        ),
        *(
            "procedural://island?seed=1&seed=2",
            "procedural://island?voxel_size_m=0.0001",
            "s3://bucket/world",
        ),
        *("procedural://island?seed=99999999999", "procedural://island#x", "procedural://isl\nand?seed=\x1b"),
        *("procedural://island?size_km=100&voxel_size_m=0.005", "procedural://island?seed=٣"),
        "procedural://island?" + "&".join(["seed=1"] * 40),
    ],
)
def test_a_bad_url_is_one_line(url):
    with pytest.raises(ValueError, match=r".") as told:
        open_source_of_chunks(url)
    assert "\n" not in str(told.value)
    assert str(told.value).isascii()
    assert len(str(told.value)) < 400


def test_a_folder_is_opened_as_a_world(tmp_path):
    with pytest.raises(WorldError):
        open_source_of_chunks(str(tmp_path))
