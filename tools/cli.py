"""voxtide: bake worlds, look at them, measure them."""

import argparse
import os
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from .errors import UserError

COMMANDS = (
    "bake",
    "generate",
    "view",
    "serve",
    "render",
    "path",
    "info",
    "verify",
    "compare",
    "export",
    "profile",
    "stress",
    "experiment",
    "train",
    "doctor",
    "demo",
)
EXIT_OK, EXIT_USER, EXIT_DATA = 0, 2, 3


class Parser(argparse.ArgumentParser):
    """argparse's, but a mistake is one line here, as everywhere."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER, f"{self.prog}: {message}; `{self.prog} --help` tells more\n")


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Every command's flags. only: those of this one alone, whose modules alone are then imported"""
    root = Parser(prog="voxtide", description=__doc__)
    root.add_argument("--version", action="version", version=f"voxtide {_version()}")
    commands = root.add_subparsers(required=True, metavar="command")
    for name in COMMANDS:
        if only not in (None, name):
            commands.add_parser(name)
            continue
        module = import_module(f".commands.{name}", __package__)
        summary = (module.__doc__ or "").splitlines()[0].rstrip(".")
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return root


def parsed(argv: list[str] | None) -> argparse.Namespace:
    """The arguments. `bake` takes any number of paths; argparse only finds those before the first flag."""
    words = sys.argv[1:] if argv is None else argv
    root = parser(words[0] if words and words[0] in COMMANDS else None)
    args, rest = root.parse_known_args(argv)
    if rest and (not hasattr(args, "paths") or any(word.startswith("-") for word in rest)):
        root.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.paths += map(Path, rest)
    return args


def main(argv: list[str] | None = None) -> int:
    """Run one command -> its exit code: 0, 2 for the user's mistake, 3 for damaged data."""
    args = parsed(argv)
    from ..app.errors import GraphicsError
    from ..streamer.errors import WorldError

    try:
        code = int(args.run(args))
        sys.stdout.flush()  # here, where a reader that has gone away can still be met calmly
        return code
    except (UserError, GraphicsError) as error:
        print(f"voxtide: {error}", file=sys.stderr)
        return EXIT_USER
    except WorldError as error:
        print(f"voxtide: {error}", file=sys.stderr)
        return EXIT_DATA
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        print("voxtide: interrupted", file=sys.stderr)
        return 130


def _version() -> str:
    try:
        return version("voxtide")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "from a checkout"


if __name__ == "__main__":
    sys.exit(main())
