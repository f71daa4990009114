"""TinyLoop's scenes, walks, conditions and files: all that needs no torch."""

import json

import numpy as np
import pytest
from voxtide.tools.errors import UserError
from voxtide.tools.lyra.backends import Wishes, backend
from voxtide.tools.lyra.memory.view import Frame, View, unproject
from voxtide.tools.lyra.problems import Code, GeneratorError
from voxtide.tools.lyra.tinyloop import backend as tiny_backend
from voxtide.tools.lyra.tinyloop import condition, courses, safetensors, samples, walks
from voxtide.tools.lyra.tinyloop.backend import TinyLoopBackend
from voxtide.tools.lyra.tinyloop.config import SIZES, SLOTS, Config
from voxtide.tools.lyra.tinyloop.grammar import GRAMMARS
from voxtide.tools.lyra.tinyloop.prompt import theme_of, unknown_words

SMALL = Config(48, 28, 32, 4, 32, 1, 1, (4, 8, 8, 8), 4, 8)


def ground_and_walk(grammar, number, n=9):
    ground = GRAMMARS[grammar](number)
    return ground, walks.walk(ground, walks.KINDS[number % 6], n, (48, 28), number)


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_rays_end_on_the_first_surface(grammar, rng):
    ground, way = ground_and_walk(grammar, 3)
    view = way.view(4)
    depth, rgb = ground.world.cast(view)
    assert rgb.shape == (28, 48, 3) and depth.shape == (28, 48) and (depth > 0).all()
    seen = np.isfinite(depth)
    assert seen.all() == (ground.world.hall is not None)
    points = unproject(np.where(seen, depth, 1), view)[seen]
    above = points[:, 2] > 1e-6 if ground.world.hall is None else np.ones(len(points), bool)
    assert np.abs(ground.world.clearance(points[above])).max() < 1e-6
    for share in rng.uniform(0.05, 0.97, 10):
        between = unproject(np.where(seen, depth * share, 1), view)[seen]
        assert ground.world.clearance(between).min() > -1e-9


def test_scenes_and_walks_follow_from_their_numbers_and_touch_nothing():
    for grammar in GRAMMARS:
        for number in range(6):
            ground, way = ground_and_walk(grammar, number)
            again = ground_and_walk(grammar, number)[1]
            assert np.array_equal(way.w2c, again.w2c)
            turn = way.w2c[:, :3, :3]
            assert np.allclose(turn @ np.swapaxes(turn, 1, 2), np.eye(3)) and (np.linalg.det(turn) > 0).all()
            eyes = np.linalg.inv(way.w2c)[:, :3, 3]
            assert ground.world.clearance(eyes).min() > 0.1


def test_the_held_out_grammar_is_another():
    for number in range(4):
        assert not any(len(GRAMMARS[g](number).world.cylinders) for g in "AB")
        held = GRAMMARS[courses.HELD_OUT](number).world
        assert len(held.cylinders) and np.ptp(held.palette, axis=1).min() > 64
        assert max(np.ptp(GRAMMARS[g](number).world.palette, axis=1).max() for g in "AB") < 65


def test_a_surface_looks_the_same_from_elsewhere():
    way = courses.course("small", 0, SIZES["104x64"])
    warped = condition.begun(way.seed.rgb, way.seed.depth, way.seed.w2c, way.seed.k)[0]
    seen = condition.of_patches(warped, way.plan.w2c[20], way.plan.k[20], way.seed.size)
    both = seen[3] & way.known[20]
    assert both.mean() > 0.9
    assert np.median(np.abs(seen[0] - way.rgb[20])[both]) < 4
    assert np.median(np.abs(seen[1] / way.depth[20] - 1)[both]) < 0.01


def test_a_record_is_kept_and_a_torn_one_is_made_anew(tmp_path):
    made = samples.kept(tmp_path, "A", 2, SMALL)
    assert made.rgb.shape == (17, 28, 48, 3) and made.fill_rgb.shape == (16, 28, 48, 3)
    assert (made.slots[0] == [0, -1, -1, -1]).all() and (made.slots[:, 0] == [0, 4, 8, 12]).all()
    assert made.covered.mean() > 0.2 and (made.depth > 0).all()
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = samples.kept(tmp_path, "A", 2, SMALL)
    assert file.read_bytes() == whole
    assert all(np.array_equal(getattr(made, n), getattr(again, n)) for n in samples.Recorded.__slots__)


def test_walks_made_together_are_those_made_alone(tmp_path):
    samples.made_together(tmp_path / "a", 3, SMALL, 2, lambda line: None)
    for i in range(3):
        samples.kept(samples.folder_of(tmp_path / "b", SMALL), *samples.place_of(i), SMALL)
    one, other = (sorted(samples.folder_of(tmp_path / n, SMALL).iterdir()) for n in "ab")
    assert [f.name for f in one] == ["A00000.npz", "A00001.npz", "B00000.npz"]
    assert [f.read_bytes() for f in one] == [f.read_bytes() for f in other]


def test_depth_comes_back_and_the_sky_is_deepest():
    z = np.array([0.5, 2.0, 9.0, 1e9, 0, np.inf])
    deep = condition.depth_in(z, 2.0)
    assert deep[1] == 0 and (deep[3:] == condition.DEEPEST).all()
    assert np.allclose(condition.depth_out(deep, 2.0)[:3], z[:3], rtol=1e-5)


def test_routes_lead_to_the_same_place_in_the_slot_that_shows_it():
    way = courses.course("small", 0, SIZES["104x64"])
    config = SIZES["104x64"]
    view = View(way.plan.w2c[0], way.plan.k[0], (60, 104))
    slot = Frame(0, way.rgb[0], way.depth[0], view)
    told = condition.routes([view], [way.depth[0]], [slot], view, 3.0, config)[0]
    rows, columns = config.cells
    assert told.shape == (4 * SLOTS + 6, rows, columns)
    inside = told[3] == 1
    assert inside.mean() > 0.9
    x = 2 * (np.arange(columns) * 8 + 3.5) / 103 - 1
    assert np.allclose(told[0][inside], np.broadcast_to(x, inside.shape)[inside], atol=1e-5)
    assert (told[4:16].reshape(3, 4, rows, columns) == np.array([-1, -1, 1, 0])[None, :, None, None]).all()
    assert np.allclose(told[16:19], 0) and np.allclose(np.linalg.norm(told[19:], axis=0), 1)


def header(entries, data=b"", n=None):
    text = json.dumps(entries).encode() if not isinstance(entries, bytes) else entries
    return (len(text) if n is None else n).to_bytes(8, "little") + text + data


def test_cracks_are_closed_and_holes_are_not():
    depth = np.full((1, 20, 30), 2.0, np.float32)
    depth[:, :, 20:] = 4
    covered = np.ones(depth.shape, bool)
    covered[0, :, 4] = False  # a crack
    covered[0, :, 10:14] = False  # a hole
    covered[0, :, 19:22] = False  # beside an edge of depth
    closed = condition.closed(covered, depth)[0]
    assert closed[2:-2, 4].all() and not closed[:, 10:14].any() and not closed[:, 19:22].any()


def test_nothing_is_made_up_where_an_earlier_frame_saw_through():
    k = np.array([[30.0, 0, 23.5], [0, 30, 13.5], [0, 0, 1]])
    view = View(np.eye(4), k, (28, 48))
    moved = View(np.eye(4), k, (28, 48))
    moved.w2c[0, 3] = 0.5
    slot = Frame(0, np.zeros((28, 48, 3), np.uint8), np.full((28, 48), 3.0, np.float32), view)
    depth = np.full((28, 48), 3.0, np.float32)
    depth[:, :10] = 1.0
    assert condition.allowed(depth, view, [slot])[:, 10:].all()
    assert not condition.allowed(depth, view, [slot])[:, :10].any()
    elsewhere = condition.allowed(
        np.full_like(depth, 1.0), moved, [slot]
    )  # 15 pixels aside: partly out of view
    assert elsewhere.any() and not elsewhere.all()
    assert condition.allowed(depth * 5, view, [slot]).all()  # behind is free


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "empty": b"",
    "header longer than the file": header({}, n=1 << 40),
    "no json": header(b"{{{{"),
    "a list": header([1]),
    "tensor of 2^60 bytes": header(
        {"a": F32 | {"shape": [1 << 58], "data_offsets": [0, 1 << 60]}}, b"12345678"
    ),
    "shape that does not fit": header({"a": F32 | {"shape": [1 << 20]}}, b"12345678"),
    "negative": header({"a": F32 | {"shape": [-1, -2]}}, b"12345678"),
    "overlap": header({"a": F32, "b": F32}, b"12345678"),
    "gap": header({"a": F32 | {"data_offsets": [8, 16]}}, b"1234567812345678"),
    "cut short": header({"a": F32}, b"1234"),
    "too long": header({"a": F32}, b"123456789"),
    "unknown type": header({"a": F32 | {"dtype": "PICKLE"}}, b"12345678"),
    "a type that is a list": header({"a": F32 | {"dtype": ["F32"]}}, b"12345678"),
    "bool for a size": header({"a": F32 | {"shape": [True, 2]}}, b"12345678"),
    "metadata that are none": header({"__metadata__": {"a": 1}, "a": F32}, b"12345678"),
    "a name twice": header(b'{"a":%b,"a":%b}' % ((json.dumps(F32).encode(),) * 2), b"12345678"),
    "deep": header(b"[" * 100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_before_anything_is_allocated(name, tmp_path, monkeypatch):
    file = tmp_path / "w.safetensors"
    file.write_bytes(HOSTILE[name])

    def never(*args, **kwargs):
        raise AssertionError("allocated")

    monkeypatch.setattr(safetensors.np, "fromfile", never)
    with pytest.raises(UserError, match="safetensors"):
        safetensors.read(file)


def test_tensors_come_back_and_others_than_wanted_do_not(tmp_path):
    file = tmp_path / "w.safetensors"
    held = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.ones(3, np.float16),
        "c": np.zeros((), "<i8"),
    }
    safetensors.write(file, held, {"seed": "1"})
    read, told = safetensors.read(file, {"a": (2, 3), "b": (3,), "c": ()})
    assert told == {"seed": "1"} and all(np.array_equal(read[n], held[n]) for n in held)
    first = file.read_bytes()
    safetensors.write(file, held, {"seed": "1"})
    assert file.read_bytes() == first
    for wrong, word in (({"a": (3, 2), "b": (3,), "c": ()}, "'?a'? is"), ({"a": (2, 3)}, "unknown")):
        with pytest.raises(UserError, match=word):
            safetensors.read(file, wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 1 << 40},
        {"dim": 33},
        {"chunk": 7},
        {"width": 50},
        {"heads": True},
        {"blocks": -1},
        {"more": 1},
    ],
)
def test_sizes_of_a_file_are_checked(change):
    told = json.loads(json.dumps(SMALL.told()))
    assert Config.read(told) == SMALL
    with pytest.raises(ValueError, match=r"."):
        Config.read(told | change)


def test_what_stands_in_the_way_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tiny_backend, "installed", lambda: False)
    with pytest.raises(GeneratorError, match="pip install") as caught:
        backend("tinyloop", Wishes(weights=tmp_path / "none"), print)
    assert caught.value.code is Code.NOT_INSTALLED
    monkeypatch.setattr(tiny_backend, "installed", lambda: True)
    with pytest.raises(GeneratorError, match="--weights") as caught:
        backend("tinyloop", Wishes(weights=tmp_path / "none"), print)
    assert caught.value.code is Code.WEIGHTS_MISSING
    (tmp_path / "bad").write_bytes(b"no weights at all")
    (problem,) = TinyLoopBackend(tmp_path / "bad").preflight()
    assert problem.code is Code.WEIGHTS_MISSING and "\n" not in str(problem)
    assert TinyLoopBackend(tmp_path / "bad").info.size is None


def test_prompts_name_a_kind_of_scene_or_are_not_used():
    assert theme_of("two Streets at night") == theme_of("a street") != 0
    assert theme_of("") == 0 and not unknown_words("  ")
    assert unknown_words("a dragon") and not unknown_words("a dragon in a room")
