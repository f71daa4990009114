"""Which backend: the one that is named, else the best one that preflight finds nothing against."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .problems import GeneratorError
from .protocol import Generator
from .warpfill import WarpFill

NAMES = ("lyra2-server", "lyra2-cli", "tinyloop", "warpfill")  # best first
SIZE = 416, 240  # unless asked otherwise


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user may say about how a backend runs."""

    size: tuple[int, int] = SIZE  # of backends that make any size
    server: str | None = None  # URL of one that runs already
    dmd: bool = False
    offload: bool = False
    allow_downloads: bool = False
    step_timeout_s: float | None = None  # None: as the backend usually takes, with room
    weights: Path | None = None  # of tinyloop; None: those that come with the installation


def backend(name: str | None, wishes: Wishes, tell: Callable[[str], None]) -> Generator:
    """A backend with nothing in its way; `tell` hears which it is if none was named, and why no better one.

    GeneratorError: the named one has a problem.
    """
    if name is not None:
        found = made(name, wishes)
        problems = found.preflight()
        if problems:
            first = problems[0]
            more = f" (and {len(problems) - 1} more: {', '.join(p.code for p in problems[1:])})"
            raise GeneratorError(first.code, first.message + more * (len(problems) > 1), first.evidence)
        return found
    reasons: list[str] = []
    for one in NAMES:
        try:
            found = made(one, wishes)
            problems = found.preflight()
        except GeneratorError as error:
            problems = [error.problem]
        if not problems:
            tell(f"backend {one}" + (f" ({'; '.join(reasons)})" if reasons else ""))
            return found
        reasons.append(f"{one}: {problems[0].code}")
    raise AssertionError("warpfill needs nothing")


def made(name: str, wishes: Wishes) -> Generator:
    """The backend of a name, not looked at yet. GeneratorError where this installation has none."""
    if name == "warpfill":
        return WarpFill()
    if name == "lyra2-server":
        from .server import Lyra2Server

        return Lyra2Server.configured(wishes)
    if name == "lyra2-cli":
        from .batch import Lyra2Cli

        return Lyra2Cli.configured(wishes)
    assert name == "tinyloop", name
    from .tinyloop.backend import SHIPPED, TinyLoopBackend

    return TinyLoopBackend(wishes.weights or SHIPPED)


def size_of(generator: Generator, wishes: Wishes) -> tuple[int, int]:
    """(width, height) of the frames that will be made."""
    return generator.info.size or wishes.size


def log_folder(workdir: Path) -> Path:
    """Where what a backend says is kept: beside the steps, in none of them."""
    folder = workdir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
