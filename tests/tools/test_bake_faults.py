"""Disk full, EIO, no more descriptors, at any call: exit 3, file and errno; the same command then ends it."""

import errno
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bakery import file_bytes
from fault_points import counted
from splat_files import write_splat
from voxtide.streamer.errors import WorldError
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, Resources, bake
from voxtide.tools.baking import driver, plan, scenes
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.sources import open_source

TINY = Resources(memory_bytes=1)
OPTIONS = BakeOptions(voxel_size_m=0.02, at=(5.12, 1, 1))
FAULTS = [  # what fails, with which errno
    pytest.param("write", errno.ENOSPC, id="full"),
    pytest.param("fsync", errno.EIO, id="fsync"),
    pytest.param("pread", errno.EIO, id="read"),
    pytest.param("open", errno.EMFILE, id="descriptors"),
    pytest.param("rename", errno.ENOSPC, id="rename"),
]


@pytest.fixture
def scene(tmp_path, rng, monkeypatch):
    """(source, expected bytes): two spans that are spilled, two regions."""
    monkeypatch.setattr(plan, "SPAN", 40)
    monkeypatch.setattr(scenes, "KEEP", 0)
    monkeypatch.setattr(driver, "LEAST_ROWS", 60)
    source = open_source(write_splat(tmp_path / "a.splat", rng, 60, 0.05))
    bake(source, tmp_path / "whole", OPTIONS, means=TINY)
    return source, file_bytes(tmp_path / "whole")


@pytest.fixture
def folder(tmp_path):
    memory = Path("/dev/shm")  # thousands of fsyncs, which are not what is tested here
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


def failing(name, code, nth, for_ever, hits):
    """At the nth call of that name, and for ever after if asked: the system refuses."""
    seen = []

    def at(_, called):
        if called == name:
            seen.append(1)
            if len(seen) == nth or (for_ever and len(seen) > nth):
                hits.append(1)
                raise OSError(code, os.strerror(code))

    return at


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize(("name", "code"), FAULTS)
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_the_nth_call_fails(scene, folder, name, code, for_ever, step):
    source, expected = scene
    nth, told = 1, []
    while True:
        out, hits = folder / f"w{nth}", []
        try:
            with counted(failing(name, code, nth, for_ever, hits)):
                bake(source, out, OPTIONS, means=TINY)
        except WorldError as error:
            told.append(str(error))
        if not hits:
            break
        if not (out / "manifest").exists() or (out / "manifest.journal").exists():
            bake(source, out, OPTIONS, means=TINY)
        assert file_bytes(out) == expected, (name, nth)
        assert os.listdir(folder) == [out.name]
        shutil.rmtree(out)
        nth += step
    assert len(told) >= max(1, 5 // step)
    for line in told:
        assert "\n" not in line and (os.strerror(code) in line or errno.errorcode[code] in line)


def test_the_world_that_is_replaced_stays_when_the_disk_is_full(scene, folder):
    source, expected = scene
    out = folder / "w"
    bake(source, out, replace(OPTIONS, voxel_size_m=0.05))
    before = file_bytes(out)
    for nth in (1, 6, 14):
        with (
            counted(failing("write", errno.ENOSPC, nth, True, [])),
            pytest.raises(WorldError, match="ENOSPC"),
        ):
            bake(source, out, replace(OPTIONS, overwrite=True), means=TINY)
        assert file_bytes(out) == before and open_world(out).meta.voxel_size_m == 0.05
    with pytest.raises(UserError, match="--overwrite"):
        bake(source, out, OPTIONS)
    bake(source, out, replace(OPTIONS, overwrite=True), means=TINY)
    assert file_bytes(out) == expected and os.listdir(folder) == ["w"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 320 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(scene, small_disk, capsys):
    source, expected = scene
    n_free = shutil.disk_usage(small_disk).free - sum(map(len, expected.values())) // 2
    (small_disk / "other").write_bytes(np.random.default_rng(0).bytes(n_free))
    out = small_disk / "w"
    command = ["bake", str(source.path), str(out), "--voxel-size", "0.02", "--at", "5.12,1,1"]
    assert main(command) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device (ENOSPC)" in line and "color/" in line and "repeat the command" in line
    (small_disk / "other").unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert main(command) == 0
    assert file_bytes(out) == expected
