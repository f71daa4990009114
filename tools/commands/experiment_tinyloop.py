"""`voxtide experiment tinyloop`: see `experiment.py`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import UserError
from .experiment import tell


def run(args: argparse.Namespace) -> int:
    from ..lyra.tinyloop import page
    from ..lyra.tinyloop.torch_there import require

    figures = _read(args.figures) if args.figures else None
    if figures is None or args.strip:
        if args.weights is None:
            raise UserError("--weights FILE: of which weights? `voxtide train tinyloop` makes some")
        torch = require()
        if args.threads:
            torch.set_num_threads(args.threads)
    if figures is None:
        figures = _measured(args)
    if args.strip:
        from ..lyra.tinyloop import strip

        strip.draw(args.weights, args.strip)
    tell(args, figures, page)
    return 0


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    from ..lyra.tinyloop import gates
    from ..lyra.tinyloop.held import MEMORIES
    from .train import device_of

    if not 1 <= args.seeds <= 20:
        raise UserError(f"--seeds {args.seeds}: 1 to 20")
    if args.memory not in MEMORIES:
        raise UserError(f"--memory {args.memory!r}: one of {', '.join(MEMORIES)}")

    def tell(done: str) -> None:
        if not args.json:
            print(f"voxtide: {done}", file=sys.stderr)

    device = str(device_of(args.device))
    return gates.experiment(args.weights, device, list(range(args.seeds)), args.memory, tell)


def _read(file: Path) -> dict[str, Any]:
    try:
        figures = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file}: not the figures of `voxtide experiment tinyloop --json` ({error})"
        ) from None
    if not isinstance(figures, dict) or not {"rows", "gates", "weights"} <= set(figures):
        raise UserError(f"{file}: not the figures of `voxtide experiment tinyloop --json`")
    return figures
