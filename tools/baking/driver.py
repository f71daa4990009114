"""The frame around every bake: claim the folder, level 0 by whoever knows how, levels upwards, the end.

A bake is resumed by being asked for again: what the journal names is not done twice.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import errorcode
from pathlib import Path
from typing import Any

from ...streamer.claim import check_ours, remove_world
from ...streamer.codec import CodecName
from ...streamer.errors import WorldError
from ...streamer.manifest import BakeParameters, RegionRecord
from ...streamer.world import open_world
from ...streamer.writer import WorldWriter, parameters_of
from ..errors import UserError, shown
from ..progress import Progress
from ..pyramid import min_levels
from . import scratch, target
from .levels import box_on_disk, write_levels
from .regions import Box, Finest, union
from .workers import StoppedError, Submit, workers

VOXEL_BYTES = 256  # memory that one voxel is counted as while frames look at it: its votes, their copies
ROW_BYTES = 1024  # memory that one row of sums is counted as: its 52 bytes, and what sorting them takes
LEAST_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Resources:
    """What a bake may take of the machine. None of it changes a byte of the world."""

    memory_bytes: int = 2 << 30
    n_jobs: int = 1
    scratch: Path | None = None  # where to spill; None: in the world's own folder
    ray: str | None = None  # an address, or "local"

    @property
    def most_rows(self) -> int:
        """Sums that each worker may hold."""
        return max(LEAST_ROWS, self.memory_bytes // (ROW_BYTES * self.n_jobs))

    @property
    def most_voxels(self) -> int:
        """Voxels that frames may look at together."""
        return max(LEAST_ROWS, self.memory_bytes // (VOXEL_BYTES * self.n_jobs))

    @property
    def in_process(self) -> bool:
        return self.n_jobs == 1 and self.ray is None


@dataclass(frozen=True, slots=True)
class BakeReport:
    """What a bake made. bytes are those of the colour's region files, bits_per_voxel these over level 0."""

    voxels: int
    chunks: list[int]  # per level
    bytes: int
    bits_per_voxel: float
    seconds: float
    peak_rss_bytes: int  # of this process, and of the largest worker as often as there are workers
    dropped: dict[str, int] = field(default_factory=dict)  # items, by reason
    stages_s: dict[str, float] = field(default_factory=dict)
    plane_bytes: int = 0  # of the attributes' region files


@dataclass(frozen=True, slots=True)
class Goal:
    """The world that is to be, as far as it is known before the work."""

    out: Path
    voxel_size_m: float
    codec: CodecName
    n_levels: int | None
    overwrite: bool
    word: str  # of `plan.parameters`
    origins: list[dict[str, Any]]
    entities: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """What level 0 came to so far."""

    boxes: list[Box] = field(default_factory=list)
    now: int = 0  # the stamp of the latest observation
    dropped: dict[str, int] = field(default_factory=dict)
    stages_s: dict[str, float] = field(default_factory=dict)

    def take(self, writer: WorldWriter, found: Finest) -> None:
        if found.record and found.box:
            self.boxes.append(found.box)
            writer.add(found.record)


WriteFinest = Callable[[WorldWriter, Submit, Gathered], None]


def bake_to(goal: Goal, finest: WriteFinest, means: Resources, progress: Progress) -> BakeReport:
    """Bake. `finest` writes the regions of level 0 that the writer does not have.

    UserError: nothing to bake, or the folder is somebody else's; what was begun is removed. WorldError: the
    disk refuses; what is written stays, and the same bake goes on with it.
    """
    began = time.perf_counter()
    gathered = Gathered()
    with disk_errors(goal.out):
        bake = parameters_of(goal.voxel_size_m, goal.codec, goal.word)
        folder = target.open_target(goal.out, bake)
        if folder is None:  # it had ended, but for its journal
            return _report(goal.out, list(open_world(goal.out).regions), began, gathered, means)
        with _writer(folder, goal, bake) as writer:
            try:
                with workers(means.n_jobs, means.ray) as submit:
                    level0 = _level_0(goal, finest, writer, submit, gathered)
                    scratch.remove(
                        scratch.root_of(folder, means.scratch, goal.word), means.scratch is not None
                    )
                    at = time.perf_counter()
                    write_levels(writer, level0[1], gathered.now, submit, progress)
            except StoppedError:
                raise
            except UserError:
                scratch.remove(scratch.root_of(folder, means.scratch, goal.word), means.scratch is not None)
                remove_world(folder)
                raise
            (box, n_levels) = level0
            swap = None if folder == goal.out else lambda: target.replace(goal.out)
            writer.finish(
                bounds_voxels=box,
                n_levels=n_levels,
                sources=goal.origins,
                entities=goal.entities,
                now=gathered.now,
                moved=swap,
            )
            gathered.stages_s["levels"] = time.perf_counter() - at
            return _report(goal.out, list(writer.regions.values()), began, gathered, means)


def _level_0(
    goal: Goal, finest: WriteFinest, writer: WorldWriter, submit: Submit, gathered: Gathered
) -> tuple[Box, int]:
    """Have level 0 written, all of it, and noted -> (bounds, number of levels)."""
    noted = writer.notes.get("finest")
    if noted and noted["regions"] == sum(level == 0 for level, _ in writer.regions):
        low, high = (tuple(corner) for corner in noted["box"])
        gathered.dropped.update(noted["dropped"])
        gathered.now = noted["now"]
    else:
        gathered.boxes += [box_on_disk(writer, r) for (level, _), r in writer.regions.items() if not level]
        finest(writer, submit, gathered)
        if not gathered.boxes:
            raise UserError("the source holds no voxel: nothing to bake")
        low, high = union(gathered.boxes)
    n_levels = _n_levels(goal, (low, high))
    if not noted:
        n_regions = sum(level == 0 for level, _ in writer.regions)
        note = {
            "box": [low, high],
            "dropped": gathered.dropped,
            "now": gathered.now,
            "regions": n_regions,
            "goal": _told(goal),
        }
        writer.note("finest", note)
    return (low, high), n_levels


def _told(goal: Goal) -> dict[str, Any]:
    """What `goal_told` makes the goal of again. Plain JSON."""
    return {
        "voxel_size_m": goal.voxel_size_m,
        "codec": goal.codec,
        "n_levels": goal.n_levels,
        "origins": goal.origins,
        "entities": {str(number): name for number, name in goal.entities.items()},
    }


def goal_told(out: Path, word: str, notes: dict[str, Any]) -> Goal | None:
    """The goal of a bake whose journal has these notes: known once its level 0 is whole, else None."""
    told = notes.get("finest", {}).get("goal")
    if told is None:
        return None
    entities = {int(number): name for number, name in told["entities"].items()}
    size_m, codec, n_levels = told["voxel_size_m"], told["codec"], told["n_levels"]
    return Goal(out, size_m, codec, n_levels, False, word, told["origins"], entities)


def _n_levels(goal: Goal, box: Box) -> int:
    """The number of levels; UserError if the user's is too small for a world of this extent."""
    least = min_levels(box)
    if goal.n_levels is not None and goal.n_levels < least:
        raise UserError(f"--levels {goal.n_levels} is too few for this extent: use at least {least}")
    return goal.n_levels or least


def _writer(folder: Path, goal: Goal, bake: BakeParameters) -> WorldWriter:
    """Claim the folder, to begin or to go on."""
    if folder != goal.out and not goal.overwrite:
        raise FileExistsError(17, "holds a Voxtide world already: pass --overwrite", str(goal.out))
    if folder != goal.out:
        check_ours(goal.out)  # it will be deleted: better refused now than after the work
    overwrite = goal.overwrite and target.is_another(folder, bake)
    return WorldWriter(
        folder,
        voxel_size_m=goal.voxel_size_m,
        codec=goal.codec,
        overwrite=overwrite,
        resume=not overwrite,
        parameters=goal.word,
    )


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """What the system refuses, as a user can understand it: who is in the way, or which file and why."""
    try:
        yield
    except (FileExistsError, BlockingIOError, PermissionError, NotADirectoryError) as error:
        raise UserError(f"cannot write {shown(out)}: {shown(error.strerror or error)}") from error
    except OSError as error:
        name = errorcode.get(error.errno or 0, str(error.errno))
        what = f"{error.strerror or error} ({name}): repeat the command to go on once that is mended"
        raise WorldError(shown(error.filename or out), shown(what)) from error


def _report(
    out: Path, records: Sequence[RegionRecord], began: float, gathered: Gathered, means: Resources
) -> BakeReport:
    n_levels = 1 + max(record.level for record in records)
    n_bytes = sum(record.n_bytes for record in records)
    n_voxels = sum(record.n_voxels for record in records if record.level == 0)
    return BakeReport(
        voxels=n_voxels,
        chunks=[sum(r.n_chunks for r in records if r.level == k) for k in range(n_levels)],
        bytes=n_bytes,
        bits_per_voxel=8 * n_bytes / n_voxels,
        seconds=time.perf_counter() - began,
        peak_rss_bytes=peak_rss_bytes(0 if means.in_process else means.n_jobs),
        dropped={reason: n for reason, n in gathered.dropped.items() if n},
        stages_s=gathered.stages_s,
        plane_bytes=sum(p.n_bytes for r in records for p in r.planes),
    )


def peak_rss_bytes(n_workers: int = 0) -> int:
    """The most memory this process has held, and n times what the largest of its ended children has."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak += n_workers * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
