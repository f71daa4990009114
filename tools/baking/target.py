"""Where a bake writes: at OUT, or, where a finished world lies there, beside it, to replace it at the end.

    .<name>.rebake   the new world while it is baked
    .<name>.old      the world that it replaces, for the moment between two renames

So a world is there and whole until the next one is, whatever happens. `settle` completes what was cut short
between the renames.
"""

import os
from pathlib import Path

from ...streamer import files
from ...streamer.claim import lock_journal, read_journal, remove_world
from ...streamer.errors import WorldError
from ...streamer.manifest import JOURNAL_KEY, MANIFEST_KEY, BakeParameters
from ..errors import UserError, shown


def beside(out: Path) -> Path:
    return out.with_name(f".{out.name}.rebake")


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def check_out(out: Path, overwrite: bool) -> None:
    """UserError if a world cannot be written there; asked before the work, not after it."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{shown(out)} is a file: name a folder for the world")
    if out.is_dir() and not overwrite and any(out.iterdir()) and not (out / JOURNAL_KEY).is_file():
        raise UserError(f"{shown(out)} is not empty: name another folder, or pass --overwrite")


def check_free(out: Path) -> None:
    """BlockingIOError, naming who, if somebody bakes there: asked before anything is read."""
    for folder in (out, beside(out)):
        if (folder / JOURNAL_KEY).is_file():
            os.close(lock_journal(folder))


def settle(out: Path) -> None:
    """Complete a replacement that was cut short. OSError."""
    if not _old(out).is_dir():
        return
    if not out.exists() and (beside(out) / MANIFEST_KEY).is_file():
        _rename(beside(out), out)
    if out.exists():
        remove_world(_old(out))


def is_finished(folder: Path) -> bool:
    return (folder / MANIFEST_KEY).is_file()


def open_target(out: Path, bake: BakeParameters) -> Path | None:
    """The folder to bake in; None if this very bake had ended already, but for its journal's removal.

    OSError; BlockingIOError: somebody bakes there.
    """
    settle(out)
    if (out / JOURNAL_KEY).is_file() and is_finished(out) and _complete(out, out, bake):
        return None
    folder = beside(out) if is_finished(out) else out
    ended = folder != out and (folder / JOURNAL_KEY).is_file() and is_finished(folder)
    return None if ended and _complete(out, folder, bake) else folder


def _complete(out: Path, folder: Path, bake: BakeParameters) -> bool:
    """End a bake that was killed between its manifest and the end, if it was this one."""
    journal = lock_journal(folder)
    try:
        found = read_journal(folder, journal)
        same = found is not None and found.bake == bake
        # Each step below leaves something that brings the next call here, or to `settle`.
        if same and folder != out:
            replace(out)
        if same or folder == out:
            files.remove_file(out, JOURNAL_KEY)
        return same
    except WorldError:
        return False
    finally:
        os.close(journal)


def is_another(folder: Path, bake: BakeParameters) -> bool:
    """Whether a bake that has not ended lies there, and it is not this one."""
    if not (folder / JOURNAL_KEY).is_file():
        return is_finished(folder)
    journal = lock_journal(folder)
    try:
        found = read_journal(folder, journal)
    except WorldError:
        return True
    finally:
        os.close(journal)
    return found is not None and found.bake != bake


def replace(out: Path) -> Path:
    """Put the world that was baked beside `out` in its place, and delete what was there -> out. OSError."""
    _rename(out, _old(out))
    _rename(beside(out), out)
    remove_world(_old(out))
    return out


def _rename(source: Path, place: Path) -> None:
    os.rename(source, place)
    folder = files.open_folder(place.parent, [])
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
