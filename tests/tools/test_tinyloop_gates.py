"""TinyLoop's gates, and the experiment that measures them."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tiny_loops import save
from voxtide.tools.cli import main

pytest.importorskip("torch", reason="TinyLoop's networks need torch: pip install 'voxtide[lyra]'")

from voxtide.tools.lyra.tinyloop import courses, page, strip
from voxtide.tools.lyra.tinyloop.gates import GATED, gates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "experiments" / "tinyloop.md"


def test_weights_are_fit_only_if_the_network_alone_passes():
    good, bad = {"1": {"holds": True}}, {"1": {"holds": False}}
    for alone, word in ((bad, "are **not** fit"), (good, "These weights are fit")):
        told = page._verdict({"gates": {GATED: good, page.ALONE: alone, page.UNTRAINED: good}})
        assert word in told and told.count("do **not**") == (alone is bad)


def test_gates_hold_and_fail():
    def row(course, method, **more):
        step = {"colour": 0.01, "scale": 1.01, "psnr_known_db": 30}
        told = {"psnr_db": 40, "psnr_known_db": 30.0, "abs_rel_known": 0.02, "known": 0.97}
        return {
            "course": course,
            "scene": 0,
            "method": method,
            "seconds": [2.0],
            "steps": [step],
            **told,
            **more,
        }

    rows = [
        row(c, m) for c in ("static", "small", "there-and-back") for m in (GATED, "warp only", "warpfill")
    ]
    assert all(g["holds"] for g in gates(rows).values())
    late = [{"colour": 0.01, "scale": 1.0}, {"colour": 0.06, "scale": 0.9}]
    for change in (
        {"course": "static", "psnr_db": 29}, {"course": "small", "psnr_known_db": 29.4},
        {"course": "walk", "abs_rel_known": 0.11}, {"course": "there-and-back", "steps": late},
        {"course": "walk", "seconds": [61.0]},
    ):  # fmt: skip
        kept = [r for r in rows if (r["course"], r["method"]) != (change["course"], GATED)]
        found = gates([*kept, row(change["course"], GATED) | change])
        assert sum(not g["holds"] for g in found.values()) == 1 + (
            change["course"] in ("small", "there-and-back")
        )


@pytest.mark.slow
def test_the_experiment_measures_every_method_and_writes_its_page(tmp_path, monkeypatch, capsys):
    for name in ("walk", "look-back"):
        monkeypatch.delitem(courses.COURSES, name)
    monkeypatch.setitem(courses.COURSES, "there-and-back", 1)
    monkeypatch.setattr(strip, "SHOWN", {"there-and-back": (1, 80)})
    weights = save(tmp_path / "w.safetensors")
    shutil.copy(PAGE, tmp_path / "page.md")
    asked = ["experiment", "tinyloop", "--weights", str(weights), "--seeds", "1", "--json"]
    assert main([*asked, "--page", str(tmp_path / "page.md"), "--strip", str(tmp_path / "s.png")]) == 0
    figures = json.loads(capsys.readouterr().out)
    held = {r["method"]: r for r in figures["rows"] if r["course"] == "static"}
    assert held["warpfill"]["psnr_db"] > 50 > held["tinyloop, decoded only"]["psnr_db"]
    assert held["tinyloop, blended with the warp"]["psnr_db"] > 50
    assert "skipped" in figures["agreement"] or figures["agreement"]["holds"]
    text = (tmp_path / "page.md").read_text()
    assert "48 x 28" in text and "tinyloop, untrained" in text
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size == (2 * (96 + 4), 3 * (56 + 14 + 4))
    (tmp_path / "f.json").write_text(json.dumps(figures))
    assert main(["experiment", "tinyloop", "--figures", str(tmp_path / "f.json")]) == 0
    assert "1 static camera, dB" in capsys.readouterr().out
