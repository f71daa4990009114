"""A world from disk on the GPU: whole, over budget, and damaged."""

import shutil

import numpy as np
import pytest
from voxtide.app import frame
from voxtide.app.camera import Pose, look
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.scene import load
from voxtide.atlas import layout
from voxtide.streamer.errors import WorldError
from voxtide.streamer.world import open_world
from worlds import make_world

SIZE = (96, 64)
POSE = Pose(0.31, 0.32, 0.6, 47, -30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    y, x = np.mgrid[0:200, 0:200]
    h = (20 + 9 * np.sin(x / 17) + 7 * np.cos(y / 11)).astype(np.int64)
    voxels = np.concatenate([np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(3)])
    rgba = np.stack([x % 256, y % 256, h * 4, np.full_like(x, 255)], -1).reshape(-1, 4).astype(np.uint8)
    path = tmp_path_factory.mktemp("scene") / "hills.vxt"
    make_world(path, voxels, np.concatenate([rgba] * 3), voxel_size_m=0.01)
    return path


def draw(gl, scene):
    renderer = Renderer(gl, SIZE)
    view = look(POSE, SIZE, 60.0, scene.voxel_size_m, scene.root.corner_voxel)
    report = frame.draw(renderer, scene, view, light_of(scene.extent_voxels))
    picture, hits = renderer.read_picture(), renderer.read_hits(view)
    renderer.release()
    return picture, hits, report


def test_a_whole_world_is_resident_and_nothing_is_asked(gl, folder):
    world = open_world(folder)
    scene = load(gl, world, 1 << 30)
    _, hits, report = draw(gl, scene)
    assert scene.n_resident == sum(r.n_chunks for r in world.regions)
    assert (frame.status(hits) == layout.HIT_VOXEL).mean() > 0.5
    assert len(report.feedback.requests) == 0
    assert report.feedback.n_unresolved == 0
    scene.release()


def test_what_exceeds_the_budget_is_drawn_coarser(gl, folder):
    world = open_world(folder)
    whole, small = load(gl, world, 1 << 30), load(gl, world, 60 * BYTES_PER_SLOT)
    _, fine, _ = draw(gl, whole)
    _, coarse, report = draw(gl, small)
    assert small.n_resident == 60
    hit = frame.is_hit(fine)
    assert frame.is_hit(coarse)[hit].all(), "no hole where the whole world has none"
    assert (frame.level(coarse)[hit] >= frame.level(fine)[hit]).all()
    assert len(report.feedback.requests) > 0
    assert report.feedback.n_unresolved == 0
    whole.release()
    small.release()


def test_a_bad_chunk_is_told_once_and_its_parent_drawn(gl, folder, tmp_path):
    broken = tmp_path / "broken.vxt"
    shutil.copytree(folder, broken)
    world = open_world(broken)
    record = max((r for r in world.regions if r.level == 0), key=lambda r: r.n_chunks)
    x, y, z = (c + (1 << 15) for c in record.region)
    file = broken / "color" / "0" / "c" / str(z) / str(y) / str(x) / "0"
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    bad = []
    scene = load(gl, world, 1 << 30, bad.append)
    assert len(bad) == 1
    assert isinstance(bad[0], WorldError)
    assert bad[0].chunk is not None
    _, hits, report = draw(gl, scene)
    assert (frame.status(hits) == layout.HIT_VOXEL).any()
    assert report.feedback.n_unresolved == 0
    scene.release()
