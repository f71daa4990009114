"""doctor finds what is there, and names what is not, with what to type."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from voxtide.tools import doctor, system_packages

ROOT = Path(__file__).resolve().parents[1]


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def run_cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voxtide.tools.doctor", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def test_the_probe_works_here():
    checks = doctor.check_context()
    assert [c.name for c in checks] == [
        "GL context", "GL version", "GL compute", "GL storage", "GL layers", "GL texture"
    ]  # fmt: skip
    assert all(c.ok and c.required and not c.fix for c in checks), checks


def test_json_is_one_object_and_says_what_the_exit_code_says():
    done = run_cli("--json")
    report = json.loads(done.stdout)
    assert report["ok"] is True and done.returncode == 0, done.stdout + done.stderr
    assert all(set(c) == {"name", "ok", "required", "detail", "fix"} for c in report["checks"])
    assert all(c["ok"] or c["fix"] for c in report["checks"])


def test_without_a_driver_it_names_the_piece_and_the_fix(tmp_path):
    done = run_cli(__EGL_VENDOR_LIBRARY_DIRS=str(tmp_path))
    assert done.returncode == 2
    missing = [line for line in done.stdout.splitlines() if line.startswith("MISSING")]
    assert [line.split("  ")[0] for line in missing] == ["MISSING EGL vendor", "MISSING GL context"]
    assert "type: unset __EGL_VENDOR_LIBRARY_DIRS" in missing[0]
    assert "EGL vendor above first" in missing[1]
    assert "cannot run here yet: 2 missing" in done.stdout


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"driver crashed \(SIGSEGV\)"),
        ("raise OSError('no device')", r"no device"),
        ("print('libEGL warning')", r"no JSON"),
        ("print([])", r"no JSON object"),
    ],
)
def test_a_probe_that_fails_is_a_finding(code, says):
    (only,) = doctor.check_context(child(code))
    assert not only.ok and only.required and only.fix
    assert re.search(says, only.detail), only


def test_a_probe_that_hangs_is_ended():
    found, why = doctor.run_child(child("import time; time.sleep(60)"), timeout_s=0.5)
    assert found == {} and why == "no answer within 0.5 s"


def test_a_driver_that_is_too_old_is_named():
    found = {
        "version": 41, "vendor": "V", "renderer": "R", "driver": "4.1 old", "max_storage_bytes": 0,
        "max_array_layers": 4, "max_texture_texels": 2048, "atlas_texels": 4096,
        "compute_fault": "needs GL 4.5",
    }  # fmt: skip
    checks = doctor.check_context(child(f"print({json.dumps(found)!r})"))
    assert [c.name for c in checks if not c.ok] == [c.name for c in checks if c.name != "GL context"]
    assert all(c.fix for c in checks if not c.ok)


def test_a_wheel_without_its_system_library_is_not_mended_by_pip():
    why = "libX11.so.6: cannot open shared object file: No such file or directory"
    assert "libx11-6" in doctor._library_fix("imgui-bundle", why)
    assert "pip install rich" in doctor._library_fix("rich", "No module named 'rich'")


def test_an_nvidia_gpu_that_cannot_draw_is_a_note(monkeypatch):
    monkeypatch.setattr(doctor.Path, "exists", lambda self: str(self) == "/dev/nvidiactl")
    monkeypatch.setenv("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")
    (note,) = doctor.check_nvidia(drawn_by="Mesa, llvmpipe")
    assert not note.ok and not note.required and "NVIDIA_DRIVER_CAPABILITIES=all" in note.fix
    (fine,) = doctor.check_nvidia(drawn_by="NVIDIA Corporation, NVIDIA H200")
    assert fine.ok


def test_every_core_dependency_is_looked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=!~ \[]", line)[0] for line in project["dependencies"]]
    assert sorted(doctor.CORE) == sorted(names)


def test_missing_packages_asks_the_machine():
    assert system_packages.missing_packages(for_tests=False) == []  # this test runs, so all is here
    nothing = system_packages.missing_packages(for_tests=False, load=lambda library: False)
    assert set(system_packages.LIBRARIES) <= set(nothing)
    no_egl = system_packages.missing_packages(for_tests=False, load=lambda library: library != "libEGL.so.1")
    assert no_egl == ["libegl1"]
    nvidia = system_packages.missing_packages(for_tests=False, load=lambda library: "mesa" not in library)
    assert nvidia == []
