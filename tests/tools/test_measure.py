"""voxtide profile and stress, on small worlds for a few frames: what they tell, and that it is true."""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voxtide.app import moves, path_file
from voxtide.app.camera import Pose
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.streamer.world import open_world
from voxtide.tools.cli import main
from voxtide.tools.measure import figures, places
from voxtide.tools.measure.opening import open_measured
from voxtide.tools.measure.rig import Setup, open_rig
from worlds import make_world

pytestmark = pytest.mark.slow

SIZE = ("--size", "48x32")
PROFILE_FIELDS = {
    *("machine", "gl_renderer", "frames", "frame_ms", "gpu_ms", "stream_main_ms", "read_bytes"),
    *("upload_bytes", "chunks_loaded", "chunks_evicted", "touched_chunks", "touched_voxels"),
    *("unresolved_pixels", "coarse_pixel_fraction", "vram_bytes", "ram_bytes", "rss_bytes"),
}
TELEPORT_FIELDS = {
    *("jumps", "frames_to_full", "stream_ms_to_full", "chunks_per_jump", "bytes_per_jump"),
    *("unresolved_pixels", "first_frame_level", "equal_to_resident", "not_full"),
}


@pytest.fixture(scope="module")
def hills(tmp_path_factory):
    """About 6 x 6 m: a world whose fine chunks do not all fit what a view needs."""
    y, x = (a.ravel() for a in np.mgrid[-150:150, -150:150])
    z = (12 * np.sin(x / 17) + 9 * np.cos(y / 11)).astype(np.int64)
    voxels = np.concatenate([np.stack([x, y, z - i], 1) for i in range(3)])
    rgba = np.stack([x % 256, y % 256, z + 60, np.full_like(x, 255)], 1).astype(np.uint8)
    folder = tmp_path_factory.mktemp("measure") / "hills.vxt"
    make_world(folder, voxels, np.concatenate([rgba] * 3), voxel_size_m=0.02)
    return folder


def run(capsys, *words):
    """-> (exit code, stdout, stderr)"""
    capsys.readouterr()
    try:
        code = main([str(w) for w in words])
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr()
    return code, told.out, told.err


def run_json(capsys, *words):
    code, out, err = run(capsys, *words, *SIZE, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_a_profile_tells_what_the_issue_lists(gl, capsys, hills, tmp_path):
    told = run_json(capsys, "profile", hills, "--seconds", 0.4, "--fps", 30, "--plot", tmp_path / "p.png")
    assert set(told) == PROFILE_FIELDS
    assert set(told["frame_ms"]) == {"p50", "p90", "p99", "p999", "max"}
    assert set(told["gpu_ms"]) == {"march", "reduce", "upload", "shade"}
    assert set(told["stream_main_ms"]) == {"p50", "p99", "p999", "max"}
    assert set(told["touched_chunks"]) == set(told["touched_voxels"]) == {"p50", "max"}
    assert told["frames"] == 13
    assert told["unresolved_pixels"] == 0
    assert 0 < told["coarse_pixel_fraction"] < 1, "the first frame is coarse, the last is not"
    assert 0 < told["gpu_ms"]["march"] < told["frame_ms"]["max"]
    assert told["touched_voxels"]["max"] >= told["touched_chunks"]["p50"] > 0
    assert told["read_bytes"] > 0
    assert told["upload_bytes"] > 512 * told["chunks_loaded"] > 0
    assert told["vram_bytes"] >= told["chunks_loaded"] * BYTES_PER_SLOT
    with Image.open(tmp_path / "p.png") as plot:
        assert plot.size[0] > 1000


def test_the_vram_budget_is_kept(gl, capsys, hills):
    told = run_json(capsys, "profile", hills, "--seconds", 0.4, "--fps", 30, "--vram", 0.5, "--ram", 0.01)
    assert told["vram_bytes"] <= 0.5 * 2**20
    assert told["ram_bytes"] <= 0.01 * 2**20
    assert told["unresolved_pixels"] == 0


def test_a_path_is_replayed_at_the_fps_asked_for(gl, capsys, hills, tmp_path):
    path_file.save(tmp_path / "turn.json", moves.turn(Pose(0, 0, 1, 0, -20), 80.0, 1.0, fps=4))
    told = run_json(capsys, "profile", hills, "--path", tmp_path / "turn.json", "--fps", 10)
    assert told["frames"] == 11


def test_two_runs_visit_the_same_poses(gl, hills, monkeypatch):
    from voxtide.tools.measure import profile as profiles
    from voxtide.tools.measure.rig import Rig

    seen = []
    draw = Rig.step
    monkeypatch.setattr(
        Rig, "step", lambda rig, pose, fov=None: seen[-1].append(pose) or draw(rig, pose, fov)
    )
    setup = Setup(size=(16, 12), fps=30)
    for _ in range(2):
        seen.append([])
        opened = open_measured(str(hills))
        path = places.walk(places.outline(opened.source), setup.size, 1.5, 0.3, 30, 60.0)
        profiles.profile(opened, setup, path, pytest.fail, lambda *_: None)
    assert len(seen[0]) == 10
    assert seen[0] == seen[1]


def test_teleports_are_soon_whole_and_equal_the_resident_world(gl, capsys, hills):
    told = run_json(capsys, "stress", "teleport", hills, "--jumps", 6)
    assert set(told) == TELEPORT_FIELDS
    assert told["jumps"] == 6
    assert told["unresolved_pixels"] == told["not_full"] == 0
    assert told["equal_to_resident"] is True
    assert told["chunks_per_jump"] > 0
    assert told["bytes_per_jump"] > 512 * told["chunks_per_jump"]
    assert told["frames_to_full"]["p50"] <= told["frames_to_full"]["max"] < 60


def test_paced_teleports_read_between_frames_only(gl, capsys, hills, monkeypatch):
    from voxtide.app import frame

    held = []
    draw = frame.draw_streamed

    def drawn(renderer, scene, *rest, **more):
        held.append(scene.streamer._loader.is_held)
        return draw(renderer, scene, *rest, **more)

    monkeypatch.setattr(frame, "draw_streamed", drawn)
    told = run_json(capsys, "stress", "teleport", hills, "--jumps", 3, "--paced", "--resident-mb", 0.1)
    assert told["not_full"] == told["unresolved_pixels"] == 0
    assert held and all(held)


def test_a_cold_teleport_forgets_and_reads_again(gl, capsys, hills, monkeypatch):
    from voxtide.streamer.ram_tier import RamTier
    from voxtide.tools.measure.opening import Opened

    forgotten = []
    clear, drop = RamTier.clear, Opened.drop_caches
    monkeypatch.setattr(RamTier, "clear", lambda tier: forgotten.append("ram") or clear(tier))
    monkeypatch.setattr(Opened, "drop_caches", lambda opened: forgotten.append("files") or drop(opened))
    words = ("--jumps", 3, "--cold", "--resident-mb", 0.1, "--projection", "360")
    told = run_json(capsys, "stress", "teleport", hills, *words)
    assert forgotten.count("ram") == 3
    assert forgotten.count("files") >= 3
    assert told["equal_to_resident"] is None, "it does not fit in 0.1 MB"
    assert told["unresolved_pixels"] == 0


def test_a_picture_that_differs_is_noticed(gl, capsys, hills, monkeypatch):
    from voxtide.tools.measure.rig import Rig

    settle = Rig.settle
    monkeypatch.setattr(Rig, "settle", lambda rig, pose: settle(rig, pose) ^ 1)
    assert run_json(capsys, "stress", "teleport", hills, "--jumps", 1)["equal_to_resident"] is False


def test_thrashing_settles(gl, capsys, hills):
    told = run_json(capsys, "stress", "thrash", hills, "--seconds", 1.6, "--fps", 60)
    assert [b["share"] for b in told["budgets"]] == [1.0, 0.5, 0.25, 0.1]
    assert told["settles"] is True
    assert told["unresolved_pixels"] == 0
    assert told["working_set_chunks"] > 20
    slots = [b["slots"] for b in told["budgets"]]
    assert slots == sorted(slots, reverse=True)
    assert slots[0] == told["working_set_chunks"]
    assert told["budgets"][-1]["coarse_pixel_fraction"] > 0, "a tenth of it is not enough"


@pytest.mark.parametrize(("kind", "unit", "n"), [("spin", "degrees_per_s", 3), ("sprint", "m_per_s", 4)])
def test_fast_motion_resolves_every_pixel(gl, capsys, hills, kind, unit, n):
    told = run_json(capsys, "stress", kind, hills, "--seconds", 0.2, "--fps", 30)
    assert len(told["runs"]) == n
    assert all(run[unit] > 0 and run["frames"] > 0 for run in told["runs"])
    assert told["unresolved_pixels"] == 0


def test_no_jump_ends_inside_anything_and_each_sees_the_world(gl, hills):
    world = open_world(hills)
    outline = places.outline(world)
    poses = places.jumps(outline, 40, seed=3)
    at = np.floor(np.array([astuple(p)[:3] for p in poses]) / world.meta.voxel_size_m).astype(np.int64)
    assert not world.read_voxels(0, at).any()
    assert poses == places.jumps(outline, 40, seed=3)
    assert poses != places.jumps(outline, 40, seed=4)
    with open_rig(open_measured(str(hills)), Setup(size=(32, 24)), pytest.fail) as rig:
        levels = [rig.step(pose) for pose in poses[:5]]
    assert all(r.n_touched is None or r.n_touched > 0 for r in levels)


def test_a_flight_stays_above_the_ground(hills):
    world = open_world(hills)
    path = places.flight(places.outline(world), 2.0, 1.0, 30.0, 60.0)
    assert path.seconds == pytest.approx(1.0)
    at = [astuple(key.pose)[:3] for key in path.poses()]
    assert not world.read_voxels(0, np.floor(np.array(at) / 0.02).astype(np.int64)).any()
    assert at[-1][0] - at[0][0] == pytest.approx(2.0)
    assert 21 * 0.02 < at[0][2] < 2.0, "above the highest hill on the way, and not far above"


def test_percentiles():
    assert figures.spread(range(1001), "p50", "p999", "max") == {"p50": 500.0, "p999": 999.0, "max": 1000.0}
    assert figures.spread([], "p50") == {"p50": 0.0}


BAD = [
    (("profile", "nowhere.vxt"), "no such world"),
    (("profile", Path(__file__)), "a world is a folder"),
    (("profile", "nowhere://x"), "nowhere"),
    (("profile", "WORLD", "--path", "no.json"), "cannot be read"),
    (("profile", "WORLD", "--path", "no.json", "--seconds", "3"), "--seconds is for walks"),
    (("profile", "WORLD", "--walk", "0"), "not above 0"),
    (("profile", "WORLD", "--fps", "2000"), "at most 1000"),
    (("profile", "WORLD", "--vram", "-1"), "not above 0"),
    (("profile", "WORLD", "--seconds", "1e6"), "frames"),
    (("stress", "spin", "WORLD", "--seconds", "1e6"), "frames"),
    (("profile", "WORLD", "--plot", "no/folder/p.png"), "no such folder"),
    (("profile", "WORLD", "--size", "33x20", "--projection", "stereo"), "two halves"),
    (("stress", "dance", "WORLD"), "invalid choice"),
    (("stress", "teleport", "WORLD", "--jumps", "0"), "not a count"),
    (("stress", "teleport", "WORLD", "--seed", "-1"), "-1"),
]


@pytest.mark.parametrize(("words", "told"), BAD)
def test_a_mistake_is_one_line(gl, capsys, hills, words, told):
    code, out, err = run(capsys, *(hills if w == "WORLD" else w for w in words))
    assert (code, out) == (2, "")
    assert told in err.splitlines()[-1]
