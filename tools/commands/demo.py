"""Bake the scenes that ship with Voxtide and look at them: `make demo` runs this.

Where a display is, the window opens on the scanned biker. Without one, stills and a turntable are drawn.
"""

import argparse
import os
import sys
from pathlib import Path

from ..errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--out", type=Path, default=Path("demo"), help="folder (default: demo)")
    parser.add_argument("--no-view", action="store_true", help="draw pictures even where a display is")


def run(args: argparse.Namespace) -> int:
    from .. import demo

    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{args.out}: cannot make this folder ({error.strerror})") from None
    worlds = demo.bake_all(args.out)
    if _has_display() and not args.no_view:
        print(f"opening {worlds['biker']}; W A S D Q E fly, drag to look, Escape closes")
        from .. import cli

        if cli.main(["view", str(worlds["biker"])]) == 0:
            return 0
        print("no window came up: drawing pictures instead")
    for path in demo.draw_all(args.out, worlds):
        print(path)
    return 0


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
