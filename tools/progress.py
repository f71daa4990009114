"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]  # stage, done, total

_LINE_S = 5.0  # between plain lines


@contextmanager
def shown(silent: bool = False) -> Iterator[Progress]:
    """A Progress that draws itself on stderr, where it mixes with no result."""
    if silent:
        yield lambda stage, done, total: None
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    started: dict[str, float] = {}
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def progress(stage: str, done: int, total: int) -> None:
            now = time.monotonic()
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, rate=0.0)
                started[stage] = now
            rate = done / max(now - started[stage], 1e-3)
            bars.update(tasks[stage], completed=done, total=total, rate=rate)

        yield progress


def _lines() -> Progress:
    started: dict[str, float] = {}
    told: dict[str, float] = {}

    def progress(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        start = started.setdefault(stage, now)
        last = told.setdefault(stage, now)
        if now - last < _LINE_S or not done:
            return
        told[stage] = now
        rate = done / (now - start)
        print(
            f"{stage}: {done:,}/{total:,}, {rate:,.0f}/s, {(total - done) / rate:.0f} s left", file=sys.stderr
        )

    return progress
