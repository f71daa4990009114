"""A world compared with its source: cameras, cubes, the walk, the command, the report."""

import json
from dataclasses import replace
from pathlib import Path

import bakery
import numpy as np
import pytest
from cameras import rays
from PIL import Image
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.bake_options import checked, place
from voxtide.tools.cli import main
from voxtide.tools.commands import compare as command
from voxtide.tools.errors import UserError
from voxtide.tools.fidelity import baseline, boxes, cameras, compare, report, sheet
from voxtide.tools.voxelise.placement import Placement

ROOT = Path(__file__).resolve().parents[2]
SIZE = (48, 32)


def blob(rng, n=400):
    """Some cells of a ball, each of its own colour."""
    at = np.unique(np.rint(rng.normal(0, 5, (n, 3))).astype(int), axis=0)
    return bakery.cells(
        at, np.concatenate([rng.integers(0, 256, (len(at), 3)), np.full((len(at), 1), 255)], 1)
    )


def compared(tmp_path, source, options, n_views=2, size=SIZE):
    bake(source, tmp_path / "world.vxt", options)
    return compare.compare(open_world(tmp_path / "world.vxt"), source, n_views, size)


def slanted():
    axes = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    return cameras.Camera(
        (12, 10), np.array([0.4, -0.2, 0.7]), axes * np.linalg.det(axes), (9.0, 8.0), (5.1, 6.6)
    )


def test_the_shaders_get_the_cameras_rays():
    cam = slanted()
    view = cameras.view_of(cam, 0.01, np.array([-64, -64, -64]))
    origin, direction = rays(view)
    want = cam.directions() / cam.ray_lengths()[..., None]
    np.testing.assert_allclose(direction.reshape(10, 12, 3), want, atol=1e-6)
    np.testing.assert_allclose((origin.reshape(-1, 3)[0] - 64) * 0.01, cam.eye_m, atol=1e-6)


def test_cameras_stand_on_all_sides_and_see_everything(rng):
    points = rng.normal(size=(200, 3))
    found = cameras.around(points, np.ones(200), 12, SIZE, seed=1)
    for cam in found:
        at = (points - cam.eye_m) @ cam.axes.T
        for axis in (0, 1):
            pixel = at[:, axis] / at[:, 2] * cam.focal[axis] + cam.centre[axis]
            assert (pixel > 0).all() and (pixel < cam.size[axis]).all()
        np.testing.assert_allclose(cam.axes @ cam.axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(cam.axes) == pytest.approx(1)
    yaws = np.degrees([np.arctan2(c.axes[2, 1], c.axes[2, 0]) for c in found]) % 360
    assert sorted((yaws // 30).astype(int).tolist()) == list(range(12))
    again = cameras.around(points, np.ones(200), 12, SIZE, seed=1)
    assert all(np.array_equal(a.eye_m, b.eye_m) for a, b in zip(found, again, strict=True))
    assert not np.array_equal(found[0].eye_m, cameras.around(points, np.ones(200), 12, SIZE, 2)[0].eye_m)


def twin_of_boxes(scene, cam):
    """Every ray against every box. -> rgb [h, w, 3], distance [h, w]"""
    width, height = cam.size
    rgb, depth = np.zeros((height, width, 3)), np.full((height, width), np.inf)
    for row, line in enumerate(cam.directions()):
        for column, way in enumerate(line):
            for low, high, colour in zip(scene.low_m, scene.high_m, scene.rgb, strict=True):
                a, b = (low - cam.eye_m) / way, (high - cam.eye_m) / way
                enter, leave = max(0, np.minimum(a, b).max()), np.maximum(a, b).min()
                t = enter * np.linalg.norm(way)
                if enter <= leave and leave > 0 and t < depth[row, column]:
                    depth[row, column], rgb[row, column] = t, colour / 255
    return rgb, depth


@pytest.mark.parametrize("inside", [False, True])
def test_cubes_are_met_by_every_ray(rng, inside, monkeypatch):
    monkeypatch.setattr(boxes, "PAIRS", 100)
    batch = bakery.points(
        rng.uniform(-1, 1, (25, 3)) + (0 if inside else (0, 0, 4)), rng.integers(0, 256, (25, 3))
    )
    scene = boxes.gather([batch], Placement(0.3))
    cam = replace(slanted(), eye_m=np.array([0.05, 0.1, 0.0]), axes=np.eye(3))
    drawn = boxes.draw(scene, cam)
    rgb, depth = twin_of_boxes(scene, cam)
    np.testing.assert_allclose(drawn.depth_m, depth, rtol=1e-6)
    np.testing.assert_allclose(drawn.rgb, rgb, atol=1e-6)
    assert np.array_equal(drawn.alpha, np.isfinite(depth))
    assert drawn.alpha.mean() > 0.05


def test_a_voxel_file_is_kept_exactly(tmp_path, rng):
    """Cells as large as voxels, turned, moved, scaled: no pixel differs, but on edges between voxels."""
    source = bakery.source(tmp_path, blob(rng), up="y")
    found = compared(tmp_path, source, BakeOptions(voxel_size_m=0.1, at=(3.0, -2.0, 1.0)))
    for view in found.views:
        off = np.abs(view.source.over() - view.world.over()).max(-1) > 1 / 255
        assert off.mean() < 0.01, "a ray along an edge may end in either voxel"
        assert view.figures.coverage_iou > 0.99
        assert view.figures.depth_p95_voxels < 0.01
        assert view.figures.source_pixels > 0.05


def test_points_are_cubes_of_a_voxel(tmp_path, rng):
    ball = rng.normal(size=(3000, 3))
    ball /= np.linalg.norm(ball, axis=1)[:, None]
    source = bakery.source(tmp_path, bakery.points(ball, (200, 40, 40)))
    mean = compare.overall(compared(tmp_path, source, BakeOptions(voxel_size_m=0.05)))
    assert mean["coverage_iou"] > 0.85
    assert mean["depth_median_voxels"] < 1
    assert mean["psnr_covered_db"] > 22


def ball_of_splats(rng, n=4000):
    """A ball of opaque discs, half of it red and half of it green."""
    at = rng.normal(size=(n, 3))
    at /= np.linalg.norm(at, axis=1)[:, None]
    turned = np.concatenate([1 + at[:, 2:], -at[:, 1:2], at[:, :1], np.zeros((n, 1))], axis=1)
    rgb = np.where(at[:, :1] > 0, (200, 30, 30), (30, 160, 30))
    return bakery.gaussians(at, (0.06, 0.06, 0.005), 0.95, turned, rgb)


def test_splats_are_near_their_exact_picture_and_nearer_than_their_centres(tmp_path, rng):
    source = bakery.source(tmp_path, ball_of_splats(rng), up="-y")
    options = BakeOptions(voxel_size_m=0.02)
    found = compare.overall(compared(tmp_path, source, options))
    assert found["psnr_db"] > 22
    assert found["coverage_iou"] > 0.88
    assert found["depth_median_voxels"] < 1.5
    centres = baseline.centres(source, options)
    bake(centres, tmp_path / "centres.vxt", replace(options, up="-y"))
    holed = compare.overall(compare.compare(open_world(tmp_path / "centres.vxt"), source, 2, SIZE))
    assert holed["psnr_db"] < found["psnr_db"] - 3


def test_centres_are_one_voxel_each_and_floaters_stay_out(tmp_path):
    batch = bakery.gaussians([(0.5, 0.5, 0.5), (9.5, 0.5, 0.5), (5, 5, 5)], 2.0, [0.9, 0.9, 0.05])
    source = bakery.source(tmp_path, batch)
    (points,) = baseline.centres(source, BakeOptions(voxel_size_m=1.0)).batches(100)
    assert points.positions.tolist() == [[0.5, 0.5, 0.5], [9.5, 0.5, 0.5]]


def test_the_world_says_where_its_source_lies(tmp_path, rng):
    source = bakery.source(tmp_path, blob(rng, 50), up="y")
    options = BakeOptions(voxel_size_m=0.1, scale=0.2, at=(1.0, 2.0, 3.0), bounds_m=((-9, -9, -9), (9, 9, 9)))
    bake(source, tmp_path / "w.vxt", options)
    meta = open_world(tmp_path / "w.vxt").meta
    from voxtide.tools.fidelity.provenance import placed

    placement, _, name = placed(meta, source)
    assert placement == place(checked(options, source))
    assert name == source.path.name
    renamed = replace(source, path=tmp_path / "other.bin")
    assert placed(meta, renamed)[2] == source.path.name
    with pytest.raises(UserError, match=r"baked from scene\.bin"):
        placed(meta, replace(renamed, kind="points"))
    with pytest.raises(UserError, match="nothing that it names"):
        placed(replace(meta, sources=()), source)
    damaged = {**meta.sources[0], "options": {"voxel_size_m": "much"}}
    with pytest.raises(UserError):
        placed(replace(meta, sources=(damaged,)), source)


def test_a_kind_without_a_row_is_refused_in_one_line(tmp_path, rng):
    source = replace(bakery.source(tmp_path, blob(rng, 50)), kind="clouds")
    from voxtide.tools.fidelity.references import check

    with pytest.raises(UserError, match=r"clouds cannot be compared yet; .*voxels can"):
        check(source)


def test_the_report_says_what_is_lost_and_the_sheet_shows_it(tmp_path, rng):
    source = bakery.source(tmp_path, ball_of_splats(rng, 200), up="-y")
    source = replace(source, notes={"sh_degree": 2})
    found = compared(tmp_path, source, BakeOptions(voxel_size_m=0.05))
    report.write(tmp_path / "report", found, "world.vxt")
    page = (tmp_path / "report" / "report.md").read_text()
    for words in ("Transparency", "View dependence", "degree 2", "Detail below a voxel", "PSNR", "sheet.png"):
        assert words in page
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert told["n_views"] == len(told["views"]) == 2
    assert told["overall"]["psnr_db"] == pytest.approx(np.mean([v["psnr_db"] for v in told["views"]]))
    picture = np.asarray(Image.open(tmp_path / "report" / "sheet.png"))
    assert picture.shape == sheet.sheet(found).shape
    assert picture.shape[1] > 3 * SIZE[0] and picture.shape[0] > 2 * SIZE[1]
    same = [*report.losses({**told, "source": "b", "baked_from": "a", "n_sources_of_world": 2})]
    assert any("2 sources" in line for line in same) and any("baked from a" in line for line in same)


@pytest.mark.slow
def test_the_command_and_the_bakes_report(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "DEFAULT_SIZE", SIZE)
    monkeypatch.setattr(command, "DEFAULT_VIEWS", 1)
    world, scene = tmp_path / "depot.vxt", ROOT / "assets" / "depot.vox"
    words = ["bake", scene, world, "--voxel-size", "0.1", "--json", "--report", tmp_path / "report"]
    assert main([str(w) for w in words]) == 0
    assert {p.name for p in (tmp_path / "report").iterdir()} == {"report.md", "report.json", "sheet.png"}
    capsys.readouterr()
    words = [
        "compare",
        world,
        scene,
        "--views",
        "1",
        "--size",
        "64x36",
        "--json",
        "-o",
        tmp_path / "sheet.png",
    ]
    assert main([str(w) for w in words]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert told["size"] == [64, 36] and told["n_views"] == 1
    assert told["overall"]["psnr_db"] > 25  # depot has cells that its coverage makes no less solid
    assert (tmp_path / "sheet.png").exists()


def test_mistakes_are_one_line(tmp_path, capsys, rng):
    source = bakery.source(tmp_path, blob(rng, 50))
    bake(source, tmp_path / "w.vxt", BakeOptions(voxel_size_m=0.1))
    depot = ROOT / "assets" / "depot.vox"
    (tmp_path / "file").write_text("here")
    for words in (
        ["compare", tmp_path / "none.vxt", depot],
        ["compare", tmp_path / "w.vxt", tmp_path / "none.vox"],
        ["compare", tmp_path / "w.vxt", depot, "--views", "100000"],
        ["compare", tmp_path / "w.vxt", depot, "-o", tmp_path / "no" / "sheet.png"],
        ["compare", tmp_path / "w.vxt", ROOT / "assets" / "biker.compressed.ply"],
        ["bake", depot, tmp_path / "x.vxt", "--report", tmp_path / "file"],
        ["bake", "procedural:island", tmp_path / "x.vxt", "--report", tmp_path / "r"],
    ):
        assert main([str(w) for w in words]) == 2, words
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1, err
    assert not (tmp_path / "x.vxt").exists()
