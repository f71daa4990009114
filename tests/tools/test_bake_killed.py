"""kill -9 at any moment, then the same command again: the same bytes, and nothing else left behind."""

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bakery import file_bytes
from fault_points import in_child, killed_at, n_calls
from splat_files import write_splat
from voxtide.streamer import files
from voxtide.streamer.errors import WorldError
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, Resources, bake, bake_task, finish
from voxtide.tools.baking import driver, plan, scenes
from voxtide.tools.errors import UserError
from voxtide.tools.sources import open_source

TINY = Resources(memory_bytes=1)
OPTIONS = BakeOptions(voxel_size_m=0.02, at=(5.12, 1, 1))  # across the face of two regions


class ThereError(Exception):
    """The bake had ended: what it says of a world that is there."""


class Scene:
    """A scene of two spans, spilled, in two regions; the bytes of its world; a folder for its bakes."""

    def __init__(self, tmp_path, rng):
        path = write_splat(tmp_path / "a.splat", rng, 60, 0.05)
        self.source, self.whole = open_source(path), tmp_path / "whole"
        self.folder = tmp_path / "bakes"
        self.out = self.folder / "w"
        self.bake(self.whole)
        self.expected = file_bytes(self.whole)

    def bake(self, out=None, overwrite=False):
        options = replace(OPTIONS, overwrite=overwrite)
        bake(self.source, out or self.out, options, means=TINY)

    def tasks(self):
        for at in (0, 1):
            bake_task([(self.source, OPTIONS)], self.out, (at, 2), means=TINY)
        finish(self.out, means=TINY)

    def again(self, work):
        """The same command once more; where the world had just ended, it says that it is there."""
        with contextlib.suppress(ThereError):
            try:
                work()
            except UserError as error:
                if any(words in str(error) for words in ("already", "not empty", "no bake to finish")):
                    raise ThereError from error
                raise

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def differs(self):
        """What is not as an uninterrupted bake leaves it; "" where all is."""
        if os.listdir(self.folder) != ["w"]:
            return f"left behind: {os.listdir(self.folder)}"
        found = file_bytes(self.out)
        empty = [p for p in self.out.rglob("*") if p.is_dir() and not any(p.iterdir())]
        names = {n for n in found.keys() | self.expected.keys() if found.get(n) != self.expected.get(n)}
        return f"{sorted(names)} {empty}" if names or empty else ""


@pytest.fixture
def scene(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(plan, "SPAN", 40)
    monkeypatch.setattr(scenes, "KEEP", 0)
    monkeypatch.setattr(driver, "LEAST_ROWS", 60)
    memory = Path("/dev/shm")  # thousands of fsyncs, which are not what is tested here
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Scene(Path(folder), rng)


def kill_everywhere(scene, work, first, step):
    """Kill `work` before each step-th of its calls, do it again -> (kills, what went wrong)."""
    n, wrong = first, []
    while True:
        scene.clean()
        if not killed_at(work, n):
            return (n - first) // step, wrong
        try:
            scene.again(work)
            differs = scene.differs()
        except (OSError, WorldError, ValueError) as error:
            differs = f"{error!r}"
        if differs:
            wrong.append((n, differs))
        n += step


@pytest.mark.parametrize(
    "step", [pytest.param(9, id="some"), pytest.param(1, id="every", marks=pytest.mark.slow)]
)
def test_killed_at_file_operations(scene, step):
    n_kills, wrong = kill_everywhere(scene, scene.bake, step // 2 + 1, step)
    assert not wrong and n_kills >= 200 // step


@pytest.mark.parametrize(
    "step", [pytest.param(23, id="some"), pytest.param(3, id="a-third", marks=pytest.mark.slow)]
)
def test_tasks_killed_at_file_operations(scene, step):
    n_kills, wrong = kill_everywhere(scene, scene.tasks, step // 2 + 1, step)
    assert not wrong and n_kills >= 200 // step


@pytest.mark.parametrize(
    "step", [pytest.param(23, id="some"), pytest.param(3, id="a-third", marks=pytest.mark.slow)]
)
def test_a_world_is_there_until_the_next_one_is(scene, tmp_path, step):
    old = tmp_path / "old"
    bake(scene.source, old, replace(OPTIONS, voxel_size_m=0.05))
    seen = set()

    def again():
        if scene.out.exists():  # killed: a whole world, the old one or the new one
            world = open_world(scene.out)
            seen.add(world.meta.voxel_size_m)
            assert all(world.read_region(record).packed for record in world.regions)
        else:
            seen.add("between two renames")
            assert open_world(scene.folder / ".w.old").meta.voxel_size_m == 0.05
        scene.bake(overwrite=True)

    n, step_wrong = step // 2 + 1, []
    while True:
        scene.clean()
        shutil.copytree(old, scene.out)
        if not killed_at(lambda: scene.bake(overwrite=True), n):
            break
        again()
        if differs := scene.differs():
            step_wrong.append((n, differs))
        n += step
    assert not step_wrong and 0.05 in seen


def in_place(temp, name, data, folder):
    """What `files` must never do: the file under its own name, before it is whole."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666, dir_fd=folder)
    data = data if isinstance(data, bytes) else b"".join(data)
    files.write_all(file, data[: len(data) // 2])
    files.write_all(file, data[len(data) // 2 :])
    os.fsync(file)
    os.close(file)


def test_a_writer_in_place_would_be_found_out(scene, monkeypatch):
    monkeypatch.setattr(files, "_write_new", in_place)
    scene.clean()
    last = n_calls(scene.bake)
    # Journaled regions survive even this writer; what is torn are the files that make it a world.
    _, wrong = kill_everywhere(scene, scene.bake, last - 30, 1)
    assert wrong


@pytest.mark.parametrize("n_kills", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(scene, n_kills):
    began = time.perf_counter()
    scene.clean()
    os.waitpid(in_child(scene.bake), 0)
    whole_s = time.perf_counter() - began
    chance, n_hit = random.Random(n_kills), 0
    for _ in range(n_kills):
        scene.clean()
        child = in_child(scene.bake)
        time.sleep(chance.uniform(0, whole_s))
        os.kill(child, signal.SIGKILL)
        n_hit += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        scene.again(scene.bake)
        assert not scene.differs()
    assert n_hit, "not one kill came in time"


@pytest.mark.slow
def test_killed_with_two_processes_at_random_moments(scene):
    def work():
        bake(scene.source, scene.out, OPTIONS, means=Resources(1, n_jobs=2))

    chance = random.Random(1)
    for _ in range(4):
        scene.clean()
        child = in_child(work)
        time.sleep(chance.uniform(0.5, 2.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        scene.again(scene.bake)
        assert not scene.differs()


def test_a_bake_has_enough_calls_to_be_killed_at(scene):
    scene.clean()
    assert n_calls(scene.bake) > 200
    assert not scene.differs()
