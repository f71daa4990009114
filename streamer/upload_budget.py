"""How much comes in per frame: a budget in bytes, in chunks and in milliseconds, and what it leaves waiting.

Milliseconds cannot be known before they are spent, so they are turned into chunks by what chunks took lately.
"""

from dataclasses import dataclass, replace

import numpy as np

from .loader import Arrivals

FEW = 16  # frames with fewer chunks, but one, tell what a frame costs before it brings many
LEAST = 128  # chunks that come in whatever they cost, or a slow machine would never see its world
WEIGHT = 0.1  # of the newest frame in the means


@dataclass(frozen=True, slots=True)
class Budgets:
    """Three memories and a rate, each on its own."""

    n_slots: int  # VRAM
    ram_bytes: int
    upload_bytes_per_frame: int = 8 << 20
    upload_chunks_per_frame: int = 768  # about 1.2 ms of the main thread's books
    upload_ms_per_frame: float = 4.0  # of the main thread's CPU: books, packing, handing over to the driver


class Cost:
    """What frames cost the main thread, and what each chunk adds: running means, milliseconds of its CPU.

    Of the clock on the wall it would be what other processes and the driver take, which fewer chunks do not
    make less: on a busy machine a budget of that kind shrinks until nothing comes in any more (tried).
    """

    __slots__ = ("_ms", "_n", "ms_per_frame")

    def __init__(self) -> None:
        self.ms_per_frame = self._ms = self._n = 0.0

    def spent(self, n_chunks: int, cpu_ms: float) -> None:
        """A frame that brought so many chunks took so long, all in all.

        A frame without any tells nothing: the first chunk costs half a millisecond of calls. Were that laid
        on the others, then fewer chunks would each seem dearer, and the next frame would take still fewer.
        """
        if n_chunks == 0:
            return
        if n_chunks < FEW:
            self.ms_per_frame += (WEIGHT if self.ms_per_frame else 1.0) * (cpu_ms - self.ms_per_frame)
            return
        weight = WEIGHT if self._n else 1.0
        self._ms += weight * (max(cpu_ms - self.ms_per_frame, 0.0) - self._ms)
        self._n += weight * (n_chunks - self._n)

    @property
    def ms_per_chunk(self) -> float:
        """Of all chunks of the latest frames together, so that those of small frames weigh little."""
        return self._ms / self._n if self._n else 0.0

    def n_chunks(self, budgets: Budgets) -> int:
        """How many chunks a frame may take."""
        left_ms = budgets.upload_ms_per_frame - self.ms_per_frame
        if left_ms >= self.ms_per_chunk * budgets.upload_chunks_per_frame:
            return budgets.upload_chunks_per_frame
        affordable = int(left_ms / self.ms_per_chunk) if self.ms_per_chunk else 0
        return min(max(affordable, LEAST), budgets.upload_chunks_per_frame)


def within(waiting: list[Arrivals], n_bytes: int, n_chunks: int) -> tuple[list[Arrivals], list[Arrivals]]:
    """Cut what waits into what comes in now, asked before predicted, and the rest.

    One chunk comes in even if it alone exceeds the budget.
    """
    now: list[Arrivals] = []
    ordered = sorted(waiting, key=lambda a: not a.asked)
    for i, arrivals in enumerate(ordered):
        ends = np.cumsum(arrivals.sizes)
        n = min(int(np.searchsorted(ends, n_bytes, side="right")), n_chunks)
        if n < len(arrivals.streams):
            n = n if now else max(n, 1)
            return [*now, _part(arrivals, 0, n)], [_part(arrivals, n, None), *ordered[i + 1 :]]
        n_bytes, n_chunks = n_bytes - int(arrivals.sizes.sum()), n_chunks - n
        now.append(arrivals)
    return now, []


def _part(arrivals: Arrivals, start: int, stop: int | None) -> Arrivals:
    """A slice of what came; what is empty goes with the first."""
    part = slice(start, stop)
    return replace(
        arrivals,
        ids=arrivals.ids[part],
        streams=arrivals.streams[part],
        octants=arrivals.octants[part],
        sizes=arrivals.sizes[part],
        empty=arrivals.empty if start == 0 else arrivals.empty[:0],
    )
