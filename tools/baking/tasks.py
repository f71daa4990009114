"""A bake in several processes that know nothing of each other, on machines that share a file system.

    bake ... --task I/N     reads every N-th span and spills it; any order, any time, again if it failed
    bake --finish OUT       when all have ended: writes the regions and the levels, on this machine

Tasks share the folder's lock, so that no other bake begins there; each holds its own journal, so that
nobody runs the same task twice at a time.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...streamer.claim import join, lock_journal, read_journal
from ...streamer.errors import WorldError
from ...streamer.manifest import JOURNAL_KEY, Journal
from ...streamer.writer import WorldWriter, parameters_of
from ..errors import UserError, shown
from ..progress import Progress
from . import plan, scratch, target
from .driver import BakeReport, Gathered, Goal, Resources, bake_to, disk_errors, goal_told
from .scenes import Opened, Shelf, read_spans, survey, write_regions
from .workers import StoppedError, Submit, workers


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What one task did."""

    task: str
    spans: int  # its share
    spans_before: int  # of those, what an earlier run had done
    seconds: float


def bake_task(
    goal: Goal, opened: Opened, task: scratch.Task, means: Resources, progress: Progress
) -> TaskReport:
    """Spill a task's share of the spans. UserError: somebody bakes there, or runs this task."""
    began = time.perf_counter()
    if goal.overwrite:
        raise UserError("--task does not replace a world: leave out --overwrite, or name another folder")
    with disk_errors(goal.out):
        bake = parameters_of(goal.voxel_size_m, goal.codec, goal.word)
        target.open_target(goal.out, bake)  # ends a bake that was cut short at its last step
        held = join(goal.out, bake)
        try:
            root = scratch.root_of(goal.out, means.scratch, goal.word)
            surveyed = survey(root, goal.word, opened, progress)
            scenes = [scene for scene, _ in surveyed]
            mine = scratch.share(plan.spans_of(scenes), task)
            shelf = Shelf(root, bake, goal.word, scenes, means.most_rows, task, scratch.spilled(root))
            before = sum((s.scene, s.number) in shelf.records for s in mine)
            try:
                shelf.spill()
                with workers(means.n_jobs, means.ray) as submit:
                    read_spans(surveyed, mine, shelf, means, submit, progress)
            finally:
                shelf.close()
        finally:
            os.close(held)
    return TaskReport(f"{task[0]}/{task[1]}", len(mine), before, time.perf_counter() - began)


def finish(out: Path, means: Resources, progress: Progress) -> BakeReport:
    """End a bake whose tasks have ended. UserError: one has not, or there is no such bake."""
    with disk_errors(out):
        target.settle(out)
        if not (out / JOURNAL_KEY).is_file():
            raise UserError(f"{shown(out)} holds no bake to finish: run its tasks first, with --task I/N")
        found = _journal(out, means)
        word = found.bake.parameters
        root = scratch.root_of(out, means.scratch, word)
        if goal := goal_told(out, word, found.notes):  # it was cut short later: the runs are gone
            return bake_to(goal, _too_late, means, progress)
        scenes = plan.load(root, word)
        if scenes is None:
            raise UserError(
                f"no task of {shown(out)} has begun to spill in {shown(root)}: if its tasks had "
                "--scratch, --finish needs the same"
            )
        return _finished(out, word, scenes, root, means, progress)


def _finished(
    out: Path, word: str, scenes: Sequence[plan.Scene], root: Path, means: Resources, progress: Progress
) -> BakeReport:
    options = scenes[0].options
    origins = [scene.origin for scene in scenes]
    entities = plan.entities_of(scenes)
    goal = Goal(out, options.voxel_size_m, options.codec, options.n_levels, False, word, origins, entities)

    def write(writer: WorldWriter, submit: Submit, gathered: Gathered) -> None:
        bake = parameters_of(goal.voxel_size_m, goal.codec, goal.word)
        shelf = Shelf(root, bake, word, list(scenes), means.most_rows, records=scratch.spilled(root))
        spans = plan.spans_of(scenes)
        if missing := [s for s in spans if (s.scene, s.number) not in shelf.records]:
            raise StoppedError(scratch.unfinished(root, missing, spans))
        again = [(scene, None) for scene in scenes]
        write_regions(writer, shelf.regions, shelf.records, again, means, submit, gathered, progress)

    return bake_to(goal, write, means, progress)


def _too_late(writer: WorldWriter, submit: Submit, gathered: Gathered) -> None:
    raise StoppedError("regions of level 0 are damaged: run its tasks again, then --finish")


def _journal(out: Path, means: Resources) -> Journal:
    """The journal of the bake that lies there. UserError: a task, or a bake, runs."""
    try:
        journal = lock_journal(out)
    except BlockingIOError as error:
        roots = [out] if means.scratch is None else list(means.scratch.glob(f"{out.name}.*"))
        tasks = [task for root in roots for task in scratch.running(root)]
        who = f"not ended: {', '.join(tasks)}" if tasks else str(error.strerror)
        raise UserError(f"cannot finish {shown(out)}: {who}") from None
    try:
        found = read_journal(out, journal)
    except WorldError:
        found = None
    finally:
        os.close(journal)
    if found is None:
        raise UserError(f"{shown(out)} holds no bake to finish: its task died as it began; run it again")
    return found
