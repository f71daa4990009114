"""What a bake keeps while it runs, beside what will be the world: spilled runs, and who spilled them.

    OUT/baking/ (or --scratch DIR/<name>.<parameters>/baking/)
        plan                   the scenes and what their survey found
        run.<scene>.<span>.<n>
        journal.<I>-of-<N>     one per task: the spans that are whole on disk; locked while the task runs

All of it goes as soon as level 0 is written.
"""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...streamer import files
from ...streamer.claim import HELD, holder, told
from ...streamer.errors import WorldError
from ...streamer.manifest import (
    MAX_MANIFEST_BYTES,
    BakeParameters,
    encode_journal_head,
    encode_journal_note,
    parse_journal,
)
from ...streamer.writer import append_line
from ..errors import UserError
from .plan import Span
from .spill import Corner, FileBlock, read_index

FOLDER = "baking"
_JOURNAL = re.compile(r"journal\.([0-9]+)-of-([0-9]+)")
Task = tuple[int, int]
Records = dict[tuple[int, int], dict[str, Any]]  # (scene, span) -> what `reading.record_of` made


def root_of(out: Path, scratch: Path | None, word: str) -> Path:
    """The folder that holds `baking/`."""
    return out if scratch is None else scratch / f"{out.name}.{word[:16]}"


def make(root: Path) -> None:
    """Make the scratch folder, flushed. OSError."""
    root.mkdir(parents=True, exist_ok=True)
    os.close(files.open_folder(root, [FOLDER], create=True))


def journal_key(task: Task) -> str:
    return f"{FOLDER}/journal.{task[0]}-of-{task[1]}"


@dataclass(frozen=True, slots=True)
class TaskJournal:
    """A task's own journal, open and locked. Close it to let the task be run again."""

    path: Path
    file: int

    def add(self, record: dict[str, Any]) -> None:
        """Write down that a span is spilled. OSError."""
        name = f"unit.{record['scene']}.{record['number']}"
        append_line(self.file, encode_journal_note(name, record), self.path)

    def close(self) -> None:
        os.close(self.file)


def open_journal(root: Path, task: Task, bake: BakeParameters) -> TaskJournal:
    """Take a task's journal, made if need be. UserError: somebody runs this task already."""
    path = root / journal_key(task)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = told(_notes(root, journal_key(task)))
            raise UserError(f"task {task[0]}/{task[1]} is running already: {who}") from None
        try:
            found = parse_journal(files.pread(file, str(path), _size(file), 0)) if _size(file) else None
        except WorldError:
            found = None
        same = found is not None and found.bake == bake
        os.ftruncate(file, found.n_good_bytes if found and same else 0)
        line = b"" if same else encode_journal_head(bake)
        append_line(file, line + encode_journal_note(HELD, holder()), path)
    except OSError as error:
        os.close(file)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        os.close(file)
        raise
    return TaskJournal(path, file)


def _size(file: int) -> int:
    return min(os.fstat(file).st_size, MAX_MANIFEST_BYTES)


def _notes(root: Path, key: str) -> dict[str, Any]:
    try:
        return parse_journal(files.read_file(root, key, MAX_MANIFEST_BYTES)).notes
    except WorldError:
        return {}  # just begun


def _names(root: Path) -> Iterator[str]:
    try:
        folder = files.open_folder(root, [FOLDER])
    except FileNotFoundError:
        return
    try:
        yield from sorted(os.listdir(folder))
    finally:
        os.close(folder)


def spilled(root: Path) -> Records:
    """Every span that some task's journal names and whose runs are whole."""
    found: Records = {}
    for name in _names(root):
        if _JOURNAL.fullmatch(name):
            for note, record in _notes(root, f"{FOLDER}/{name}").items():
                if note.startswith("unit.") and _is_whole(root, record):
                    found[record["scene"], record["number"]] = record
    return found


def _is_whole(root: Path, record: dict[str, Any]) -> bool:
    try:
        for kind, name in record["runs"]:
            read_index(root, name, kind)
    except WorldError:
        return False
    return True


def blocks(root: Path, record: dict[str, Any]) -> Iterator[tuple[Corner, FileBlock]]:
    """The blocks of a spilled span. WorldError."""
    for kind, name in record["runs"]:
        yield from read_index(root, name, kind)


def running(root: Path) -> list[str]:
    """The tasks whose journal is locked, in words."""
    found = []
    for name in _names(root):
        task = _JOURNAL.fullmatch(name)
        if not task:
            continue
        file = files.open_file(root, f"{FOLDER}/{name}", os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found.append(f"task {task[1]}/{task[2]} ({told(_notes(root, f'{FOLDER}/{name}'))})")
        finally:
            os.close(file)
    return found


def share(spans: list[Span], task: Task) -> list[Span]:
    """A task's own spans: every n-th."""
    at, n = task
    return spans[at::n]


def unfinished(root: Path, missing: list[Span], spans: list[Span]) -> str:
    """One line: which tasks have not ended, and what to do."""
    known = [m for m in (_JOURNAL.fullmatch(name) for name in _names(root)) if m]
    n_tasks = max((int(m[2]) for m in known), default=1)
    order = {span: i for i, span in enumerate(spans)}
    late = sorted({order[span] % n_tasks for span in missing})
    n = f"{len(missing):,} of {len(spans):,} spans are missing"
    named = ", ".join(f"{i}/{n_tasks}" for i in late[:8]) + (", ..." if len(late) > 8 else "")
    word = "tasks" if len(late) > 1 else "task"
    return f"{word} {named} not ended: {n}; run again what failed, then --finish"


def remove(root: Path, external: bool) -> None:
    """Delete the scratch folder, by name. OSError."""
    try:
        for name in list(_names(root)):
            files.remove_file(root, f"{FOLDER}/{name}")
        files.remove_folder(root, FOLDER)
        if external and root.is_dir():
            root.rmdir()
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise OSError(error.errno, error.strerror, error.filename or str(root / FOLDER)) from error
    except WorldError:
        pass


def remove_temporaries(root: Path) -> None:
    """Delete what a killed bake was just writing into an external scratch folder."""
    for name in list(_names(root)):
        if name.startswith(".") and name.endswith(files.TEMP_SUFFIX):
            files.remove_file(root, f"{FOLDER}/{name}")
