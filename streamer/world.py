"""A world on disk, opened for reading: no zarr, no memory map, no state but a cache of region indices.

Any thread may read. A whole region comes in one read and is checked against the manifest's digest; single
chunks are checked by their own crc32c and their index's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from os import close
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atlas import address
from ..atlas.chunk import split, unpack
from ..atlas.layout import CHUNK, CHUNK_VOXELS, MASK_BYTES, REGION_CHUNKS
from . import files
from .codec import decode_chunks
from .contents import check_files, read_manifest, read_meta
from .errors import WorldError, chunk_name
from .manifest import RegionRecord, digest_of
from .metadata import WorldMeta
from .region_file import INDEX_BYTES, MAX_REGION_BYTES, RegionIndex, parse_index

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
OnBad = Callable[[WorldError], None]

MERGE_GAP_BYTES = 16 << 10  # chunks nearer than this come in one read: a second system call costs more
N_CACHED_INDICES = 256  # at most 98 kB each, 25 MB in all


@dataclass(frozen=True, slots=True)
class RegionChunks:
    """The chunks of one region, decoded and checked."""

    chunks: I64  # [C, 3] chunk coordinates (x, y, z) at the region's level, in Morton order
    packed: list[memoryview]  # [C] packed chunks: views of one buffer, which lives as long as any of them


class World:
    """A finished world. Made by `open_world`."""

    def __init__(self, path: Path, meta: WorldMeta, regions: tuple[RegionRecord, ...]) -> None:
        self.path = path
        self.meta = meta
        self.regions = regions
        self._by_place = {(r.level, r.region): r for r in regions}
        self.index_of = lru_cache(N_CACHED_INDICES)(self._read_index)

    def region_at(self, level: int, region: tuple[int, int, int]) -> RegionRecord | None:
        """The record of a region, or None where the manifest says that nothing is."""
        return self._by_place.get((level, region))

    def read_region(
        self, record: RegionRecord, on_bad: OnBad | None = None, n_threads: int = 1
    ) -> RegionChunks:
        """Every chunk of a region, in one read and one decode.

        on_bad is told of each damaged chunk (or of the file, with chunk None) and the good ones are
        returned; without it the first damage is raised as WorldError.
        """
        report = on_bad or _raise
        try:
            data = files.read_file(self.path, record.key, MAX_REGION_BYTES, record.n_bytes)
            index = _index_of(record, data[-INDEX_BYTES:])
        except WorldError as error:
            report(error)
            return RegionChunks(np.empty((0, 3), np.int64), [])
        packed, bad = decode_chunks(data, index.offsets, index.n_bytes, self.meta.codec, n_threads)
        n_voxels = sum(len(p) - MASK_BYTES for p in packed if p) // 4
        if not bad and (digest_of(data) != record.digest or n_voxels != record.n_voxels):
            report(WorldError(record.key, "whole, but not the file that the manifest names"))
            return RegionChunks(np.empty((0, 3), np.int64), [])
        chunks = _chunks_of(record, index.morton)
        for i, what in sorted(bad.items()):
            report(WorldError(record.key, what, chunk_name(record.level, tuple(chunks[i].tolist()))))
        good = [i for i in range(len(packed)) if i not in bad]
        return RegionChunks(chunks[good], [packed[i] for i in good])

    def read_chunks(
        self, record: RegionRecord, morton: I64, on_bad: OnBad | None = None
    ) -> list[memoryview | None]:
        """Some chunks of a region.

        morton [M] int64 codes in any order -> M packed chunks, None where empty or bad; on_bad as above
        """
        report = on_bad or _raise
        out: list[memoryview | None] = [None] * len(morton)
        try:
            index = self.index_of(record)
            place = np.searchsorted(index.morton, morton)
            present = np.flatnonzero(np.append(index.morton, -1)[place] == morton)
            wanted = np.unique(place[present])
            data, offsets = self._read_spans(record, index.offsets[wanted], index.n_bytes[wanted])
        except WorldError as error:
            report(error)
            return out
        packed, bad = decode_chunks(data, offsets, index.n_bytes[wanted], self.meta.codec)
        chunks = _chunks_of(record, index.morton[wanted])
        for i, what in sorted(bad.items()):
            report(WorldError(record.key, what, chunk_name(record.level, tuple(chunks[i].tolist()))))
        for i, at in zip(present.tolist(), np.searchsorted(wanted, place[present]).tolist(), strict=True):
            out[i] = packed[at] if at not in bad else None
        return out

    def read_chunk(self, level: int, chunk: tuple[int, int, int]) -> U8 | None:
        """One chunk, dense [z, y, x, 4] uint8, or None where nothing is."""
        self._check_level(level)
        record = self.region_at(level, _triple(address.region_of_chunk(chunk)))
        if record is None:
            return None
        packed = self.read_chunks(record, address.morton_of_chunk([chunk]))[0]
        return None if packed is None else unpack(packed)

    def read_voxels(self, level: int, voxels: I64) -> U8:
        """Colours of any voxels of a level. [N, 3] int (x, y, z) -> [N, 4] uint8, zeros where empty.

        ValueError for a level or voxel outside the addressable world.
        """
        self._check_level(level)
        voxels = np.asarray(voxels, np.int64).reshape(-1, 3)
        address.check_in_world(voxels, level)
        out = np.zeros((len(voxels), 4), np.uint8)
        ids, chunk_at = np.unique(address.chunk_id(level, address.chunk_of(voxels)), return_inverse=True)
        chunks = address.chunk_of_id(ids)[1]
        colours = np.zeros((len(ids), CHUNK_VOXELS), np.uint32)
        regions, region_at = np.unique(address.region_of_chunk(chunks), axis=0, return_inverse=True)
        for i, region in enumerate(regions):
            record = self.region_at(level, _triple(region))
            if record is None:
                continue
            members = np.flatnonzero(region_at.ravel() == i)
            for at, packed in zip(
                members, self.read_chunks(record, address.morton_of_chunk(chunks[members])), strict=True
            ):
                if packed is not None:
                    occupied, rgba = split(packed)
                    colours[at, occupied] = rgba.view(np.uint32)[:, 0]
        out.view(np.uint32)[:, 0] = colours[chunk_at, address.mask_index(voxels & (CHUNK - 1))]
        return out

    def _check_level(self, level: int) -> None:
        if not 0 <= level < self.meta.n_levels:
            raise ValueError(f"level {level} outside 0..{self.meta.n_levels - 1}")

    def _read_index(self, record: RegionRecord) -> RegionIndex:
        """A region's index, from the end of its file. WorldError; cached as `index_of`."""
        file = files.open_region(self.path, record.key, record.n_bytes)
        try:
            tail = files.pread(file, record.key, INDEX_BYTES, record.n_bytes - INDEX_BYTES)
        finally:
            close(file)
        return _index_of(record, tail)

    def _read_spans(self, record: RegionRecord, offsets: I64, n_bytes: I64) -> tuple[bytes, I64]:
        """Read sorted spans of a region file, near ones together -> (bytes, each span's place in them)."""
        if offsets.size == 0:
            return b"", offsets
        ends = offsets + n_bytes
        first = np.flatnonzero(np.append(True, offsets[1:] - ends[:-1] > MERGE_GAP_BYTES))
        starts, stops = offsets[first], ends[np.append(first[1:], offsets.size) - 1]
        file = files.open_region(self.path, record.key, record.n_bytes)
        try:
            runs = zip(starts.tolist(), stops.tolist(), strict=True)
            data = b"".join([files.pread(file, record.key, b - a, a) for a, b in runs])
        finally:
            close(file)
        run_of = np.searchsorted(first, np.arange(offsets.size), side="right") - 1
        bases = np.cumsum(stops - starts) - (stops - starts)
        return data, offsets - starts[run_of] + bases[run_of]


def _raise(error: WorldError) -> None:
    raise error


def _triple(coordinate: I64) -> tuple[int, int, int]:
    x, y, z = (int(c) for c in coordinate)
    return x, y, z


def _chunks_of(record: RegionRecord, morton: I64) -> I64:
    return address.chunk_of_morton(morton) + np.array(record.region, np.int64) * REGION_CHUNKS


def _index_of(record: RegionRecord, tail: bytes) -> RegionIndex:
    """A region's parsed index. WorldError if it is damaged or disagrees with the manifest."""
    try:
        index = parse_index(tail, record.n_bytes)
    except ValueError as error:
        raise WorldError(record.key, str(error)) from None
    if index.morton.size != record.n_chunks:
        raise WorldError(record.key, f"{index.morton.size} chunks, the manifest says {record.n_chunks}")
    return index


def open_world(path: Path) -> World:
    """Open a finished world; regions are not read yet. WorldError if it is damaged, being baked, or none."""
    manifest = read_manifest(Path(path))
    meta = read_meta(Path(path), manifest)
    for error in check_files(Path(path), manifest, meta):
        raise error
    return World(Path(path), meta, manifest.regions)
