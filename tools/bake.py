"""Bake: sources become a world. The stages are in `baking`; here is what callers use.

Integers add up and sorting decides the order, so the same items in any order, in any batches, on any number
of workers, with any number of interruptions, give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path

from .bake_options import BakeOptions, checked, in_one_frame
from .baking import plan, target, tasks
from .baking.driver import BakeReport, Goal, Resources, bake_to, disk_errors, peak_rss_bytes
from .baking.plan import digest, provenance
from .baking.scenes import Opened, finest_of
from .baking.tasks import TaskReport
from .errors import UserError
from .progress import Progress
from .sources.source import Source

__all__ = [
    "BakeOptions",
    "BakeReport",
    "Progress",
    "Resources",
    "TaskReport",
    "bake",
    "bake_task",
    "bake_together",
    "digest",
    "finish",
    "peak_rss_bytes",
    "provenance",
    "quiet",
]


def quiet(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def bake(
    source: Source,
    out: Path,
    options: BakeOptions,
    progress: Progress = quiet,
    means: Resources | None = None,
) -> BakeReport:
    """Bake `source` into a world at `out`, or go on with the same bake that was cut short.

    UserError: options out of range, a world there already, somebody baking there, nothing to bake.
    WorldError: the disk refuses; what is written stays, and the same call goes on with it.
    """
    return bake_together([(source, options)], out, progress, means)


def bake_together(
    sources: Sequence[tuple[Source, BakeOptions]],
    out: Path,
    progress: Progress = quiet,
    means: Resources | None = None,
) -> BakeReport:
    """Bake several sources into one world; as `bake`. Their options differ in where each lies alone.

    Sources of one kind add up as if they were one; voxels of several kinds in one place are averaged.
    """
    means = means or Resources()
    goal, opened = goal_of(sources, out)
    return bake_to(goal, finest_of(opened, goal, means, progress), means, progress)


def bake_task(
    sources: Sequence[tuple[Source, BakeOptions]],
    out: Path,
    task: tuple[int, int],
    progress: Progress = quiet,
    means: Resources | None = None,
) -> TaskReport:
    """Do task (I, N) of a bake; when all N have ended, `finish(out)`. UserError, WorldError: as `bake`."""
    goal, opened = goal_of(sources, out, alone=False)
    return tasks.bake_task(goal, opened, task, means or Resources(), progress)


def finish(out: Path, progress: Progress = quiet, means: Resources | None = None) -> BakeReport:
    """End a bake whose tasks have ended. UserError: one of them has not; WorldError: as `bake`."""
    return tasks.finish(out, means or Resources(), progress)


def goal_of(
    sources: Sequence[tuple[Source, BakeOptions]], out: Path, alone: bool = True
) -> tuple[Goal, Opened]:
    """What is asked for, checked; its parameters need every byte of the sources. UserError."""
    found = [(source, checked(options, source)) for source, options in in_one_frame(sources)]
    options = found[0][1]
    target.check_out(out, options.overwrite)
    with disk_errors(out):
        if alone:
            target.check_free(out)
    opened = plan.scenes_of(found)
    scenes = [scene for scene, _ in opened]
    if any(plan.shared(scene.options) != plan.shared(options) for scene in scenes):
        raise UserError("sources of one world may differ in --up, --scale, --rotate, --origin, --at alone")
    return goal_for(scenes, out, plan.parameters(scenes)), opened


def goal_for(scenes: Sequence[plan.Scene], out: Path, word: str) -> Goal:
    """The world of these scenes."""
    options = scenes[0].options
    return Goal(
        out=out,
        voxel_size_m=options.voxel_size_m,
        codec=options.codec,
        n_levels=options.n_levels,
        overwrite=options.overwrite,
        word=word,
        origins=[scene.origin for scene in scenes],
        entities=plan.entities_of(scenes),
    )
