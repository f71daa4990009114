"""Measure what a generator's memory does, or our own generator: `voxtide experiment caches | tinyloop`.

caches: five memories are filled with the same frames of procedural scenes and asked for the same views. The
generator is exact: ray-cast truth, with depth noise and drift of known size. Everything follows from the
seeds but the times, which are CPU times of this machine. docs/experiments/caches.md tells what they mean.
tinyloop: the gates of weights that `voxtide train tinyloop` made, on held-out scenes, beside WarpFill and the
warp alone (docs/experiments/tinyloop.md).
"""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import UserError
from . import arguments

MAX_SEEDS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("experiment", choices=("caches", "tinyloop"), help="which one")
    add("--seeds", type=int, default=3, metavar="N", help="scenes of each kind, 0 to N - 1 (default 3)")
    add("--size", type=arguments.size, default=(104, 60), metavar="WxH", help="pixels (default 104x60)")
    add("--course", action="append", metavar="NAME", help="only this path; may be given several times")
    add("--json", action="store_true", help="print one JSON object")
    add("--figures", type=Path, metavar="FILE.json", help="do not measure: take these figures, of --json")
    add(
        "--page",
        type=Path,
        metavar="FILE.md",
        help="put tables and plots into a page that has places for them",
    )
    tiny = parser.add_argument_group("tinyloop").add_argument
    tiny("--weights", type=Path, metavar="FILE", help="of `voxtide train tinyloop`")
    tiny(
        "--memory",
        default="patches",
        metavar="NAME",
        help="patches, as WarpFill has them, or an arm of caches",
    )
    tiny("--device", default="cpu", metavar="NAME", help="cpu or cuda (cpu)")
    tiny("--threads", type=arguments.count, metavar="N", help="of the CPU (all)")
    tiny(
        "--strip", type=Path, metavar="FILE.png", help="draw truth, WarpFill and TinyLoop one below the other"
    )


def run(args: argparse.Namespace) -> int:
    if args.experiment == "tinyloop":
        from . import experiment_tinyloop

        return experiment_tinyloop.run(args)
    from ..lyra.experiment import page

    figures = _read(args.figures) if args.figures else _measured(args)
    tell(args, figures, page)
    return 0


def tell(args: argparse.Namespace, figures: dict[str, Any], page: ModuleType) -> None:
    """Bring a page up to date, if that is asked for, and print. page: a module with `update` and `text`"""
    if args.page:
        try:
            page.update(args.page, figures)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{args.page}: {error}") from None
    print(json.dumps(figures) if args.json else page.text(figures))


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    from ..lyra.experiment import caches, curves, precision
    from ..lyra.experiment.courses import COURSES
    from ..lyra.experiment.exact import CONDITIONS
    from ..lyra.memory import ARMS

    courses = args.course or list(COURSES)
    if unknown := set(courses) - set(COURSES):
        raise UserError(f"no path {sorted(unknown)[0]!r}: there are {', '.join(COURSES)}")
    if not 1 <= args.seeds <= MAX_SEEDS:
        raise UserError(f"--seeds {args.seeds}: 1 to {MAX_SEEDS}")
    width, height = args.size
    if width < 32 or height < 24:
        raise UserError("--size: at least 32x24")

    def tell(done: str) -> None:
        if not args.json:
            print(f"voxtide: {done}", file=sys.stderr)

    size, seeds = (height, width), range(args.seeds)
    return {
        "size": [width, height],
        "seeds": list(seeds),
        "arms": list(ARMS),
        "rows": caches.experiment(courses, CONDITIONS, ARMS, seeds, size, tell),
        "keys": precision.keys(seeds[:2], size, tell),
        "curves": curves.curves(size, 0, tell, "noise"),
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        figures = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not the figures of `voxtide experiment caches --json` ({error})") from None
    if not isinstance(figures, dict) or not {"rows", "keys", "curves"} <= set(figures):
        raise UserError(f"{file}: not the figures of `voxtide experiment caches --json`")
    return figures
