"""Fuse steps into the world while the next one is generated.

A thread bakes all whole steps whenever there are new ones; steps that end meanwhile wait for the next bake
together. The last bake is of all steps, so the world's bytes do not depend on what was fused when.
"""

import threading
from collections.abc import Callable
from types import TracebackType

from ..bake import BakeReport
from ..errors import UserError

Bake = Callable[[], BakeReport]


class Fuser:
    """Between `with` and its end, `bake` is called in a thread after `whole`; one call at a time."""

    def __init__(self, bake: Bake) -> None:
        self._bake = bake
        self._changed = threading.Condition()
        self._newest = self._fused = -2  # steps; -1 is the seed
        self._ending = False
        self._report: BakeReport | None = None
        self._thread = threading.Thread(target=self._run, name="fuse", daemon=True)
        self.n_bakes = 0

    def whole(self, index: int) -> None:
        """Step `index` and all before it are on disk."""
        with self._changed:
            self._newest = max(self._newest, index)
            self._changed.notify()

    def finished(self) -> BakeReport:
        """The world of all steps. UserError, WorldError: as bake."""
        self._stop()
        if self._report is None or self._fused < self._newest:
            self._report = self._bake()
            self.n_bakes += 1
        return self._report

    def __enter__(self) -> "Fuser":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        """Let the bake that runs end, and no other begin."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or self._newest > max(self._fused, -1))
                if self._ending:
                    return
                newest = self._newest
            try:
                report = self._bake()
            except UserError:  # as nothing to bake yet; the last bake, in the caller's thread, tells
                report = None
            with self._changed:
                self._fused, self._report = newest, report
                self.n_bakes += 1
