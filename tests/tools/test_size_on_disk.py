"""A built scene of few colours is smaller on disk than its dense grid in an .npz: issue 4's hardest case."""

import io

import numpy as np
from bakery import world_voxels
from data import needs
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.sources import open_source


def test_church_is_smaller_than_its_npz(tmp_path):
    bake(open_source(needs("vox", "mmmm", "scene_church1.vox")), tmp_path / "w", BakeOptions())
    voxels, rgba = world_voxels(tmp_path / "w")
    low = voxels.min(axis=0)
    grid = np.zeros((*(voxels.max(axis=0) - low + 1)[::-1], 4), np.uint8)
    grid[tuple((voxels - low).T[::-1])] = rgba
    file = io.BytesIO()
    np.savez_compressed(file, grid)
    ours = sum(r.n_bytes for r in open_world(tmp_path / "w").regions if r.level == 0)
    assert len(voxels) == 181_774 and ours < 8_400 < file.tell(), (ours, file.tell())
