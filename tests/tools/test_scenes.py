"""Every real scene of the first formats bakes, checks and draws; formats of one scene make one world."""

import json

import bakery
import numpy as np
import pytest
from data import SHARED, needs
from voxtide.tools.cli import main

pytestmark = pytest.mark.slow

SCENES = {
    "splat/biker.ply": (),
    "splat/biker.compressed.ply": (),
    "splat/biker.spz": (),
    "splat/playcanvas-test.ply": (),
    "splat/train-1000.ply": ("--voxel-size", "0.02"),
    "splat/test-splat.3-points-from-train.ply": (),
    "splat/test-splat.3-points-from-train.splat": (),
    "splat/test-splat.3-points-from-train.spz": (),
    "pointcloud/fragment.pcd": ("--up=-y", "--codec", "lz4"),
    "rgbd/icl_livingroom1_micro/test_fragments/fragment_002.ply": ("--up=-y",),
    "vox/mmmm/scene_church1.vox": (),
    "vox/mmmm/scene_depot.vox": (),
    "vox/mmmm/scene_store8.vox": (),
    "vox/opengametools/test_multiple_model_scene.vox": (),
    "vox/dot_vox/placeholder-with-materials.vox": (),
}


def run_json(capsys, *arguments):
    capsys.readouterr()
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_no_scene_is_left_out():
    needs("splat")
    kinds = {"splat": ("*.ply", "*.splat", "*.spz"), "vox": ("*/*.vox",), "pointcloud": ("*",)}
    found = {
        p.relative_to(SHARED).as_posix()
        for k, globs in kinds.items()
        for g in globs
        for p in (SHARED / k).glob(g)
    }
    assert found <= set(SCENES)


@pytest.mark.parametrize("scene", SCENES)
def test_a_real_scene_bakes_checks_and_draws(capsys, tmp_path, scene):
    out = tmp_path / "world.vxt"
    code, baked = run_json(capsys, "bake", needs(*scene.split("/")), out, *SCENES[scene])
    assert code == 0
    assert baked["voxels"] > 0
    code, checked = run_json(capsys, "verify", out)
    assert (code, checked["ok"]) == (0, True)
    assert checked["chunks"] == sum(baked["chunks"])
    size = ("--size", "160x120")
    code, drawn = run_json(capsys, "render", out, "-o", tmp_path / "picture.png", *size)
    assert (code, drawn["unresolved_pixels"]) == (0, 0)
    assert drawn["hit_fraction"] > 0.005
    assert drawn["resident_chunks"] == sum(baked["chunks"])


def voxels_of(capsys, tmp_path, name, *options):
    out = tmp_path / f"{name}.vxt"
    assert run_json(capsys, "bake", needs("splat", name), out, *options)[0] == 0
    voxels, rgba = bakery.world_voxels(out)
    return {tuple(v): c for v, c in zip(voxels.tolist(), rgba.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("one", "other", "overlap", "colour"),
    [
        # .spz keeps biker's positions, scales and colours; rotations to 0.06 degrees
        ("biker.ply", "biker.spz", 0.995, 2),
        # compressed: 11 bits of position and scale in each chunk of 256, rotations to 0.14 degrees
        ("biker.ply", "biker.compressed.ply", 0.98, 12),
        # .splat: position and scale exact, rotation 1 degree, opacity and colour to a byte
        ("test-splat.3-points-from-train.ply", "test-splat.3-points-from-train.splat", 1.0, 3),
        # .spz version 3: 12 bits of fraction, ln(scale) to 1/16
        ("test-splat.3-points-from-train.ply", "test-splat.3-points-from-train.spz", 1.0, 3),
    ],
)
def test_formats_of_one_scene_make_one_world(capsys, tmp_path, one, other, overlap, colour):
    a, b = voxels_of(capsys, tmp_path, one), voxels_of(capsys, tmp_path, other)
    common = a.keys() & b.keys()
    assert len(common) / len(a.keys() | b.keys()) >= overlap
    off = np.abs(np.array([a[v] for v in common]) - np.array([b[v] for v in common]))[:, :3]
    assert np.quantile(off, 0.99) <= colour
