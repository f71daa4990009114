"""voxtide render along a path: frames as files, films, projections; and what is refused."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voxtide.app import moves, path_file
from voxtide.app.camera import Pose
from voxtide.tools import film
from voxtide.tools.cli import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SIZE = (64, 36)
AT = "8,3,1.7,60,0"


@pytest.fixture(scope="module")
def depot(tmp_path_factory):
    out = tmp_path_factory.mktemp("film") / "depot.vxt"
    assert main(["bake", str(ROOT / "assets/depot.vox"), str(out), "--voxel-size", "0.1", "--json"]) == 0
    return out


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "turn.json"
    path_file.save(file, moves.turn(Pose(8, 3, 1.7, 60, 0), 80.0, 1.0, fps=4))
    return file


def render(capsys, world, *arguments, size=SIZE):
    """-> (exit code, the JSON that it told or None, stderr)"""
    capsys.readouterr()
    words = ["render", world, *arguments, "--size", "x".join(map(str, size)), "--json"]
    try:
        code = main([str(w) for w in words])
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def picture(file):
    return np.asarray(Image.open(file))


def test_a_folder_gets_every_frame_and_each_is_the_picture_of_its_pose(capsys, depot, path, tmp_path):
    code, told, err = render(capsys, depot, "--path", path, "-o", tmp_path / "frames")
    assert (code, err) == (0, "")
    assert set(told) == {"frames", "size", "fps", "unresolved_pixels", "seconds"}
    assert (told["frames"], told["size"], told["fps"], told["unresolved_pixels"]) == (5, list(SIZE), 4, 0)
    files = sorted((tmp_path / "frames").iterdir())
    assert [f.name for f in files] == [f"frame_{i:05d}.png" for i in range(5)]
    for i, key in enumerate(path_file.load(path).poses()):
        p = key.pose
        one = tmp_path / "one.png"
        render(capsys, depot, f"--pose={p.x!r},{p.y!r},{p.z!r},{p.yaw!r},{p.pitch!r}", "-o", one)
        np.testing.assert_array_equal(picture(files[i]), picture(one))
    assert (picture(files[0]) != picture(files[-1])).any()


def test_a_pattern_names_the_frames_and_an_array_pass_its_arrays(capsys, depot, path, tmp_path):
    assert render(capsys, depot, "--path", path, "-o", tmp_path / "f%03d.npy", "--pass", "depth")[0] == 0
    assert sorted(f.name for f in tmp_path.glob("f*")) == [f"f{i:03d}.npy" for i in range(5)]
    assert np.load(tmp_path / "f000.npy").shape == SIZE[::-1]


@pytest.mark.parametrize("codecs", [("libx264", "mpeg4"), ("mpeg4",)])
def test_a_film_shows_the_frames(capsys, depot, path, tmp_path, monkeypatch, codecs):
    av = pytest.importorskip("av", reason="PyAV is an extra: pip install 'av>=18'")
    monkeypatch.setattr(film, "_CODECS", codecs)
    size = (320, 180)
    assert render(capsys, depot, "--path", path, "-o", tmp_path / "frames", size=size)[0] == 0
    code, told, err = render(capsys, depot, "--path", path, "-o", tmp_path / "a.mp4", size=size)
    assert (code, err, told["frames"]) == (0, "", 5)
    with av.open(str(tmp_path / "a.mp4")) as container:
        (stream,) = container.streams.video
        assert (stream.average_rate, stream.width, stream.height) == (4, *size)
        shown = [f.reformat(format="rgb24").to_ndarray() for f in container.decode(stream)]
    assert len(shown) == 5
    for got, file in zip(shown, sorted((tmp_path / "frames").iterdir()), strict=True):
        difference = got.astype(int) - picture(file)
        assert np.abs(difference).mean() < 8, "the same picture, but for what the codec loses"
        assert np.abs(difference.mean((0, 1))).max() < 3, "and of the same colours"
    assert [f.suffix for f in tmp_path.glob("a.mp4*")] == [".mp4"], "no half-written file is left"


def test_without_pyav_one_line_says_what_to_install(capsys, depot, path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    code, told, err = render(capsys, depot, "--path", path, "-o", tmp_path / "a.mp4")
    assert (code, told, err.count("\n")) == (2, None, 1)
    assert "pip install 'av" in err


def test_the_readme_path_draws(capsys, depot, tmp_path):
    file = ROOT / "assets/paths/depot-walk.json"
    code, told, _ = render(capsys, depot, "--path", file, "-o", tmp_path / "walk", size=(32, 18))
    assert (code, told["frames"], told["unresolved_pixels"]) == (0, 13, 0)


@pytest.mark.parametrize("options", [["--orbit", "1/3"], [f"--pose={AT}"]])
def test_each_projection_draws_its_own_picture(capsys, depot, tmp_path, options):
    shapes = {}
    for name in ("planar", "stereo", "360"):
        out = tmp_path / f"{name}.png"
        code, told, _ = render(capsys, depot, "--projection", name, *options, "-o", out, size=(96, 48))
        assert (code, told["unresolved_pixels"]) == (0, 0)
        assert told["hit_fraction"] > 0.02
        shapes[name] = picture(out)
    assert all((shapes["planar"] != shapes[name]).any() for name in ("stereo", "360"))


def test_the_field_of_view_does_not_count_for_360_and_the_eyes_do_for_stereo(capsys, depot, tmp_path):
    def draw(*options):
        assert render(capsys, depot, f"--pose={AT}", *options, "-o", tmp_path / "a.png")[0] == 0
        return picture(tmp_path / "a.png")

    around = ("--projection", "360", "--fov")
    np.testing.assert_array_equal(draw(*around, "20"), draw(*around, "120"))
    pair = ("--projection", "stereo", "--ipd")
    near, far = draw(*pair, "0.01"), draw(*pair, "0.5")
    assert (near != far).any()


def test_a_360_picture_is_twice_as_wide_as_high_by_itself(capsys, depot, tmp_path):
    words = ["render", depot, f"--pose={AT}", "--projection", "360", "-o", tmp_path / "a.png", "--json"]
    assert main([str(w) for w in words]) == 0
    width, height = json.loads(capsys.readouterr().out)["size"]
    assert width == 2 * height


WRONG = [
    ("--path", "PATH", "-o", "one.png"),
    ("--path", "PATH", "-o", "%s.png"),
    ("--path", "PATH", "-o", "%d%d.png"),
    ("--path", "PATH", "-o", "%099999d.png"),
    ("--path", "PATH", "-o", "no/where/frames"),
    ("--path", "PATH", "-o", "turn.json"),
    ("--path", "PATH", "-o", "a.mp4", "--size", "63x36"),
    ("--path", "PATH", "-o", "frames", "--pose=0,0,0,0,0"),
    ("--path", "nowhere.json", "-o", "frames"),
    ("--path", "BAD", "-o", "frames"),
    ("--path", "FAR", "-o", "frames"),
    ("-o", "a.png", "--projection", "fisheye"),
    ("-o", "a.png", "--projection", "stereo", "--size", "63x36"),
    ("-o", "a.png", "--projection", "stereo", "--ipd", "0"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_mistake_is_one_line_and_exit_2(capsys, depot, path, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text('{"format": "voxtide-path"}')
    path_file.save(tmp_path / "far.json", moves.turn(Pose(9e6, 0, 0, 0, 0), 80.0, 1.0))
    names = {"PATH": path.name, "BAD": "bad.json", "FAR": "far.json"}
    words = ["render", str(depot), "--size", "64x36", *(names.get(a, a) for a in arguments)]
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err.count("\n") == 1
    assert "voxtide" in told.err.strip().splitlines()[-1]
    assert not list(tmp_path.glob("*.mp4*"))
