"""Files below a world's folder: no link leads a read out of it, and a write is whole or absent.

A key is a relative path with "/" that this room made itself from integers and fixed names. Every
folder on the way is opened by its own name from the one above it and must not be a symbolic link
(the world's own folder may be: the user named it). Reads are preads: a mapped file that
somebody truncates would kill the process.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import WorldError, quoted

TEMP_SUFFIX = ".tmp"  # ".<name>.<16 hex digits>.tmp", beside the file it will become
MISSING = "missing"
MAX_DEPTH = 8  # folders below the world's; ours need 6

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a FIFO must not hang us


def open_folder(root: Path, parts: list[str], create: bool = False) -> int:
    """A descriptor of the folder root/parts..., no part a symbolic link. OSError if it cannot be had."""
    folder = os.open(root, _DIRECTORY)
    try:
        for part in parts:
            assert part not in ("", ".", "..") and "/" not in part, part
            if create:
                _make_folder(part, folder)
            inner = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
    except OSError:
        os.close(folder)
        raise
    return folder


def _make_folder(name: str, parent: int) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def open_file(root: Path, key: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file. WorldError if it is missing, a link, or anything but a regular file."""
    *folders, name = key.split("/")
    try:
        folder = open_folder(root, folders)
        try:
            file = os.open(name, flags | _FILE, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise WorldError(key, _reason(error)) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise WorldError(key, "not a regular file")
    return file


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return MISSING
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a symbolic link, or below one, or not below a folder"
    return os.strerror(error.errno or 0)


def open_region(root: Path, key: str, n_bytes: int) -> int:
    """A descriptor of a regular file of exactly n_bytes. WorldError otherwise."""
    file = open_file(root, key)
    size = os.fstat(file).st_size
    if size != n_bytes:
        os.close(file)
        raise WorldError(key, f"{size} bytes, the manifest says {n_bytes}")
    return file


def read_file(root: Path, key: str, most_bytes: int, n_bytes: int | None = None) -> bytes:
    """A whole regular file. WorldError if it is not one, larger than most_bytes, or not exactly n_bytes."""
    file = open_file(root, key)
    try:
        size = os.fstat(file).st_size
        if n_bytes is not None and size != n_bytes:
            raise WorldError(key, f"{size} bytes, the manifest says {n_bytes}")
        if size > most_bytes:
            raise WorldError(key, f"{size} bytes, at most {most_bytes} are read")
        return pread(file, key, size, 0)
    finally:
        os.close(file)


def pread(file: int, key: str, n_bytes: int, offset: int) -> bytes:
    """Exactly n_bytes from an open file, in as many reads as it takes. WorldError on EIO or the end."""
    parts = []
    while n_bytes:
        try:
            part = os.pread(file, n_bytes, offset)
        except OSError as error:
            raise WorldError(key, read_failure(offset, error.errno or 0)) from None
        if not part:
            raise WorldError(key, f"ends at byte {offset}, {n_bytes} bytes short")
        parts.append(part)
        offset, n_bytes = offset + len(part), n_bytes - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_failure(offset: int, code: int) -> str:
    """How a read that the system refused is told: where, and the errno's own words."""
    return f"cannot be read at byte {offset}: {os.strerror(code)}"


def write_file(root: Path, key: str, data: bytes | Iterable[bytes]) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, rename, fsync of the folder.

    data: its bytes, or its parts in order.
    OSError, with the path, when the disk is full or refuses; the temporary file is gone then, and a
    failed fsync is never tried again (its pages may be marked clean without having been written).
    """
    *folders, name = key.split("/")
    temp = f".{name}.{secrets.token_hex(8)}{TEMP_SUFFIX}"
    try:
        folder = open_folder(root, folders, create=True)
        try:
            _write_new(temp, name, data, folder)
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(root / key)) from error


def _write_new(temp: str, name: str, data: bytes | Iterable[bytes], folder: int) -> None:
    file = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o666, dir_fd=folder)
    try:
        try:
            for part in (data,) if isinstance(data, bytes) else data:
                write_all(file, part)
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temp, dir_fd=folder)
        raise


def write_all(file: int, data: bytes) -> None:
    """Write every byte, however many calls that takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def remove_file(root: Path, key: str) -> None:
    """Unlink one file (a link itself, never what it points to) and flush its folder."""
    *folders, name = key.split("/")
    folder = open_folder(root, folders)
    try:
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_folder(root: Path, key: str) -> None:
    """Remove an empty folder and flush the one that held it; nothing happens where it is not there."""
    *parents, name = key.split("/")
    folder = open_folder(root, parents)
    try:
        os.rmdir(name, dir_fd=folder)
        os.fsync(folder)
    except FileNotFoundError:
        pass
    finally:
        os.close(folder)


def walk(root: Path) -> Iterator[tuple[str, str]]:
    """(key, kind) of everything below root, links not followed.

    kind: "file", "folder" (before what it holds), or "other": a link, FIFO, socket, device, or a
    folder too deep to be ours, which is not entered. Keys here come from the disk: quote them.
    """
    pending: list[list[str]] = [[]]
    while pending:
        parts = pending.pop()
        try:
            folder = open_folder(root, parts)
        except OSError as error:
            raise WorldError(quoted("/".join(parts) or "."), _reason(error)) from None
        try:
            with os.scandir(folder) as entries:
                found = sorted(
                    (e.name, e.is_dir(follow_symlinks=False), e.is_file(follow_symlinks=False))
                    for e in entries
                )
        finally:
            os.close(folder)
        for name, is_folder, is_file in found:
            inner = [*parts, name]
            enter = is_folder and len(inner) < MAX_DEPTH
            yield "/".join(inner), "file" if is_file else "folder" if enter else "other"
            if enter:
                pending.append(inner)
