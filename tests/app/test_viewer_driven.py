"""The viewer as a person uses it: a window under Xvfb, real key and mouse events, a screenshot of each step.

VOXTIDE_SHOTS=FOLDER keeps the screenshots.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from screen import screen
from voxtide.tools.cli import main
from worlds import make_world

ROOT = Path(__file__).resolve().parents[2]
SIZE = (1280, 720)
STEP_S = 40  # what a step may take on a machine that does much else
THERE = 620, 380  # where in the window something of the scene is, from its home
SHADOWS = 1092, 176  # its checkbox, there
PICTURE = 0, 0, 930, 720  # where the panel is not

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("driven") / "depot.vxt"
    assert main(["bake", str(ROOT / "assets" / "depot.vox"), str(out), "--voxel-size", "0.1", "--json"]) == 0
    return out


@pytest.fixture(scope="module")
def display():
    for program in ("Xvfb", "xdotool", "import"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    with screen(SIZE) as name:
        yield name


class Person:
    """Who sits before the window."""

    def __init__(self, folder, display, *arguments):
        self.folder, self.n_shots = folder, 0
        folder.mkdir(exist_ok=True)
        paths = [str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        self.environment = {
            **os.environ,
            "DISPLAY": display,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in paths if p),
        }
        (folder / "state.json").unlink(missing_ok=True)
        command = [
            sys.executable,
            str(ROOT / "tests" / "driven_viewer.py"),
            str(folder),
            *map(str, arguments),
        ]
        self.log = (folder / "log").open("w")
        self.viewer = subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)
        self.until(lambda now: now["drawn"] == now["size"])

    @property
    def now(self):
        file = self.folder / "state.json"
        return json.loads(file.read_text()) if file.exists() else None

    def until(self, holds):
        """Wait until it holds. -> the state in which it did"""
        end = time.monotonic() + STEP_S
        while time.monotonic() < end:
            assert self.viewer.poll() is None, (self.folder / "log").read_text()
            now = self.now
            if now is not None and holds(now):
                return now
            time.sleep(0.05)
        raise AssertionError(f"not within {STEP_S} s; the viewer says {self.now}")

    def do(self, *words):
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True, timeout=30)

    def hold(self, key, seconds):
        self.do("keydown", key)
        time.sleep(seconds)
        self.do("keyup", key)
        time.sleep(0.3)

    def shot(self, name):
        """-> [720, 1280, 3] uint8, what the screen shows"""
        keep = os.environ.get("VOXTIDE_SHOTS")
        folder = Path(keep) if keep else self.folder
        self.n_shots += 1
        file = folder / f"{self.n_shots:02}-{name}.png"
        subprocess.run(["import", "-window", "root", str(file)], env=self.environment, check=True, timeout=30)
        return np.asarray(Image.open(file).convert("RGB"))

    def leave(self):
        """Close the window with the key for it."""
        self.do("key", "Escape")
        assert self.viewer.wait(timeout=STEP_S) == 0, (self.folder / "log").read_text()
        self.log.close()

    def end(self):
        if self.viewer.poll() is None:
            self.viewer.kill()
            self.viewer.wait()
        self.log.close()


def distance(a, b):
    return float(np.linalg.norm(np.subtract(a["pose"][:3], b["pose"][:3])))


def centre(shot):
    x0, y0, x1, y1 = PICTURE
    return shot[y0 + 100 : y1 - 100, x0 + 100 : x1 - 100].astype(int)


def test_a_visit(tmp_path, world, display):
    person = Person(tmp_path / "visit", display, world, "--size", "1280x720", "--target-fps", "15")
    try:
        visit(person, tmp_path)
        person.leave()
    finally:
        person.end()
    again = Person(tmp_path / "visit", display)  # no name: the world of last time
    try:
        now = again.until(lambda now: now["drawn"] == now["size"])
        assert Path(now["world"]).stem == "dots", "the world that was looked at last"
        assert now["shadows"] is True, "a setting that was changed in the window"
        time.sleep(3.0)
        again.shot("again")
        again.leave()
    finally:
        again.end()


def visit(person, tmp_path):
    start = person.until(lambda now: now["drawn"] == now["size"])
    time.sleep(2.0)
    assert start["size"][1] == SIZE[1]
    assert 800 < start["size"][0] < 1000, "the panel has its column, the picture has the rest"
    opened = centre(person.shot("opened"))
    assert opened.std() > 10, "there is something to see"
    fly(person, start)
    orbit_and_focus(person)
    passes(person, opened)
    change_a_setting(person)
    record_a_path(person)
    drop(person, tmp_path)


def test_what_the_panel_adds_to_the_main_thread():
    """Streaming, the panel and a bake beside: 2 ms of the main thread, against the scene alone."""
    bench = ROOT / "tests" / "bench" / "bench_panel.py"
    done = subprocess.run(
        [sys.executable, bench, "90"], capture_output=True, text=True, timeout=120, check=True
    )
    added = json.loads(done.stdout.splitlines()[-1])["added_ms"]
    assert added["cpu"]["p50"] <= 2.0, added


def fly(person, start):
    person.do("mousemove", 465, 400)
    person.hold("w", 0.8)
    there = person.until(lambda now: distance(now, start) > 0.2)
    person.do("mousedown", 1, "mousemove_relative", 120, 30, "mouseup", 1)
    person.until(lambda now: abs(now["pose"][3] - there["pose"][3]) > 5)
    person.until(lambda now: now["drawn"] == now["size"])  # all pixels again
    person.shot("flown")
    person.do("key", "h")
    person.until(lambda now: distance(now, start) < 0.01)


def orbit_and_focus(person):
    person.do("mousemove", *THERE)
    before = person.until(lambda now: now["picked"] is not None)
    person.do("key", "v")
    person.until(lambda now: now["mode"] == "orbit")
    person.do("mousedown", 1, "mousemove_relative", 150, 0, "mouseup", 1)
    turned = person.until(lambda now: distance(now, before) > 0.2)
    person.shot("orbited")
    person.do("key", "v")
    person.until(lambda now: now["mode"] == "fly")
    person.do("mousemove", *THERE)
    person.until(lambda now: now["picked"] is not None)
    person.do("key", "f")
    person.until(lambda now: distance(now, turned) > 0.2)
    person.shot("focused")


def passes(person, opened):
    for key, name in (("2", "depth"), ("4", "uvw"), ("8", "residency")):
        person.do("key", key)
        person.until(lambda now, name=name: now["pass"] == name)
        time.sleep(0.5)
        assert np.abs(centre(person.shot(name)) - opened).mean() > 5
    person.do("key", "1")
    person.do("key", "question")
    person.until(lambda now: now["help"])
    time.sleep(0.5)
    person.shot("help")
    person.do("key", "question")
    person.until(lambda now: not now["help"])


def house():
    """A room of 12 x 9 m with a doorway, 10 cm voxels: floor on z = 0, walls 3 m high. -> voxels, rgba"""
    x, y, z = np.indices((120, 90, 31))
    outer = (x < 2) | (x > 117) | (y < 2) | (y > 87)
    inner = (abs(x - 70) < 2) & ~((y > 20) & (y < 36) & (z < 22))
    solid = (z == 0) | outer | inner
    colours = np.where(
        (z == 0)[..., None], (150, 120, 90), np.where(inner[..., None], (120, 150, 160), (205, 200, 190))
    )
    colours = colours - 12 * ((x // 5 + y // 5 + z // 5) % 2)[..., None]
    rgba = np.concatenate([colours[solid], np.full((solid.sum(), 1), 255)], 1).astype(np.uint8)
    return np.argwhere(solid), rgba


def test_a_walk_ends_at_the_wall(tmp_path, display):
    """A walker stands on the floor and is stopped, however long the key is held."""
    make_world(tmp_path / "house.vxt", *house(), voxel_size_m=0.1)
    start = "--pose=4,6.5,2.2,0,-5", "--size", "960x540", "--target-fps", "15", "--no-speed-by-distance"
    person = Person(tmp_path / "walk", display, tmp_path / "house.vxt", *start)
    try:
        person.do("mousemove", 150, 200)
        person.do("key", "g")
        person.until(lambda now: now["mode"] == "walk" and abs(now["pose"][2] - 1.8) < 0.05)
        person.shot("standing")
        person.do("keydown", "w")
        person.until(lambda now: now["pose"][0] > 6.0)
        time.sleep(1.5)
        here = person.now["pose"]
        person.shot("at-the-wall")
        time.sleep(1.0)
        person.do("keyup", "w")
        there = person.now["pose"]
        assert there[0] == pytest.approx(here[0], abs=0.02), "still held, and no step farther"
        assert 6.0 < there[0] < 6.9, "the wall begins at 6.9 m"
        assert there[2] == pytest.approx(1.8, abs=0.05), "on the floor, whose top is at 0.1 m"
        person.leave()
    finally:
        person.end()


def change_a_setting(person):
    """The checkbox of shadows, in the window View scrolled to its end, with the mouse."""
    person.do("mousemove", 1000, 300, "click", "--repeat", 25, "--delay", 30, 5)
    time.sleep(1.0)
    person.do("mousemove", *SHADOWS, "sleep", 0.5, "click", 1)
    person.until(lambda now: now["shadows"])
    person.do("mousemove", *THERE)
    time.sleep(1.0)
    person.shot("shadows")


def record_a_path(person):
    person.do("key", "h", "mousemove", 465, 400, "key", "k")
    person.until(lambda now: now["keys"] == 1)
    person.hold("a", 0.6)
    person.do("key", "k")
    person.until(lambda now: now["keys"] == 2)
    person.shot("path")
    person.do("key", "space")
    person.until(lambda now: now["playing"])
    person.do("key", "space")


def drop(person, tmp_path):
    scene = tmp_path / "dots.ply"
    write_points(scene)
    part = person.folder / "drop.part"
    part.write_text(str(scene))
    part.rename(person.folder / "drop")
    person.until(lambda now: now["bakings"])
    person.shot("dropped")
    person.until(lambda now: Path(now["world"]).stem == "dots")
    person.until(lambda now: now["drawn"] == now["size"] and not now["bakings"])
    time.sleep(3.0)
    assert centre(person.shot("baked")).std() > 5


def write_points(path):
    """A ball of coloured points."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60_000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    record = np.zeros(
        len(points), [(a, "<f4") for a in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")]
    )
    for i, axis in enumerate("xyz"):
        record[axis] = points[:, i] * 0.5
    for i, colour in enumerate(("red", "green", "blue")):
        record[colour] = (points[:, i] * 90 + 128).astype(np.uint8)
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    head += [f"property float {a}" for a in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    path.write_bytes(("\n".join([*head, "end_header"]) + "\n").encode() + record.tobytes())
