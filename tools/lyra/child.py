"""A process of somebody else's: argument list, own environment, a log, an end that is certain."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .problems import Code, GeneratorError, Problem, diagnose

TAIL_BYTES = 1 << 16  # of a log that is looked through
# What a child gets of our environment: where things are, which GPU, nothing else.
_PASSED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "HF_HOME", "TORCH_HOME")
_PASSED_PREFIXES = ("CUDA", "NVIDIA", "LYRA_GUI_DUMMY")
_STEPS = re.compile(r"(\d+)/(\d+) \[")  # of a tqdm bar


def environment(extra: Mapping[str, str], allow_downloads: bool) -> dict[str, str]:
    """A child's environment. Nothing is fetched by it unless that is allowed."""
    own = {n: v for n, v in os.environ.items() if n in _PASSED or n.startswith(_PASSED_PREFIXES)}
    offline = {} if allow_downloads else {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return own | offline | {"PYTHONUNBUFFERED": "1", **extra}


class Child:
    """A running process. End it with `stop`, whatever happened to it."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        try:
            with log.open("wb") as out:
                self._process = subprocess.Popen(
                    list(argv), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise GeneratorError(Code.ENV_IMPORT, f"{argv[0]} cannot be started ({error.strerror})") from None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def tail(self) -> str:
        """The end of what it has printed."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES).decode("utf-8", "replace").replace("\r", "\n")

    def why(self) -> Problem | None:
        """What its log and its end tell of a failure."""
        return diagnose(self.tail(), self.exit_code)

    def progress(self) -> tuple[int, int] | None:
        """Where its last progress bar stands."""
        found = _STEPS.findall(self.tail()[-4096:])
        return (int(found[-1][0]), int(found[-1][1])) if found else None

    def wait(self, timeout_s: float, tick: Callable[[], None]) -> int:
        """Its exit code; `tick` is called now and then. GeneratorError TIMEOUT, when it is stopped."""
        end = time.monotonic() + timeout_s
        while (code := self.exit_code) is None:
            if time.monotonic() > end:
                self.stop()
                raise GeneratorError(Code.TIMEOUT, f"it ran longer than {timeout_s:.0f} s; log: {self.log}")
            tick()
            time.sleep(0.05)
        return code

    def stop(self) -> None:
        """End it and what it has started: politely, then surely."""
        for how, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if self._process.poll() is not None:
                return
            try:
                os.killpg(self._process.pid, how)
                self._process.wait(patience_s)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def answer(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout_s: float
) -> tuple[int | None, str]:
    """Run a small command -> (exit code, None: it could not or took too long; what it printed)."""
    try:
        done = subprocess.run(
            list(argv), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return done.returncode, (done.stdout + done.stderr)[-TAIL_BYTES:].decode("utf-8", "replace")


def python_of_lyra() -> str:
    """The interpreter of Lyra 2's own environment."""
    return os.environ.get("LYRA2_PYTHON") or sys.executable
