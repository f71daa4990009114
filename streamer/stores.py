"""Where the bytes of region files come from: local files, and for tests slow, failing and hung ones.

A store knows keys and byte ranges, nothing of chunks, so that object storage can stand in its place.
Any thread may read, and one that waits keeps no other waiting.
"""

import errno
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Lock
from typing import Protocol

from . import files
from .errors import WorldError

Range = tuple[int, int]  # offset, length; bytes


class RangeStore(Protocol):
    """Byte ranges of files below a world's folder."""

    def get_ranges(self, key: str, ranges: Sequence[Range], file_bytes: int | None = None) -> list[bytes]:
        """Each range's bytes, in order: exactly as many as were asked for.

        file_bytes  what the whole file must have, or None if that is not known
        WorldError, with the key: missing, not a plain file, another size, shorter than a range, EIO.
        """
        ...


class LocalFiles:
    """Files below a folder, one pread per range. No link leads out of it.

    A file is opened for each call and closed after it: a descriptor that is kept would go on showing the
    damaged file after a mended one was renamed into its place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_ranges(self, key: str, ranges: Sequence[Range], file_bytes: int | None = None) -> list[bytes]:
        """See `RangeStore`."""
        if file_bytes is None:
            file = files.open_file(self.folder, key)
        else:
            file = files.open_region(self.folder, key, file_bytes)
        try:
            return [files.pread(file, key, n_bytes, offset) for offset, n_bytes in ranges]
        finally:
            os.close(file)


class CountingFiles:
    """A store that counts the bytes it gave."""

    def __init__(self, inner: RangeStore) -> None:
        self.inner = inner
        self.n_bytes = self.n_calls = 0
        self._lock = Lock()

    def get_ranges(self, key: str, ranges: Sequence[Range], file_bytes: int | None = None) -> list[bytes]:
        """See `RangeStore`."""
        data = self.inner.get_ranges(key, ranges, file_bytes)
        with self._lock:
            self.n_bytes += sum(map(len, data))
            self.n_calls += 1
        return data


class SlowFiles:
    """A store each of whose calls takes delay_s longer."""

    def __init__(self, inner: RangeStore, delay_s: float) -> None:
        self.inner = inner
        self.delay_s = delay_s

    def get_ranges(self, key: str, ranges: Sequence[Range], file_bytes: int | None = None) -> list[bytes]:
        """See `RangeStore`."""
        time.sleep(self.delay_s)
        return self.inner.get_ranges(key, ranges, file_bytes)


class FailingFiles:
    """A store whose calls for some keys fail as a dying disk does. `fails` is asked at each call."""

    def __init__(self, inner: RangeStore, fails: Callable[[str], bool]) -> None:
        self.inner = inner
        self.fails = fails

    def get_ranges(self, key: str, ranges: Sequence[Range], file_bytes: int | None = None) -> list[bytes]:
        """See `RangeStore`. WorldError, as of EIO, where `fails` says so."""
        if self.fails(key):
            raise WorldError(key, files.read_failure(ranges[0][0] if ranges else 0, errno.EIO))
        return self.inner.get_ranges(key, ranges, file_bytes)


class HungFiles:
    """A store whose calls for some keys wait until `release` is set, as on a lost network mount."""

    def __init__(self, inner: RangeStore, hangs: Callable[[str], bool], release: Event) -> None:
        self.inner = inner
        self.hangs = hangs
        self.release = release

    def get_ranges(self, key: str, ranges: Sequence[Range], file_bytes: int | None = None) -> list[bytes]:
        """See `RangeStore`."""
        if self.hangs(key):
            self.release.wait()
        return self.inner.get_ranges(key, ranges, file_bytes)
