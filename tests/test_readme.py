"""The commands in README.md run as printed, in order, and README leaves no command out.

Convention: in a fenced block tagged `sh run`, every line that starts with `voxtide ` is run, in the order
of the page, all in one temporary folder in which `assets/` is the repository's. A line may end in a
backslash and go on in the next. Other lines there (`make demo`, comments) are not run, nor are blocks
tagged `sh`, `console` or `bash`: those are for what a reader does once, or cannot do here. `voxtide view`
runs under Xvfb for two seconds, `voxtide serve` without it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CLI = [sys.executable, "-m", "voxtide.tools.cli"]
COMMAND_S = 300


def blocks(tag: str) -> list[str]:
    """The fenced blocks of README with exactly this tag."""
    return re.findall(rf"^```{re.escape(tag)}[ \t]*\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The arguments of every `voxtide` line that README promises to work."""
    lines = "\n".join(blocks("sh run")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("voxtide ")]


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


@pytest.fixture
def environment():
    """The environment with PYTHONPATH made absolute, because the commands run in another folder."""
    paths = [str(ROOT / p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def display(environment):
    """The environment with a display of its own in it, on a free number that Xvfb picks."""
    program = shutil.which("Xvfb")
    assert program, "needs Xvfb: tools/setup.sh dev"
    read_end, write_end = os.pipe()
    command = [program, "-displayfd", str(write_end), "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write_end,), stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()  # "" when Xvfb ended without a display
        assert number, "Xvfb did not start"
        yield {**environment, "DISPLAY": f":{number}"}
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.mark.slow
def test_the_commands_run_in_order(tmp_path, display):
    (tmp_path / "assets").symlink_to(ROOT / "assets", target_is_directory=True)
    promised = commands()
    assert promised, "README has no ```sh run block with a voxtide line in it"
    for arguments in promised:
        seconds = ["--seconds", "2"] if arguments[0] in ("view", "serve") else []
        done = run([*arguments, *seconds], tmp_path, display)
        said = f"voxtide {shlex.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == 0, said


def test_every_command_is_in_the_readme(environment):
    done = run(["--help"], ROOT, environment)
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^ {4}([a-z]+)(?: {2,}\S|$)", done.stdout, re.MULTILINE)
    assert {"bake", "doctor", "view"} <= set(names), done.stdout
    text = README.read_text()
    assert not [name for name in names if f"voxtide {name}" not in text]


def test_every_make_target_that_readme_names_exists():
    shown = "\n".join(blocks("sh") + blocks("sh run"))
    named = set(re.findall(r"^make ([a-z]+)", shown, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named, "README shows how to see it and how to test it"
    assert named <= targets
