"""A world on disk, opened for reading: no zarr, no memory map, no state but a cache of region indices.

Any thread may read. A whole region comes in one read and is checked against the manifest's digest; single
chunks are checked by their own crc32c and their index's.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atlas import address, plane
from ..atlas.chunk import split, unpack
from ..atlas.layout import CHUNK, CHUNK_VOXELS, MASK_BYTES
from ..atlas.streams import Stream
from . import planes, spans
from .chunk_source import OnBad as OnBad  # app names it by this module
from .codec import CodecName, decode_chunks, unfold
from .contents import check_files, chunks_of_record, index_of_record, read_manifest, read_meta
from .errors import WorldError, chunk_name
from .manifest import RegionRecord, digest_of
from .metadata import WorldMeta
from .region_file import INDEX_BYTES, RegionIndex, region_key
from .stores import LocalFiles, Range, RangeStore

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

N_CACHED_INDICES = 1024  # at most 98 kB each
NOT_THE_LISTED = "whole, but not the file that the manifest names"


@dataclass(frozen=True, slots=True)
class RegionChunks:
    """The chunks of one region, decoded and checked."""

    chunks: I64  # [C, 3] chunk coordinates (x, y, z) at the region's level, in Morton order
    packed: list[bytes]  # [C] packed chunks


class World:
    """A finished world. Made by `open_world`."""

    def __init__(
        self, path: Path, meta: WorldMeta, regions: tuple[RegionRecord, ...], store: RangeStore | None = None
    ) -> None:
        self.path = path
        self.store = store or LocalFiles(path)
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
        """Every chunk of a region, in one read and one decode, packed.

        on_bad is told of each damaged chunk (or of the file, with chunk None) and the good ones are
        returned; without it the first damage is raised as WorldError.
        """
        report = on_bad or _raise
        chunks, streams = self.read_region_streams(record, report, n_threads)
        packed, liars = unfold(streams)
        for i, what in sorted(liars.items()):
            report(WorldError(record.key, what, chunk_name(record.level, _triple(chunks[i]))))
        n_voxels = sum(len(p) - MASK_BYTES for p in packed if p) // 4
        if not liars and len(packed) == record.n_chunks and n_voxels != record.n_voxels:
            report(WorldError(record.key, NOT_THE_LISTED))
            return RegionChunks(chunks[:0], [])
        good = [i for i in range(len(packed)) if i not in liars]
        return RegionChunks(chunks[good], [packed[i] for i in good])

    def read_region_streams(
        self, record: RegionRecord, on_bad: OnBad | None = None, n_threads: int = 1
    ) -> tuple[I64, list[Stream]]:
        """As `read_region` -> (coordinates (x, y, z) [C, 3] at its level, in Morton order; C streams)"""
        report = on_bad or _raise
        try:
            data = self.get_ranges(record, [(0, record.n_bytes)])[0]
            index = index_of_record(record, data[-INDEX_BYTES:])
        except WorldError as error:
            report(error)
            return np.empty((0, 3), np.int64), []
        streams, bad = _decode(data, index.offsets, index.n_bytes, self.meta.codec, n_threads)
        chunks = chunks_of_record(record, index.morton)
        if not bad and digest_of(data) != record.digest:
            report(WorldError(record.key, NOT_THE_LISTED))
            return chunks[:0], []
        for i, what in sorted(bad.items()):
            report(WorldError(record.key, what, chunk_name(record.level, _triple(chunks[i]))))
        good = [i for i in range(len(streams)) if i not in bad]
        return chunks[good], [streams[i] for i in good]

    def read_packed(self, ids: NDArray[np.uint64], on_bad: OnBad | None = None) -> list[bytes | None]:
        """As `read_many`, but packed chunks: for who looks at colours on the CPU."""
        streams = self.read_many(ids, on_bad)
        packed, liars = unfold([one or b"" for one in streams])
        for i, what in sorted(liars.items()):
            (on_bad or _raise)(_bad_chunk(np.asarray(ids, np.uint64)[i], what))
        return [one or None for one in packed]

    def read_many(self, ids: NDArray[np.uint64], on_bad: OnBad | None = None) -> list[Stream | None]:
        """Any chunks of any levels and regions: few reads of each region's file, one decode for them all.

        ids [N] uint64 (`address.chunk_id`), any order, repeats allowed -> N chunks' streams, None
        where nothing is or it is bad. on_bad is told of each damaged chunk, and once, with chunk None, of a
        region that cannot be read; without it the first damage is raised.
        """
        report = on_bad or _raise
        unique, back = np.unique(np.asarray(ids, np.uint64), return_inverse=True)
        level, chunks = address.chunk_of_id(unique)
        regions, morton = address.region_of_chunk(chunks), address.morton_of_chunk(chunks)
        region_ids = address.chunk_id(level, regions)  # all it has to do is to differ between regions
        order = np.lexsort((morton, region_ids))
        steps = np.flatnonzero(np.diff(region_ids[order])) + 1
        parts = []
        for members in np.split(order, steps) if order.size else ():
            record = self.region_at(int(level[members[0]]), _triple(regions[members[0]]))
            try:
                if record is not None:
                    parts.append(self._read_part(record, members, morton[members]))
            except WorldError as error:
                report(error)
        out: list[Stream | None] = [None] * unique.size
        members, streams, bad = _decode_parts(parts, self.meta.codec)
        for at, one in zip(members.tolist(), streams, strict=True):
            out[at] = one or None  # a bad one is empty
        for i, what in sorted(bad.items()):
            report(_bad_chunk(unique[members[i]], what))
        return [out[i] for i in back.tolist()]

    def read_chunk(self, level: int, chunk: tuple[int, int, int]) -> U8 | None:
        """One chunk, dense [z, y, x, 4] uint8, or None where nothing is."""
        self._check_level(level)
        packed = self.read_packed(address.chunk_id(level, [chunk]))[0]
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
        colours = np.zeros((len(ids), CHUNK_VOXELS), np.uint32)
        for at, packed in enumerate(self.read_packed(ids)):
            if packed is not None:
                occupied, rgba = split(packed)
                colours[at, occupied] = rgba.view(np.uint32)[:, 0]
        out.view(np.uint32)[:, 0] = colours[chunk_at, address.mask_index(voxels & (CHUNK - 1))]
        return out

    def read_plane(self, name: str, level: int, voxels: I64) -> plane.Values:
        """An attribute of any voxels of a level: `semantic` entity ids, `updated` stamps of observation.

        [N, 3] int (x, y, z) -> [N] uint32 or uint8, 0 where there is none. WorldError: what must be read is
        damaged. ValueError for a plane that the world has not, a level or a voxel outside it.
        """
        if name not in self.meta.planes:
            raise ValueError(
                f"no plane {name!r} here: this world has {', '.join(self.meta.planes) or 'none'}"
            )
        self._check_level(level)
        voxels = np.asarray(voxels, np.int64).reshape(-1, 3)
        address.check_in_world(voxels, level)
        return planes.read_values(self, name, level, voxels)

    def read_plane_chunks(
        self, name: str, ids: NDArray[np.uint64], on_bad: OnBad | None = None
    ) -> list[bytes | None]:
        """Any chunks of a plane that this world has, each id once. Any thread may.

        ids [N] uint64 (`address.chunk_id`) -> N chunks as `atlas.plane.split` takes them, None where there is
        no value or it is bad. on_bad is told of each bad chunk and, with chunk None, of each region
        that cannot be read; without it the first damage is raised.
        """
        return planes.read_chunks(self, name, np.asarray(ids, np.uint64), on_bad or _raise)

    def _check_level(self, level: int) -> None:
        if not 0 <= level < self.meta.n_levels:
            raise ValueError(f"level {level} outside 0..{self.meta.n_levels - 1}")

    def _read_index(self, record: RegionRecord) -> RegionIndex:
        """A region's index, from the end of its file. WorldError; cached as `index_of`."""
        start = max(record.n_bytes - INDEX_BYTES, 0)
        tail = self.get_ranges(record, [(start, record.n_bytes - start)])[0]
        return index_of_record(record, tail)

    def _read_part(self, record: RegionRecord, members: I64, morton: I64) -> "_Part":
        """Some chunks of a region as they are stored. members [M] go with morton [M], sorted. WorldError."""
        index = self.index_of(record)
        present, place = spans.find(index, morton)
        if not present.size:
            return _Part([], present, present, present)
        ranges, offsets = spans.merge(index.offsets[place], index.n_bytes[place])
        return _Part(self.get_ranges(record, ranges), members[present], offsets, index.n_bytes[place])

    def get_ranges(self, record: RegionRecord, ranges: list[Range]) -> list[bytes]:
        """Ranges of a region's file. WorldError, also when the store breaks its word."""
        data = self.store.get_ranges(record.key, ranges, record.n_bytes)
        if [len(d) for d in data] != [n_bytes for _, n_bytes in ranges]:
            raise WorldError(record.key, "the store gave another number of bytes than it was asked for")
        return data


@dataclass(frozen=True, slots=True)
class _Part:
    """Chunks of one region as they are stored, waiting for their decode."""

    data: list[bytes]
    members: I64  # [M] where each chunk goes
    offsets: I64  # [M] of each chunk in data laid end to end
    n_bytes: I64  # [M]


def _decode_parts(parts: list[_Part], codec: CodecName) -> tuple[I64, list[Stream], dict[int, str]]:
    """Decode several regions' chunks as one -> (members [C], C streams, position -> what is wrong)."""
    if not parts:
        return np.empty(0, np.int64), [], {}
    sizes = np.array([sum(map(len, part.data)) for part in parts], np.int64)
    bases = np.cumsum(sizes) - sizes
    data = b"".join([piece for part in parts for piece in part.data])
    offsets = np.concatenate([part.offsets + base for part, base in zip(parts, bases, strict=True)])
    n_bytes = np.concatenate([part.n_bytes for part in parts])
    streams, bad = _decode(data, offsets, n_bytes, codec)
    return np.concatenate([part.members for part in parts]), streams, bad


def _bad_chunk(chunk: np.uint64, what: str) -> WorldError:
    levels, chunks = address.chunk_of_id(np.array([chunk], np.uint64))
    level, corner = int(levels[0]), chunks[0]
    key = region_key(level, _triple(address.region_of_chunk(corner)))
    return WorldError(key, what, chunk_name(level, _triple(corner)))


def _decode(
    data: bytes, offsets: I64, n_bytes: I64, codec: CodecName, n_threads: int = 1
) -> tuple[list[Stream], dict[int, str]]:
    """`decode_chunks`, in which chunks that lie in one place are decoded once, and are one object."""
    if (offsets[1:] > offsets[:-1]).all():  # as nearly always
        return decode_chunks(data, offsets, n_bytes, codec, n_threads)
    chunk, which = spans.distinct(offsets)
    streams, bad = decode_chunks(data, offsets[chunk], n_bytes[chunk], codec, n_threads)
    told = {i: bad[k] for i, k in enumerate(which.tolist()) if k in bad}
    return [streams[k] for k in which.tolist()], told


def _raise(error: WorldError) -> None:
    raise error


def _triple(coordinate: I64) -> tuple[int, int, int]:
    x, y, z = (int(c) for c in coordinate)
    return x, y, z


def open_world(path: Path, store: RangeStore | None = None) -> World:
    """Open a finished world; regions are not read yet. WorldError if it is damaged, being baked, or none.

    store  where the region files' bytes come from, if not from the folder; the rest is read from there
    """
    manifest = read_manifest(Path(path))
    meta = read_meta(Path(path), manifest)
    for error in check_files(Path(path), manifest, meta):
        raise error
    return World(Path(path), meta, manifest.regions, store)
