"""Steps on disk, ways, prompts, and the bake of a generator: same seed same bytes, resumed or not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from data import needs
from lyra_scene import SIZE, K, plan, seed
from PIL import Image
from voxtide.app import path_file
from voxtide.app.camera import Pose
from voxtide.app.paths import CameraPath, Key
from voxtide.streamer.world import open_world
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.lyra import messages, protocol, trajectory
from voxtide.tools.lyra.loop import generate
from voxtide.tools.lyra.problems import Code, GeneratorError
from voxtide.tools.lyra.steps import Steps
from voxtide.tools.lyra.warpfill import WarpFill
from voxtide.tools.sources.rgbd import open_rgbd


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def run(folder, way, told=lambda i: None):
    return generate(WarpFill(), seed(), way, Steps(folder), {}, lambda *a: None, told)


def test_same_seed_same_bytes_also_when_it_died(tmp_path):
    way = plan("orbit", 2)
    run(tmp_path / "a", way)

    def die(index):
        if index == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", way, die)
    assert Steps(tmp_path / "b").n_whole() == 2
    (tmp_path / "b/step_0001.part").mkdir()  # what a dead run leaves
    report = run(tmp_path / "b", way)
    assert report.resumed_at == 1 and files(tmp_path / "a") == files(tmp_path / "b")


def test_a_torn_step_is_made_again_and_another_run_refused(tmp_path):
    way = plan("walk", 1)
    run(tmp_path / "a", way)
    whole = files(tmp_path / "a")
    (tmp_path / "a/step_0000/frames/00007.png").write_bytes(b"torn")
    assert Steps(tmp_path / "a").n_whole() == 1
    run(tmp_path / "a", way)
    assert files(tmp_path / "a") == whole
    with pytest.raises(UserError, match="another run"):
        run(tmp_path / "a", plan("orbit", 1))
    (tmp_path / "c").mkdir()
    (tmp_path / "c/mine.txt").write_text("")
    with pytest.raises(UserError, match="not empty"):
        run(tmp_path / "c", way)
    with pytest.raises(UserError, match="not removed"):
        Steps(tmp_path / "c").clear()


def test_steps_are_a_recording(tmp_path):
    way = plan("walk", 1)
    run(tmp_path / "a", way)
    source = open_rgbd(tmp_path / "a")
    frames = list(source.batches(1))
    assert source.n_items == 81 and source.notes["generator"] == "warpfill" and source.up == "-y"
    assert np.allclose(frames[40].camera_to_world[0], np.linalg.inv(way.w2c[40]))
    assert np.array_equal(frames[0].depth[0], seed().depth) and np.array_equal(frames[0].rgb[0], seed().rgb)


def test_a_step_without_depth_is_never_baked(tmp_path):
    run(tmp_path / "a", plan("walk", 1))
    (tmp_path / "a/step_0000/depth.npz").unlink()
    with pytest.raises(UserError, match="without depth"):
        open_rgbd(tmp_path / "a")


def saved_seed(folder):
    folder.mkdir(exist_ok=True)
    first = seed()
    Image.fromarray(first.rgb).save(folder / "room.png")
    np.save(folder / "depth.npy", first.depth)
    camera = ",".join(str(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    return ["--image", str(folder / "room.png"), "--depth", str(folder / "depth.npy"), "--intrinsics", camera]


def bake(folder, *more):
    given = [
        *saved_seed(folder),
        "--size",
        f"{SIZE[0]}x{SIZE[1]}",
        "--voxel-size",
        "0.05",
        "--backend",
        "warpfill",
    ]
    return main(["bake", "lyra:", *given, *more, str(folder / "room.vxt")])


@pytest.mark.slow
def test_bake_goes_on_where_it_died_and_gives_the_same_world(tmp_path, monkeypatch, capsys):
    assert bake(tmp_path / "a", "--trajectory", "orbit", "--steps", "2") == 0
    world = open_world(tmp_path / "a/room.vxt")
    notes = world.meta.sources[0]["notes"]
    assert notes["generator"] == "warpfill" and notes["weights_license"] == "none: no weights"
    step = WarpFill().open(seed(), tmp_path, plan()).__class__.step
    monkeypatch.setattr(
        "voxtide.tools.lyra.warpfill.WarpFillSession.step",
        lambda self, asked: (
            step(self, asked) if asked.index == 0 else (_ for _ in ()).throw(KeyboardInterrupt)
        ),
    )
    assert bake(tmp_path / "b", "--trajectory", "orbit", "--steps", "2") == 130
    monkeypatch.undo()
    assert bake(tmp_path / "b", "--trajectory", "orbit", "--steps", "2") == 0
    assert files(tmp_path / "a/room.vxt") == files(tmp_path / "b/room.vxt")
    assert files(tmp_path / "a/room.steps") == files(tmp_path / "b/room.steps")
    assert bake(tmp_path / "b", "--trajectory", "walk", "--steps", "2") == 2
    assert "not empty" in capsys.readouterr().err


def test_a_world_is_fused_while_the_next_step_is_made(tmp_path, monkeypatch):
    """After step 0 the second one waits until a world is there."""
    import time

    seen = []
    session = WarpFill().open(seed(), tmp_path, plan()).__class__
    step = session.step

    def patient(self, asked):
        end = time.monotonic() + 60
        while asked.index == 1 and not seen and time.monotonic() < end:
            time.sleep(0.05)
            if (tmp_path / "a/room.vxt/manifest").exists() or (tmp_path / "a/room.vxt/zarr.json").exists():
                try:
                    seen.append(open_world(tmp_path / "a/room.vxt").meta.sources[0]["n_items"])
                except Exception:  # not whole yet
                    continue
        return step(self, asked)

    monkeypatch.setattr(session, "step", patient)
    assert bake(tmp_path / "a", "--trajectory", "walk", "--steps", "2") == 0
    assert seen and seen[0] in (1, 81)
    assert open_world(tmp_path / "a/room.vxt").meta.sources[0]["n_items"] == 161


def test_mistakes_are_told(tmp_path, capsys):
    assert main(["bake", "lyra:", str(tmp_path / "o.vxt")]) == 2
    assert "--image" in capsys.readouterr().err
    assert bake(tmp_path / "a", "--trajectory", "nowhere.npz") == 2
    assert "look-around" in capsys.readouterr().err
    assert bake(tmp_path / "a", "--backend", "tinyloop", "--weights", "nowhere") == 2
    assert "nowhere" in (said := capsys.readouterr().err) or "not-installed" in said
    assert bake(tmp_path / "a", "--pose-scale", "500") == 2
    assert "bad-trajectory" in capsys.readouterr().err
    assert main(["bake", "x.ply", "--image", "y.png", str(tmp_path / "o.vxt")]) == 2
    assert "lyra:" in capsys.readouterr().err


def test_lyras_own_way_and_captions():
    folder = needs("lyra", "example_0")
    way = trajectory.open_trajectory(folder / "trajectory.npz", 16)
    assert len(way.w2c) == 500 and way.size == (1280, 720) and len(way.cut(None).w2c) == 481
    k = way.cameras((832, 480))
    assert np.allclose(k[0], [[821.6 * 0.65, 0, 416], [0, 821.6 / 1.5, 240], [0, 0, 1]], rtol=1e-3)
    captions = folder / "captions.json"
    texts = json.loads(captions.read_text())
    prompts = trajectory.prompts_of("", captions, 3)
    assert prompts == (texts["0"], texts["81"], texts["161"])
    assert json.loads(trajectory.captions_json(prompts)) == {"0": prompts[0]} | {
        str(80 * i + 1): text for i, text in enumerate(prompts)
    }
    protocol.check_plan(protocol.Plan(way.cut(3).w2c, k[:241], prompts), (832, 480), 2.0)
    with pytest.raises(GeneratorError) as caught:
        way.cut(7)
    assert caught.value.code is Code.BAD_LENGTH


def test_own_and_nerfstudios_ways_agree(tmp_path):
    keys = tuple(Key(float(t), Pose(t, 2.0, 1.5, 30.0, -10.0), 50.0) for t in range(2))
    path_file.save(tmp_path / "own.json", CameraPath(keys, 16.0, False))
    own = trajectory.open_trajectory(tmp_path / "own.json", 16)
    poses = []
    for eye in np.linalg.inv(own.w2c):
        z_up = np.diag([1.0, 1, 1, 1])
        z_up[1:3, 1:3] = [[0, 1], [-1, 0]]
        opengl = z_up @ eye * [1, -1, -1, 1]
        poses.append({"camera_to_world": opengl.ravel().tolist(), "fov": 50.0})
    head = {"render_width": 1280, "render_height": 720, "fps": 16}
    (tmp_path / "ns.json").write_text(json.dumps(head | {"camera_path": poses}))
    other = trajectory.open_trajectory(tmp_path / "ns.json", 16)
    assert np.allclose(own.w2c, other.w2c, atol=1e-12) and np.allclose(own.k, other.k)
    centre = np.linalg.inv(own.w2c[0])[:3, 3]
    assert np.allclose(
        [centre[0], centre[2], -centre[1]], [0, 2, 1.5]
    )  # where a bake with up -y puts it back


@pytest.mark.parametrize("name", sorted(trajectory.PRESETS))
def test_presets_are_ways(name):
    way = plan(name, 2)
    protocol.check_plan(way, SIZE, 2.0)
    assert np.allclose(way.w2c[0], np.eye(4), atol=1e-9)
    if name == "out-and-back":
        assert np.allclose(way.w2c[-1], way.w2c[0])


def test_wrong_ways_are_refused():
    good = plan()
    turned = good.w2c.copy()
    turned[5, :3, :3] *= 1.1
    wide = good.k.copy()
    wide[3, 0, 2] = 500
    leap = good.w2c.copy()
    leap[9, 0, 3] += 3
    for bad, code in (
        (replace(good, w2c=good.w2c[:100], k=good.k[:100]), Code.BAD_LENGTH),
        (replace(good, w2c=turned), Code.BAD_TRAJECTORY),
        (
            replace(good, w2c=np.where(np.arange(161)[:, None, None] == 3, np.nan, good.w2c)),
            Code.BAD_TRAJECTORY,
        ),
        (replace(good, k=wide), Code.BAD_TRAJECTORY),
        (replace(good, w2c=leap), Code.BAD_TRAJECTORY),
    ):
        with pytest.raises(GeneratorError) as caught:
            protocol.check_plan(bad, SIZE, 2.0)
        assert caught.value.code is code


def test_messages_come_back_and_damaged_ones_do_not():
    fields = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": [b"\0\xff", None, "x", 1.5], "c": True}
    back = messages.loads(messages.dumps("SeedingRequest", fields), "SeedingRequest")
    assert np.array_equal(back["a"], fields["a"]) and back["b"] == fields["b"] and back["c"] is True
    array = {"__lyra2_type__": "ndarray", "dtype": "<f4", "shape": [2], "value": "AAAAAAAAAAA="}
    for wrong in (
        b"{}", b"[" * 99999, b"\x80\x04", b'{"type": "Other", "fields": {}}',
        *(
            json.dumps({"type": "T", "fields": {"a": {**array, **change}}}).encode()
            for change in (
                {"dtype": "|O"}, {"dtype": "<U4"}, {"shape": [3]}, {"shape": [-2]}, {"shape": [1 << 62, 4]},
                {"value": "?"}, {"__lyra2_type__": "pickle"}, {"shape": "x"}, {"dtype": "f4, f4"},
            )
        ),
    ):  # fmt: skip
        with pytest.raises(messages.MessageError):
            messages.loads(wrong, "T")


@pytest.mark.slow
def test_the_real_room_on_lyras_way(tmp_path):
    room, way = needs("rgbd", "icl_livingroom1_micro"), needs("lyra", "example_0", "trajectory.npz")
    given = ["--image", str(room / "image/00000.jpg"), "--depth", str(room / "depth/00000.png")]
    given += ["--trajectory", str(way), "--backend", "warpfill", "--size", "104x60", "--voxel-size", "0.08"]
    given += ["--steps", "1"]
    assert main(["bake", "lyra:", *given, str(tmp_path / "room.vxt")]) == 0
    world = open_world(tmp_path / "room.vxt")
    assert world.meta.sources[0]["n_items"] == 81 and sum(r.n_voxels for r in world.regions) > 1500
