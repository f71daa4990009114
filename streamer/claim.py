"""Claims a folder for one bake: nobody else bakes there, nothing of somebody else's is touched.

The claim is a lock on the journal, which the system drops when the process dies. What is deleted is
deleted by name: only regular files whose path is one this room writes, and only in a folder whose
manifest or journal begins as ours do. One foreign entry, and nothing at all is deleted.
"""

import errno
import fcntl
import os
import re
from pathlib import Path

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
    Region,
    RegionRecord,
    digest_of,
    encode_journal_head,
    parse_journal,
)
from .region_file import MAX_REGION_BYTES

Records = dict[tuple[int, Region], RegionRecord]

_LEVEL, _NUMBER = "(?:[0-9]|1[0-5])", "(?:0|[1-9][0-9]{0,4})"
_PLANE = f"(?:{'|'.join(plane.NAMES)})"
_OURS = re.compile(
    rf"manifest|manifest\.journal|(?:(?:color|{_PLANE})/(?:{_LEVEL}/)?)?zarr\.json"
    rf"|color/{_LEVEL}/c/{_NUMBER}/{_NUMBER}/{_NUMBER}/0|{_PLANE}/{_LEVEL}/c/{_NUMBER}/{_NUMBER}/{_NUMBER}"
)
_TEMP = re.compile(r"((?:[^/]+/)*)\.([^/]+)\.[0-9a-f]{16}\.tmp")


def claim(path: Path, bake: BakeParameters, overwrite: bool, resume: bool) -> tuple[int, Records]:
    """Make `path` a folder in which this process bakes -> (locked journal, finished regions).

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
    journal = _lock_journal(path)
    try:
        # Again, now that nobody else writes here: another bake may have ended since the first look.
        entries = [(key, kind) for key, kind in files.walk(path) if kind != "folder"]
        if not overwrite and any(key == MANIFEST_KEY for key, _ in entries):
            files.remove_file(path, JOURNAL_KEY)
            raise FileExistsError(errno.EEXIST, "holds a Voxtide world already", str(path))
        records: Records = {}
        if kept and not overwrite:
            records = _resume(path, journal, bake)
        if not records:
            os.ftruncate(journal, 0)
        # The manifest goes first: from here on the folder is a bake that has not ended.
        names = {file.key for record in records.values() for file in record.files} | {JOURNAL_KEY}
        for key, _ in sorted(entries, key=lambda entry: entry[0] != MANIFEST_KEY):
            if key not in names:
                files.remove_file(path, key)
        if not records:
            _remove_empty_folders(path)
            files.write_all(journal, encode_journal_head(bake))
        os.fsync(journal)
    except BaseException:
        os.close(journal)
        raise
    return journal, records


def _make_root(path: Path) -> None:
    if not path.exists():
        path.mkdir(parents=True)
        folder = files.open_folder(path.parent, [])
        os.fsync(folder)
        os.close(folder)


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


def _lock_journal(path: Path) -> int:
    """The journal, made if need be, open for appending and locked. BlockingIOError if another holds it."""
    journal = os.open(
        path / JOURNAL_KEY, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
    )
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, named = os.fstat(journal), os.stat(path / JOURNAL_KEY, follow_symlinks=False)
        if (held.st_dev, held.st_ino) != (named.st_dev, named.st_ino):
            raise BlockingIOError  # the bake that held it has just ended
    except (BlockingIOError, FileNotFoundError):
        os.close(journal)
        raise BlockingIOError(errno.EWOULDBLOCK, "another process is baking here", str(path)) from None
    folder = files.open_folder(path, [])
    os.fsync(folder)
    os.close(folder)
    return journal


def _resume(path: Path, journal: int, bake: BakeParameters) -> Records:
    """The regions that a journal names and that are whole on disk; the journal loses its torn tail."""
    size = os.fstat(journal).st_size
    data = files.pread(journal, JOURNAL_KEY, min(size, MAX_MANIFEST_BYTES + 1), 0)
    if b"\n" not in data:
        return {}
    found = parse_journal(data)
    if found.bake != bake:
        what = f"holds a bake begun differently ({found.bake}, now {bake}): overwrite it, or bake as before"
        raise FileExistsError(errno.EEXIST, what, str(path))
    os.ftruncate(journal, found.n_good_bytes)
    return {place: record for place, record in found.regions.items() if _is_whole(path, record)}


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
