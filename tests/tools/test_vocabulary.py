"""Entities of prompts: ids and codes, sorting anew, plurals, and their way into a world."""

import re
from collections import namedtuple

import bakery
import numpy as np
import pytest
from voxtide.atlas import entity as code
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.lyra.entities import _SEEDS, seed_vocabulary, seeds
from voxtide.tools.lyra.experiment.courses import COURSES
from voxtide.tools.lyra.prompts import build, caption_hook, mentions
from voxtide.tools.lyra.vocabulary import EntityVocabulary, SemanticEntity, Stream, from_json
from voxtide.tools.sources import Voxels

Named = namedtuple("Named", "name")


def made(n, prefix="thing"):
    vocabulary = EntityVocabulary()
    for i in range(n):
        vocabulary.add(SemanticEntity(f"{prefix} {i}", f"thing number {i}", (i % 256, 0, 0)))
    return vocabulary


def test_the_seeds_are_enough_and_every_line_is_read():
    kinds = seeds()
    assert set(kinds) == {"creatures", "space", "structures", "nature", "effects"}
    assert all(len(of_kind) >= 10 for of_kind in kinds.values())
    assert sum(map(len, kinds.values())) == sum(len(s.strip().splitlines()) for s in _SEEDS.values())
    vocabulary = seed_vocabulary()
    assert len(vocabulary) >= 74 and len(vocabulary.ids) == len(vocabulary)
    assert vocabulary.entity(vocabulary.ids["space station"]).color == (0xC0, 0xC4, 0xC8)
    assert len(vocabulary.encode(vocabulary.ids).codes) == len(vocabulary), "each seed has a code of one byte"


@pytest.mark.slow
def test_all_ids_round_trip_through_a_full_vocabulary():
    """Every id but 0, which is no entity and has a code of its own (tests/atlas/test_entity.py)."""
    names = [f"e{i}" for i in range(1, code.N_IDS)]
    full = EntityVocabulary()
    full.entities = [Named(name) for name in names]  # a tenth of what whole entities would take
    full.ids = {name: i for i, name in enumerate(names, 1)}
    stream = full.encode(names)
    assert len(stream.codes) == 127 + 2 * 16_384 + 3 * 2_097_152
    assert full.decode(stream) == names
    with pytest.raises(ValueError, match="at most"):
        full.add(SemanticEntity("one more", "a thing", (0, 0, 0)))


def test_damaged_streams_raise():
    vocabulary = made(200)
    good = vocabulary.encode(["thing 150", "thing 3"])
    with pytest.raises(ValueError, match="cut in the middle"):
        vocabulary.decode(Stream(0, good.codes[:1]))
    with pytest.raises(ValueError, match="3 are the most"):
        vocabulary.decode(Stream(0, b"\x80\x80\x80\x01"))
    for version, codes in ((1, good.codes), (-1, good.codes), (0, b"\0"), (0, code.encode([201]))):
        with pytest.raises(ValueError, match=r"version|outside"):
            vocabulary.decode(Stream(version, codes))
    with pytest.raises(KeyError):
        vocabulary.encode(["thing 200"])


def test_ten_sortings_later_every_stream_still_says_the_same(rng):
    vocabulary, kept = made(300), []
    for turn in range(11):
        names = [f"thing {i}" for i in rng.integers(0, 300 + 20 * turn, 400)]
        kept.append((vocabulary.encode(names), names))
        plane = vocabulary.encode(names)
        ids = code.decode(plane.codes)
        if turn < 10:
            for _ in range(5):
                vocabulary.count({f"thing {i}" for i in rng.zipf(1.5, 40) if i < 300})
            remap = vocabulary.resort()
            assert [vocabulary.entity(int(i)).name for i in remap[ids]] == names
            for i in range(20):  # newcomers, whom the earlier versions do not know
                vocabulary.add(SemanticEntity(f"thing {300 + 20 * turn + i}", "new", (1, 2, 3)))
    assert vocabulary.version == 10
    again = from_json(vocabulary.to_json())
    for stream, names in kept:
        assert vocabulary.decode(stream) == names == again.decode(stream)
        assert vocabulary.decode(vocabulary.renewed(stream)) == names
    counts = [e.scene_count for e in vocabulary.entities[:-20]]  # the last newcomers are not sorted in yet
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[200]
    with pytest.raises(ValueError, match="outside"):  # a newcomer's id in a stream from before it came
        vocabulary.decode(Stream(0, code.encode([301])))


def test_sorting_is_by_count_then_by_name_and_makes_codes_shorter():
    vocabulary = made(1000)
    common = [f"thing {i}" for i in (999, 500, 700)]
    before = vocabulary.encode(common)
    for name, n in zip(common, (3, 5, 3), strict=True):
        for _ in range(n):
            vocabulary.count([name, name])  # twice in a scene is once
    vocabulary.resort()
    assert [e.name for e in vocabulary.entities[:4]] == ["thing 500", "thing 700", "thing 999", "thing 0"]
    assert vocabulary.entities[0].scene_count == 5
    assert len(before.codes) == 6 and len(vocabulary.renewed(before).codes) == 3
    with pytest.raises(KeyError):
        vocabulary.count(["thing 500", "unheard of"])
    assert vocabulary.entities[0].scene_count == 5, "nothing was counted"


@pytest.mark.parametrize(
    "fields",
    [
        ("Palm", "a palm", (1, 2, 3)),
        ("", "a palm", (1, 2, 3)),
        ("palm  tree", "a palm", (1, 2, 3)),
        ("palm", "", (1, 2, 3)),
        ("palm", "two\nlines", (1, 2, 3)),
        ("palm", "a palm", (1, 2)),
        ("palm", "a palm", (1, 2, 256)),
        ("palm", "a palm", (1, 2, 3), -1),
        ("p" * 65, "a palm", (1, 2, 3)),
    ],
)
def test_malformed_entities_raise(fields):
    with pytest.raises(ValueError, match=r"name|string|colour|scenes"):
        EntityVocabulary().add(SemanticEntity(*fields))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"entities": 3, "tables": []}',
        '{"entities": [{"name": "a"}], "tables": []}',
        '{"entities": [], "tables": [[1]]}',
        '{"entities": [], "tables": [[0, 0]]}',
        '{"entities": [], "tables": [["0"]]}',
        '{"entities": [{"name": "a", "string": "a", "color": [1, 2, 3]}], "tables": [[0, 2]]}',
    ],
)
def test_a_damaged_vocabulary_raises(text):
    with pytest.raises(ValueError, match=r".") as caught:
        from_json(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Two Palm Trees by a tree", ["palm tree", "tree"]),
        ("palm-trees, and a space  station", ["palm tree", "space station"]),
        (
            "wolves and butterflies, foxes, cacti, people, benches, leaves",
            ["wolf", "butterfly", "fox", "cactus", "person", "bench"],
        ),
        ("A palm. Tree lines.", ["tree"]),
        ("treehouse, starling, seaside", []),
        ("churches on cliffs; sheep, fishes and deer", ["church", "cliff", "sheep", "fish", "deer"]),
        ("street lamps in the snow", ["street lamp", "snow"]),
        ("nebulae and nebulas, auroras", ["nebula", "nebula", "aurora"]),
    ],
)
def test_plurals_and_phrases_are_found(text, names):
    vocabulary = seed_vocabulary()
    found = mentions(text, vocabulary)
    assert [m.name for m in found] == names
    assert all(re.search(m.name[:2], text[m.start : m.end], re.I) for m in found)


def test_a_name_goes_before_a_plural_and_newcomers_are_found():
    vocabulary = made(0)
    vocabulary.add(SemanticEntity("glass", "a glass", (1, 1, 1)))
    vocabulary.add(SemanticEntity("glasses", "a pair of glasses", (1, 1, 1)))
    assert [m.name for m in mentions("glasses, glass", vocabulary)] == ["glasses", "glass"]
    assert not mentions("an obelisk", vocabulary)
    vocabulary.add(SemanticEntity("obelisk", "a granite obelisk", (1, 1, 1)))
    assert [m.name for m in mentions("obelisks", vocabulary)] == ["obelisk"]


def test_prompts_say_how_things_look_once_and_the_same_each_time():
    vocabulary = seed_vocabulary()
    prompt = build("Palm trees at  a lake, a palm tree", vocabulary)
    assert prompt.text == (
        "Palm trees at a lake, a palm tree. In view: a tall palm with arching fronds; "
        "a still lake that mirrors the sky."
    )
    assert prompt.names == ("palm tree", "lake") and vocabulary.decode(prompt.stream) == ["palm tree", "lake"]
    assert build("Palm trees at  a lake, a palm tree", vocabulary) == prompt
    assert build("Nothing known here", vocabulary).text == "Nothing known here"


def test_the_hook_counts_and_sorts_now_and_then():
    vocabulary = seed_vocabulary()
    hook = caption_hook(vocabulary, resort_every=3)
    prompts = [hook(text) for text in ("fog and a bridge", "bridges", "a bridge in fog", "rain, fog")]
    assert vocabulary.version == 1 and [e.name for e in vocabulary.entities[:2]] == ["bridge", "fog"]
    assert vocabulary.entity(vocabulary.ids["fog"]).scene_count == 3
    assert [vocabulary.decode(p.stream) for p in prompts] == [
        ["fog", "bridge"],
        ["bridge"],
        ["bridge", "fog"],
        ["rain", "fog"],
    ]


def test_the_entities_of_a_baked_scene_read_back_voxel_by_voxel(tmp_path, rng):
    vocabulary = seed_vocabulary()
    scene = COURSES["look-around"](0).scene
    voxels = np.unique(rng.integers([-2, -2, -2], [112, 92, 34], (40_000, 3)), axis=0)
    centres = (voxels + 0.5) * 0.1
    shell = np.abs(scene.offset(centres)) < 0.05
    voxels, surface = voxels[shell], nearest_surface(scene, centres[shell])
    ids = np.array([vocabulary.ids[name] for name in scene.entities], np.uint32)[surface]
    assert len(set(ids.tolist())) == 3, "wall, house and crate"
    rgba = np.append(vocabulary.colours()[ids], np.full((len(ids), 1), 255, np.uint8), axis=1)
    source = bakery.source(tmp_path, Voxels(voxels, rgba, ids), entities=vocabulary.names())
    bake(source, tmp_path / "w.vxt", BakeOptions(voxel_size_m=0.1), lambda *_: None)
    world = open_world(tmp_path / "w.vxt")
    found = world.read_plane("semantic", 0, voxels)
    assert (found == ids).all()
    vocabulary.count(["crate"])
    remap = vocabulary.resort()
    assert vocabulary.entity(1).name == "crate"
    for old, new in zip(found.tolist(), remap[found].tolist(), strict=True):  # the world keeps its own names
        assert world.meta.entities[old] == vocabulary.entity(new).name


def nearest_surface(scene, points):
    """By distance to each surface, written down plainly."""
    away = [np.abs(np.minimum(points - scene.hall[0], scene.hall[1] - points).min(axis=1))]
    for low, high in scene.boxes:
        inside = np.clip(points, low, high)
        out = np.linalg.norm(points - inside, axis=1)
        deep = np.minimum(points - low, high - points).min(axis=1)
        away.append(np.where(out > 0, out, deep))
    return np.argmin(away, axis=0)
