"""Make frames with depth from one picture and a camera's way, step by step.

The steps are written to FOLDER as they come; `voxtide bake FOLDER OUT.vxt` makes a world of them, and
`voxtide bake lyra: --image ... OUT.vxt` does both at once. A run that died goes on after its last whole step
when the same command is given again. docs/generators.md says more.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..lyra.steps import Steps
from . import arguments, generating


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("frames", metavar="FOLDER", type=Path, help="folder to write the steps to")
    generating.add_arguments(parser)
    parser.add_argument(
        "--intrinsics", type=arguments.quad, metavar="FX,FY,CX,CY", help="of the picture, pixels"
    )
    parser.add_argument(
        "--depth-scale", type=arguments.positive, metavar="N", help="depth units per metre (1000)"
    )
    parser.add_argument("--seed", type=arguments.natural, metavar="N", help="of what is random (1)")
    parser.add_argument("-f", "--overwrite", action="store_true", help="remove the steps that are there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from .. import progress

    steps = Steps(args.frames)
    ready = generating.prepared(args, steps, generating.told_on_stderr)
    if args.overwrite:
        steps.clear()
    with progress.shown(silent=args.json) as show:
        report = ready.go(steps, show, lambda index: None)
    for line in report.warnings:
        generating.told_on_stderr(f"warning: {line}")
    if args.json:
        print(json.dumps(asdict(report) | {"folder": str(report.folder)}))
        return 0
    again = f", from step {report.resumed_at}" if report.resumed_at else ""
    print(
        f"{args.frames}: {report.steps} steps, {report.frames} frames by {report.backend}{again}, "
        f"{report.seconds:.1f} s"
    )
    return 0
