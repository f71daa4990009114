"""How long the GPU is busy with each part of a frame: timer queries, read frames later so that none waits."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import moderngl

from .context import describe

LATE_FRAMES = 4  # a query is read so many frames after it was sent


class Timers:
    """Sums of GPU milliseconds by part.

    llvmpipe's queries time its rasteriser and know nothing of compute, but its dispatches return when they
    are done: there the clock around a part tells what the part cost, with the calls into the driver.
    """

    def __init__(self, ctx: moderngl.Context) -> None:
        self._ctx = ctx
        self._by_clock = "llvmpipe" in describe(ctx)
        self._free: list[moderngl.Query] = []
        self._under_way: deque[tuple[int, str, moderngl.Query]] = deque()  # frame, part, query
        self._sums_ms: dict[str, float] = defaultdict(float)
        self.n_frames = 0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is dispatched inside. Parts do not nest; one may come more than once a frame."""
        if self._by_clock:
            began = time.perf_counter()
            yield
            self._sums_ms[name] += (time.perf_counter() - began) * 1e3
            return
        query = self._free.pop() if self._free else self._ctx.query(time=True)
        with query:
            yield
        self._under_way.append((self.n_frames, name, query))

    def end_frame(self) -> None:
        """Wait until the GPU has drawn the frame, and read the queries of older ones."""
        self._ctx.finish()
        self.n_frames += 1
        self._read(self.n_frames - LATE_FRAMES)

    def mean_ms(self, name: str) -> float:
        """Of one part, per frame. Reads what is still under way."""
        self._read(self.n_frames)
        return self._sums_ms[name] / max(self.n_frames, 1)

    def _read(self, before: int) -> None:
        while self._under_way and self._under_way[0][0] < before:
            _, name, query = self._under_way.popleft()
            self._sums_ms[name] += query.elapsed / 1e6
            self._free.append(query)
