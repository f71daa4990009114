"""Train the small world model: `voxtide train tinyloop`.

Scenes are made as they are needed and kept in a cache; nothing is fetched. Training goes on after the last
state when the same command is given again; Ctrl-C keeps one first. With --steps the same command gives the
same weights, interrupted or not; with --minutes the clock decides. docs/experiments/tinyloop.md tells what
comes of it.
"""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import UserError
from . import arguments

SIZES = ("104x64", "208x120")
WALKS = {"104x64": 480, "208x120": 480}
TOLD_S = 20.0  # between lines where there is no terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", choices=("tinyloop",), help="which one")
    add("--size", choices=SIZES, default="104x64", help="104x64 for a CPU, 208x120 for a GPU (104x64)")
    add("--steps", type=arguments.count, metavar="N", help="of all phases together")
    add("--minutes", type=arguments.positive, metavar="M", help="instead of --steps: stop after so long")
    add("--device", default="cpu", metavar="NAME", help="cpu or cuda (cpu)")
    add("--threads", type=arguments.count, metavar="N", help="of the CPU (all)")
    add("--seed", type=arguments.natural, default=1, metavar="N", help="of weights, batches and noise (1)")
    add("--walks", type=arguments.count, metavar="N", help="of the training set (480)")
    add(
        "--processes",
        type=arguments.count,
        default=1,
        metavar="N",
        help="that make walks beforehand (1: as needed)",
    )
    add("--cache", type=Path, metavar="DIR", help="where walks are kept (beside OUT)")
    add(
        "--out", type=Path, required=True, metavar="FILE.safetensors", help="weights; their state beside them"
    )


def run(args: argparse.Namespace) -> int:
    if (args.steps is None) == (args.minutes is None):
        raise UserError("how long: pass --steps N or --minutes M")
    if args.out.suffix != ".safetensors":
        raise UserError("--out: a file that ends in .safetensors")
    from ..lyra.tinyloop.torch_there import require

    torch = require()
    device = device_of(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    from ..lyra.tinyloop.config import SIZES as CONFIGS
    from ..lyra.tinyloop.states import Plan
    from ..lyra.tinyloop.train import train

    cache, n_walks = args.cache or args.out.parent / "walks", args.walks or WALKS[args.size]
    if args.processes > 1:
        from ..lyra.tinyloop.samples import made_together

        made_together(cache, n_walks, CONFIGS[args.size], args.processes, _line())
    plan = Plan(CONFIGS[args.size], args.seed, n_walks, args.steps, args.minutes)
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: stopped.append(number))
    try:
        state = train(plan, args.out, cache, device, _line(), lambda: bool(stopped))
    finally:
        signal.signal(signal.SIGINT, before)
    if stopped:
        print(f"{args.out}: kept at step {state.total:,}; the same command goes on")
        return 0
    print(f"{args.out}: trained for {state.total:,} steps")
    return 0


def device_of(name: str) -> Any:
    """torch's device of a name. UserError: this machine has none."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: cpu or cuda") from None
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and not torch.cuda.is_available()):
        raise UserError(f"--device {name}: this machine has no such device")
    return device


def _line() -> Any:
    """One line that is written over on a terminal; elsewhere now and then a new one."""
    told = [0.0]

    def tell(text: str) -> None:
        now = time.monotonic()
        if sys.stderr.isatty():
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
        elif now - told[0] > TOLD_S:
            told[0] = now
            print(text, file=sys.stderr, flush=True)

    return tell
