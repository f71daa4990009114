"""What the memories cost as entries are added, up to 300: walking back and forth, and straight on for ever."""

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

from ..memory import ARMS
from ..memory.view import Frame
from .courses import Course, View, corridor, out_and_back
from .exact import CONDITIONS, Exact

N_ENTRIES = 300
EVERY = 10  # entries between two measurements: what a step adds
REPEATS = 3  # of each retrieval; the median counts
COSTLY = ("frame", "atlas", "atlas+votes")


def curves(size: tuple[int, int], seed: int, tell: Callable[[str], None], condition: str) -> list[dict[str, Any]]:
    """-> one row per walk, arm and number of entries: CPU milliseconds, points examined, bytes."""
    rows = []
    for walk, course, entries in (
        ("back and forth", out_and_back(seed), _to_and_fro()),
        ("straight on", corridor(seed, n_steps=N_ENTRIES // EVERY), list(range(0, 8 * N_ENTRIES, 8))),
    ):
        exact = Exact(course, CONDITIONS[condition], seed, size)
        made: dict[int, Frame] = {}
        memories = {arm: ARMS[arm]() for arm in COSTLY}
        add_ms: dict[str, list[float]] = {arm: [] for arm in COSTLY}
        for n, place in enumerate(entries, 1):
            if place not in made:
                made[place] = exact.frame(place)
            seen = made[place]
            frame = Frame(8 * n, seen.rgb, seen.depth, seen.view)  # its number is new, its place need not be
            for arm, memory in memories.items():
                began = process_time()
                memory.add(frame)
                add_ms[arm].append(1e3 * (process_time() - began))
            if n % EVERY == 0:
                target = _next_view(course, entries, n, size)
                for arm, memory in memories.items():
                    rows.append({"walk": walk, "arm": arm, "entries": n, **_measured(memory, target, add_ms[arm])})
        tell(f"cost, {walk}")
    return rows


def _measured(memory: Any, target: View, add_ms: list[float]) -> dict[str, Any]:
    times = []
    for _ in range(REPEATS):
        began = process_time()
        found = memory.retrieve([target])
        times.append(1e3 * (process_time() - began))
    return {
        "retrieve_ms": round(float(np.median(times)), 3),
        "n_examined": found.n_examined,
        "add_ms": round(float(np.mean(add_ms[-EVERY:])), 3),
        "bytes": memory.n_bytes(),
    }


def _to_and_fro() -> list[int]:
    """Frame numbers of out_and_back, out, back, out ...: 21 places 8 frames apart."""
    there = list(range(0, 161, 8))
    period = there + there[-2:0:-1]
    return [period[i % len(period)] for i in range(N_ENTRIES)]


def _next_view(course: Course, entries: list[int], n: int, size: tuple[int, int]) -> View:
    """The view of the next entry but nine: the end of the step that would come."""
    ahead = entries[min(n + EVERY - 1, len(entries) - 1)]
    return course.view(ahead, size)


def slope_ms_per_entry(rows: list[dict[str, Any]], walk: str, arm: str, first: int) -> float:
    """Least-squares slope of retrieve_ms over the entries, from the `first`-th on."""
    at = [(r["entries"], r["retrieve_ms"]) for r in rows if (r["walk"], r["arm"]) == (walk, arm) and r["entries"] >= first]
    x, y = np.array(at).T
    return float(np.polyfit(x, y, 1)[0])
