"""However a bake is cut up - processes, tasks, Ray, memory, order - the world has the same bytes."""

import itertools
import json
import os
from importlib.resources import as_file
from importlib.resources import files as files_of

import numpy as np
import pytest
from bakery import file_bytes
from splat_files import write_points, write_splat
from voxtide import assets
from voxtide.streamer import files
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.streamer.writer import WorldWriter
from voxtide.tools import bake as b
from voxtide.tools.bake import BakeOptions, Resources, bake_task, bake_together, finish
from voxtide.tools.bake_regions import bake_regions
from voxtide.tools.baking import driver, plan, scenes, scratch
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.sources import open_source

OPTIONS = BakeOptions(voxel_size_m=0.01)


@pytest.fixture
def small_spans(monkeypatch):
    """Spans and memory so small that a small scene has several of each."""
    monkeypatch.setattr(plan, "SPAN", 300)
    monkeypatch.setattr(scenes, "KEEP", 0)
    monkeypatch.setattr(driver, "LEAST_ROWS", 500)


@pytest.fixture
def scene(tmp_path, rng, small_spans):
    """(opened sources with their options, the bytes of the world they make in one process, in memory)."""
    sources = [
        (open_source(write_splat(tmp_path / "a.splat", rng, 1000, 0.3)), OPTIONS),
        (open_source(write_points(tmp_path / "b.ply", rng, 700, 0.3)), BakeOptions(at=(1.5, 0, 0))),
    ]
    bake_together(sources, tmp_path / "whole")
    assert verify(tmp_path / "whole").ok
    return sources, file_bytes(tmp_path / "whole")


def left(folder):
    """Everything in a folder, hidden or not, worlds by their name alone."""
    return {p.name for p in folder.iterdir()}


def test_in_memory_is_really_in_memory_and_little_memory_is_not(scene, tmp_path, monkeypatch):
    written = []
    real = scenes.write_run
    monkeypatch.setattr(scenes, "write_run", lambda *a: (written.append(a[1]), real(*a)))
    bake_together(scene[0], tmp_path / "memory")
    assert not written
    bake_together(scene[0], tmp_path / "disk", means=Resources(memory_bytes=1))
    assert len(written) >= 7 and len(set(written)) == len(written)
    assert file_bytes(tmp_path / "memory") == file_bytes(tmp_path / "disk") == scene[1]
    assert left(tmp_path / "disk") == {"zarr.json", "manifest", "color"}


def test_two_processes_and_a_scratch_folder(scene, tmp_path):
    means = Resources(n_jobs=2, scratch=tmp_path / "scratch")
    report = bake_together(scene[0][::-1], tmp_path / "jobs", means=means)
    assert file_bytes(tmp_path / "jobs") == scene[1] and report.voxels > 1000
    assert not list((tmp_path / "scratch").iterdir())


def test_three_tasks_in_any_order_then_finish(scene, tmp_path):
    out = tmp_path / "tasks"
    report = bake_task(scene[0], out, (2, 3))
    assert (report.spans, report.spans_before) == (2, 0)
    with pytest.raises(UserError, match=r"tasks 0/3, 1/3 not ended: 5 of 7 spans are missing"):
        finish(out)
    for at in (0, 1, 2):
        report = bake_task(scene[0][::-1], out, (at, 3))
    assert report.spans_before == 2, "what is done is not done twice"
    finish(out)
    assert file_bytes(out) == scene[1] and left(out) == {"zarr.json", "manifest", "color"}
    with pytest.raises(UserError, match="no bake to finish"):
        finish(out)


@pytest.mark.parametrize("last", ["levels", "journal"])
def test_finish_goes_on_alone_when_it_was_cut_short(scene, tmp_path, monkeypatch, last):
    out = tmp_path / "tasks"
    bake_task(scene[0], out, (0, 1))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if last == "levels":
            patch.setattr(driver, "write_levels", stop)
        else:
            real = files.remove_file
            gone = lambda root, key: (stop if key == "manifest.journal" else real)(root, key)  # noqa: E731
            patch.setattr(files, "remove_file", gone)
        with pytest.raises(KeyboardInterrupt):
            finish(out)
    assert "manifest.journal" in left(out) and "baking" not in left(out)
    finish(out)
    assert file_bytes(out) == scene[1]


def test_tasks_may_be_taken_over_by_a_bake_in_one_piece(scene, tmp_path):
    bake_task(scene[0], tmp_path / "w", (0, 2))
    bake_together(scene[0], tmp_path / "w")
    assert file_bytes(tmp_path / "w") == scene[1]


def test_a_task_is_run_by_one_and_keeps_others_out(scene, tmp_path):
    out, heard = tmp_path / "w", []

    def meanwhile(stage, done, total):
        if stage != "voxelise" or heard:
            return
        for call in (
            lambda: bake_task(scene[0], out, (0, 2)),
            lambda: bake_together(scene[0], out),
            lambda: finish(out),
        ):
            with pytest.raises(UserError) as refused:
                call()
            heard.append(str(refused.value))
        heard.append(bake_task(scene[0], out, (1, 2)).spans)

    bake_task(scene[0], out, (0, 2), meanwhile)
    assert all(f"process {os.getpid()} on" in line and "\n" not in line for line in heard[:3])
    assert "task 0/2 is running already" in heard[0] and "another process" in heard[1]
    assert "task 0/2 (process" in heard[2] and heard[3] == 3
    finish(out)
    assert file_bytes(out) == scene[1]


def test_a_bake_names_who_holds_the_folder(scene, tmp_path):
    with WorldWriter(tmp_path / "w", voxel_size_m=0.01), pytest.raises(UserError) as refused:
        bake_together(scene[0], tmp_path / "w")
    assert f"process {os.getpid()} on" in str(refused.value) and "since 20" in str(refused.value)


def test_a_bake_begun_differently_is_refused_in_one_line(scene, tmp_path):
    sources, _ = scene
    bake_task(sources, tmp_path / "w", (0, 2))
    before = file_bytes(tmp_path / "w")
    other = [(source, BakeOptions(voxel_size_m=0.02)) for source, _ in sources]
    for call in (bake_together, lambda s, out: bake_task(s, out, (0, 2))):
        with pytest.raises(UserError, match="begun differently") as refused:
            call(other, tmp_path / "w")
        assert "\n" not in str(refused.value)
    path = sources[0][0].path
    path.write_bytes(path.read_bytes()[:-32])
    changed = [(open_source(path), OPTIONS), sources[1]]
    with pytest.raises(UserError, match="begun differently"):
        bake_together(changed, tmp_path / "w")
    assert file_bytes(tmp_path / "w") == before


def test_ray_with_two_workers(scene, tmp_path):
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    bake_together(scene[0], tmp_path / "ray", means=Resources(n_jobs=2, ray="local"))
    assert file_bytes(tmp_path / "ray") == scene[1]


def test_ray_without_ray_says_what_to_install(scene, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"voxtide\[cluster\]"):
        bake_together(scene[0], tmp_path / "ray", means=Resources(ray="local"))


def test_shuffled_items_make_the_same_voxels(scene, tmp_path, rng):
    (source, _), expected = scene[0][0], scene[1]
    rows = np.frombuffer(source.path.read_bytes(), "V32")
    source.path.write_bytes(rng.permutation(rows).tobytes())
    again = [(open_source(source.path), OPTIONS), scene[0][1]]
    bake_together(again, tmp_path / "w", means=Resources(memory_bytes=1))
    found = file_bytes(tmp_path / "w")
    differ = {name for name in expected if found.get(name) != expected[name]}
    assert differ == {"zarr.json", "manifest"}, "they name the file's digest, and nothing else differs"
    assert found.keys() == expected.keys()


def test_kinds_in_one_place_are_averaged(tmp_path, rng):
    splat = write_splat(tmp_path / "a.splat", rng, 1, 0.0)
    cloud = write_points(tmp_path / "b.ply", rng, 1, 0.0)
    sources = [(open_source(splat), OPTIONS), (open_source(cloud), OPTIONS)]
    worlds = []
    for i, order in enumerate((sources, sources[::-1], sources[:1], sources[1:])):
        bake_together(order, tmp_path / f"{i}")
        worlds.append(open_world(tmp_path / f"{i}").read_voxels(0, np.zeros((1, 3), np.int64))[0])
    both, again, splats, points = (w.astype(int) for w in worlds)
    assert (both == again).all() and both[3] == max(splats[3], points[3]) == 255
    low, high = np.minimum(splats, points), np.maximum(splats, points)
    assert ((both >= low) & (both <= high)).all() and (both[:3] != points[:3]).any()


def test_readers_give_any_part(tmp_path, rng):
    for source in (
        open_source(write_splat(tmp_path / "a.splat", rng, 100)),
        open_source(write_points(tmp_path / "b.ply", rng, 100)),
    ):
        whole = np.concatenate([batch.positions for batch in source.batches(100)])
        for start, count in itertools.product((0, 13, 99), (1, 20, 100)):
            parts = [batch.positions for batch in source.part(7, start, count)]
            assert np.array_equal(np.concatenate(parts), whole[start : start + count])
            assert all(len(p) <= 7 for p in parts)


def test_a_changed_source_is_noticed_by_the_worker(scene, tmp_path):
    from voxtide.tools.baking import reading

    (opened, _), *_ = plan.scenes_of([(s, b.checked(o, s)) for s, o in scene[0]])
    path = scene[0][0][0].path
    changed = plan.Scene({**opened.origin, "n_items": 5}, opened.options, str(path), True)
    with pytest.raises(UserError, match="has changed"):
        reading.span_unit(changed, plan.Span(0, 0, 0, 5), tmp_path, 100)


def test_a_procedural_world_on_two_processes(tmp_path):
    from voxtide.streamer.procedural import ProceduralWorld, Recipe

    world = ProceduralWorld(Recipe(seed=5, size_km=0.03, voxel_size_m=0.1))
    bake_regions(world, tmp_path / "one")
    bake_regions(world, tmp_path / "two", means=Resources(n_jobs=2))
    assert file_bytes(tmp_path / "one") == file_bytes(tmp_path / "two")


def test_chunks_that_repeat_on_two_processes(tmp_path, small_spans):
    with as_file(files_of(assets) / "depot.vox") as path:
        scene = [(open_source(path), BakeOptions())]
        bake_together(scene, tmp_path / "one")
        bake_together(scene, tmp_path / "two", means=Resources(n_jobs=2))
    assert file_bytes(tmp_path / "one") == file_bytes(tmp_path / "two")
    world = open_world(tmp_path / "two")
    places = [world.index_of(file).offsets for record in world.regions for file in record.files]
    assert any(np.unique(offsets).size < offsets.size for offsets in places)
    assert verify(tmp_path / "two").ok


def test_the_command(scene, tmp_path, capsys):
    names = [str(s.path) for s, _ in scene[0]]
    places = ["--at", "0,0,0", "--at", "1.5,0,0"]
    tasks = [["--task", f"{i}/2"] for i in (1, 0)]
    for task in tasks:
        assert main(["bake", *names, str(tmp_path / "w"), *places, *task, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["task"] == task[1]
    assert main(["bake", "--finish", str(tmp_path / "w"), "--jobs", "1", "--memory", "256M"]) == 0
    assert file_bytes(tmp_path / "w") == scene[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["OUT"], "name a scene"),
        (["--finish", "a", "OUT"], "--finish takes the world's folder alone"),
        (["--finish", "OUT"], "no bake to finish"),
        (["a.splat", "a.splat", "a.splat", "OUT", "--at", "1,2,3", "--at", "1,2,4"], "--at is given 2 times"),
        (["a.splat", "OUT", "--rotate", "1,2"], "--rotate"),
        (["a.splat", "OUT", "--memory", "2"], "not a size like"),
        (["a.splat", "OUT", "--task", "3/3"], "not I/N"),
        (["a.splat", "OUT", "--task", "0/2", "--overwrite"], "--task does not replace"),
        (["a.splat", "procedural:island", "OUT"], "baked alone"),
        (["procedural:island", "OUT", "--task", "0/2"], "--task mean nothing"),
    ],
)
def test_mistakes_are_one_line(arguments, says, tmp_path, rng, capsys):
    write_splat(tmp_path / "a.splat", rng, 3)
    places = {"OUT": str(tmp_path / "out"), "a.splat": str(tmp_path / "a.splat")}
    try:
        code = main(["bake", *(places.get(a, a) for a in arguments)])
    except SystemExit as error:  # argparse
        code = error.code
    assert code == 2 and says in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_damaged_run_is_noticed(scene, tmp_path):
    bake_task(scene[0], tmp_path / "w", (0, 1))
    run = next((tmp_path / "w" / "baking").glob("run.*"))
    data = bytearray(run.read_bytes())
    data[-30] ^= 1  # its index: the span is read again
    run.write_bytes(data)
    bake_together(scene[0], tmp_path / "w")
    assert file_bytes(tmp_path / "w") == scene[1]
    assert scratch.FOLDER not in left(tmp_path / "w")
