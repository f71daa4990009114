"""Writes a world: any number of regions, in any order, from any thread; then the files that make it whole.

Until `finish` a journal says what is done, so that a bake that dies is resumed and not begun again:

    region file: temporary file, fsync, rename, fsync of the folder; then its line in the journal, fsync
    finish: zarr.json files, then the manifest, each as above; then the journal goes

Nothing depends on time, order or machine: the same regions make the same bytes (with the same
version of the codec's library; the journal notes it, and a resume with another one is refused).
"""

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lz4
import numpy as np
import zstandard
from numpy.typing import NDArray

from ..atlas import plane
from ..atlas.layout import MASK_BYTES
from . import files, metadata
from .claim import claim
from .codec import LEVELS, CodecName
from .manifest import (
    JOURNAL_KEY,
    MANIFEST_KEY,
    BakeParameters,
    FileRecord,
    Region,
    RegionRecord,
    digest_of,
    encode_journal_note,
    encode_journal_record,
    encode_manifest,
)
from .metadata import Corner, WorldMeta
from .planes import NO_PLANES, Planes, write_region_files
from .region_file import encode, region_key


def parameters_of(voxel_size_m: float, codec: CodecName, parameters: str) -> BakeParameters:
    """What two bakes must have in common for one to go on with the other's work, on this machine."""
    library = {"zstd": "{}.{}.{}".format(*zstandard.ZSTD_VERSION), "lz4": lz4.library_version_string()}[codec]
    return BakeParameters(float(voxel_size_m), codec, LEVELS[codec], library, parameters)


def write_region_file(
    path: Path,
    level: int,
    region: Region,
    morton: NDArray[np.int64],
    packed: Sequence[bytes],
    codec: CodecName,
    planes: Planes = NO_PLANES,
) -> RegionRecord:
    """Write the file of one region, and those of its planes, and no more: a worker process does this.

    morton [C] int64 sorted codes (address.morton_of_chunk), packed: C chunks, C >= 1; planes: likewise, by
    name. The process that holds the `WorldWriter` then hands the record to its `add`. OSError if the disk
    refuses.
    """
    data = encode(morton, packed, codec)
    place = _triple(region)
    files.write_file(path, region_key(level, place), data)
    n_voxels = sum(len(p) - MASK_BYTES for p in packed) // 4
    attributes = write_region_files(path, level, place, planes, codec)
    return RegionRecord(level, place, len(data), digest_of(data), len(packed), n_voxels, planes=attributes)


def append_line(journal: int, line: bytes, path: Path) -> None:
    """A line at the end of a journal, flushed: whole, or not there. OSError, with the path."""
    end = os.fstat(journal).st_size
    try:
        files.write_all(journal, line)
        os.fsync(journal)
    except OSError as error:
        os.ftruncate(journal, end)  # a torn line would hide every later one
        raise OSError(error.errno, error.strerror, str(path)) from error


def _triple(values: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (int(v) for v in values)
    return x, y, z


class WorldWriter:
    """A world being baked. Close it (or use `with`) to let go of the folder without finishing."""

    def __init__(
        self,
        path: Path,
        *,
        voxel_size_m: float,
        codec: CodecName = "zstd",
        overwrite: bool = False,
        resume: bool = False,
        parameters: str = "-",
    ) -> None:
        """Claim the folder. `regions` and `notes` then hold what an earlier bake left, if resume is asked.

        parameters: one word that changes when source or options do; a resume with another is refused.
        ValueError: a parameter out of range. FileExistsError, BlockingIOError: see `claim`.
        """
        self.path = Path(path)
        self.codec = codec
        self._empty = WorldMeta(
            float(voxel_size_m), 1, ((0, 0, 0), (0, 0, 0)), codec, LEVELS.get(codec, 0), ()
        )
        metadata.check(self._empty)
        bake = parameters_of(self._empty.voxel_size_m, codec, parameters)
        claimed = claim(self.path, bake, overwrite, resume)
        self._journal, self.regions, self.notes = claimed.journal, claimed.records, claimed.notes
        self._lock = threading.Lock()

    def write_region(
        self,
        level: int,
        region: Region,
        morton: NDArray[np.int64],
        packed: Sequence[bytes],
        planes: Planes = NO_PLANES,
    ) -> RegionRecord:
        """Write a region, whole and once, and journal it. ValueError if it was written; OSError."""
        self._check_new(level, region)
        record = write_region_file(self.path, level, region, morton, packed, self.codec, planes)
        self.add(record)
        return record

    def add(self, record: RegionRecord) -> None:
        """Journal a region that `write_region_file` has written."""
        with self._lock:
            self._check_new(record.level, record.region)
            append_line(self._journal, encode_journal_record(record), self.path / JOURNAL_KEY)
            self.regions[record.level, record.region] = record

    def note(self, name: str, value: Any) -> None:
        """Write down, in the journal, what a resumed bake finds in `notes`. value: plain JSON."""
        with self._lock:
            append_line(self._journal, encode_journal_note(name, value), self.path / JOURNAL_KEY)
            self.notes[name] = value

    def _check_new(self, level: int, region: Region) -> None:
        if (level, tuple(region)) in self.regions:
            raise ValueError(f"region {tuple(region)} of level {level} is written already")

    def finish(
        self,
        *,
        bounds_voxels: tuple[Corner, Corner],
        n_levels: int,
        sources: list[dict[str, Any]],
        entities: Mapping[int, str] | None = None,
        now: int = 0,
        moved: Callable[[], Path] | None = None,
    ) -> None:
        """Write everything else and let go of the folder: from here on it is a world.

        bounds_voxels: (x, y, z) low, high exclusive, level-0 voxels. sources: provenance, licences.
        entities: names of ids in `semantic`; now: the latest stamp in `updated`. Each counts only where a
        region was written with that plane.
        moved: called when the world is whole and the journal still there; it may move the folder, and says
        where it is then.
        ValueError, and the bake goes on: a value out of range, or a region of a level beyond n_levels.
        """
        low, high = (_triple(corner) for corner in bounds_voxels)
        plain = metadata.plain_json(sources)
        written = self._planes()
        meta = WorldMeta(
            self._empty.voxel_size_m,
            n_levels,
            (low, high),
            self.codec,
            LEVELS[self.codec],
            tuple(plain),
            planes=written,
            entities=dict(entities or {}) if "semantic" in written else {},
            now=now if "updated" in written else 0,
        )
        texts = metadata.encode_all(meta)
        deepest = max((level for level, _ in self.regions), default=0)
        if deepest >= n_levels:
            raise ValueError(f"a region of level {deepest} is written, and there are {n_levels} levels")
        for key, text in sorted(texts.items()):
            files.write_file(self.path, key, text)
        named = [FileRecord(key, len(text), digest_of(text)) for key, text in texts.items()]
        files.write_file(self.path, MANIFEST_KEY, encode_manifest(named, self.regions.values()))
        if moved:
            self.path = moved()
        files.remove_file(self.path, JOURNAL_KEY)
        self.close()

    def meta(self, n_levels: int, now: int = 0) -> WorldMeta:
        """What a reader of the regions written so far needs."""
        written = self._planes()
        return dataclasses.replace(
            self._empty, n_levels=n_levels, planes=written, now=now if "updated" in written else 0
        )

    def _planes(self) -> tuple[str, ...]:
        written = {p.plane for record in self.regions.values() for p in record.planes}
        return tuple(name for name in plane.NAMES if name in written)

    def close(self) -> None:
        """Let go of the folder. Unless finished it stays a bake that `resume=True` takes up."""
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
