"""What the memories cost as entries are added, up to 300: walking back and forth, and straight on."""

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

from ..memory import ARMS, Memory
from ..memory.view import Frame, View
from .courses import Course, corridor, out_and_back
from .exact import CONDITIONS, Exact

N_ENTRIES = 300
EVERY = 10  # entries between two measurements: what a step adds
REPEATS = 3  # of each retrieval; the median counts
COSTLY = ("frame", "atlas", "atlas+votes")


def curves(
    size: tuple[int, int], seed: int, tell: Callable[[str], None], condition: str
) -> list[dict[str, Any]]:
    """-> one row per walk, arm and number of entries: CPU milliseconds, points examined, bytes."""
    rows = []
    walks: list[tuple[str, Course, list[int], Callable[[int], list[int]]]] = [
        ("back and forth", out_and_back(seed), _to_and_fro(), lambda _: [0, 40, 80, 120, 160]),
        (
            "straight on",
            corridor(seed, n_steps=N_ENTRIES // EVERY + 1),
            list(range(0, 8 * N_ENTRIES, 8)),
            lambda n: [8 * (n - 1) + 80],  # the last view of the step to come
        ),
    ]
    for walk, course, entries, targets in walks:
        exact = Exact(course, CONDITIONS[condition], seed, size)
        memories = {arm: ARMS[arm]() for arm in COSTLY}
        add_ms: dict[str, list[float]] = {arm: [] for arm in COSTLY}
        for n, place in enumerate(entries, 1):
            seen = exact.frame(place, visit=n)
            frame = Frame(8 * n, seen.rgb, seen.depth, seen.view)  # its number is new, its place need not be
            for arm, memory in memories.items():
                began = process_time()
                memory.add(frame)
                add_ms[arm].append(1e3 * (process_time() - began))
            if n % EVERY == 0:
                for arm, memory in memories.items():
                    measured = _measured(memory, [course.view(i, size) for i in targets(n)], add_ms[arm])
                    rows.append({"walk": walk, "arm": arm, "entries": n, **measured})
        tell(f"cost, {walk}")
    return rows


def _measured(memory: Memory, targets: list[View], add_ms: list[float]) -> dict[str, Any]:
    times, examined = [], []
    for target in targets:
        again = []
        for _ in range(REPEATS):
            began = process_time()
            found = memory.retrieve([target])
            again.append(1e3 * (process_time() - began))
        times.append(float(np.median(again)))
        examined.append(found.n_examined)
    return {
        "retrieve_ms": round(float(np.mean(times)), 3),
        "n_examined": round(float(np.mean(examined))),
        "add_ms": round(float(np.mean(add_ms[-EVERY:])), 3),
        "bytes": memory.n_bytes(),
    }


def _to_and_fro() -> list[int]:
    """Frame numbers of out_and_back, out, back, out ...: 21 places 8 frames apart."""
    there = list(range(0, 161, 8))
    period = there + there[-2:0:-1]
    return [period[i % len(period)] for i in range(N_ENTRIES)]


def slope_ms_per_entry(rows: list[dict[str, Any]], walk: str, arm: str, first: int) -> float:
    """Least-squares slope of retrieve_ms over the entries, from the `first`-th on."""
    at = [
        (r["entries"], r["retrieve_ms"])
        for r in rows
        if (r["walk"], r["arm"]) == (walk, arm) and r["entries"] >= first
    ]
    x, y = np.array(at).T
    return float(np.polyfit(x, y, 1)[0])
