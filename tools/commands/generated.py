"""`voxtide bake lyra:`: generate steps, and fuse them into the world while the next one is made."""

import argparse
from dataclasses import replace
from pathlib import Path

from ...streamer.errors import WorldError
from ...streamer.world import open_world
from ..bake import BakeOptions, BakeReport, Progress, Resources, bake, quiet
from ..errors import UserError, shown
from ..lyra.fuse import Fuser
from ..lyra.loop import manifest_of
from ..lyra.problems import Code, GeneratorError, Problem
from ..lyra.steps import Steps, word_of
from ..sources.rgbd import open_rgbd
from . import generating


def bake_generated(
    args: argparse.Namespace, options: BakeOptions, means: Resources, show: Progress
) -> BakeReport:
    """Generate, or go on, and bake. UserError, WorldError; whole steps and their world stay."""
    out: Path = args.out
    steps = Steps(args.frames or out.with_name(out.stem + ".steps"))
    run = generating.prepared(args, steps, generating.told_on_stderr)
    if args.overwrite:
        steps.clear()
    elif not _is_ours(out, word_of(manifest_of(run.generator, run.seed, run.plan, run.asked)), steps):
        raise UserError(f"{shown(out)} is not empty: name another folder, or pass --overwrite")
    info = run.generator.info
    if info.weights_id:
        made_with = f"made with {info.weights_id}: {info.weights_license}"
        generating.told_on_stderr(str(Problem(Code.LICENCE, made_with)))
    # Each world replaces the one of fewer steps; the last one is the bake of all steps, whatever came before.
    again = replace(options, overwrite=True)
    with Fuser(lambda: bake(open_rgbd(steps.path), out, again, quiet, means)) as fuser:

        def whole(index: int) -> None:
            if index >= 0 and not (steps.folder(index) / "depth.npz").is_file():
                raise GeneratorError(Code.DEPTH_MISSING, f"step {index} came without depth and is not baked")
            fuser.whole(index)

        for line in run.go(steps, show, whole).warnings:
            generating.told_on_stderr(f"warning: {line}")
        show("fuse", 0, 1)
        baked = fuser.finished()
        show("fuse", 1, 1)
    return baked


def _is_ours(out: Path, word: str, steps: Steps) -> bool:
    """Whether what lies at `out`, if anything, is this run's: its world, or what a dead run left."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return True
    if not out.is_dir():
        raise UserError(f"{shown(out)} is a file: name a folder for the world")
    try:
        notes = open_world(out).meta.sources[0]["notes"]
    except (WorldError, LookupError, TypeError):
        return steps.n_whole() > 0
    return isinstance(notes, dict) and notes.get("steps") == word
