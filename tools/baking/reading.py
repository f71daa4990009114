"""Stage 1: a span of a source -> runs of sums, in memory or in files."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import UserError, shown
from ..progress import Progress
from ..sources import open_source
from ..sources.rgbd import aloud, asked_of, open_rgbd, silent
from ..sources.source import Batch, Source
from ..voxelise import semantic, updated
from ..voxelise.kinds import KINDS
from ..voxelise.semantic import Votes
from ..voxelise.sums import Sums
from ..voxelise.updated import Seen
from .plan import Scene, Span
from .spill import Run, run_of, run_of_rows, write_run

BATCH = 1 << 17  # items read at a time
KEEP = 1 << 19  # sources of at most this many items are read once and held (56 bytes a Gaussian)


@dataclass(slots=True)
class Tally:
    """What a span came to."""

    n_read: int = 0
    n_rows: int = 0  # sums, all runs
    n_observed: int = 0  # the latest observation, of a kind that observes
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
) -> Iterator[tuple[str, Run]]:
    """Voxelise batches -> (kind, run); a run leaves whenever what waits has more than most_rows rows."""
    kind, placement = KINDS[scene.kind], scene.placement
    waiting: list[Sums] = []
    votes: list[Votes] = []
    seen: list[Seen] = []
    n_waiting = 0
    for batch in batches:
        parts, lost = kind.voxelise(batch, placement, scene.limits)
        for i, part in enumerate(parts):
            waiting.append(part)
            n_waiting += len(part.n)
            if kind.observes:
                tally.n_observed = span.n_observed + tally.n_read + i + 1
                seen.append(updated.seen(part.voxels, tally.n_observed))
            if n_waiting > most_rows:
                yield from _left(scene.kind, waiting, seen, votes, tally)
                waiting, seen, votes, n_waiting = [], [], [], 0
        for vote in semantic.cast(batch, lambda b: kind.voxelise(b, placement, scene.limits)[0]):
            votes.append(vote)
            n_waiting += len(vote.ids)
        tally.drop(lost)
        tally.n_read += len(batch)
        told("voxelise", tally.n_read, span.count)
    tally.drop({"invalid": span.count - tally.n_read})
    yield from _left(scene.kind, waiting, seen, votes, tally)


def _left(
    kind: str, waiting: list[Sums], seen: list[Seen], votes: list[Votes], tally: Tally
) -> Iterator[tuple[str, Run]]:
    runs = [(kind, run_of(waiting))]
    if seen:
        runs.append(("updated", run_of_rows("updated", updated.merge(seen))))
    if votes:
        runs.append(("semantic", run_of_rows("semantic", semantic.merge(votes))))
    for name, run in runs:
        tally.n_rows += len(run)
        if len(run):
            yield name, run


def run_name(span: Span, number: int) -> str:
    """The file of a span's run, below the scratch folder."""
    return f"baking/run.{span.scene}.{span.number}.{number}"


def span_unit(scene: Scene, span: Span, root: Path, most_rows: int) -> dict[str, Any]:
    """Read a span and spill it -> its record for the journal. A worker does this.

    UserError: the source. OSError: the scratch folder's disk.
    """
    source = opened(scene, aloud)
    tally = Tally()
    names: list[tuple[str, str]] = []
    for kind, run in runs_of(batches_of(source, span), scene, span, most_rows, tally, lambda *_: None):
        names.append((kind, run_name(span, len(names))))
        write_run(root, names[-1][1], kind, run)
    return record_of(span, names, tally)


def record_of(span: Span, names: list[tuple[str, str]], tally: Tally) -> dict[str, Any]:
    """How a journal tells that a span is spilled. Plain JSON."""
    dropped = {reason: n for reason, n in tally.dropped.items() if n}
    return {
        "scene": span.scene,
        "number": span.number,
        "runs": [list(pair) for pair in names],  # (kind, file)
        "n": span.count,
        "n_observed": tally.n_observed,
        "dropped": dropped,
    }


def opened(scene: Scene, tell: Callable[[str], None] = silent) -> Source:
    """A scene's source, opened again, as a worker must. `tell` gets a line for each frame that is left out.

    UserError: it cannot be, or is not what the bake began with.
    """
    source = _opened(scene.kind, scene.path, tuple(sorted(scene.asked.items())), tell)
    if source.n_items != scene.n_items or source.kind != scene.kind:
        raise UserError(f"{shown(source.path)} has changed since the bake began: bake it again")
    return source


@lru_cache(8)
def _opened(kind: str, path: str, words: tuple[tuple[str, str], ...], tell: Callable[[str], None]) -> Source:
    if kind == "frames":
        return open_rgbd(Path(path), asked_of(Path(path), **dict(words)), tell)
    return open_source(Path(path), dict(words))
