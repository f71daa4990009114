"""Camera paths as properties: what goes through a file comes back, and the camera never jumps."""

import json
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.app import moves, path_file
from voxtide.app.camera import Pose
from voxtide.app.paths import MAX_KEYS, CameraPath, Key

metres, angles = st.floats(-1e5, 1e5), st.floats(-720, 720)
poses = st.builds(Pose, metres, metres, metres, angles, st.floats(-90, 90))


@st.composite
def paths(draw):
    n = draw(st.integers(1, 7))
    steps = draw(st.lists(st.floats(0.01, 100), min_size=n, max_size=n))
    times = np.cumsum(steps) - steps[0] * draw(st.booleans())
    keys = [Key(float(t), draw(poses), draw(st.floats(1, 169))) for t in times]
    loop = draw(st.booleans())
    if loop and n > 1:
        keys[-1] = replace(keys[-1], pose=keys[0].pose)
    return CameraPath(tuple(keys), draw(st.floats(0.1, 1000)), loop)


@st.composite
def foreign_paths(draw):
    """Of any kind: with rolls, at one speed, with another program's lens."""
    path = draw(paths())
    rolls = draw(st.lists(angles, min_size=len(path.keys), max_size=len(path.keys)))
    if path.loop:
        rolls[-1] = rolls[0]
    lens = draw(st.none() | st.tuples(*[st.floats(1, 1e4)] * 4))
    keys = [
        replace(k, pose=replace(k.pose, roll=r), lens=lens) for k, r in zip(path.keys, rolls, strict=True)
    ]
    size = draw(st.none() | st.tuples(st.integers(1, 8192), st.integers(1, 8192)))
    return replace(path, keys=tuple(keys), pace=draw(st.sampled_from(["keys", "even"])), size=size)


def turned(a, b):
    """Degrees from one yaw to another, the short way."""
    return (b - a + 180) % 360 - 180


@given(foreign_paths())
@settings(max_examples=60, deadline=None)
def test_a_file_gives_the_same_path_back(path):
    assert path_file.parse(path_file.text(path)) == path


def test_a_file_of_version_1_is_still_read():
    found = GOOD | {"version": 1}
    del found["conventions"], found["pace"]
    assert path_file.parse(json.dumps(found)) == moves.turn(Pose(0, 0, 0, 0, 0), 180, 2.0)
    keys = [GOOD["keys"][0] | {"pose": [0, 0, 0, 0, 0, 1]}, *GOOD["keys"][1:]]
    with pytest.raises(ValueError, match="key 0"):
        path_file.parse(json.dumps(found | {"keys": keys}))


def test_a_file_on_disk_does_too(tmp_path):
    path = moves.orbit(Pose(3, 0, 1, 180, -5), (0, 0), 360, 4.0)
    path_file.save(tmp_path / "a.json", path)
    assert path_file.load(tmp_path / "a.json") == path


@given(paths())
@settings(max_examples=60, deadline=None)
def test_it_passes_through_every_key(path):
    for key in path.keys[:-1] if path.loop else path.keys:
        got = path.sample(key.t)
        assert np.allclose(astuple(got.pose)[:3], astuple(key.pose)[:3], rtol=0, atol=1e-6)
        assert abs(turned(got.pose.yaw, key.pose.yaw)) < 1e-6
        assert got.pose.pitch == pytest.approx(key.pose.pitch, abs=1e-6)
        assert got.fov_deg == pytest.approx(key.fov_deg, abs=1e-6)


@given(paths())
@settings(max_examples=60, deadline=None)
def test_between_two_keys_it_turns_the_short_way_and_never_past_them(path):
    for a, b in zip(path.keys, path.keys[1:], strict=False):
        way = turned(a.pose.yaw, b.pose.yaw)
        between = [path.sample(a.t + (b.t - a.t) * u) for u in np.linspace(0, 0.999, 12)]
        yaw = [turned(a.pose.yaw, k.pose.yaw) if abs(way) < 179 else 0.0 for k in between]
        low, high = sorted((0.0, way))
        assert all(low - 1e-6 <= v <= high + 1e-6 for v in yaw)
        assert np.abs(turned(0, np.diff([k.pose.yaw for k in between]))).max() < 180
        for of in (lambda k: k.pose.pitch, lambda k: k.fov_deg):
            low, high = sorted((of(a), of(b)))
            assert all(low - 1e-6 <= of(k) <= high + 1e-6 for k in between)


def test_yaw_goes_over_north_and_not_all_the_way_back():
    path = CameraPath((Key(0, Pose(0, 0, 0, 350, 0)), Key(1, Pose(0, 0, 0, 10, 0))))
    assert path.sample(0.5).pose.yaw % 360 == pytest.approx(0, abs=1e-9)


def test_it_is_smooth_at_the_keys():
    rng = np.random.default_rng(1)
    keys = [Key(float(t), Pose(*rng.uniform(-9, 9, 3), 0, 0)) for t in (0, 1, 1.5, 4)]
    path, h = CameraPath(tuple(keys)), 1e-5
    for t in (1, 1.5):
        before, at, after = (np.array(astuple(path.sample(t + d).pose)) for d in (-h, 0, h))
        np.testing.assert_allclose((at - before) / h, (after - at) / h, atol=1e-2)


def test_a_loop_goes_on_where_it_began():
    path = moves.turn(Pose(1, 2, 3, 40, 5), 360, 2.0)
    assert path.loop
    for t in (0.3, 1.9):
        here, there = path.sample(t).pose, path.sample(t + 4.0).pose
        assert np.allclose(astuple(here), astuple(there))
    yaw = [k.pose.yaw for k in path.poses(30)]
    assert len(yaw) == 60, "the last frame would be the first again"
    np.testing.assert_allclose(turned(0, np.diff([*yaw, yaw[0]])), 6.0, atol=1e-9)


def test_replays_are_the_same_and_count_both_ends():
    path = moves.walk(Pose(1, 2, 3, 90, -10), 5.0, 2.0, fps=30)
    frames = list(path.poses())
    assert frames == list(path.poses())
    assert len(frames) == path.n_frames == 61
    assert len(list(path.poses(10))) == 21
    np.testing.assert_allclose([k.pose.y for k in frames], 2 + 5 * np.arange(61) / 30)
    assert {(round(k.pose.x, 12), *astuple(k.pose)[2:]) for k in frames} == {(1, 3, 90, -10, 0)}


def test_an_orbit_keeps_its_distance_and_its_eye_on_the_middle():
    path = moves.orbit(Pose(2, 5, 1, 180, -5), (-1, 5), -360, 10.0)
    for key in path.poses(24):
        x, y = key.pose.x + 1, key.pose.y - 5
        assert math.hypot(x, y) == pytest.approx(3, rel=1e-4)
        assert abs(turned(math.degrees(math.atan2(-y, -x)), key.pose.yaw)) < 0.01
        assert (key.pose.z, key.pose.pitch) == (1, -5)


GOOD = json.loads(path_file.text(moves.turn(Pose(0, 0, 0, 0, 0), 180, 2.0)))


def changed(**changes):
    return GOOD | changes


def key_changed(**changes):
    return changed(keys=[GOOD["keys"][0] | changes, *GOOD["keys"][1:]])


WRONG = [
    ([], "a path is"),
    (changed(format="gpx"), "voxtide-path"),
    (changed(version=3), "version"),
    (changed(speed=1), "exactly"),
    ({k: v for k, v in GOOD.items() if k != "fps"}, "exactly"),
    (changed(pace="fast"), "pace"),
    (changed(pace=[]), "pace"),
    (changed(size=[1.5, 2]), "size"),
    (changed(size=[0, 2]), "sides"),
    (changed(conventions=None) | {"more": 1}, "exactly"),
    (key_changed(lens=[1, 2, 3]), "lens"),
    (key_changed(lens=[1, 2, 3, "4"]), "lens"),
    (key_changed(lens=[1, 2, 3, math.inf]), "lens"),
    (key_changed(pose=[0, 0, 0, 0, 0, 0, 0]), "pose"),
    (changed(fps=0), "fps"),
    (changed(fps="30"), "fps"),
    (changed(fps=True), "fps"),
    (changed(fps=1e400), "fps"),
    (changed(loop=0), "loop"),
    (changed(loop=True), "loop"),
    (changed(keys=[]), "1 to"),
    (changed(keys={}), "list"),
    (changed(keys=[1]), "key 0"),
    (changed(keys=GOOD["keys"][:1] * (MAX_KEYS + 1)), "list"),
    (changed(keys=GOOD["keys"][::-1]), "key 1: t"),
    (changed(keys=GOOD["keys"][:1] * 2), "key 1: t"),
    (key_changed(t=-1), "key 0: t"),
    (key_changed(t=None), "key 0"),
    (key_changed(fov=180), "key 0: fov"),
    (key_changed(fov=0), "key 0: fov"),
    (key_changed(roll=0), "key 0"),
    (key_changed(pose=[0, 0, 0, 0]), "key 0"),
    (key_changed(pose=[0, 0, 0, 0, 91]), "pitch"),
    (key_changed(pose=[1e8, 0, 0, 0, 0]), "key 0"),
    (key_changed(pose=[math.nan, 0, 0, 0, 0]), "finite"),
    (key_changed(pose=[10**400, 0, 0, 0, 0]), "key 0"),
    (key_changed(pose=["0", 0, 0, 0, 0]), "key 0"),
]


@pytest.mark.parametrize(("found", "says"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_is_one_line_that_names_it(found, says):
    with pytest.raises(ValueError, match=says) as error:
        path_file.parse(json.dumps(found))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"[" * 100_000, b"1" * 10_000, b"null"])
def test_what_is_no_json_object_is_refused(data):
    with pytest.raises(ValueError, match=r"JSON|a path is"):
        path_file.parse(data)


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(path_file, "MAX_FILE_BYTES", 100)
    path_file.save(tmp_path / "a.json", moves.turn(Pose(0, 0, 0, 0, 0), 180, 2.0))
    with pytest.raises(ValueError, match="no path file"):
        path_file.load(tmp_path / "a.json")
