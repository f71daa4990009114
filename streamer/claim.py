"""Claims a folder for one bake: nobody else bakes there, nothing of somebody else's is touched.

The claim is a lock on the journal, which the system drops when the process dies; a note in the journal says
who holds it. Tasks of one bake share the lock (`join`), everything else holds it alone (`claim`). What is
deleted is deleted by name: only regular files whose path is one this room writes, or that a bake keeps in
`baking/` while it runs, and only in a folder whose manifest or journal begins as ours do. One foreign
entry, and nothing at all is deleted.
"""

import errno
import fcntl
import os
import platform
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atlas import plane
from . import files
from .errors import WorldError, quoted
from .manifest import (
    JOURNAL_KEY,
    JOURNAL_MAGIC,
    MANIFEST_KEY,
    MANIFEST_MAGIC,
    MAX_MANIFEST_BYTES,
    BakeParameters,
    Journal,
    Region,
    RegionRecord,
    digest_of,
    encode_journal_head,
    encode_journal_note,
    parse_journal,
)
from .region_file import MAX_REGION_BYTES

Records = dict[tuple[int, Region], RegionRecord]

_LEVEL, _NUMBER = "(?:[0-9]|1[0-5])", "(?:0|[1-9][0-9]{0,4})"
_PLANE = f"(?:{'|'.join(plane.NAMES)})"
_OURS = re.compile(
    rf"manifest|manifest\.journal|(?:(?:color|{_PLANE})/(?:{_LEVEL}/)?)?zarr\.json"
    rf"|color/{_LEVEL}/c/{_NUMBER}/{_NUMBER}/{_NUMBER}/0|{_PLANE}/{_LEVEL}/c/{_NUMBER}/{_NUMBER}/{_NUMBER}"
    r"|baking/(?:plan|journal\.[0-9]{1,9}-of-[0-9]{1,9}|run(?:\.[0-9]{1,9}){3})"
)
SCRATCH = "baking"  # folder of a bake's own temporary files, while it runs
HELD = "held"  # the note that says who
JOIN_S = 10.0  # a task waits so long for another one that is just beginning
_TEMP = re.compile(r"((?:[^/]+/)*)\.([^/]+)\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder that this process holds: the locked journal, and what it says is done."""

    journal: int
    records: Records = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def claim(path: Path, bake: BakeParameters, overwrite: bool, resume: bool) -> Claim:
    """Make `path` a folder in which this process, alone, bakes.

    resume     go on where a journal stops; without a journal, begin
    overwrite  delete the world, or the unfinished bake, that lies there
    FileExistsError: something is there that must not be touched. BlockingIOError: somebody bakes there.
    """
    _make_root(path)
    entries = [(key, kind) for key, kind in files.walk(path) if kind != "folder"]
    kept = {key for key, _ in entries if not _TEMP.fullmatch(key)}
    if kept:
        _check_ours(path, entries)
        if not overwrite and (not resume or MANIFEST_KEY in kept):
            raise FileExistsError(errno.EEXIST, "holds a Voxtide world already", str(path))
    journal = lock_journal(path)
    try:
        # Again, now that nobody else writes here: another bake may have ended since the first look.
        entries = [(key, kind) for key, kind in files.walk(path) if kind != "folder"]
        if not overwrite and any(key == MANIFEST_KEY for key, _ in entries):
            files.remove_file(path, JOURNAL_KEY)
            raise FileExistsError(errno.EEXIST, "holds a Voxtide world already", str(path))
        found = _resume(path, journal, bake) if kept and not overwrite else None
        if found is None:
            os.ftruncate(journal, 0)
        records = found.regions if found else {}
        # The manifest goes first: from here on the folder is a bake that has not ended.
        names = {file.key for record in records.values() for file in record.files} | {JOURNAL_KEY}
        for key, _ in sorted(entries, key=lambda entry: entry[0] != MANIFEST_KEY):
            spilled = found and key.startswith(f"{SCRATCH}/") and not _TEMP.fullmatch(key)
            if key not in names and not spilled:
                files.remove_file(path, key)
        if found is None:
            _remove_empty_folders(path)
            files.write_all(journal, encode_journal_head(bake))
        files.write_all(journal, encode_journal_note(HELD, holder()))
        os.fsync(journal)
    except BaseException:
        os.close(journal)
        raise
    return Claim(journal, records, found.notes if found else {})


def join(path: Path, bake: BakeParameters) -> int:
    """Take part in a bake that several tasks share -> the journal, locked against everybody but tasks.

    The first one begins it. FileExistsError, BlockingIOError: as `claim`.
    """
    until = time.monotonic() + JOIN_S
    while True:
        try:
            journal = claim(path, bake, overwrite=False, resume=True).journal
        except BlockingIOError:
            if joined := _join_others(path, bake):
                return joined
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            fcntl.flock(journal, fcntl.LOCK_SH)
            return journal


def _join_others(path: Path, bake: BakeParameters) -> int | None:
    """The journal, with the lock shared; None if one process holds it alone."""
    try:
        journal = os.open(path / JOURNAL_KEY, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
        found = read_journal(path, journal)
    except BlockingIOError:
        found = None
    except BaseException:
        os.close(journal)
        raise
    if found is None:
        os.close(journal)
        return None
    try:
        _check_same(path, found, bake)
    except FileExistsError:
        os.close(journal)
        raise
    return journal


def holder() -> dict[str, Any]:
    """This process, as another one is told of it."""
    host = re.sub(r"[^A-Za-z0-9.-]", "?", platform.node())[:64] or "?"
    return {"host": host, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}


def told(notes: dict[str, Any]) -> str:
    """Who holds a journal with these notes, in words."""
    held = notes.get(HELD)
    if not isinstance(held, dict):
        return "it has just begun"
    return f"process {held.get('pid')} on {held.get('host')}, since {held.get('since')}"


def _make_root(path: Path) -> None:
    if not path.exists():
        path.mkdir(parents=True)
        _flush(path.parent)


def _is_ours(key: str) -> bool:
    temp = _TEMP.fullmatch(key)
    return _OURS.fullmatch(temp[1] + temp[2] if temp else key) is not None


def _check_ours(path: Path, entries: list[tuple[str, str]]) -> None:
    """FileExistsError unless the folder is a Voxtide world or bake, and nothing else."""
    for key, kind in entries:
        if kind != "file" or not _is_ours(key):
            raise FileExistsError(errno.EEXIST, f"holds {quoted(key)}, which is not Voxtide's", str(path))
    names = {key for key, _ in entries}
    for key, magic in ((MANIFEST_KEY, MANIFEST_MAGIC), (JOURNAL_KEY, JOURNAL_MAGIC)):
        if key in names:
            file = files.open_file(path, key)
            head = os.pread(file, len(magic), 0)
            os.close(file)
            # A journal may be cut inside its first line: a bake that died at its first step.
            if head == magic or (key == JOURNAL_KEY and magic.startswith(head)):
                return
    raise FileExistsError(errno.EEXIST, "is not empty and holds no Voxtide world", str(path))


def lock_journal(path: Path) -> int:
    """The journal, made if need be, open for appending and locked. BlockingIOError if another holds it."""
    journal = os.open(
        path / JOURNAL_KEY, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
    )
    try:
        _lock(path, journal)
        _flush(path)
    except BaseException:  # else a caller that tries again finds it locked, by itself
        os.close(journal)
        raise
    return journal


def _lock(path: Path, journal: int) -> None:
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, named = os.fstat(journal), os.stat(path / JOURNAL_KEY, follow_symlinks=False)
        if (held.st_dev, held.st_ino) != (named.st_dev, named.st_ino):
            raise BlockingIOError  # the bake that held it has just ended
    except (BlockingIOError, FileNotFoundError):
        try:
            found = read_journal(path, journal)
        except WorldError:
            found = None  # it is being begun
        what = f"another process is baking here: {told(found.notes if found else {})}"
        raise BlockingIOError(errno.EWOULDBLOCK, what, str(path)) from None


def _flush(path: Path) -> None:
    """Have a folder's names on disk."""
    folder = files.open_folder(path, [])
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_ours(path: Path) -> None:
    """FileExistsError, naming what is foreign, unless the folder is a Voxtide world or bake and no more."""
    _check_ours(path, [(key, kind) for key, kind in files.walk(path) if kind != "folder"])


def remove_world(path: Path) -> None:
    """Delete a world's folder, or a bake's: by name, what says so last: a deletion cut short can go on.

    FileExistsError: something in it is not ours, and nothing is deleted.
    """
    entries = [(key, kind) for key, kind in files.walk(path) if kind != "folder"]
    if entries:
        _check_ours(path, entries)
    for key, _ in sorted(entries, key=lambda entry: entry[0] in (MANIFEST_KEY, JOURNAL_KEY)):
        files.remove_file(path, key)
    _remove_empty_folders(path)
    os.rmdir(path)


def read_journal(path: Path, journal: int) -> Journal | None:
    """What a journal says; None while it has no whole line. WorldError: its first line is damaged."""
    size = os.fstat(journal).st_size
    data = files.pread(journal, JOURNAL_KEY, min(size, MAX_MANIFEST_BYTES + 1), 0)
    return parse_journal(data) if b"\n" in data else None


def _check_same(path: Path, found: Journal, bake: BakeParameters) -> None:
    if found.bake != bake:
        what = f"holds a bake begun differently ({found.bake}, now {bake}): overwrite it, or bake as before"
        raise FileExistsError(errno.EEXIST, what, str(path))


def _resume(path: Path, journal: int, bake: BakeParameters) -> Journal | None:
    """What a journal names, less what is not whole on disk; the journal loses its torn tail."""
    found = read_journal(path, journal)
    if found is None:
        return None
    _check_same(path, found, bake)
    os.ftruncate(journal, found.n_good_bytes)
    whole = {place: record for place, record in found.regions.items() if _is_whole(path, record)}
    return Journal(found.bake, whole, found.n_good_bytes, found.notes)


def _is_whole(path: Path, record: RegionRecord) -> bool:
    try:
        return all(
            digest_of(files.read_file(path, file.key, MAX_REGION_BYTES, file.n_bytes)) == file.digest
            for file in record.files
        )
    except WorldError:
        return False


def _remove_empty_folders(path: Path) -> None:
    folders = [key for key, kind in files.walk(path) if kind == "folder"]
    for key in sorted(folders, key=lambda k: k.count("/"), reverse=True):
        *parents, name = key.split("/")
        folder = files.open_folder(path, parents)
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            os.close(folder)
