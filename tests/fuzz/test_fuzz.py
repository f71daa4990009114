"""Every parser survives damage: a second each here, a minute in `make fuzz` and CI (VOXTIDE_FUZZ_S)."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from voxtide.tools.sources import FOLDERS, NAMES, READERS

HERE = Path(__file__).resolve().parent
SECONDS = float(os.environ.get("VOXTIDE_FUZZ_S", "1"))


def module(name: str):
    """A file of this folder, which is no package."""
    sys.path[:0] = [str(HERE)]
    try:
        spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded
        spec.loader.exec_module(loaded)
        return loaded
    finally:
        sys.path.remove(str(HERE))


run, seeds = module("run"), module("seeds")


@pytest.mark.parametrize("parser", seeds.PARSERS)
def test_damage_is_read_or_refused(parser):
    outcome = run.fuzz(parser, SECONDS, seed=1)
    assert not outcome.fault, outcome.fault
    assert outcome.counts["inputs"] > 0


def test_every_reader_is_fuzzed():
    entries = [case.entry for make in seeds.PARSERS.values() for case in make()]
    markers = {name for make in seeds.PARSERS.values() for case in make() for name in case.files}
    alone = {".png"}  # 64 MB when decoded: test_export.py does it, less often
    assert set(READERS) - {".tiff"} - alone <= {Path(entry).suffix for entry in entries}
    assert set(NAMES) <= set(entries)
    assert {marker for marker, _, _ in FOLDERS} - {".zgroup"} <= markers
