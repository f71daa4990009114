"""Foreign camera paths: poses are what the other program means, and come back through a file."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.app import path_file, turns
from voxtide.app.camera import Pose
from voxtide.app.paths import CameraPath, Key
from voxtide.tools import paths
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.paths import lyra, nerfstudio

LEVEL = Pose(1, 2, 3, 90, 0)


def matrices(path):
    return np.array([turns.matrix_of(key.pose) for key in path.poses()])


@st.composite
def any_path(draw):
    n = draw(st.integers(2, 6))
    metres, angles = st.floats(-100, 100), st.floats(-180, 180)
    poses = [
        Pose(*(draw(metres) for _ in range(3)), draw(angles), draw(st.floats(-90, 90)), draw(angles))
        for _ in range(n)
    ]
    keys = [Key(i * 0.37, pose, draw(st.floats(5, 150))) for i, pose in enumerate(poses)]
    loop = draw(st.booleans())
    if loop:
        keys[-1] = Key(keys[-1].t, keys[0].pose, keys[0].fov_deg)
    return CameraPath(tuple(keys), draw(st.sampled_from([4.0, 16.0, 30.0])), loop)


@given(any_path(), st.sampled_from(["nerfstudio", "lyra"]))
@settings(max_examples=30, deadline=None)
def test_every_frame_comes_back(tmp_path_factory, path, kind):
    file = tmp_path_factory.mktemp("path") / ("a.npz" if kind == "lyra" else "a.json")
    paths.save(file, path, kind)
    once = paths.load(file)
    paths.save(file, once, kind)
    twice = paths.load(file)
    assert len(once.keys) == path.n_frames + once.loop
    for got in (once, twice):
        assert (got.n_frames, got.fps) == (path.n_frames, path.fps)
        np.testing.assert_allclose(matrices(got), matrices(path), rtol=0, atol=1e-6)
        np.testing.assert_allclose([k.fov_deg for k in got.poses()], [k.fov_deg for k in path.poses()])


def test_a_real_lyra_trajectory_comes_back_with_its_lenses(tmp_path):
    given = needs("lyra", "example_0", "trajectory.npz")
    path = paths.load(given)
    assert (len(path.keys), path.size, path.fps, path.n_frames) == (500, (1280, 720), 16, 500)
    paths.save(tmp_path / "again.npz", path)
    again = paths.load(tmp_path / "again.npz")
    np.testing.assert_allclose(matrices(again), matrices(path), rtol=0, atol=1e-12)
    with np.load(given) as old, np.load(tmp_path / "again.npz", allow_pickle=False) as new:
        np.testing.assert_allclose(new["w2c"], old["w2c"], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(new["intrinsics"], old["intrinsics"])
        assert (new["image_height"], new["image_width"]) == (720, 1280)
        assert "OpenCV" in str(new["conventions"]) and "y is down" in str(new["conventions"])
    path_file.save(tmp_path / "own.json", path)
    assert path_file.load(tmp_path / "own.json") == path, "through our own file, too"


def test_lyra_axes_are_opencvs_and_its_world_is_upside_down():
    """The first camera looks along the file's +z, which is our +y; its right is +x, its down -z."""
    (key,) = lyra_path(np.eye(4)).keys
    np.testing.assert_allclose(turns.matrix_of(key.pose), turns.matrix_of(Pose(0, 0, 0, 90, 0)), atol=1e-12)
    assert key.fov_deg == pytest.approx(2 * np.degrees(np.arctan(0.5)))
    moved = np.eye(4)
    moved[:3, 3] = -2, -1, 0  # world to camera: the camera stands at (2, 1, 0)
    (key,) = lyra_path(moved).keys
    assert (key.pose.x, key.pose.y, key.pose.z) == (2, 0, -1)


def test_nerfstudio_axes_are_opengls_and_its_z_is_up():
    matrix = [[0, 0, -1, 4], [-1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 0, 1]]  # looks along +x, up is +z
    (key,) = nerfstudio.path_of(
        {"camera_path": [{"camera_to_world": np.ravel(matrix).tolist(), "fov": 40}]}
    ).keys
    assert key.pose == Pose(4, 5, 6, 0, 0)
    tipped = np.array(matrix) @ np.array(turned_about_z(90))
    (key,) = nerfstudio.path_of({"keyframes": [{"matrix": tipped.tolist(), "fov": 40}]}).keys
    assert key.pose.roll == pytest.approx(-90), "the top of the camera leans left"


def turned_about_z(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return [[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


KEYS = (Key(0, LEVEL, 40), Key(1.5, Pose(2, 2, 3, 80, 10), 50), Key(4, Pose(3, 1, 3, 60, -10), 60))


@pytest.mark.parametrize("loop", [False, True])
def test_the_keyframes_come_back_with_their_times(tmp_path, loop):
    keys = (*KEYS, Key(5, LEVEL, 40)) if loop else KEYS
    path = CameraPath(keys, 8, loop)
    paths.save(tmp_path / "a.json", path, "nerfstudio")
    got = paths.load(tmp_path / "a.json", keyframes=True)
    assert (got.loop, got.fps, len(got.keys)) == (loop, 8, len(keys))
    np.testing.assert_allclose([k.t for k in got.keys], [k.t for k in keys])
    np.testing.assert_allclose(matrices(got), matrices(path), atol=1e-6)
    found = json.loads((tmp_path / "a.json").read_text())
    assert "OpenGL" in found["conventions"] and found["is_cycle"] is loop
    assert found["seconds"] * found["fps"] == pytest.approx(len(found["camera_path"]))


def test_a_camera_that_looks_straight_up_comes_back(tmp_path):
    path = CameraPath(tuple(Key(i, Pose(0, 0, i, yaw, pitch, 0)) for i, (yaw, pitch) in enumerate(
        [(30, 90), (-170, -90), (77, 89.9999999), (12, -89.999)])), 1)  # fmt: skip
    paths.save(tmp_path / "a.npz", path)
    np.testing.assert_allclose(matrices(paths.load(tmp_path / "a.npz")), matrices(path), rtol=0, atol=1e-7)


def test_equal_paths_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        paths.save(tmp_path / f"{name}.npz", CameraPath(KEYS, 8))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def lyra_bytes(w2c, k=None, **more):
    k = np.array([[[100, 0, 50], [0, 100, 50], [0, 0, 1]]] * len(w2c)) if k is None else k
    file = io.BytesIO()
    np.savez(file, w2c=w2c, intrinsics=k, **{"image_height": 100, "image_width": 100, **more})
    return file.getvalue()


def lyra_path(w2c):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.npz"
        file.write_bytes(lyra_bytes(w2c[None]))
        return lyra.load(file)


def camera(**changes):
    return {"camera_path": [{"camera_to_world": np.eye(4).ravel().tolist(), "fov": 40} | changes]}


EYE = np.eye(4)[None]
WRONG = [
    (camera(fov="40"), "fov"),
    (camera(fov=None), "fov"),
    (camera(fov=171), "fov"),
    (camera(camera_to_world=[1] * 15), "16 numbers"),
    (camera(camera_to_world=[[1, 0, 0, 0]] * 4), "rotation"),
    (camera(camera_to_world=(2 * np.eye(4)).ravel().tolist()), "rotation"),
    (camera(camera_to_world=np.diag([1, 1, -1, 1]).ravel().tolist()), "rotation"),
    (camera(camera_to_world=[float("nan")] * 16), "number"),
    (camera() | {"camera_type": "fisheye"}, "camera_type"),
    (camera() | {"camera_type": ["perspective"]}, "camera_type"),
    (camera() | {"fps": 0}, "fps"),
    (camera() | {"is_cycle": 1}, "is_cycle"),
    (camera() | {"render_width": 64}, "render_height"),
    (camera() | {"render_width": 0, "render_height": 9}, "sides"),
    ({"camera_path": []}, "camera_path"),
    ({"camera_path": {}}, "camera_path"),
    ({"camera_path": [1]}, "camera_to_world"),
    ({"keyframes": [{"matrix": np.eye(4).ravel().tolist()}] * 2, "default_transition_sec": -1}, "t grows"),
    ({"keyframes": [{"matrix": np.eye(4).ravel().tolist()}] * 2, "default_transition_sec": []}, "transition"),
    (lyra_bytes(np.zeros((1, 4, 4))), "w2c's last row"),
    (lyra_bytes(2 * EYE + np.diag([0, 0, 0, -1])), "rotation"),
    (lyra_bytes(EYE * np.nan), "finite"),
    (lyra_bytes(EYE, k=np.zeros((1, 3, 3))), "fx and fy"),
    (lyra_bytes(EYE, k=np.zeros((2, 3, 3))), "intrinsics"),
    (lyra_bytes(np.zeros((0, 4, 4)), k=np.zeros((0, 3, 3))), "w2c is"),
    (lyra_bytes(EYE, image_height=0), "image_height"),
    (lyra_bytes(EYE, fps=np.float64(0)), "fps"),
    (lyra_bytes(EYE, fps=np.float64(1e4)), "fps"),
    (b"PK\x03\x04 and no more", "npz"),
]


@pytest.mark.parametrize(("found", "says"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_one_line_that_names_it(tmp_path, found, says):
    file = tmp_path / "path"
    file.write_bytes(found if isinstance(found, bytes) else json.dumps(found).encode())
    with pytest.raises(UserError, match=says) as error:
        paths.load(file)
    assert "\n" not in str(error.value)


def test_an_archive_that_unpacks_to_gigabytes_is_refused_before_it_does(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("w2c.npy", "w") as member:
            for _ in range(160):
                member.write(b"\0" * (1 << 20))
        archive.writestr("intrinsics.npy", b"")
    with pytest.raises(UserError, match="larger"):
        paths.load(tmp_path / "bomb.npz")


def test_a_path_of_too_many_frames_is_not_written(tmp_path):
    path = CameraPath((Key(0, LEVEL), Key(80_000, LEVEL)), 30)
    for kind in ("lyra", "nerfstudio"):
        with pytest.raises(UserError, match="frames"):
            paths.save(tmp_path / "a", path, kind)


def test_the_command_converts_places_and_tells(tmp_path, capsys):
    path_file.save(tmp_path / "a.json", CameraPath(KEYS, 8))
    said = {}
    for source, out, *options in [
        ("a.json", "b.nerfstudio.json", "--scale", "2", "--at=1,0,-1"),
        ("b.nerfstudio.json", "c.npz", "--fps", "4"),
        ("c.npz", "d.json", "--even"),
        ("b.nerfstudio.json", "e.json", "--keyframes"),
    ]:
        words = ["path", str(tmp_path / source), "-o", str(tmp_path / out), *options, "--json"]
        assert main(words) == 0
        said[out] = json.loads(capsys.readouterr().out)
    assert said["b.nerfstudio.json"] == {
        "keys": 3, "frames": 33, "seconds": 4, "fps": 8, "loop": False, "is_level": True
    }  # fmt: skip
    assert (said["c.npz"]["frames"], said["d.json"]["keys"], said["e.json"]["keys"]) == (17, 17, 3)
    last = path_file.load(tmp_path / "d.json")
    assert last.pace == "even"
    np.testing.assert_allclose(path_file.numbers(last.keys[0].pose)[:3], (3, 4, 5), atol=1e-9)
    assert main(["path", str(tmp_path / "c.npz")]) == 0
    assert "17 keys" in capsys.readouterr().out
    assert main(["path", str(tmp_path / "a.json"), "--scale", "1e9"]) == 2
    assert main(["path", str(tmp_path / "none.json")]) == 2
