"""Folders of posed RGB-D: every layout gives the same frames; damage and doubt are told in one line."""

import contextlib
import io
import struct
import zipfile

import numpy as np
import posed_room as room
import pytest
from data import needs
from PIL import Image
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.sources import exr, npz, open_source
from voxtide.tools.sources.rgbd import Asked, open_rgbd, without_sky

WRITERS = {
    "redwood": (room.redwood, Asked()),
    "tum": (room.tum, Asked(intrinsics=room.K)),
    "7-scenes": (room.seven_scenes, Asked(intrinsics=room.K)),
    "scannet": (room.scannet, Asked()),
    "nerfstudio": (room.nerfstudio, Asked()),
    "lyra": (room.lyra, Asked()),
}


def frames(folder, asked=None, **options):
    return list(open_rgbd(folder, asked, **options).batches(5))


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_frames(tmp_path, layout):
    write, asked = WRITERS[layout]
    write(tmp_path)
    source = open_rgbd(tmp_path, asked)
    assert source.notes["format"] == f"rgbd {layout}" and source.n_items == len(room.POSES)
    assert all(path.is_relative_to(tmp_path) and path.is_file() for path in source.files)
    for frame, pose in zip(source.batches(5), room.POSES, strict=True):
        rgb, depth = room.seen(pose)
        np.testing.assert_allclose(frame.camera_to_world[0], pose, atol=1e-6)
        np.testing.assert_allclose(frame.intrinsics, room.K, atol=1e-9)
        np.testing.assert_allclose(frame.depth[0], depth, atol=6e-4)
        assert frame.rgb.shape == (1, 72, 96, 3)
        assert (np.abs(frame.rgb[0].astype(int) - rgb).max(-1) > 2).mean() < 0.05  # ScanNet's is resampled


def test_poses_of_unknown_meaning_are_asked_for_and_then_believed(tmp_path):
    room.scannet(tmp_path, known=False, w2c=True)
    with pytest.raises(UserError, match="--pose-convention c2w"):
        open_source(tmp_path)
    with pytest.raises(UserError, match="--intrinsics"):
        open_rgbd(tmp_path, Asked("w2c"))
    found = frames(tmp_path, Asked("w2c", room.K))
    np.testing.assert_allclose(found[3].camera_to_world[0], room.POSES[3], atol=1e-6)
    other = frames(tmp_path, Asked("c2w", room.K))
    np.testing.assert_allclose(other[3].camera_to_world[0], np.linalg.inv(room.POSES[3]), atol=1e-6)


def test_depth_scale_is_units_per_metre(tmp_path):
    room.redwood(tmp_path, room.POSES[:1])
    (twice,) = frames(tmp_path, Asked(depth_scale=500.0))
    np.testing.assert_allclose(twice.depth[0], 2 * room.seen(room.POSES[0])[1], atol=2e-3)


def test_lyra_by_indices_with_a_video(tmp_path):
    av = pytest.importorskip("av")
    room.lyra(tmp_path, w2c=False)
    for path in (tmp_path / "rgb").iterdir():
        path.unlink()
    with av.open(str(tmp_path / "rgb.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=16)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 96, 72, "yuv420p", 4_000_000
        for pose in room.POSES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(room.seen(pose)[0], format="rgb24")))
        container.mux(stream.encode())
    source = open_rgbd(tmp_path)
    for _ in range(2):  # a second look begins the video again
        for frame, pose in zip(source.batches(1), room.POSES, strict=True):
            np.testing.assert_allclose(frame.camera_to_world[0], pose, atol=1e-6)
            assert np.abs(frame.rgb[0].astype(int) - room.seen(pose)[0]).mean() < 12


def test_a_broken_frame_is_told_once_and_the_rest_goes_on(tmp_path):
    room.redwood(tmp_path)
    (tmp_path / "color" / "00002.png").write_bytes(b"no picture")
    data = (tmp_path / "depth" / "00004.png").read_bytes()
    (tmp_path / "depth" / "00004.png").write_bytes(data[: len(data) // 2])
    log = (tmp_path / "trajectory.log").read_text().splitlines()
    log[5 * 6 + 1] = "nan nan nan nan"
    (tmp_path / "trajectory.log").write_text("\n".join(log))
    told = []
    source = open_rgbd(tmp_path, tell=told.append)
    for _ in range(2):
        assert sum(1 for _ in source.batches(1)) == 5
    assert len(told) == 3 and source.n_items == 8
    assert all(line.startswith("frame left out: ") and "\n" not in line for line in told)
    assert ["00002" in told[0], "00004" in told[1], "00006" in told[2]] == [True] * 3


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda d: (d / "trajectory.log").unlink(), "or a folder of posed RGB-D"),
        (lambda d: (d / "trajectory.log").write_text("0 0 1\n1 2 3\n"), "5 lines per pose"),
        (lambda d: (d / "trajectory.log").write_text("0 0 1\n" + "1 2 x 4\n" * 4), "pose 1"),
        (lambda d: (d / "intrinsic.json").write_text("[1"), "not JSON"),
        (lambda d: (d / "intrinsic.json").write_text('{"intrinsic_matrix": [1]}'), "9 numbers"),
        (lambda d: (d / "intrinsic.json").unlink(), "--intrinsics"),
        (lambda d: [p.unlink() for p in (d / "depth").iterdir()], "no frame has"),
        (lambda d: [p.write_bytes(b"x") for p in (d / "depth").iterdir()], "none of 8 frames"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, break_it, says):
    room.redwood(tmp_path)
    break_it(tmp_path)
    with pytest.raises(UserError, match=says) as error:
        open_source(tmp_path)
    assert "\n" not in str(error.value)


def test_no_file_outside_the_folder_is_opened(tmp_path):
    room.tum(tmp_path)
    (tmp_path / "rgb.txt").write_text("0.0 ../secret.png\n")
    with pytest.raises(UserError, match="not inside"):
        open_rgbd(tmp_path, Asked(intrinsics=room.K))


def test_a_picture_too_large_or_of_eight_bits_is_no_depth(tmp_path):
    room.redwood(tmp_path, room.POSES[:2])
    Image.new("I;16", (8192, 4096)).save(tmp_path / "depth" / "00000.png")
    Image.new("L", (96, 72)).save(tmp_path / "depth" / "00001.png")
    told = []
    assert not list(open_rgbd(tmp_path, Asked(intrinsics=room.K), tell=told.append).batches(1))
    assert "the limit is" in told[0] and "16 bits" in told[1]


@pytest.mark.parametrize("compression", [0, 2, 3])
@pytest.mark.parametrize("dtype", ["<f2", "<f4"])
def test_exr_comes_back_exactly(compression, dtype):
    depth = np.random.default_rng(1).uniform(0.3, 9, (37, 23)).round(2).astype(dtype)
    assert np.array_equal(exr.read(room.exr(depth, compression, dtype), ("Z",), "a.exr"), depth.astype("f4"))


def test_damaged_exr_is_refused_whatever_the_damage():
    good = room.exr(room.seen(room.POSES[0])[1])
    rng = np.random.default_rng(7)
    for _ in range(300):
        bad = bytearray(good[: rng.integers(1, len(good) + 1)])
        for at in rng.integers(0, len(bad), 3):
            bad[at] = rng.integers(256)
        with contextlib.suppress(UserError):
            assert exr.read(bytes(bad), ("Z",), "a.exr").size <= exr.MAX_PIXELS
    with pytest.raises(UserError, match="PIZ"):
        exr.read(room.exr(np.ones((4, 4)), 4), ("Z",), "a.exr")
    huge = good.replace(struct.pack("<4i", 0, 0, 95, 71), struct.pack("<4i", 0, 0, 1 << 20, 1 << 20))
    with pytest.raises(UserError, match="pixels"):
        exr.read(huge, ("Z",), "a.exr")


def test_npz_never_unpickles_and_never_believes_a_shape(tmp_path):
    np.savez(tmp_path / "a.npz", w2c=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="expected numbers"):
        npz.load(tmp_path / "a.npz", "w2c", 1)
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 4, 4)}
    )
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("w2c.npy", buffer.getvalue())
    with pytest.raises(UserError, match="declares"):
        npz.load(tmp_path / "b.npz", "w2c", 3)


def test_the_sky_of_estimated_depth_is_no_surface():
    depth = room.seen(room.POSES[0])[1] + np.float32(1e-4) * np.arange(96, dtype=np.float32)
    depth[:20] = 7.25
    assert not without_sky(depth)[:20].any() and np.array_equal(without_sky(depth)[20:], depth[20:])
    near = np.where(depth == 7.25, np.float32(0.01), depth)
    assert np.array_equal(without_sky(near), near)


def test_the_command_line_asks_tells_and_bakes(tmp_path, capsys):
    room.scannet(tmp_path / "scan", known=False)
    (tmp_path / "scan" / "depth" / "3.png").write_bytes(b"x")
    bake = ["bake", str(tmp_path / "scan"), str(tmp_path / "w.vxt"), "--voxel-size", "0.1"]
    assert main(bake) == 2
    assert "--pose-convention" in capsys.readouterr().err
    given = ["--pose-convention", "c2w", "--intrinsics", "80,80,47.5,35.5", "--max-depth", "6"]
    assert main([*bake, *given]) == 0
    assert capsys.readouterr().err.count("frame left out") == 1
    assert main(["bake", __file__, str(tmp_path / "x.vxt"), "--pose-convention", "c2w"]) == 2


def test_the_real_recordings_open():
    small = open_source(needs("rgbd", "open3d_RGBD5"))
    (first, *_) = small.batches(1)
    assert small.n_items == 5 and first.intrinsics == (525.0, 525.0, 319.5, 239.5)
    assert 0.5 < np.median(first.depth[first.depth > 0]) < 5
    with pytest.raises(UserError, match="or a folder of posed RGB-D"):
        open_source(needs("rgbd", "open3d_RGBD5", "other_formats"))
    with pytest.raises(UserError, match="or a folder of posed RGB-D"):
        open_source(needs("lyra", "example_0"))
