"""tools/setup.sh says what it would do, and stops with one line where it cannot go on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("bash", "dirname", "cksum", "id", "cat", "env")  # what setup.sh calls, beside Python and apt


@pytest.fixture
def checkout(tmp_path):
    """A checkout that holds what setup.sh reads, and no .venv."""
    root = tmp_path / "checkout"
    (root / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "tools/setup.sh", "tools/system_packages.py"):
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def programs(tmp_path):
    """A folder to use as PATH, which holds only what setup.sh needs: no Python, no apt-get, no sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def setup(root: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("VOXTIDE_PYTHON", "DEBIAN_FRONTEND")}
    if path:
        env["PATH"] = str(path)
    command = [shutil.which("bash") or "bash", "tools/setup.sh", *arguments]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=60, check=False)


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("want", "extras"), [("demo", "."), ("dev", ".[dev]")])
def test_dry_run_prints_and_does_nothing(checkout, want, extras):
    done = setup(checkout, "--dry-run", want)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"pip install -e {extras}\n")
    assert not (checkout / ".venv").exists()


def test_no_python_is_one_line(checkout, programs):
    older = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])"
    ask = f'{sys.executable} -c "{older}" "$2"'
    program(programs, "python3", f'if [ "$1" = -c ]; then {ask}; else echo Python 3.9.2; fi')
    done = setup(checkout, "demo", path=programs)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, found Python 3.9.2" in done.stderr


def test_missing_libraries_are_one_line_to_type_where_it_may_not_install(checkout, programs):
    program(programs, "python3", 'case "$1" in tools/*) echo libegl1 xvfb ;; esac')
    program(programs, "id", "echo 1000")
    program(programs, "apt-get", "echo must not be called >&2; exit 1")
    done = setup(checkout, "dev", path=programs)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "apt-get install -y --no-install-recommends libegl1 xvfb" in done.stderr
    (programs / "apt-get").unlink()
    done = setup(checkout, "dev", path=programs)
    assert done.returncode == 2 and "Fedora" in done.stderr


def test_root_installs_what_is_missing_after_an_update(checkout, programs, tmp_path):
    log = tmp_path / "log"
    program(programs, "python3", 'case "$1" in tools/*) echo libegl1 ;; -m) exit 7 ;; esac')
    program(programs, "id", "echo 0")
    program(programs, "apt-get", f'echo "$DEBIAN_FRONTEND: $*" >> {log}')
    done = setup(checkout, "demo", path=programs)
    assert done.returncode == 7, "it went on to make .venv, where the stand-in stops it"
    assert log.read_text().splitlines() == [
        ": update -qq", "noninteractive: install -y -qq --no-install-recommends libegl1"
    ]  # fmt: skip


def test_a_stamp_that_fits_ends_it_at_once_and_another_pyproject_does_not(checkout):
    venv = checkout / ".venv" / "bin"
    venv.mkdir(parents=True)
    program(venv, "python", "echo Python 3.11.7")
    text = (checkout / "pyproject.toml").read_bytes()
    sums = subprocess.run(["cksum"], input=text, capture_output=True, check=True).stdout.decode().strip()
    stamp = checkout / ".venv" / "voxtide-installed"
    stamp.write_text(f"dev {checkout} {sums} Python 3.11.7\n")
    assert "would" not in setup(checkout, "--dry-run", "dev").stdout
    assert "would" not in setup(checkout, "--dry-run", "demo").stdout  # dev holds all that demo needs
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("\n")
    assert "would" in setup(checkout, "--dry-run", "demo").stdout


def test_another_word_is_refused(checkout):
    done = setup(checkout, "everything")
    assert done.returncode == 2 and "usage" in done.stderr


def test_make_alone_prints_every_target():
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    targets = [line.split()[1] for line in done.stdout.splitlines()]
    assert targets == ["help", "demo", "test", "check", "dev", "bench", "fuzz"]
