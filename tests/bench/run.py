"""Run every bench_*.py beside this file; write the figures and the machine they are from to docs/benchmarks/.

A bench is a script that imports voxtide like any program and prints one JSON object as the last line of its
stdout. Usage: python tests/bench/run.py [NAME ...], where NAME is what comes after bench_. The file is named
after processor and renderer, never after the host: see docs/benchmarks/README.md.
"""

import json
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / "docs" / "benchmarks"
BENCH_S = 900  # a bench that takes longer is broken
PROBE_S = 60


def cpu_model() -> str:
    """The processor's name as the kernel gives it, else the architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def gl_renderer() -> str:
    """Asked of a child, because a driver may crash; "none" when it does."""
    command = [sys.executable, "-m", "voxtide.app.render.probe"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, check=True)
        return str(json.loads(done.stdout)["renderer"])
    except (subprocess.SubprocessError, ValueError, KeyError):
        return "none"


def git(*arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """What the figures depend on, and nothing that names the host or its user."""
    return {
        "cpu": cpu_model(),
        "n_cores": len(os.sched_getaffinity(0)),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "os": os_name(),
        "python": platform.python_version(),
        "gl_renderer": gl_renderer(),
    }


def label(facts: dict[str, Any]) -> str:
    """A file name from the facts: "intel-xeon-2-cores-llvmpipe"."""
    renderer = re.sub(r"\(.*?\)|/.*", "", facts["gl_renderer"])
    cpu = re.sub(r"\((?:R|TM)\)|@.*|\b(?:CPU|Processor)\b", "", facts["cpu"])
    words = f"{cpu} {facts['n_cores']} cores {renderer}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def commit() -> str:
    """The commit that is measured, "-dirty" when something other than the figures differs from it."""
    changed = git("status", "--porcelain", "--", ".", ":!docs/benchmarks")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def run_bench(path: Path) -> dict[str, Any]:
    """Run one bench. -> {"seconds", "figures"} or {"seconds", "error"}."""
    start_s = time.perf_counter()
    command = [sys.executable, str(path)]
    result: dict[str, Any]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=BENCH_S, cwd=ROOT, check=True
        )
        result = {"figures": json.loads(done.stdout.strip().splitlines()[-1])}
    except subprocess.CalledProcessError as error:
        result = {"error": f"ended with {error.returncode}"}
    except subprocess.TimeoutExpired:
        result = {"error": f"not done after {BENCH_S} s"}
    except (ValueError, IndexError):
        result = {"error": "printed no JSON on its last line"}
    return {"seconds": round(time.perf_counter() - start_s, 1), **result}


def main(names: list[str]) -> int:
    benches = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    if unknown := sorted(set(names) - set(benches)):
        print(f"bench: no {', '.join(unknown)}; there are: {', '.join(benches)}", file=sys.stderr)
        return 2
    facts, measured = machine(), commit()
    try:
        voxtide = version("voxtide")
    except PackageNotFoundError:
        voxtide = "not installed"
    out = OUT / f"{label(facts)}.json"
    kept = json.loads(out.read_text())["benches"] if names and out.exists() else {}
    n_failed = 0
    for name in names or benches:
        print(f"bench {name} ...", flush=True)
        kept[name] = {"commit": measured, **run_bench(benches[name])}
        n_failed += "error" in kept[name]
        print(f"  {json.dumps(kept[name].get('figures', kept[name].get('error')))}")
    report = {"machine": facts, "voxtide": voxtide, "benches": dict(sorted(kept.items()))}
    OUT.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"wrote {out.relative_to(ROOT)}")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
