"""The viewer's settings as flags of a command: one for each line of the table."""

import argparse
from collections.abc import Sequence
from typing import Any

from ...app.settings import Setting, fits
from . import arguments


def add_settings(parser: argparse.ArgumentParser, table: Sequence[Setting], groups: Sequence[str]) -> None:
    """A flag for each setting, in the table's groups. Without it the stored value counts."""
    for group in groups:
        flags = parser.add_argument_group(f"settings: {group.lower()}")
        for said in table:
            if said.group == group:
                _add(flags, said)


def _add(flags: Any, said: Setting) -> None:
    text = said.sentence.replace("%", "%%")
    if said.is_switch:
        default = "on" if said.default else "off"
        flags.add_argument(
            said.flag,
            action=argparse.BooleanOptionalAction,
            default=None,
            dest=said.field,
            help=f"{text} ({default})",
        )
        return
    unit = said.unit.replace("%", "%%")
    shown = f"{said.default:g} {unit}".strip()
    flags.add_argument(
        said.flag,
        type=lambda value: _number(value, said),
        dest=said.field,
        metavar="N",
        help=f"{text} ({shown})",
    )


def _number(text: str, said: Setting) -> float:
    value = arguments.number(text)
    if not fits(said, value):
        assert said.range is not None
        lowest, highest = said.range
        raise argparse.ArgumentTypeError(
            f"{text!r} is not from {lowest:g} to {highest:g} {said.unit}".strip()
        )
    return value


def given(args: argparse.Namespace, table: Sequence[Setting]) -> dict[str, Any]:
    """field -> value of every setting that the command line gave."""
    values = {said.field: getattr(args, said.field) for said in table}
    return {name: value for name, value in values.items() if value is not None}
