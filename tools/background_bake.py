"""A bake in another process, for the viewer: a coarse world first, then finer ones, each of them whole.

Another process, because a bake keeps the interpreter busy and the window must not notice. The child runs at
a low priority, says what it does as JSON lines, and ends when its parent does.
"""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ..streamer.errors import WorldError
from ..streamer.metadata import MAX_VOXEL_SIZE_M
from .bake import BakeOptions, bake
from .errors import UserError
from .sources import open_source

COARSER = (8, 2, 1)  # the voxel of each world that is made, in voxels that were asked for
NICENESS = 19  # by the clock a frame pays 3.2 ms for a bake beside it on two cores, at 10 it paid 5.4
TELL_S = 0.2
CHILD = (sys.executable, "-P", "-m", "voxtide.tools.background_bake")


class BackgroundBake:
    """See app.library.Baking."""

    def __init__(self, source: Path, out: Path, voxel_size_m: float) -> None:
        self.name, self.stage, self.fraction, self.failed = source.name, "starting", 0.0, ""
        self._ready: list[str] = []
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._ended = False
        self._child = subprocess.Popen(
            [*CHILD, str(source), str(out), repr(voxel_size_m)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),  # where there is no os.nice
        )
        threading.Thread(target=self._listen, name="voxtide-bake", daemon=True).start()

    def poll(self) -> str | None:
        """Never waits. -> a world that has become ready since"""
        with suppress(Empty):
            while True:
                line = self._lines.get_nowait()
                if line is None:
                    self._ended = True
                    if not self.failed and self.stage != "done":
                        self.failed = f"{self.name}: the bake ended early"
                else:
                    self._hear(json.loads(line))
        return self._ready.pop(0) if self._ready else None

    def _hear(self, said: dict[str, Any]) -> None:
        if "world" in said:
            self._ready.append(str(said["world"]))
        self.failed = f"{self.name}: {said['failed']}" if "failed" in said else self.failed
        self.stage, self.fraction = str(said.get("stage", self.stage)), float(said.get("fraction", 0.0))

    @property
    def is_done(self) -> bool:
        return self._ended and not self._ready

    def stop(self) -> None:
        """End it; a world that is not whole stays marked so."""
        self._child.terminate()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._child.wait()
        self._lines.put(None)


def main(arguments: list[str]) -> int:
    """SRC OUT VOXEL: bake into the folder OUT, as `COARSER` says, and tell of it on stdout."""
    source, out, voxel_size_m = Path(arguments[0]), Path(arguments[1]), float(arguments[2])
    parent = os.getppid()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        for factor in COARSER:
            made = _one(source, out, voxel_size_m, factor, parent)
            if made is not None:
                _say(world=str(made))
    except (UserError, WorldError) as error:
        _say(failed=str(error))
        return 2
    _say(stage="done", fraction=1.0)
    return 0


def _one(path: Path, out: Path, voxel_size_m: float, factor: int, parent: int) -> Path | None:
    source = open_source(path)
    if factor > 1 and (source.kind == "voxels" or voxel_size_m * factor > MAX_VOXEL_SIZE_M):
        return None  # cells are voxels: a coarser voxel would make it larger, not coarser
    told = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal told
        if os.getppid() != parent:
            sys.exit(1)
        if time.monotonic() - told > TELL_S:
            told = time.monotonic()
            width = f"{voxel_size_m * factor * 100:g} cm"
            _say(stage=f"{stage}, voxels of {width}", fraction=done / max(total, 1))

    made = out / (f"coarse-{factor}.vxt" if factor > 1 else f"{path.stem}.vxt")
    bake(source, made, BakeOptions(voxel_size_m=voxel_size_m * factor, overwrite=True), progress)
    return made


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
