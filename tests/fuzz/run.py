"""Fuzz every parser, each in a process of its own: `run.py [--seconds 60] [--jobs 2] [NAME ...]`.

The input on which a parser failed stays in tests/out/fuzz/NAME. Without `--seed` each run sees the same
damage in the same order, as far as its time goes, so that what CI finds can be repeated; another number looks
elsewhere.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FAILED = HERE.parent / "out" / "fuzz"
GRACE_S = 60.0  # for a start on a busy machine; beyond it, C code hangs


@dataclass(frozen=True)
class Outcome:
    """of one parser; fault is empty where all was well."""

    parser: str
    fault: str
    counts: dict


def fuzz(parser: str, seconds: float, seed: int) -> Outcome:
    """One parser in one process."""
    room = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    with tempfile.TemporaryDirectory(prefix="voxtide-fuzz-", dir=room) as folder:
        command = [sys.executable, str(HERE / "child.py"), parser, str(seconds), str(seed), folder]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=seconds + GRACE_S,
                env=environment,
                errors="replace",
            )
            fault = "" if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[-2000:]}"
            counts = json.loads(done.stdout.splitlines()[-1]) if not fault else {}
        except subprocess.TimeoutExpired:
            fault, counts = f"hangs in code that no signal stops, after {seconds + GRACE_S:.0f} s", {}
        if fault:
            shutil.rmtree(FAILED / parser, ignore_errors=True)
            shutil.copytree(folder, FAILED / parser)
    return Outcome(parser, fault, counts)


def main() -> int:
    sys.path[:0] = [str(HERE.parent), str(HERE)]
    from seeds import PARSERS

    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seconds", type=float, default=60.0, help="per parser (60)")
    arguments.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("parsers", nargs="*", metavar="NAME", help=", ".join(PARSERS))
    args = arguments.parse_args()
    if unknown := set(args.parsers) - set(PARSERS):
        arguments.error(f"no parser {', '.join(sorted(unknown))}")
    failed = 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for outcome in pool.map(lambda name: fuzz(name, args.seconds, args.seed), args.parsers or PARSERS):
            failed += bool(outcome.fault)
            c = outcome.counts
            said = (
                outcome.fault
                or f"{c['inputs']:,} inputs, {c['read']:,} read, worst {c['worst_s']} s, {c['grown_mib']} MiB"
            )
            print(f"{outcome.parser:15} {said}", flush=True)
    print(f"fuzz: {'FAILED, see tests/out/fuzz' if failed else 'nothing fell'}; seed {args.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
