"""Check every byte of a world against its manifest; exit 3 when something differs.

--repair bakes the damaged files again, out of the scene that the world was baked from, and no others. A file
is written only if it comes out as the manifest names it, so a repaired world is the original one.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", metavar="WORLD", help="a baked world (.vxt)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--repair", type=Path, metavar="SOURCE", help="bake what is damaged again, from the scene's file"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with --repair, where the root zarr.json is lost: an option of the bake that was not the "
        "default, as voxel_size_m=0.02",
    )


def run(args: argparse.Namespace) -> int:
    from ...streamer.verify import verify
    from ..opening import baked_path

    path = baked_path(args.world)
    if args.option and not args.repair:
        raise UserError("--option belongs to --repair SOURCE")
    repaired: tuple[str, ...] = ()
    report = verify(path)
    if args.repair and not report.ok:
        from .. import progress
        from ..repair import recorded_asked, repair
        from ..sources import open_source

        with progress.shown(silent=args.json) as show:
            source = open_source(args.repair, recorded_asked(path))
            found = repair(path, source, _options(args.option), show)
        repaired, report = found.repaired, found.after
    if args.json:
        bad = [{"file": b.file, "chunk": b.chunk, "what": b.what} for b in report.bad]
        facts = {"ok": report.ok, "regions": report.n_regions, "chunks": report.n_chunks, "bad": bad}
        print(json.dumps(facts | ({"repaired": list(repaired)} if args.repair else {})))
    else:
        for key in repaired:
            print(f"{key}: baked again")
        for b in report.bad:
            print(f"{b.file}{f', chunk {b.chunk}' if b.chunk else ''}: {b.what}")
        verdict = "whole" if report.ok else f"{len(report.bad)} things differ"
        print(f"{args.world}: {report.n_regions} regions, {report.n_chunks:,} chunks: {verdict}")
    return 0 if report.ok else 3


def _options(told: list[str]) -> dict[str, Any]:
    """NAME=VALUE, where the value is JSON or else a word. UserError if there is no name."""
    out: dict[str, Any] = {}
    for text in told:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise UserError(f"--option {text}: write NAME=VALUE, as voxel_size_m=0.02")
        try:
            out[name] = json.loads(value)
        except ValueError:
            out[name] = value
    return out
