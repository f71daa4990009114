"""Writing a world: the same bytes every time, one baker at a time, nobody else's files touched."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from voxtide.streamer import files
from voxtide.streamer.errors import WorldError
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.streamer.writer import WorldWriter, write_region_file
from worlds import levels_of, make_world, regions_of, surface

VOXELS, RGBA = surface(400, 300)
TASKS = [(k, *task) for k, level in enumerate(levels_of(VOXELS, RGBA)) for task in regions_of(*level)]
END = {
    "bounds_voxels": ((-300, -300, -40), (300, 300, 40)),
    "n_levels": 6,
    "sources": [{"name": "s", "n": 3}],
}


def bake(path, tasks=TASKS, **options):
    with WorldWriter(path, voxel_size_m=0.05, **options) as writer:
        for task in tasks:
            if (task[0], task[1]) not in writer.regions:
                writer.write_region(*task)
        writer.finish(**END)


def begin(path, n_regions, **options):
    with WorldWriter(path, voxel_size_m=0.05, **options) as writer:
        for task in TASKS[:n_regions]:
            writer.write_region(*task)


def tree(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_any_order_writes_the_same_bytes(tmp_path, codec):
    bake(tmp_path / "a", codec=codec)
    bake(tmp_path / "b", TASKS[::-1], codec=codec)
    assert tree(tmp_path / "a") == tree(tmp_path / "b") and len(tree(tmp_path / "a")) == len(TASKS) + 9
    assert verify(tmp_path / "a").ok


def test_a_worker_process_may_write_the_files(tmp_path):
    bake(tmp_path / "a")
    with WorldWriter(tmp_path / "b", voxel_size_m=0.05) as writer:
        for task in TASKS:
            writer.add(write_region_file(tmp_path / "b", *task, "zstd"))
        writer.finish(**END)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_region_is_written_once(tmp_path):
    with WorldWriter(tmp_path, voxel_size_m=0.05) as writer:
        writer.write_region(*TASKS[0])
        with pytest.raises(ValueError, match="written already"):
            writer.write_region(*TASKS[0])


def test_a_world_without_regions(tmp_path):
    world = make_world(tmp_path / "w", np.empty((0, 3)), np.empty((0, 4)))
    assert world.regions == () and verify(world.path).ok
    assert not world.read_voxels(0, np.array([[0, 0, 0]])).any()


def test_opening_a_bake_says_so_in_one_line(tmp_path):
    begin(tmp_path / "w", 3)
    with pytest.raises(WorldError, match="being baked, 3 regions so far") as caught:
        open_world(tmp_path / "w")
    assert "\n" not in str(caught.value)
    assert "being baked" in verify(tmp_path / "w").bad[0].what


@pytest.mark.parametrize("n_regions", [0, 1, len(TASKS)])
def test_resume_ends_in_the_same_bytes(tmp_path, n_regions):
    bake(tmp_path / "whole")
    begin(tmp_path / "w", n_regions)
    journal = tmp_path / "w" / "manifest.journal"
    journal.write_bytes(journal.read_bytes() + b"region 0 torn")
    (tmp_path / "w" / "color").mkdir(exist_ok=True)
    (tmp_path / "w" / "color" / ".zarr.json.0123456789abcdef.tmp").write_bytes(b"half")
    write_region_file(tmp_path / "w", 0, (77, 0, 0), *TASKS[0][2:], "zstd")  # renamed, never journaled
    with WorldWriter(tmp_path / "w", voxel_size_m=0.05, resume=True) as writer:
        assert len(writer.regions) == n_regions
    bake(tmp_path / "w", resume=True)
    assert tree(tmp_path / "w") == tree(tmp_path / "whole")


@pytest.mark.slow
def test_resume_after_a_journal_cut_anywhere(tmp_path):
    bake(tmp_path / "whole")
    begin(tmp_path / "begun", 2)
    journal = (tmp_path / "begun" / "manifest.journal").read_bytes()
    for at in range(0, len(journal) + 1, 7):
        shutil.copytree(tmp_path / "begun", tmp_path / "w")
        (tmp_path / "w" / "manifest.journal").write_bytes(journal[:at])
        bake(tmp_path / "w", resume=True)
        assert tree(tmp_path / "w") == tree(tmp_path / "whole"), at
        shutil.rmtree(tmp_path / "w")


def test_resume_bakes_again_what_is_not_whole(tmp_path):
    bake(tmp_path / "whole")
    begin(tmp_path / "w", 3)
    for n, path in enumerate(sorted(p for p in (tmp_path / "w").rglob("0") if p.is_file())[:2]):
        data = path.read_bytes()
        path.write_bytes(data[:-1] if n else data[:9] + b"!" + data[10:])
    with WorldWriter(tmp_path / "w", voxel_size_m=0.05, resume=True) as writer:
        assert len(writer.regions) == 1
    bake(tmp_path / "w", resume=True)
    assert tree(tmp_path / "w") == tree(tmp_path / "whole")


def test_a_torn_line_hides_no_later_one(tmp_path):
    begin(tmp_path, 1)
    with open(tmp_path / "manifest.journal", "ab") as journal:
        journal.write(b"region 0 torn")
    begin_again = WorldWriter(tmp_path, voxel_size_m=0.05, resume=True)
    begin_again.write_region(*TASKS[1])
    begin_again.close()
    with WorldWriter(tmp_path, voxel_size_m=0.05, resume=True) as writer:
        assert len(writer.regions) == 2


def test_a_line_that_the_disk_took_half_of_hides_no_later_one(tmp_path, monkeypatch):
    with WorldWriter(tmp_path, voxel_size_m=0.05) as writer:
        record = write_region_file(tmp_path, *TASKS[0], "zstd")
        real = os.write

        def half(file, data):
            if len(data) < 20:
                raise OSError(28, "No space left on device")
            return real(file, bytes(data)[: len(data) // 2])

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space left"):
            writer.add(record)
        monkeypatch.undo()
        writer.add(record)
        writer.write_region(*TASKS[1])
    with WorldWriter(tmp_path, voxel_size_m=0.05, resume=True) as writer:
        assert len(writer.regions) == 2


def test_resume_with_other_parameters_is_refused(tmp_path):
    begin(tmp_path / "w", 1, parameters="a")
    before = tree(tmp_path / "w")
    for other in ({"parameters": "b"}, {"parameters": "a", "codec": "lz4"}):
        with pytest.raises(FileExistsError, match="begun differently"):
            WorldWriter(tmp_path / "w", voxel_size_m=0.05, resume=True, **other)
    with pytest.raises(FileExistsError, match="begun differently"):
        WorldWriter(tmp_path / "w", voxel_size_m=0.06, resume=True, parameters="a")
    assert tree(tmp_path / "w") == before


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_writer as t
from voxtide.streamer import files
count, last = 0, int(sys.argv[3])
def counted(call):
    def inner(*args, **kwargs):
        global count
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return inner
for name in ("open", "write", "fsync", "rename", "unlink", "mkdir", "ftruncate"):
    setattr(os, name, counted(getattr(os, name)))
t.bake(Path(sys.argv[2]), t.TASKS[:3], resume=True)
"""


@pytest.mark.slow
def test_a_bake_killed_at_any_file_operation_is_resumed_to_the_same_bytes(tmp_path):
    bake(tmp_path / "whole", TASKS[:3])
    here = os.path.dirname(__file__)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    n_kills = 0
    for last in (1, 2, 3, 5, 8, 15, 22, 28, 40, 55, 80, 110, 150):
        run = [sys.executable, "-c", KILLED, here, str(tmp_path / "w"), str(last)]
        n_kills += subprocess.run(run, env=environment, check=False).returncode == -9
        bake(tmp_path / "w", TASKS[:3], resume=True) if not _finished(tmp_path / "w") else None
        assert tree(tmp_path / "w") == tree(tmp_path / "whole"), last
        shutil.rmtree(tmp_path / "w")
    assert n_kills >= 10


def _finished(path):
    """Whether only the journal's removal is missing; it goes here so that the trees compare."""
    if (path / "manifest").exists():
        (path / "manifest.journal").unlink(missing_ok=True)
        return True
    return False


def test_two_bakes_of_one_folder(tmp_path):
    with WorldWriter(tmp_path / "w", voxel_size_m=0.05) as writer:
        writer.write_region(*TASKS[0])
        for options in ({"overwrite": True}, {"resume": True}):
            with pytest.raises(BlockingIOError, match="another process"):
                WorldWriter(tmp_path / "w", voxel_size_m=0.05, **options)
        with pytest.raises(FileExistsError, match="already"):
            WorldWriter(tmp_path / "w", voxel_size_m=0.05)
        for task in TASKS[1:]:
            writer.write_region(*task)
        writer.finish(**END)
    assert verify(tmp_path / "w").ok


def test_a_foreign_folder_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    (tmp_path / "color").mkdir()
    before = tree(tmp_path)
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(FileExistsError, match=r"thesis\.txt"):
            WorldWriter(tmp_path, voxel_size_m=0.05, **options)
    assert tree(tmp_path) == before


def test_names_of_ours_without_a_manifest_are_foreign(tmp_path):
    write_region_file(tmp_path, *TASKS[0], "zstd")
    (tmp_path / "zarr.json").write_text("{}")
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match="no Voxtide world"):
        WorldWriter(tmp_path, voxel_size_m=0.05, overwrite=True)
    (tmp_path / "manifest").write_text("of a ship")
    with pytest.raises(FileExistsError, match="no Voxtide world"):
        WorldWriter(tmp_path, voxel_size_m=0.05, overwrite=True)
    (tmp_path / "manifest").unlink()
    assert tree(tmp_path) == before


def test_a_finished_world_is_only_overwritten_when_asked(tmp_path):
    bake(tmp_path)
    before = tree(tmp_path)
    for options in ({}, {"resume": True}):
        with pytest.raises(FileExistsError, match="already"):
            WorldWriter(tmp_path, voxel_size_m=0.05, **options)
    assert tree(tmp_path) == before
    bake(tmp_path, TASKS[:3], overwrite=True)
    bake(tmp_path.parent / "fresh", TASKS[:3])
    assert tree(tmp_path) == tree(tmp_path.parent / "fresh")
    assert sorted(os.walk(tmp_path))[0][1] == ["color"] and verify(tmp_path).ok


def test_overwrite_takes_a_damaged_world_and_a_dead_bake(tmp_path):
    bake(tmp_path / "w")
    (tmp_path / "w" / "manifest").write_bytes(b"voxtide manifest 1\nwreck")
    bake(tmp_path / "w", overwrite=True)
    begin(tmp_path / "x", 2)
    bake(tmp_path / "x", overwrite=True)
    assert tree(tmp_path / "w") == tree(tmp_path / "x")


@pytest.mark.parametrize("place", ["link", "color/0/c/1/2/3/0", "color/9", "color/0/c"])
def test_overwrite_never_follows_a_link(tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0").write_text("precious")
    bake(tmp_path / "w")
    link = tmp_path / "w" / place
    if link.is_dir():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(FileExistsError, match="not Voxtide's"):
        WorldWriter(tmp_path / "w", voxel_size_m=0.05, overwrite=True)
    assert (outside / "0").read_text() == "precious" and (tmp_path / "w" / "manifest").exists()


def test_a_write_never_goes_through_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    with WorldWriter(tmp_path / "w", voxel_size_m=0.05) as writer:
        (tmp_path / "w" / "color").symlink_to(tmp_path / "outside")
        with pytest.raises(OSError, match="color"):
            writer.write_region(*TASKS[0])
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "open"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_failing_disk_leaves_a_bake_that_resumes(tmp_path, monkeypatch, call, nth):
    bake(tmp_path / "whole", TASKS[:4])
    real, calls = getattr(os, call), []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) >= nth:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    with WorldWriter(tmp_path / "w", voxel_size_m=0.05) as writer:
        writer.write_region(*TASKS[0])
        monkeypatch.setattr(files.os, call, failing)
        with pytest.raises(OSError, match="No space left") as caught:
            list(map(writer.write_region, *zip(*TASKS[1:], strict=True)))
        assert str(tmp_path / "w") in str(caught.value) and len(calls) >= nth
        monkeypatch.undo()
    assert not list((tmp_path / "w").rglob("*.tmp"))
    bake(tmp_path / "w", TASKS[:4], resume=True)
    assert tree(tmp_path / "w") == tree(tmp_path / "whole")


def test_nothing_is_named_before_it_is_on_the_disk(tmp_path, monkeypatch):
    """The order that a power cut needs: data flushed, renamed, folder flushed, and only then named."""
    log = []

    def logged(name):
        real = getattr(os, name)

        def inner(*args, **kwargs):
            target = args[0] if isinstance(args[0], str) else os.readlink(f"/proc/self/fd/{args[0]}")
            log.append((name, os.path.basename(target)))
            return real(*args, **kwargs)

        return inner

    with WorldWriter(tmp_path, voxel_size_m=0.05) as writer:
        writer.write_region(*TASKS[0])
        for name in ("write", "fsync", "rename", "unlink"):
            monkeypatch.setattr(os, name, logged(name))
        place = writer.write_region(*TASKS[1]).key.split("/")
        order = [(call, "temp" if name.endswith(".tmp") else name) for call, name in log]
        flushed_folders = order[: order.index(("write", "temp"))]  # the new folders on the way
        assert {call for call, _ in flushed_folders} <= {"fsync"}
        assert order[len(flushed_folders) :] == [
            ("write", "temp"),
            ("fsync", "temp"),
            ("rename", "temp"),
            ("fsync", place[-2]),
            ("write", "manifest.journal"),
            ("fsync", "manifest.journal"),
        ]
        log.clear()
        for task in TASKS[2:]:
            writer.write_region(*task)
        log.clear()
        writer.finish(**END)
    assert log[-6:-2] == [
        ("write", log[-6][1]),
        ("fsync", log[-6][1]),
        ("rename", log[-6][1]),
        ("fsync", tmp_path.name),
    ]
    assert log[-6][1].startswith(".manifest.") and log[-2:] == [
        ("unlink", "manifest.journal"),
        ("fsync", tmp_path.name),
    ]


def test_finish_refuses_what_no_reader_would_take(tmp_path):
    wrong = [
        {"n_levels": 0},
        {"n_levels": 5},  # level 5 is written
        {"n_levels": 17},
        {"bounds_voxels": ((0, 0, 0), (-1, 1, 1))},
        {"bounds_voxels": ((0, 0, 0), (1, 1, 1 << 24))},
        {"sources": [{"nan": float("nan")}]},
        {"sources": ["text"]},
        {"sources": [{"path": tmp_path}]},
        {"sources": [{"long": "x" * (1 << 20)}]},
    ]
    deep: dict = {}
    for _ in range(60):
        deep = {"d": deep}
    with WorldWriter(tmp_path / "w", voxel_size_m=0.05) as writer:
        for task in TASKS:
            writer.write_region(*task)
        for change in [*wrong, {"sources": [deep]}]:
            with pytest.raises(ValueError):  # noqa: PT011 - each has its own message
                writer.finish(**(END | change))
        writer.finish(**END)
    assert open_world(tmp_path / "w").meta.n_levels == 6


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf"), 1e9])
def test_voxel_size_is_checked_before_the_disk_is_touched(tmp_path, size):
    with pytest.raises(ValueError, match="voxel_size_m"):
        WorldWriter(tmp_path / "w", voxel_size_m=size)
    with pytest.raises(ValueError, match="codec"):
        WorldWriter(tmp_path / "w", voxel_size_m=1, codec="pickle")
    assert not (tmp_path / "w").exists()
