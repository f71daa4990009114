"""Fuzz one parser in a process of its own: `child.py PARSER SECONDS SEED FOLDER`. Prints one JSON object.

Every input is read to its end or refused by a UserError of one line. Anything else ends the process: another
exception, more than a second of CPU for one input, more than 512 MiB of memory beyond what the libraries
themselves take, a crash. What was being read then lies in FOLDER.
"""

import json
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from mutate import mutated  # noqa: E402
from seeds import PARSERS, Case  # noqa: E402
from voxtide.tools.errors import UserError  # noqa: E402
from voxtide.tools.lyra.tinyloop import safetensors  # noqa: E402
from voxtide.tools.sources import open_source  # noqa: E402

HANG_S = 1.0  # of this process's CPU: a busy machine is no hang
MEMORY_BYTES = 512 << 20


class Hang(BaseException):
    """Not an Exception: no parser may swallow it."""


def drain(path: Path, n: int) -> int:
    if path.suffix == ".safetensors":
        return sum(tensor.size for tensor in safetensors.read(path)[0].values())
    return sum(len(batch) for batch in open_source(path).batches(n))


def written(case: Case, folder: Path) -> Path:
    for name, data in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / case.entry


def address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def hang(*_: object) -> None:
    raise Hang


def damaged(case: Case, rng: np.random.Generator) -> tuple[str, bytes]:
    """One file of a case, mutated: its name, its bytes."""
    names = sorted(case.files)
    name = names[int(rng.integers(len(names)))]
    data = case.files[name]
    if case.inside and rng.integers(2):
        unpack, pack = case.inside
        return name, pack(mutated(unpack(data), rng))
    return name, mutated(data, rng, case.files[names[int(rng.integers(len(names)))]])


def main(parser: str, seconds: float, seed: int, folder: Path) -> dict[str, object]:
    sys.modules.update(openvdb=None, pyopenvdb=None)  # OpenVDB's own parser is not ours to fuzz
    rng = np.random.default_rng(seed)
    cases = PARSERS[parser]()
    folders = [folder / str(k) for k in range(len(cases))]
    paths = [written(case, place) for case, place in zip(cases, folders, strict=True)]
    if parser != "vdb":  # there may be no library that reads it
        for path in paths:
            assert drain(path, 1 << 16) > 0, f"the seed {path.name} itself holds nothing"
    limit = address_space_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, hang)
    n = n_read = 0
    worst_s = 0.0
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        k = int(rng.integers(len(cases)))
        name, data = damaged(cases[k], rng)
        (folders[k] / name).write_bytes(data)
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        said = ""
        try:
            n_read += drain(paths[k], int(rng.choice([64, 1000, 1 << 16]))) > 0
        except UserError as error:
            said = str(error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        assert said.isprintable() and len(said) < 900, f"not one line: {said!r:.300}"
        worst_s = max(worst_s, time.process_time() - began)
        assert worst_s < HANG_S, f"{worst_s:.2f} s of CPU for one input"
        (folders[k] / name).write_bytes(cases[k].files[name])
        n += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before_bytes
    assert grown < MEMORY_BYTES, f"{grown >> 20} MiB"
    return {
        "parser": parser,
        "inputs": n,
        "read": n_read,
        "worst_s": round(worst_s, 3),
        "grown_mib": grown >> 20,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
