"""Name what is missing on this machine, and what to type."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from ..doctor import run as run_doctor

    return run_doctor(args.json)
