"""Recorded frames are whole, however slow the disk; pictures and films say how they were taken."""

import json
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voxtide.app import moves, path_file, snapshot
from voxtide.app.camera import Pose
from voxtide.app.paths import CameraPath, Key
from voxtide.app.snapshot import Taken
from voxtide.streamer.world import World, open_world
from voxtide.tools import spherical
from voxtide.tools.cli import main
from voxtide.tools.shot import studio

ROOT = Path(__file__).resolve().parents[2]
SIZE = (64, 36)
AROUND = moves.orbit(Pose(-3, -3, 4, 45, -15), (8, 6), 40, 2.0, fps=10)


@pytest.fixture(scope="module")
def depot(tmp_path_factory):
    out = tmp_path_factory.mktemp("recording") / "depot.vxt"
    assert main(["bake", str(ROOT / "assets/depot.vox"), str(out), "--voxel-size", "0.1", "--json"]) == 0
    return out


def render(world, *arguments, size=SIZE):
    words = ["render", world, *arguments, "--size", "x".join(map(str, size))]
    try:
        return main([str(w) for w in words])
    except SystemExit as stop:
        return stop.code


def pixels(file):
    with Image.open(file) as image:
        return np.asarray(image)


def record(world, path, folder, monkeypatch):
    """-> every frame of the path as the command records it, from a world that is streamed"""
    monkeypatch.setattr("voxtide.tools.shot.slots_in", lambda n_bytes: -1)  # never whole, however small
    path_file.save(folder / "path.json", path)
    assert render(world, "--path", folder / "path.json", "-o", folder / "frames") == 0
    return [pixels(f) for f in sorted((folder / "frames").iterdir())]


def whole(world, path):
    """-> every frame of the path drawn from a world that is resident to its last chunk"""
    with studio(open_world(world), SIZE) as place:
        assert place.scene.streamer is None
        return [place.shoot(key.pose, key.fov_deg).picture[..., :3] for key in path.poses()]


@pytest.mark.slow
def test_20_recorded_frames_are_the_resident_worlds_bit_for_bit(depot, tmp_path, monkeypatch):
    truth = whole(depot, AROUND)
    got = record(depot, AROUND, tmp_path, monkeypatch)
    assert len(got) == len(truth) == 21
    for a, b in zip(got, truth, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != truth[0]).any() for a in truth[1:]), "the camera moved"


@pytest.mark.slow
def test_a_slow_disk_makes_it_late_and_not_coarse(depot, tmp_path, monkeypatch):
    path = CameraPath((Key(0, Pose(-3, -3, 4, 45, -15)), Key(0.2, Pose(20, 4, 2, 170, 0))), 10)
    truth = whole(depot, path)
    reads, read_many = [], World.read_many

    def slow(self, ids, on_bad=None):
        time.sleep(0.2)
        reads.append(len(ids))
        return read_many(self, ids, on_bad)

    monkeypatch.setattr(World, "read_many", slow)
    got = record(depot, path, tmp_path, monkeypatch)
    assert len(reads) > 3, "of which some came while frames were being drawn"
    for a, b in zip(got, truth, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_frame_that_finds_no_room_stops_the_film_and_leaves_none(depot, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("voxtide.app.scene.slots_in", lambda n_bytes: 1)
    monkeypatch.setattr("voxtide.app.frame.PATIENCE_S", 1.0)
    monkeypatch.setattr("voxtide.tools.shot.slots_in", lambda n_bytes: 1)
    path_file.save(tmp_path / "path.json", AROUND)
    assert render(depot, "--path", tmp_path / "path.json", "-o", tmp_path / "a.mp4") == 2
    assert "frame 0 cannot be drawn whole" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.mp4*"))


@pytest.mark.slow
@pytest.mark.parametrize("projection", ["planar", "360"])
def test_a_picture_drawn_from_a_pictures_pose_is_that_picture(depot, tmp_path, capsys, projection):
    a, b = tmp_path / "a.png", tmp_path / "b.PNG"
    at = "--pose=8,3,1.7,60.000000001,0.1,7"
    words = ["render", str(depot), at, "--fov", "71", "--size", "96x48", "--projection", projection]
    assert main([*words, "-o", str(a)]) == 0
    assert main(["render", str(depot), "--pose", str(a), "-o", str(b), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["size"] == [96, 48]
    np.testing.assert_array_equal(pixels(a), pixels(b))
    taken, size = snapshot.read(b)
    assert taken == Taken(
        Pose(8, 3, 1.7, 60.000000001, 0.1, 7), 71, "planar" if projection == "planar" else "equirect"
    )
    assert size == (96, 48)
    with Image.open(a) as image:
        xmp = image.info.get("XML:com.adobe.xmp", "")
    assert ('GPano:ProjectionType="equirectangular"' in xmp) == (projection == "360")
    assert ('GPano:FullPanoWidthPixels="96"' in xmp) == (projection == "360")


def chunks(data):
    at = 8
    while at < len(data):
        n, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + n]
        at += 12 + n


def png(*parts):
    packed = (struct.pack(">I4s", len(b), k) + b + zlib.crc32(k + b).to_bytes(4) for k, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def noted(**changes):
    said = json.loads(snapshot.text(Taken(Pose(1, 2, 3, 4, 5), 50))) | changes
    return png((b"IHDR", struct.pack(">II5x", 8, 8)), (b"tEXt", b"voxtide\0" + json.dumps(said).encode()))


WRONG_PNGS = [
    (b"", "not a PNG"),
    (png(), "does not say"),
    (png((b"IHDR", struct.pack(">II5x", 8, 8)), (b"IDAT", b""), (b"tEXt", b"voxtide\0{}")), "does not say"),
    (png((b"tEXt", b"voxtide\0{}")), "does not say"),
    (noted()[:-1] + b"?", "checksum"),
    (noted()[:-30], "checksum"),
    (noted(version=2), "version"),
    (noted(pose=[1, 2]), "pose"),
    (noted(pose=[1, 2, 3, 4, 91]), "pitch"),
    (noted(fov=0), "fov"),
    (noted(projection="fisheye"), "projection"),
    (noted(projection=[]), "projection"),
    (png((b"IHDR", struct.pack(">II5x", 8, 8)), (b"tEXt", b"voxtide\0" + b"[" * 60_000)), "JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), WRONG_PNGS, ids=range(len(WRONG_PNGS)))
def test_a_picture_that_does_not_say_where_it_was_taken_is_refused(tmp_path, capsys, data, says):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=says) as error:
        snapshot.read(tmp_path / "a.png")
    assert "\n" not in str(error.value)
    assert render("nowhere.vxt", "--pose", tmp_path / "a.png", "-o", tmp_path / "b.png") == 2
    assert "--pose" in capsys.readouterr().err


def test_a_picture_says_its_pose_before_its_pixels_and_no_other_kind_does(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    for name in ("a.png", "a.jpg"):
        snapshot.save(tmp_path / name, pixels, Taken(Pose(1, 2, 3, 4, 5), 50))
    kinds = [kind for kind, _ in chunks((tmp_path / "a.png").read_bytes())]
    assert kinds.index(b"tEXt") < kinds.index(b"IDAT")
    assert b"voxtide" not in (tmp_path / "a.jpg").read_bytes()


def walk(data, at, end, inside=()):
    """(path of box kinds, body) of every box of an .mp4, by a walk that knows only which boxes hold boxes."""
    fields = {b"stsd": 8, b"avc1": 78, b"mp4v": 78}
    holds = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"sv3d", b"proj", *fields}
    while at < end:
        size, kind = struct.unpack_from(">I4s", data, at)
        assert size >= 8 and at + size <= end, (kind, size)
        yield (*inside, kind), data[at + 8 : at + size]
        if kind in holds:
            yield from walk(data, at + 8 + fields.get(kind, 0), at + size, (*inside, kind))
        at += size
    assert at == end, "boxes fill what holds them"


@pytest.mark.slow
@pytest.mark.parametrize("codecs", [("libx264",), ("mpeg4",)])
@pytest.mark.parametrize("projection", ["planar", "stereo", "360"])
def test_a_film_says_how_it_is_to_be_shown(depot, tmp_path, monkeypatch, projection, codecs):
    av = pytest.importorskip("av", reason="PyAV is an extra: pip install 'av>=18'")
    monkeypatch.setattr("voxtide.tools.film._CODECS", codecs)
    path_file.save(tmp_path / "path.json", moves.turn(Pose(8, 3, 1.7, 60, 0), 30, 1.0, fps=2))
    words = ("--path", tmp_path / "path.json", "-o", tmp_path / "a.mp4", "--projection", projection)
    assert render(depot, *words, size=(96, 48)) == 0
    data = (tmp_path / "a.mp4").read_bytes()
    boxes = {path[-1]: (path, body) for path, body in walk(data, 0, len(data))}
    entry = (
        b"moov",
        b"trak",
        b"mdia",
        b"minf",
        b"stbl",
        b"stsd",
        b"avc1" if codecs[0] == "libx264" else b"mp4v",
    )
    assert (b"st3d" in boxes, b"sv3d" in boxes) == (projection != "planar", projection == "360")
    if projection != "planar":
        assert boxes[b"st3d"] == (
            (*entry, b"st3d"),
            b"\0\0\0\0" + (b"\2" if projection == "stereo" else b"\0"),
        )
    if projection == "360":
        assert boxes[b"svhd"] == ((*entry, b"sv3d", b"svhd"), b"\0\0\0\0Voxtide\0")
        assert boxes[b"prhd"] == ((*entry, b"sv3d", b"proj", b"prhd"), bytes(16))
        assert boxes[b"equi"] == ((*entry, b"sv3d", b"proj", b"equi"), bytes(20))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3, "and it still plays"


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0\0moov", b"\0\0\0\x08moov", b"\0\0\0\x08moov\0\0\0\x08mdat", b"?" * 99]
)
def test_only_a_film_of_our_own_is_marked(tmp_path, data):
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(ValueError, match=r"box|index"):
        spherical.mark(tmp_path / "a.mp4", "equirect")
    assert (tmp_path / "a.mp4").read_bytes() == data
