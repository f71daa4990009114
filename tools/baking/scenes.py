"""Level 0 of scenes: survey, read every span, then write every region that received something."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...atlas.stamp import stamp_of
from ...streamer.manifest import BakeParameters
from ...streamer.writer import WorldWriter, parameters_of
from ..errors import UserError, shown
from ..progress import Progress
from ..sources.source import Batch, Source
from ..voxelise.kinds import KINDS
from . import carving, plan, scratch
from .driver import Gathered, Goal, Resources, WriteFinest
from .plan import Scene, Span
from .reading import BATCH, KEEP, Tally, batches_of, record_of, run_name, runs_of, span_unit
from .regions import region_unit
from .spill import Block, Corner, Run, blocks_of, write_run
from .workers import Submit

Opened = list[tuple[Scene, Source]]
KEPT = 8  # the part of the sums that a worker may hold which may wait in memory for their regions
DRIVER = (0, 1)  # the task that a bake in one piece is


def finest_of(opened: Opened, goal: Goal, means: Resources, progress: Progress) -> WriteFinest:
    """How the regions of these scenes are written."""

    def write(writer: WorldWriter, submit: Submit, gathered: Gathered) -> None:
        began = time.perf_counter()
        root = scratch.root_of(writer.path, means.scratch, goal.word)
        scratch.remove_temporaries(root)
        bake = parameters_of(goal.voxel_size_m, goal.codec, goal.word)
        surveyed = survey(root, goal.word, opened, progress)
        shelf = Shelf(root, bake, goal.word, [scene for scene, _ in surveyed], means.most_rows)
        try:
            _read(surveyed, shelf, means, submit, progress)
        finally:
            shelf.close()
        gathered.stages_s["voxelise"] = time.perf_counter() - began
        write_regions(writer, shelf.regions, shelf.records, surveyed, means, submit, gathered, progress)

    return write


def survey(root: Path, word: str, opened: Opened, progress: Progress) -> Opened:
    """The scenes with their limits: as another task left them, or by a look at every item. UserError."""
    left = plan.load(root, word)
    if left is not None and len(left) == len(opened):
        return [(replace(s, limits=known.limits), o) for (s, o), known in zip(opened, left, strict=True)]
    found = []
    for scene, source in opened:
        kind = KINDS[scene.kind]
        if kind.looks_first:
            progress("survey", 0, scene.n_items)
            source = held(source)
        batches = told(source, progress)
        limits = kind.survey(batches, source, scene.placement, scene.options)
        found.append((replace(scene, limits=limits), source))
    return found


def held(source: Source) -> Source:
    """The source, read once and kept where it is small: one span then."""
    if source.n_items > KEEP or not KINDS[source.kind].held:
        return source
    kept = list(source.batches(BATCH))
    return replace(source, batches=lambda _: iter(kept), part=None)


def told(source: Source, progress: Progress) -> Callable[[], Iterator[Batch]]:
    """The batches, as often as wanted, with progress told as they go by."""

    def counted() -> Iterator[Batch]:
        done = 0
        for batch in source.batches(BATCH):
            yield batch
            done += len(batch)
            progress("survey", done, source.n_items)

    return counted


@dataclass(slots=True)
class Shelf:
    """Where runs go: into memory while they are few, from then on, all of them, to disk."""

    root: Path
    bake: BakeParameters
    word: str
    scenes: list[Scene]
    most_rows: int
    task: tuple[int, int] = DRIVER
    records: scratch.Records = field(default_factory=dict)  # spans that are done
    n_rows: int = 0  # in memory
    _ended: dict[Span, Tally] = field(default_factory=dict)  # in memory
    _kept: dict[Span, list[tuple[str, Run]]] = field(default_factory=dict)
    _named: dict[Span, list[tuple[str, str]]] = field(default_factory=dict)
    _journal: scratch.TaskJournal | None = None

    def spill(self) -> None:
        """From here on to disk. OSError."""
        if self._journal is not None:
            return
        scratch.make(self.root)
        self._journal = scratch.open_journal(self.root, self.task, self.bake)
        if plan.load(self.root, self.word) is None:
            plan.save(self.root, self.word, self.scenes)
        kept, self._kept = self._kept, {}
        for span in {**kept, **self._ended}:
            for kind, run in kept.get(span, ()):
                self.put(span, kind, run)
            if span in self._ended:
                self.end(span, self._ended[span])

    def put(self, span: Span, kind: str, run: Run) -> None:
        """One more run of a span. OSError."""
        if self._journal is None:
            self._kept.setdefault(span, []).append((kind, run))
            self.n_rows += len(run)
            if self.n_rows > self.most_rows // KEPT:
                self.spill()
            return
        names = self._named.setdefault(span, [])
        names.append((kind, run_name(span, len(names))))
        write_run(self.root, names[-1][1], kind, run)

    def end(self, span: Span, tally: Tally) -> None:
        """A span has given all its runs. OSError."""
        record = record_of(span, self._named.get(span, []), tally)
        self.records[span.scene, span.number] = record
        if self._journal is None:
            self._ended[span] = tally
        else:
            self._journal.add(record)

    def add(self, record: dict[str, Any]) -> None:
        """A span that a worker has spilled. OSError."""
        assert self._journal is not None
        self._journal.add(record)
        self.records[record["scene"], record["number"]] = record

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def regions(self) -> dict[Corner, list[Block]]:
        """Every block, by the region that it lies in. WorldError: a run on disk is damaged."""
        found: dict[Corner, list[Block]] = defaultdict(list)
        for runs in self._kept.values():
            for kind, run in runs:
                for region, block in blocks_of(kind, run):
                    found[region].append(block)
        for _, record in sorted(self.records.items()):
            for region, on_disk in scratch.blocks(self.root, record):
                found[region].append(on_disk)
        return found


def _read(surveyed: Opened, shelf: Shelf, means: Resources, submit: Submit, progress: Progress) -> None:
    """Every span that is not spilled yet."""
    scenes = [scene for scene, _ in surveyed]
    shelf.records.update(scratch.spilled(shelf.root))
    if shelf.records or not means.in_process:
        shelf.spill()
    spans = plan.spans_of(scenes)
    read_spans(surveyed, spans, shelf, means, submit, progress)


def read_spans(
    surveyed: Opened,
    spans: Sequence[Span],
    shelf: Shelf,
    means: Resources,
    submit: Submit,
    progress: Progress,
) -> None:
    """These spans, less those whose records the shelf has."""
    total = sum(span.count for span in spans)
    todo = [span for span in spans if (span.scene, span.number) not in shelf.records]
    done = total - sum(span.count for span in todo)
    if not means.in_process:
        work = ((surveyed[s.scene][0], s, shelf.root, means.most_rows) for s in todo)
        for record in submit(span_unit, work):
            shelf.add(record)
            done += record["n"]
            progress("voxelise", done, total)
        return
    for span in todo:
        scene, source = surveyed[span.scene]
        tally = Tally()

        def tell(stage: str, n: int, _: int, done: int = done) -> None:
            progress(stage, done + n, total)

        for kind, run in runs_of(batches_of(source, span), scene, span, shelf.most_rows, tally, tell):
            shelf.put(span, kind, run)
        shelf.end(span, tally)
        done += span.count


def write_regions(
    writer: WorldWriter,
    regions: Callable[[], dict[Corner, list[Block]]],
    records: scratch.Records,
    scenes: carving.Scenes,
    means: Resources,
    submit: Submit,
    gathered: Gathered,
    progress: Progress,
) -> None:
    """Every region that the writer does not have. UserError, saying why, if no voxel is left at all."""
    began = time.perf_counter()
    for record in records.values():
        gathered.now = max(gathered.now, record["n_observed"])
        for reason, n in record["dropped"].items():
            gathered.dropped[reason] = gathered.dropped.get(reason, 0) + n
    gathered.now = int(stamp_of(gathered.now))
    found = regions()
    todo = [place for place in sorted(found, key=lambda c: c[::-1]) if (0, place) not in writer.regions]
    scene = scenes[0][0]
    left = carving.kept([(place, found[place]) for place in todo], scenes, means, submit, progress)
    work = ((writer.path, place, found[place], scene.options, means.most_rows, stay) for place, stay in left)
    for n, finest in enumerate(submit(region_unit, work)):
        gathered.take(writer, finest)
        progress("regions", len(found) - len(todo) + n + 1, len(found))
    if not gathered.boxes:
        why = _why(bool(found), scene, gathered)
        raise UserError(f"{shown(scene.origin['file'])} leaves no voxel: {why}")
    gathered.stages_s["regions"] = time.perf_counter() - began


def _why(received: bool, scene: Scene, gathered: Gathered) -> str:
    """What to change when nothing was solid."""
    options = scene.options
    if received and scene.kind == "frames":
        return "other frames saw through all of it: are the poses right? --no-carve keeps what they saw"
    if received:
        return f"nowhere do they add up to --threshold {options.threshold:g}: lower it, or use larger voxels"
    advice = {
        "cropped": "lie outside --bounds",
        "faint": f"are fainter than --min-opacity {options.min_opacity:g}",
        "huge": "are larger than --max-scale",
        "invalid": "are not finite",
    }
    found = [f"{n:,} {advice.get(reason, reason)}" for reason, n in gathered.dropped.items() if n]
    return ", ".join(found) or "the source is empty"
