"""The commands as a person types them: what they print, what they write, how they refuse."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voxtide.tools.cli import COMMANDS, main

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@pytest.fixture(scope="module")
def depot(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "depot.vxt"
    assert main(["bake", str(ASSETS / "depot.vox"), str(out), "--voxel-size", "0.1", "--json"]) == 0
    return out


def run(capsys, *arguments):
    """-> (exit code, stdout, stderr)"""
    capsys.readouterr()
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse
        code = stop.code
    told = capsys.readouterr()
    return code, told.out, told.err


def run_json(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert err == "", "with --json nothing but the object is printed"
    return code, json.loads(out)


def test_bake_tells_what_it_made(capsys, tmp_path):
    code, told = run_json(capsys, "bake", ASSETS / "depot.vox", tmp_path / "d.vxt", "--voxel-size", "0.1")
    assert code == 0
    assert told["voxels"] == 120_245
    assert len(told["chunks"]) == 6
    color, semantic = (tmp_path / "d.vxt" / name for name in ("color", "semantic"))
    assert told["bytes"] == sum(f.stat().st_size for f in color.rglob("c/*/*/*/0"))
    assert told["plane_bytes"] == sum(f.stat().st_size for f in semantic.rglob("c/*/*/*")) > 0
    assert told["bits_per_voxel"] == pytest.approx(8 * told["bytes"] / told["voxels"])
    assert told["seconds"] > 0
    assert told["peak_rss_bytes"] > 1e6


def test_info_and_verify(capsys, depot):
    code, told = run_json(capsys, "info", depot)
    assert code == 0
    assert set(told) == {
        *("format", "voxel_size_m", "levels", "bounds_voxels", "voxels", "chunks"),
        *("regions", "bytes", "codec", "sources", "planes", "entities"),
    }
    assert (told["voxel_size_m"], told["levels"], told["voxels"], told["codec"]) == (0.1, 6, 120_245, "zstd")
    code, checked = run_json(capsys, "verify", depot)
    assert code == 0
    assert checked == {"ok": True, "regions": told["regions"], "chunks": sum(told["chunks"]), "bad": []}


def test_verify_names_what_differs(capsys, depot, tmp_path):
    broken = tmp_path / "broken.vxt"
    shutil.copytree(depot, broken)
    file = max((f for f in broken.rglob("0") if f.is_file()), key=lambda f: f.stat().st_size)
    data = bytearray(file.read_bytes())
    data[60] ^= 4
    file.write_bytes(data)
    code, told = run_json(capsys, "verify", broken)
    assert code == 3
    assert not told["ok"]
    assert {"file", "chunk", "what"} == set(told["bad"][0])
    assert any(b["chunk"] for b in told["bad"])
    code, _, err = run(capsys, "render", broken, "-o", tmp_path / "x.png", "--size", "64x48")
    assert code == 3, "a damaged world is drawn, and told"
    assert (tmp_path / "x.png").exists()
    assert "Traceback" not in err


def test_render_tells_and_writes(capsys, depot, tmp_path):
    code, told = run_json(capsys, "render", depot, "-o", tmp_path / "a.png", "--size", "160x90")
    assert code == 0
    assert set(told) == {
        *("pose", "size", "hit_fraction", "unresolved_pixels", "march_ms", "resident_chunks", "mrays_per_s")
    }
    assert told["size"] == [160, 90]
    assert told["unresolved_pixels"] == 0
    assert 0.05 < told["hit_fraction"] < 0.9
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (90, 160, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200
    pose = ",".join(map(str, told["pose"]))
    again = run_json(capsys, "render", depot, "-o", tmp_path / "b.png", "--size", "160x90", f"--pose={pose}")[
        1
    ]
    assert again["hit_fraction"] == pytest.approx(told["hit_fraction"], abs=1e-3)


def test_orbits_look_from_all_sides(capsys, depot, tmp_path):
    render = ("render", depot, "-o", tmp_path / "o.png", "--size", "64x36", "--orbit")
    poses = [run_json(capsys, *render, f"{i}/4")[1]["pose"] for i in range(4)]
    assert sorted(round(p[3]) % 360 for p in poses) == [60, 150, 240, 330]


def test_passes_as_arrays(capsys, depot, tmp_path):
    size = ("--size", "80x60")
    _, told = run_json(capsys, "render", depot, "-o", tmp_path / "d.npy", "--pass", "depth", *size)
    depth = np.load(tmp_path / "d.npy")
    assert (depth.shape, depth.dtype) == ((60, 80), np.float32)
    assert np.isfinite(depth).mean() == pytest.approx(told["hit_fraction"])
    run_json(capsys, "render", depot, "-o", tmp_path / "u.npy", "--pass", "uvw", *size)
    run_json(capsys, "render", depot, "-o", tmp_path / "u.png", "--pass", "uvw", *size)
    uvw = np.load(tmp_path / "u.npy")
    assert (uvw.shape, uvw.dtype) == ((60, 80, 4), np.uint8)
    np.testing.assert_array_equal(uvw, np.asarray(Image.open(tmp_path / "u.png")))
    np.testing.assert_array_equal(uvw[..., 3] == 255, np.isfinite(depth))


def test_plan_needs_no_world(capsys):
    code, told = run_json(capsys, "info", "--plan", "--area-km2", "1", "--voxel-size", "0.01")
    assert code == 0
    assert told["plan"]["dense_voxels"] == pytest.approx(5e13)
    code, out, _ = run(capsys, "info", "--plan")
    assert "200 TB" in out
    assert "8,100 chunks" in out


WRONG = [
    ("render", "nowhere.vxt", "-o", "x.png"),
    ("render", "DEPOT", "-o", "no/such/folder/x.png"),
    ("render", "DEPOT", "-o", "x.npy"),
    ("render", "DEPOT", "-o", "x.xyz"),
    ("render", "DEPOT", "-o", "x.png", "--size", "0x9"),
    ("render", "DEPOT", "-o", "x.png", "--size", "big"),
    ("render", "DEPOT", "-o", "x.png", "--pose=1,2,3"),
    ("render", "DEPOT", "-o", "x.png", "--pose=nan,2,3,4,5"),
    ("render", "DEPOT", "-o", "x.png", "--pose=1e9,2,3,4,5"),
    ("render", "DEPOT", "-o", "x.png", "--orbit", "4/4"),
    ("render", "DEPOT", "-o", "x.png", "--fov", "180"),
    ("render", "DEPOT", "-o", "x.png", "--pass", "smell"),
    ("render", "SOURCE", "-o", "x.png"),
    ("render", ".", "-o", "x.png"),
    ("view", "nowhere.vxt"),
    ("info",),
    ("info", "DEPOT", "--plan"),
    ("info", "--plan", "--occupancy", "2"),
    ("verify", "nowhere.vxt"),
    ("verify", "SOURCE"),
    ("bake", "nowhere.ply", "out.vxt"),
    ("bake", ".", "out.vxt"),
    ("bake", "SOURCE", "DEPOT"),
    ("bake", "SOURCE", "out.vxt", "--voxel-size", "0"),
    ("bake", "SOURCE", "out.vxt", "--voxel-size", "-1"),
    ("bake", "SOURCE", "out.vxt", "--levels", "0"),
    ("bake", "SOURCE", "out.vxt", "--levels", "2"),
    ("bake", "SOURCE", "out.vxt", "--bounds=1,1,1,0,0,0"),
    ("bake", "SOURCE", "out.vxt", "--bounds=900,900,900,901,901,901"),
    ("bake", "SOURCE", "out.vxt", "--codec", "zip"),
    ("smell",),
    (),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda a: " ".join(a) or "nothing")
def test_a_mistake_is_one_line_and_exit_2(capsys, depot, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    names = {"DEPOT": depot, "SOURCE": ASSETS / "depot.vox"}
    code, out, err = run(capsys, *(names.get(a, a) for a in arguments))
    assert code == 2
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert "voxtide" in last
    assert err.count("\n") == 1
    assert not (tmp_path / "out.vxt").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_there(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert len(out.splitlines()) > 5


def start(*arguments, **options):
    command = [sys.executable, "-m", "voxtide.tools.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.slow
def test_no_display_is_told(depot):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    view = start("view", depot, env=environment)
    _, err = view.communicate(timeout=60)
    assert view.returncode == 2
    assert b"voxtide render" in err
    assert b"Traceback" not in err


@pytest.mark.slow
def test_interrupting_a_bake_leaves_no_world(tmp_path):
    bake = start("bake", ASSETS / "biker.compressed.ply", tmp_path / "b.vxt", "--voxel-size", "0.004")
    until = time.monotonic() + 60
    while not (tmp_path / "b.vxt").exists() and bake.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.5)
    bake.send_signal(signal.SIGINT)
    _, err = bake.communicate(timeout=60)
    assert bake.returncode in (0, 130), "it may have been quick"
    if bake.returncode == 130:
        assert b"Traceback" not in err
        assert main(["verify", str(tmp_path / "b.vxt")]) != 0 if (tmp_path / "b.vxt").exists() else True


def test_output_may_be_cut_short(depot):
    info = start("info", depot)
    info.stdout.close()
    with info.stderr:
        assert b"Traceback" not in info.stderr.read()
    assert info.wait(timeout=60) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["render"],
        ["render", "w.vxt", "-o", "x.png", "--size", "0x10"],
        ["bake", "--nonsense"],
        ["nonsense"],
        [],
    ],
)
def test_a_mistyped_command_is_told_in_one_line(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and line.startswith("voxtide") and line.endswith("--help` tells more")


def test_looking_at_a_world_loads_nothing_that_bakes():
    """Or a window would come later: what reads scenes is loaded by the commands that need it."""
    program = (
        "import sys; from voxtide.tools.cli import parsed; from voxtide.tools import shelf\n"
        "print(parsed(['view', 'a.vxt', '--fov', '70']).fov_deg, *sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    fov, *modules = done.stdout.split()
    assert float(fov) == 70.0 and "voxtide.tools.commands.view" in modules
    unwanted = ("voxtide.tools.bake", "voxtide.tools.sources", "voxtide.tools.commands.bake", "torch", "zarr")
    assert [name for name in modules if name in unwanted] == []
