"""Check every byte of a world against its manifest; exit 3 when something differs."""

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", metavar="WORLD", help="a baked world (.vxt)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from ...streamer.verify import verify
    from ..opening import baked_path

    report = verify(baked_path(args.world))
    if args.json:
        bad = [{"file": b.file, "chunk": b.chunk, "what": b.what} for b in report.bad]
        facts = {"ok": report.ok, "regions": report.n_regions, "chunks": report.n_chunks, "bad": bad}
        print(json.dumps(facts))
    else:
        for b in report.bad:
            print(f"{b.file}{f', chunk {b.chunk}' if b.chunk else ''}: {b.what}")
        verdict = "whole" if report.ok else f"{len(report.bad)} things differ"
        print(f"{args.world}: {report.n_regions} regions, {report.n_chunks:,} chunks: {verdict}")
    return 0 if report.ok else 3
