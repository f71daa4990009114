"""GLSL, and the function that composes it.

A shader file may say `#include "include/rays.glsl"`; each file is pasted once, at its first include.
"generated/layout.glsl" is virtual: `atlas.layout` prints it, so no number is written twice.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from ..atlas import layout

_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"\s*$')
# "0:12(5): error" (Mesa) and "0(12) : error" (NVIDIA): string number, then the line.
_DRIVER_LINE = re.compile(r"^\d+[:(](\d+)\)?", re.MULTILINE)
_GENERATED = {"generated/layout.glsl": layout.glsl}


class ShaderError(Exception):
    """A shader that cannot be composed or compiled: ours, never the user's."""


@dataclass(frozen=True, slots=True)
class Source:
    """Composed GLSL, and where each of its lines came from."""

    text: str
    origin: tuple[str, ...]  # origin[i] is "file:line" of composed line i + 1

    def explain(self, driver_log: str) -> str:
        """The driver's message with its line numbers replaced by ours: drivers disagree on #line."""

        def ours(match: re.Match[str]) -> str:
            line = int(match[1])
            return self.origin[line - 1] if 0 < line <= len(self.origin) else match[0]

        return _DRIVER_LINE.sub(ours, driver_log)


def read(name: str) -> str:
    """The text of one shader file or generated include. Raises FileNotFoundError."""
    return _GENERATED[name]() if name in _GENERATED else (files(__name__) / name).read_text("utf-8")


def compose(name: str, defines: Mapping[str, int] | None = None) -> Source:
    """Read a shader and paste in what it includes; `defines` go right after its #version line."""
    seen: set[str] = set()
    lines: list[str] = []
    origin: list[str] = []

    def put(line: str, where: str) -> None:
        lines.append(line)
        origin.append(where)

    def expand(name: str, asked_by: str) -> None:
        if name in seen:
            return
        seen.add(name)
        try:
            text = read(name)
        except FileNotFoundError:
            raise ShaderError(f"{asked_by}: no shader named {name!r}") from None
        for number, line in enumerate(text.splitlines(), 1):
            if match := _INCLUDE.match(line):
                expand(match[1], f"{name}:{number}")
                continue
            put(line, f"{name}:{number}")
            if line.startswith("#version"):
                for key, value in (defines or {}).items():
                    put(f"#define {key} {value}", "defines")

    expand(name, "compose")
    return Source("\n".join(lines) + "\n", tuple(origin))
