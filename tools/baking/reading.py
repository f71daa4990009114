"""Stage 1: a span of a source -> runs of sums, in memory or in files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import UserError, shown
from ..progress import Progress
from ..sources import open_source
from ..sources.source import Batch, Source
from ..voxelise.kinds import KINDS
from ..voxelise.sums import Sums
from .plan import Scene, Span
from .spill import Run, run_of, write_run

BATCH = 1 << 17  # items read at a time
KEEP = 1 << 19  # sources of at most this many items are read once and held (56 bytes a Gaussian)


@dataclass(slots=True)
class Tally:
    """What a span came to."""

    n_read: int = 0
    n_rows: int = 0  # sums, all runs
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, lost: dict[str, int]) -> None:
        for reason, n in lost.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + n


def batches_of(source: Source, span: Span) -> Iterable[Batch]:
    """The items of a span; a source that cannot be read from anywhere is one span."""
    if source.part is None:
        assert span.start == 0 and span.count == source.n_items
        return source.batches(BATCH)
    return source.part(BATCH, span.start, span.count)


def runs_of(
    batches: Iterable[Batch], scene: Scene, span: Span, most_rows: int, tally: Tally, told: Progress
) -> Iterator[Run]:
    """Voxelise batches; a run leaves whenever the sums that wait are more than most_rows."""
    kind, placement = KINDS[scene.kind], scene.placement
    waiting: list[Sums] = []
    n_waiting = 0
    for batch in batches:
        parts, lost = kind.voxelise(batch, placement, scene.limits)
        for part in parts:
            waiting.append(part)
            n_waiting += len(part.n)
            if n_waiting > most_rows:
                yield from _left(waiting, tally)
                waiting, n_waiting = [], 0
        tally.drop(lost)
        tally.n_read += len(batch)
        told("voxelise", tally.n_read, span.count)
    tally.drop({"invalid": span.count - tally.n_read})
    yield from _left(waiting, tally)


def _left(waiting: list[Sums], tally: Tally) -> Iterator[Run]:
    run = run_of(waiting)
    tally.n_rows += len(run)
    if len(run):
        yield run


def run_name(span: Span, number: int) -> str:
    """The file of a span's run, below the scratch folder."""
    return f"baking/run.{span.scene}.{span.number}.{number}"


def span_unit(scene: Scene, span: Span, root: Path, most_rows: int) -> dict[str, Any]:
    """Read a span and spill it -> its record for the journal. A worker does this.

    UserError: the source. OSError: the scratch folder's disk.
    """
    source = _opened(scene.path)
    if source.n_items != scene.n_items or source.kind != scene.kind:
        raise UserError(f"{shown(source.path)} has changed since the bake began: bake it again")
    tally = Tally()
    names: list[str] = []
    for run in runs_of(batches_of(source, span), scene, span, most_rows, tally, lambda *_: None):
        names.append(run_name(span, len(names)))
        write_run(root, names[-1], run)
    return record_of(span, names, tally)


def record_of(span: Span, names: list[str], tally: Tally) -> dict[str, Any]:
    """How a journal tells that a span is spilled. Plain JSON."""
    dropped = {reason: n for reason, n in tally.dropped.items() if n}
    return {"scene": span.scene, "number": span.number, "runs": names, "n": span.count, "dropped": dropped}


@lru_cache(8)
def _opened(path: str) -> Source:
    return open_source(Path(path))
