"""The cache experiment: exact truth, controlled errors, scores, and its command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from voxtide.tools import cli
from voxtide.tools.lyra.experiment import curves, page, plots, precision, scores
from voxtide.tools.lyra.experiment.courses import COURSES, STEP_FRAMES, camera
from voxtide.tools.lyra.experiment.exact import CONDITIONS, Exact
from voxtide.tools.lyra.experiment.precision import image_bytes
from voxtide.tools.lyra.memory import AtlasMemory, Frame, Picture
from voxtide.tools.lyra.memory.splat import over, warp
from voxtide.tools.lyra.memory.view import project, unproject

SIZE = (30, 52)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "experiments" / "caches.md"


def test_rays_end_on_the_first_surface(rng):
    for make in COURSES.values():
        course = make(1)
        i = int(rng.integers(len(course.yaw)))
        view = course.view(i, SIZE)
        depth, surface = course.scene.cast(view)
        assert depth.min() > 0 and surface.max() <= len(course.scene.boxes)
        points = unproject(depth, view).reshape(-1, 3)
        assert np.abs(course.scene.offset(points)).max() < 1e-9
        for share in rng.uniform(0.02, 0.97, 20):  # nothing stands in the way
            assert course.scene.offset(unproject(depth * share, view).reshape(-1, 3)).min() > 0
        x, y, z = project(points, view)
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        assert np.allclose([x, y, z], [columns.ravel(), rows.ravel(), depth.ravel()])


def test_courses_are_whole_steps_and_revisits_are_exact():
    made = {name: make(0) for name, make in COURSES.items()}
    for course in made.values():
        assert len(course.yaw) == len(course.eyes) == 1 + STEP_FRAMES * course.n_steps
        assert np.linalg.norm(np.diff(course.eyes, axis=0), axis=1).max() < 0.16
    for name, a, b in (
        ("out-and-back", 40, 280),
        ("loop", 30, 430),
        ("figure-8", 70, 470),
        ("look-around", 5, 165),
    ):
        first, later = (made[name].view(i, SIZE).w2c for i in (a, b))
        assert np.allclose(first, later), name
    assert not made["corridor"].revisits


def test_the_generator_is_wrong_as_told():
    course = COURSES["out-and-back"](0)
    perfect, wrong = (Exact(course, CONDITIONS[c], 3, SIZE) for c in ("exact", "drift"))
    assert (perfect.frame(80).rgb == perfect.truth(80).rgb).all()
    assert (perfect.frame(80).depth == perfect.truth(80).depth).all()
    assert (wrong.frame(0).rgb == wrong.truth(0).rgb).all(), "no drift at the start"
    assert (wrong.frame(80).rgb != wrong.truth(80).rgb).any()
    assert (wrong.frame(80).depth == wrong.frame(80).depth).all(), "the same seed, the same errors"
    assert (wrong.frame(80).depth != wrong.frame(80, visit=1).depth).any()
    off = [
        np.log(Exact(course, CONDITIONS["noise"], seed, SIZE).frame(0).depth / perfect.truth(0).depth).std()
        for seed in range(20)
    ]
    assert 0.004 < np.mean(off) < 0.012, "1 % at 24 places, less between them"
    frame = wrong.frame(120)
    believed = wrong.believed(120, frame.tracer.reshape(-1, 3) * 1e-6)
    assert np.nanmax(np.abs(believed - unproject(frame.depth, frame.view).reshape(-1, 3))) < 1e-4


def slow_ssim(a, b, row, column):
    """SSIM of one pixel, from the definition, on images whose window is inside."""
    r = scores.RADIUS
    taps = np.exp(-0.5 * (np.arange(-r, r + 1) / scores.SIGMA) ** 2)
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    x, y = (i[row - r : row + r + 1, column - r : column + r + 1] @ [0.299, 0.587, 0.114] for i in (a, b))
    mx, my = (window * x).sum(), (window * y).sum()
    vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
    both = (window * (x - mx) * (y - my)).sum()
    c1, c2 = 6.5025, 58.5225
    return (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def test_scores_are_what_their_names_say(rng):
    a = rng.uniform(0, 255, (24, 30, 3))
    b = np.clip(a + rng.normal(0, 20, a.shape), 0, 255)
    found = scores.ssim_map(a, b)
    for row, column in ((5, 5), (12, 20), (18, 24)):
        assert found[row, column] == pytest.approx(slow_ssim(a, b, row, column))
    assert np.allclose(scores.ssim_map(a, a), 1)
    everywhere = np.ones(a.shape[:2], bool)
    assert scores.decibels(scores.mse(a, a + 10, everywhere)) == pytest.approx(28.1308, abs=1e-3)
    assert scores.decibels(scores.mse(a, a, everywhere)) == scores.MAX_DB


def test_known_is_what_was_really_seen():
    exact = Exact(COURSES["look-around"](0), CONDITIONS["exact"], 0, SIZE)
    here, aside, back = exact.truth(0), exact.truth(20), exact.truth(160)
    assert scores.known(back, [here]).mean() > 0.99, "once around"
    half = scores.known(aside, [here])  # turned left: what is on the right was seen
    assert 0.2 < half.mean() < 0.7 and half[:, -15:].mean() > 0.8 and not half[:, :15].any()


def test_a_shifted_picture_is_misplaced_by_its_shift():
    exact = Exact(COURSES["look-around"](0), CONDITIONS["exact"], 0, SIZE)
    truth = exact.truth(0)
    moved = Picture(
        np.roll(truth.rgb, 2, 1).astype(np.float32), truth.depth, np.roll(truth.tracer, 2, 1) * 1e-6
    )
    off = scores.misplaced_px(moved, truth, np.ones(SIZE, bool))
    assert np.median(off) == pytest.approx(2, abs=1e-3)


def test_a_wall_stored_twice_is_double():
    course = COURSES["out-and-back"](0)
    x, z = np.meshgrid(np.arange(3, 9, 0.05), np.arange(0.5, 2.5, 0.05))
    wall = np.stack([x.ravel(), np.full(x.size, course.scene.hall[0, 1]), z.ravel()], axis=1)
    share, thick = scores.doubled(wall, wall, course.scene)
    assert share == 0 and thick < 1e-9
    apart = wall + np.array([0, 0.15, 0])
    share, thick = scores.doubled(np.concatenate([wall, apart]), np.concatenate([wall, wall]), course.scene)
    assert share == 1 and 0.065 < thick < 0.076, "half of 15 cm; patches at the ends have less of one"


def test_a_warp_to_the_same_place_is_the_picture():
    frame = Exact(COURSES["look-around"](0), CONDITIONS["exact"], 0, SIZE).frame(0)
    again = warp(frame, frame.view)
    assert again.covered.mean() > 0.9
    assert np.abs(again.rgb - frame.rgb)[again.covered].max() < 1
    behind = Picture(np.zeros_like(again.rgb), np.full(SIZE, 0.5, np.float32), None)
    assert (over(again, behind).depth == 0.5).all(), "what clearly stands in front is in front"
    assert (over(again, warp(frame, frame.view)).rgb == again.rgb).all()


def test_an_empty_frame_is_a_picture_of_holes():
    view = camera(np.zeros(3), 0.0, SIZE)
    blind = Frame(0, np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.float32), view)
    memory = AtlasMemory()
    memory.add(blind)
    assert memory.n == 0 and not memory.render(memory.retrieve([view]), view).covered.any()


def test_images_have_four_channels():
    assert image_bytes("RGBA8") == 1_597_440 and image_bytes("RGBA32F") == 4 * image_bytes("RGBA8")


@pytest.mark.slow
def test_the_command_measures_every_arm_and_fills_a_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(curves, "N_ENTRIES", 70)
    monkeypatch.setattr(precision, "PAIRS", [200])
    monkeypatch.setattr(precision, "COURSE", "look-around")
    ways = precision.keyings()
    monkeypatch.setattr(precision, "keyings", lambda: [ways[0], ways[6]])
    arguments = ["experiment", "caches", "--seeds", "1", "--size", "40x24", "--course", "look-around"]
    assert cli.main([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert not said.err and len(told["rows"]) == 3 * 5 and len(told["keys"]) == 3 * 2
    fields = {"known", "remembered", "reprojection_px", "doubled", "add_ms", "retrieve_ms", "bytes"}
    assert all(fields <= set(row) and len(row["steps"]) == 4 for row in told["rows"])
    held = {(r["condition"], r["arm"]): r["remembered"] for r in told["rows"]}
    for arm in ("frame", "frame+world", "atlas", "atlas+votes"):
        assert held["exact", arm]["coverage"] > held["exact", "none"]["coverage"] + 0.4
        assert held["exact", arm]["psnr_db"] > held["exact", "none"]["psnr_db"] + 2
    file, copy = tmp_path / "figures.json", tmp_path / "caches.md"
    file.write_text(said.out)
    shutil.copy(PAGE, copy)
    assert cli.main(["experiment", "caches", "--figures", str(file), "--page", str(copy)]) == 0
    assert "| look-around | exact |" in copy.read_text() and "| look-around" in capsys.readouterr().out
    for name in ("quality", "cost", "keys"):
        assert (tmp_path / f"caches-{name}.png").stat().st_size > 10_000


def test_the_page_has_a_place_for_every_table_and_shows_every_plot():
    text = PAGE.read_text("utf-8")
    named = set(page._PLACE.findall(text)) and {m[1] for m in page._PLACE.findall(text)}
    assert named == {"run", "quality", "reprojection", "doubling", "paired", "cost", "curves", "keys"}
    for name in ("quality", "cost", "keys"):
        assert f"caches-{name}.png" in text and (PAGE.parent / f"caches-{name}.png").is_file()
    assert set(plots.LOOKS) == {"none", "frame", "frame+world", "atlas", "atlas+votes"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--course", "moon"], "no path 'moon'"),
        (["--seeds", "0"], "1 to 20"),
        (["--size", "20x20"], "at least 32x24"),
        (["--figures", "nowhere.json"], "not the figures"),
        (["--figures", str(PAGE)], "not the figures"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, words, capsys):
    assert cli.main(["experiment", "caches", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
