"""However a bake of posed frames is cut up, the world has the same bytes: fusing, carving, stamps."""

import json

import numpy as np
import posed_room as room
import pytest
from bakery import file_bytes
from splat_files import write_points
from voxtide.streamer.verify import verify
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, Resources, bake, bake_task, bake_together, finish
from voxtide.tools.baking import carving, driver, plan
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.sources import open_source
from voxtide.tools.sources.rgbd import Asked, open_rgbd
from voxtide.tools.voxelise import carve

OPTIONS = BakeOptions(voxel_size_m=0.02, at=(5.12, 0, 0), max_depth_m=3.0)
ASKED = Asked("w2c", room.K, 900.0)  # the truth, but for the scale: none of it can be guessed


@pytest.fixture
def recording(tmp_path):
    """A folder that must be asked about, with one broken frame."""
    room.scannet(tmp_path / "scan", known=False, w2c=True)
    (tmp_path / "scan" / "depth" / "2.png").write_bytes(b"x")
    return tmp_path / "scan"


@pytest.fixture
def whole(recording, tmp_path, monkeypatch):
    """(the source, the bytes of its world, made in one go with spans of 3 frames)."""
    monkeypatch.setattr(plan, "SPAN", 3)
    source = open_rgbd(recording, ASKED)
    bake(source, tmp_path / "whole", OPTIONS)
    return source, file_bytes(tmp_path / "whole")


def test_as_in_one_piece_in_memory(whole, tmp_path):
    """Against the stages by hand: sums of all frames, then one look at everything."""
    from voxtide.tools.bake_options import checked, place
    from voxtide.tools.voxelise import frames, sums

    placement = place(checked(OPTIONS, whole[0]))
    parts = [s for b in whole[0].batches(1) for s in frames.voxelise(b, placement, 3.0)]
    summed = sums.merge(parts)
    keep = carve.carve(whole[0], summed.voxels, placement, 3.0)
    assert 0 < keep.sum() < len(keep)
    world = open_world(tmp_path / "whole")
    assert sum(r.n_voxels for r in world.regions if r.level == 0) == keep.sum()
    there = world.read_voxels(0, summed.voxels[keep].astype(np.int64))
    assert np.array_equal(there[:, :3], sums.mean_srgb(summed)[keep]) and (there[:, 3] == 255).all()
    stamps = world.read_plane("updated", 0, summed.voxels[keep].astype(np.int64))
    assert world.meta.now == stamps.max() == 8, "of frame 7, the last one, wherever a broken one is"


@pytest.mark.parametrize("means", [{"memory_bytes": 1}, {"n_jobs": 2}, {"n_jobs": 2, "memory_bytes": 1}])
def test_little_memory_and_two_processes(whole, tmp_path, monkeypatch, means):
    monkeypatch.setattr(driver, "LEAST_ROWS", 3000)  # several groups, of one region and of parts of one
    monkeypatch.setattr(carving, "LOOKS", 3)
    bake(whole[0], tmp_path / "other", OPTIONS, means=Resources(**means))
    assert file_bytes(tmp_path / "other") == whole[1]


def test_groups_are_as_large_as_memory_allows(whole, tmp_path, monkeypatch):
    fields = []
    real = carve.field_of
    monkeypatch.setattr(carve, "field_of", lambda voxels: (fields.append(len(voxels)), real(voxels))[1])
    bake(whole[0], tmp_path / "roomy", OPTIONS)
    assert len(fields) == 1 and len(open_world(tmp_path / "roomy").regions) > 2
    monkeypatch.setattr(driver, "LEAST_ROWS", 3000)
    bake(whole[0], tmp_path / "tight", OPTIONS, means=Resources(memory_bytes=1))
    assert max(fields[1:]) == 3000 and sum(fields[1:]) == fields[0]


def test_tasks_then_finish(whole, tmp_path):
    for at in (2, 0, 1):
        bake_task([(whole[0], OPTIONS)], tmp_path / "tasks", (at, 3))
    finish(tmp_path / "tasks")
    assert file_bytes(tmp_path / "tasks") == whole[1]


def test_finish_says_when_the_recording_is_gone(whole, recording, tmp_path):
    bake_task([(whole[0], OPTIONS)], tmp_path / "tasks", (0, 1))
    (recording / "pose" / "5.txt").unlink()
    with pytest.raises(UserError, match="has changed since the bake began"):
        finish(tmp_path / "tasks")


def test_stopped_between_the_looks_and_resumed(whole, tmp_path, monkeypatch):
    def stop(votes):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(carve, "stay", stop)
        with pytest.raises(KeyboardInterrupt):
            bake(whole[0], tmp_path / "again", OPTIONS, means=Resources(memory_bytes=1))
    bake(whole[0], tmp_path / "again", OPTIONS)
    assert file_bytes(tmp_path / "again") == whole[1]


def test_other_intrinsics_are_another_bake(whole, recording, tmp_path):
    bake_task([(whole[0], OPTIONS)], tmp_path / "tasks", (0, 3))
    other = open_rgbd(recording, Asked("w2c", (81.0, 80.0, 47.5, 35.5), 900.0))
    with pytest.raises(UserError, match="begun differently"):
        bake(other, tmp_path / "tasks", OPTIONS)


def test_the_world_says_how_it_was_asked_for_and_is_repaired_by_it(whole, recording, tmp_path):
    world = tmp_path / "whole"
    said = open_world(world).meta.sources[0]["asked"]
    assert said == {"pose_convention": "w2c", "intrinsics": "80.0,80.0,47.5,35.5", "depth_scale": "900.0"}
    assert open_source(recording, said).asked == said
    for key in [r.key for r in open_world(world).regions][:2]:
        (world / key).unlink()
    assert main(["verify", str(world), "--repair", str(recording)]) == 0
    assert file_bytes(world) == whole[1]


def test_recordings_add_up_and_meet_other_kinds(whole, recording, tmp_path, rng):
    points = open_source(write_points(tmp_path / "b.ply", rng, 500, 0.3))
    sources = [(whole[0], OPTIONS), (whole[0], OPTIONS), (points, BakeOptions(0.02, max_depth_m=3.0))]
    bake_together(sources, tmp_path / "one")
    bake_together(sources[::-1], tmp_path / "two", means=Resources(n_jobs=2))
    assert file_bytes(tmp_path / "one") == file_bytes(tmp_path / "two") and verify(tmp_path / "one").ok
    alone = sum(r.n_voxels for r in open_world(tmp_path / "whole").regions if r.level == 0)
    beside = bake(points, tmp_path / "points", BakeOptions(0.02)).voxels
    together = sum(r.n_voxels for r in open_world(tmp_path / "one").regions if r.level == 0)
    assert together == alone + beside, "twice the same frames: the same verdict"


def test_the_command_with_two_processes(recording, tmp_path, capfd):
    given = ["--pose-convention", "w2c", "--intrinsics", "80,80,47.5,35.5", "--voxel-size", "0.1", "--json"]
    found = []
    for jobs in ("1", "2"):
        assert main(["bake", str(recording), str(tmp_path / jobs), *given, "--jobs", jobs]) == 0
        told = capfd.readouterr()
        assert told.err.count("frame left out") == 1
        found.append(json.loads(told.out)["voxels"])
    assert found[0] == found[1] and file_bytes(tmp_path / "1") == file_bytes(tmp_path / "2")
