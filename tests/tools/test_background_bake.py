"""A scene becomes a world in another process, coarse first; what cannot be opened is said."""

import os
import signal
from pathlib import Path

import pytest
from gates import wait_until
from voxtide.app.library import OpenError
from voxtide.streamer.world import open_world
from voxtide.tools.background_bake import COARSER, main
from voxtide.tools.shelf import Shelf

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def cloud(path, n=4000):
    lines = [f"{i % 20 * 0.05} {i // 20 % 20 * 0.05} {i // 400 * 0.05} {i % 256} 90 200" for i in range(n)]
    head = ["ply", "format ascii 1.0", f"element vertex {n}", *(f"property float {a}" for a in "xyz")]
    head += [*(f"property uchar {c}" for c in ("red", "green", "blue")), "end_header"]
    path.write_text("\n".join(head + lines) + "\n")
    return path


def test_the_child_makes_coarse_worlds_and_then_the_fine_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "nice", lambda _by: 0)
    assert main([str(cloud(tmp_path / "cloud.ply")), str(tmp_path), "0.01"]) == 0
    said = capsys.readouterr().out
    names = [f"coarse-{f}.vxt" if f > 1 else "cloud.vxt" for f in COARSER]
    assert [said.index(name) for name in names] == sorted(said.index(name) for name in names)
    sizes = [open_world(tmp_path / name).meta.voxel_size_m for name in names]
    assert sizes == pytest.approx([0.01 * f for f in COARSER])


def test_cells_of_voxel_files_are_not_made_coarser(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "nice", lambda _by: 0)
    assert main([str(ASSETS / "depot.vox"), str(tmp_path), "0.1"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["depot.vxt"]


def test_what_cannot_be_read_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "nice", lambda _by: 0)
    broken = tmp_path / "broken.ply"
    broken.write_text("ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nend_header\n")
    assert main([str(broken), str(tmp_path), "0.01"]) == 2
    assert '"failed"' in capsys.readouterr().out


@pytest.mark.slow
def test_a_bake_beside_the_viewer(tmp_path):
    baking = Shelf(tmp_path / "cache").bake(str(cloud(tmp_path / "cloud.ply")), 0.01)
    worlds = []

    def done():
        made = baking.poll()
        worlds.extend([made] if made else [])
        return baking.is_done

    wait_until(done)
    assert baking.failed == ""
    assert [Path(w).stem for w in worlds] == ["coarse-8", "coarse-2", "cloud"]


@pytest.mark.slow
def test_a_bake_that_dies_is_told(tmp_path):
    baking = Shelf(tmp_path / "cache").bake(str(ASSETS / "biker.compressed.ply"), 0.004)
    os.kill(baking._child.pid, signal.SIGKILL)
    wait_until(lambda: baking.poll() is None and baking.is_done)
    assert "biker.compressed.ply" in baking.failed


def test_what_is_neither_world_nor_scene_is_one_line(tmp_path):
    shelf = Shelf(tmp_path / "cache")
    (tmp_path / "notes.txt").write_text("hello")
    for name in (tmp_path / "nowhere.ply", tmp_path / "notes.txt"):
        with pytest.raises(OpenError) as error:
            shelf.bake(str(name), 0.01)
        assert "\n" not in str(error.value)
    with pytest.raises(OpenError):
        shelf.open(str(tmp_path))
    assert not (tmp_path / "cache").exists()
