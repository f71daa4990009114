"""Numbers about a run: percentiles, the machine, memory."""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil


def spread(values: Iterable[float], *names: str) -> dict[str, float]:
    """Some of p50, p90, p99, p999 and max of the values, rounded to 4 digits after the point; 0 of none."""
    found = np.fromiter(values, np.float64)
    if not found.size:
        return dict.fromkeys(names, 0.0)
    shares = {name: 100.0 if name == "max" else float(f"{name[1:3]}.{name[3:] or 0}") for name in names}
    return {name: round(float(np.percentile(found, share)), 4) for name, share in shares.items()}


def machine() -> str:
    """Processor, cores, memory and system, in words; nothing that names the host."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    cpu = match[1].strip() if match else platform.machine()
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gib = psutil.virtual_memory().total / 2**30
    return f"{cpu}, {n_cores} cores, {gib:.0f} GiB, {platform.system()}"


def rss_bytes() -> int:
    """What this process has in memory now."""
    return int(psutil.Process().memory_info().rss)
