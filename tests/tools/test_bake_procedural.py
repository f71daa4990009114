"""Baking a procedural world: level 0 is what is made on demand, the rest is the exact reduction."""

import json

import numpy as np
import pytest
from bakery import file_bytes, world_voxels
from voxtide.atlas import address, lod
from voxtide.streamer.procedural import ProceduralWorld, Recipe
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.tools.bake_regions import bake_regions
from voxtide.tools.cli import main

RECIPE = Recipe(seed=5, size_km=0.03, voxel_size_m=0.1)
ISLAND = ["procedural:island", "--size-km", "0.03", "--seed", "5", "--voxel-size", "0.1"]


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    out = tmp_path_factory.mktemp("island") / "island.vxt"
    return out, bake_regions(ProceduralWorld(RECIPE), out)


def test_level_0_is_what_is_made_on_demand(baked):
    world, demand = open_world(baked[0]), ProceduralWorld(RECIPE)
    n_chunks = 0
    for record in world.regions:
        if record.level == 0:
            region = world.read_region(record)
            made = demand.read_packed(address.chunk_id(0, region.chunks))
            assert [bytes(p) for p in region.packed] == made
            n_chunks += len(made)
    low, high = (np.array(c) >> 4 for c in demand.meta.bounds_voxels)
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    everywhere = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    there = [p for p in demand.read_packed(address.chunk_id(0, everywhere)) if p is not None]
    assert len(there) == n_chunks > 300, "no chunk is left out"


def test_upper_levels_are_the_reduction(baked):
    world = open_world(baked[0])
    level = world_voxels(baked[0])
    assert len(level[0]) == baked[1].voxels
    assert world.meta.bounds_voxels == (tuple(level[0].min(0)), tuple(level[0].max(0) + 1))
    for k in range(1, world.meta.n_levels):
        level = lod.reduce_sparse(*level)
        found = world_voxels(baked[0], k)
        assert all((a == b).all() for a, b in zip(level, found, strict=True))


def test_the_command_bakes_the_same_bytes(baked, tmp_path, capsys):
    assert main(["bake", *ISLAND[:1], str(tmp_path / "i.vxt"), *ISLAND[1:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["voxels"] == baked[1].voxels
    assert file_bytes(tmp_path / "i.vxt") == file_bytes(baked[0])
    assert verify(baked[0]).ok
    (source,) = open_world(baked[0]).meta.sources
    assert source["url"] == str(RECIPE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["procedural:atlantis"], "atlantis"),
        (["procedural:island", "--size-km", "4000"], "size_km 4000"),
        (["procedural:island", "--size-km", "0.001"], "size_km 0.001"),
        (["procedural:island", "--voxel-size", "100"], "voxel_size_m 100"),
        (["procedural:island", "--seed", "99999999999"], "seed"),
        (["procedural:island", "--size-km", "0.03", "--voxel-size", "0.1", "--levels", "2"], "--levels 2"),
        (["procedural:island", "--up", "y", "--scale", "2"], "--up and --scale"),
        (["scene.ply", "--seed", "2"], "--seed"),
    ],
)
def test_mistakes_are_one_line(arguments, says, tmp_path, capsys):
    out = tmp_path / "out.vxt"
    assert main(["bake", arguments[0], str(out), *arguments[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_world_that_is_there_is_kept(baked, tmp_path, capsys):
    assert main(["bake", *ISLAND[:1], str(baked[0]), *ISLAND[1:]]) == 2
    assert "--overwrite" in capsys.readouterr().err
