"""The bench runner writes what it measured, and says so when a bench fails."""

import json
import platform

import pytest
from bench import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of benches, whose figures go to docs/benchmarks inside it."""
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "OUT", tmp_path / "docs" / "benchmarks")
    monkeypatch.setattr(run, "gl_renderer", lambda: "llvmpipe (LLVM 15, 256 bits)")
    return tmp_path


def report(folder):
    (path,) = (folder / "docs" / "benchmarks").glob("*.json")
    return path, json.loads(path.read_text())


def test_one_bench_again_keeps_the_others_and_a_failed_one_is_told(folder, capsys):
    (folder / "bench_a.py").write_text("print('warming up')\nprint('{\"chunks_per_s\": 5}')")
    (folder / "bench_b.py").write_text("raise SystemExit(3)")
    assert run.main([]) == 1
    (folder / "bench_a.py").write_text("print('{\"chunks_per_s\": 6}')")
    assert run.main(["a"]) == 0
    path, written = report(folder)
    assert written["benches"]["a"]["figures"] == {"chunks_per_s": 6}
    assert written["benches"]["b"]["error"] == "ended with 3"
    assert platform.node() not in path.read_text() or len(platform.node()) < 4
    assert run.main(["c"]) == 2
    assert "there are: a, b" in capsys.readouterr().err


def test_the_label_says_processor_cores_and_renderer():
    facts = {"cpu": "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "n_cores": 2}
    assert run.label({**facts, "gl_renderer": "llvmpipe (LLVM 15.0.6, 256 bits)"}) == (
        "intel-xeon-e5-2680-v4-2-cores-llvmpipe"
    )
    assert run.label({**facts, "gl_renderer": "NVIDIA H200/PCIe/SSE2"}).endswith("2-cores-nvidia-h200")
