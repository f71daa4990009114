"""Telling the user about damaged chunks while the work goes on."""

import sys

from ...streamer.errors import WorldError

_SHOWN = 10


class BadChunks:
    """Called with each bad chunk: prints the first ones, counts the rest, and makes the exit code 3."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, error: WorldError) -> None:
        self.n += 1
        if self.n <= _SHOWN:
            print(f"voxtide: {error}; its coarser level is drawn", file=sys.stderr)
        elif self.n == _SHOWN + 1:
            print("voxtide: more bad chunks follow; `voxtide verify` lists them all", file=sys.stderr)

    def exit_code(self) -> int:
        return 3 if self.n else 0
