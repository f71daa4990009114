"""Entities on their way into a world: votes per voxel, the names, and who was seen last."""

import json
import struct
from collections import defaultdict
from dataclasses import replace

import bakery
import numpy as np
from data import needs
from foreign import chunk, model, vox
from voxtide.atlas.stamp import stamp_of
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.tools import cli
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.sources import open_source
from voxtide.tools.voxelise import kinds, points, semantic, updated
from voxtide.tools.voxelise.placement import Placement


def text(words):
    return struct.pack("<I", len(words)) + words.encode()


def material(entry, kind):
    return chunk("MATL", struct.pack("<II", entry, 1) + text("_type") + text(kind))


def note(*names):
    return chunk("NOTE", struct.pack("<I", len(names)) + b"".join(map(text, names)))


def labelled(batch, ids):
    return replace(batch, semantic=np.asarray(ids, np.uint32))


def some_points(rng, n=3000, n_ids=6, spread=6.0):
    batch = bakery.points(rng.uniform(-spread, spread, (n, 3)), rng.integers(0, 256, (n, 3)))
    return labelled(batch, rng.integers(0, n_ids, n))


def slow_winners(voxels, ids, weights):
    votes = defaultdict(lambda: defaultdict(int))
    for voxel, i, weight in zip(voxels, ids, weights, strict=True):
        if i:
            votes[tuple(voxel)][i] += weight
    return {v: min(c, key=lambda i: (-c[i], i)) for v, c in votes.items()}


def winners(parts):
    voxels, ids = semantic.resolve(semantic.merge(list(parts)))
    assert (np.lexsort(voxels.T) == np.arange(len(voxels))).all()
    return {tuple(v): i for v, i in zip(voxels.tolist(), ids.tolist(), strict=True)}


def cast(batch, placement=None):
    placement = placement or Placement(1.0)
    return list(semantic.cast(batch, lambda b: kinds.KINDS["points"].voxelise(b, placement, None)[0]))


def test_most_points_win_and_of_equals_the_lowest_id(rng):
    batch = some_points(rng)
    voxels = np.floor(batch.positions).astype(int).tolist()
    expected = slow_winners(voxels, batch.semantic.tolist(), [1] * len(batch))
    assert winners(cast(batch)) == expected and 0 not in expected.values()
    where = [[0.5, 0.5, 0.5]] * 5
    assert winners(cast(labelled(bakery.points(where), [9, 9, 4, 4, 7]))) == {(0, 0, 0): 4}
    assert winners(cast(labelled(bakery.points(where), [0, 0, 0, 0, 7]))) == {(0, 0, 0): 7}
    assert winners(cast(labelled(bakery.points(where), [0] * 5))) == {} == winners(cast(bakery.points(where)))


def test_any_order_and_any_batches_elect_the_same(rng):
    batch = some_points(rng, 1000)
    whole = semantic.merge(cast(batch))
    shuffled = semantic.rows_of(batch, rng.permutation(len(batch)))
    parts = [
        part for rows in np.array_split(np.arange(1000), 7) for part in cast(semantic.rows_of(shuffled, rows))
    ]
    rng.shuffle(parts)
    halves = semantic.merge([semantic.merge(parts[::2]), semantic.merge(parts[1::2])])
    for name in ("voxels", "ids", "weight"):
        assert (getattr(halves, name) == getattr(whole, name)).all()


def test_cells_vote_with_their_coverage():
    batch = bakery.cells([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[9, 9, 9, 100], [9, 9, 9, 99], [9, 9, 9, 250]])
    voxelise = lambda b: kinds.KINDS["voxels"].voxelise(b, Placement(2.0), None)[0]  # noqa: E731
    assert winners(semantic.cast(labelled(batch, [5, 6, 0]), voxelise)) == {(0, 0, 0): 5}
    assert winners(semantic.cast(labelled(batch, [5, 3, 3]), voxelise)) == {(0, 0, 0): 3}


def test_only_voxels_that_are_there_keep_a_value(rng):
    level = np.unique(rng.integers(-5, 5, (200, 3)), axis=0)
    voxels = np.unique(rng.integers(-5, 5, (300, 3)), axis=0)
    kept, values = semantic.within(voxels, np.arange(len(voxels)), level)
    there = {tuple(v) for v in level.tolist()}
    assert {tuple(v) for v in kept.tolist()} == there & {tuple(v) for v in voxels.tolist()}
    assert (voxels[values] == kept).all()


def test_the_latest_observation_counts(rng):
    parts = [
        updated.seen(np.unique(rng.integers(0, 4, (20, 3)), axis=0).astype(np.int32), n) for n in (1, 300, 7)
    ]
    expected = {}
    for part in parts:
        for v, n in zip(part.voxels.tolist(), part.n.tolist(), strict=True):
            expected[tuple(v)] = max(n, expected.get(tuple(v), 0))
    for order in ((0, 1, 2), (2, 1, 0)):
        voxels, stamps = updated.resolve(updated.merge([parts[i] for i in order]))
        assert {tuple(v): s for v, s in zip(voxels.tolist(), stamps.tolist(), strict=True)} == {
            v: int(stamp_of(n)) for v, n in expected.items()
        }
    assert len(updated.merge([]).n) == 0


def test_a_baked_scene_reads_back_per_voxel(tmp_path, rng):
    batch = some_points(rng, spread=40.0)
    source = bakery.source(tmp_path, batch, entities={1: "ground", 2: "tree", 5: "roof"})
    bake(source, tmp_path / "w", BakeOptions(voxel_size_m=1.0))
    world = open_world(tmp_path / "w")
    assert world.meta.planes == ("semantic",) and world.meta.entities == source.entities
    voxels = np.floor(batch.positions).astype(int)
    expected = slow_winners(voxels.tolist(), batch.semantic.tolist(), [1] * len(batch))
    found = world.read_plane("semantic", 0, voxels)
    assert found.tolist() == [expected.get(tuple(v), 0) for v in voxels.tolist()]
    assert verify(tmp_path / "w").ok
    top = world.meta.n_levels - 1
    assert world.read_plane("semantic", top, voxels >> top).all()


def test_order_and_batches_do_not_matter(tmp_path, rng, monkeypatch):
    batch = some_points(rng, spread=300.0)
    shuffled = semantic.rows_of(batch, rng.permutation(len(batch)))
    names = {1: "a", 2: "b"}
    one = bakery.source(tmp_path, batch, entities=names)
    bake(one, tmp_path / "one", BakeOptions(voxel_size_m=2.0))
    monkeypatch.setattr("voxtide.tools.baking.reading.BATCH", 100)
    monkeypatch.setattr("voxtide.tools.baking.scenes.BATCH", 100)
    monkeypatch.setattr("voxtide.tools.voxelise.attributes.PENDING", 50)
    two = bakery.source(tmp_path, shuffled, entities=names)
    bake(two, tmp_path / "two", BakeOptions(voxel_size_m=2.0))
    assert bakery.file_bytes(tmp_path / "one") == bakery.file_bytes(tmp_path / "two")


def test_without_labels_there_is_no_plane(tmp_path, rng):
    batch = replace(some_points(rng), semantic=None)
    bake(bakery.source(tmp_path, batch, entities={1: "x"}), tmp_path / "w", BakeOptions(voxel_size_m=1.0))
    assert open_world(tmp_path / "w").meta.planes == () and not (tmp_path / "w" / "semantic").exists()


def test_observations_land_in_updated(tmp_path, rng, monkeypatch):
    """A kind whose every item is an observation, as a frame is: here, points one by one."""
    monkeypatch.setitem(
        kinds.KINDS,
        "points",
        replace(
            kinds.KINDS["points"],
            observes=True,
            voxelise=lambda b, placement, _: (
                [points.voxelise(semantic.rows_of(b, np.array([i])), placement)[0] for i in range(len(b))],
                {},
            ),
        ),
    )
    monkeypatch.setattr("voxtide.tools.baking.reading.BATCH", 70)
    monkeypatch.setattr("voxtide.tools.baking.scenes.BATCH", 70)
    batch = bakery.points(rng.uniform(0, 5, (400, 3)))
    bake(bakery.source(tmp_path, batch), tmp_path / "w", BakeOptions(voxel_size_m=1.0))
    world = open_world(tmp_path / "w")
    assert world.meta.planes == ("updated",) and world.meta.now == stamp_of(400) and verify(world.path).ok
    voxels = np.floor(batch.positions).astype(int)
    last = {tuple(v): n for n, v in enumerate(voxels.tolist(), start=1)}
    assert world.read_plane("updated", 0, voxels).tolist() == [
        int(stamp_of(last[tuple(v)])) for v in voxels.tolist()
    ]
    assert world.read_plane("updated", 3, [[0, 0, 0]]).tolist() == [world.meta.now]


def test_vox_palette_entries_and_materials_become_entities(tmp_path):
    cells = [(0, 0, 0, 1), (1, 0, 0, 9), (2, 0, 0, 255), (3, 0, 0, 8)]
    path = tmp_path / "a.vox"
    path.write_bytes(
        vox(model((4, 1, 1), cells), material(9, "_glass"), material(1, "_diffuse"), note("walls", "color"))
    )
    source = open_source(path)
    assert source.entities == {
        1: "walls, palette 1",
        8: "walls, palette 8",
        9: "palette 9 (glass)",
        255: "palette 255",
    }
    bake(source, tmp_path / "w", BakeOptions(voxel_size_m=0.1))
    world = open_world(tmp_path / "w")
    assert world.read_plane("semantic", 0, [c[:3] for c in cells]).tolist() == [1, 9, 255, 8]
    assert world.meta.entities == source.entities


def test_damaged_names_do_not_cost_the_scene(tmp_path):
    path = tmp_path / "a.vox"
    some = model((4, 1, 1), [(0, 0, 0, 7)])
    for bad in (
        chunk("MATL", b""),
        chunk("MATL", b"\7\0\0\0\xff\xff\xff\x7f"),
        chunk("NOTE", b"\x20\0\0\0\xff"),
    ):
        path.write_bytes(vox(some, bad))
        assert open_source(path).entities == {7: "palette 7"}


def test_info_shows_planes_and_entities(tmp_path, rng, capsys):
    source = bakery.source(tmp_path, some_points(rng), entities={i: f"thing {i}" for i in range(1, 20)})
    bake(source, tmp_path / "w", BakeOptions(voxel_size_m=1.0))
    assert cli.main(["info", str(tmp_path / "w")]) == 0
    text = capsys.readouterr().out
    assert "  semantic " in text and "1 thing 1, 2 thing 2" in text and "and 7 more (--json)" in text
    assert cli.main(["info", str(tmp_path / "w"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["entities"]["5"] == "thing 5" and facts["planes"]["semantic"]["values"] > 100


def test_a_real_scene_keeps_its_palette(tmp_path):
    source = open_source(needs("vox", "dot_vox", "placeholder-with-materials.vox"))
    assert source.entities[216] == "palette 216 (metal)"
    bake(source, tmp_path / "w", BakeOptions(voxel_size_m=0.05))
    world, met = open_world(tmp_path / "w"), set()
    for batch in source.batches(1 << 20):
        found = world.read_plane("semantic", 0, batch.voxels)
        assert (found == batch.semantic).all()
        met |= set(found.tolist())
    assert met == set(source.entities)
