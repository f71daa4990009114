"""Attributes of a world on disk: regions of `semantic` and `updated`, written and read beside the colour's.

A plane's region file has the form of a colour region's; only its chunks are packed otherwise. What views need
of them they read when they need it: nothing here runs while a world is only looked at.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..atlas import address, plane
from ..atlas.layout import CHUNK, CHUNK_VOXELS
from . import files, spans
from .chunk_source import OnBad
from .codec import CodecName
from .contents import chunks_of_record, index_of_record
from .errors import WorldError, chunk_name
from .manifest import Region, RegionRecord, digest_of
from .plane_codec import decode_plane, encode_planes
from .region_file import INDEX_BYTES, assemble, region_key

if TYPE_CHECKING:
    from .world import World

I64 = NDArray[np.int64]
Chunks = tuple[I64, Sequence[bytes]]  # Morton codes [C] of a region's chunks, C packed chunks
Planes = Mapping[str, Chunks]  # what a region holds of each plane; an empty one is left out

NO_PLANES: Planes = {}


def encode_region(name: str, chunks: Chunks, codec: CodecName) -> tuple[bytes, int]:
    """The bytes of a plane's region file, and how many values it holds."""
    morton, packed = chunks
    codes = np.asarray(morton, np.int64)
    assert codes.shape == (len(packed),) and codes.size and (np.diff(codes) > 0).all(), "not sorted"
    n_values = sum(int(plane.split(name, p)[1].size) for p in packed)
    return assemble(codes, encode_planes(packed, codec)), n_values


def write_region_files(
    path: Path, level: int, region: Region, planes: Planes, codec: CodecName
) -> tuple[RegionRecord, ...]:
    """Write the files of a region's planes under a world's folder. OSError if the disk refuses."""
    records = []
    for name in plane.NAMES:
        if name in planes and len(planes[name][1]):
            data, n_values = encode_region(name, planes[name], codec)
            files.write_file(path, region_key(level, region, name), data)
            n_chunks = len(planes[name][1])
            records.append(RegionRecord(level, region, len(data), digest_of(data), n_chunks, n_values, name))
    return tuple(records)


def read_region(world: "World", record: RegionRecord, on_bad: OnBad) -> tuple[I64, list[bytes]]:
    """Every good chunk of a plane's region -> (chunks [C, 3] at its level, C packed chunks).

    on_bad is told of each damaged chunk, or of the file, with chunk None.
    """
    none = np.empty((0, 3), np.int64)
    try:
        data = world.get_ranges(record, [(0, record.n_bytes)])[0]
        index = index_of_record(record, data[-INDEX_BYTES:])
    except WorldError as error:
        on_bad(error)
        return none, []
    chunks = chunks_of_record(record, index.morton)
    good, packed, n_bad = [], [], 0
    for i, (at, n) in enumerate(zip(index.offsets.tolist(), index.n_bytes.tolist(), strict=True)):
        try:
            packed.append(decode_plane(record.plane, data[at : at + n], world.meta.codec))
            good.append(i)
        except ValueError as error:
            n_bad += 1
            x, y, z = chunks[i].tolist()
            on_bad(WorldError(record.key, str(error), chunk_name(record.level, (x, y, z))))
    n_values = sum(plane.split(record.plane, p)[1].size for p in packed)
    if not n_bad and (digest_of(data) != record.digest or n_values != record.n_voxels):
        on_bad(WorldError(record.key, "whole, but not the file that the manifest names"))
        return none, []
    return chunks[good], packed


def read_values(world: "World", name: str, level: int, voxels: I64) -> plane.Values:
    """A plane's values at voxels of a level: see `World.read_plane`."""
    out = np.zeros(len(voxels), plane.DTYPES[name])
    regions, region_at = np.unique(address.region_of(voxels), axis=0, return_inverse=True)
    for i, corner in enumerate(regions.tolist()):
        record = world.region_at(level, (corner[0], corner[1], corner[2]))
        record = next((p for p in record.planes if p.plane == name), None) if record else None
        if record is not None:
            inside = np.flatnonzero(region_at.ravel() == i)
            out[inside] = _values_of(world, record, voxels[inside])
    return out


def read_chunks(world: "World", name: str, ids: NDArray[np.uint64], on_bad: OnBad) -> list[bytes | None]:
    """Any chunks of a plane: see `World.read_plane_chunks`."""
    out: list[bytes | None] = [None] * ids.size
    level, chunks = address.chunk_of_id(ids)
    region_of, morton = address.region_of_chunk(chunks), address.morton_of_chunk(chunks)
    keys = address.chunk_id(level, region_of)  # all it has to do is to differ between regions
    for key in np.unique(keys):
        members = np.flatnonzero(keys == key)
        members = members[np.argsort(morton[members])]
        k, (x, y, z) = int(level[members[0]]), region_of[members[0]].tolist()
        record = world.region_at(k, (x, y, z))
        record = next((p for p in record.planes if p.plane == name), None) if record else None
        if record is None:
            continue
        try:
            index = world.index_of(record)
            here, place = spans.find(index, morton[members])
            if not here.size:
                continue
            ranges, starts = spans.merge(index.offsets[place], index.n_bytes[place])
            data = b"".join(world.get_ranges(record, ranges))
        except WorldError as error:
            on_bad(error)
            continue
        for at, start, n in zip(members[here], starts.tolist(), index.n_bytes[place].tolist(), strict=True):
            try:
                out[at] = decode_plane(name, data[start : start + n], world.meta.codec)
            except ValueError as error:
                x, y, z = chunks[at].tolist()
                on_bad(WorldError(record.key, str(error), chunk_name(k, (x, y, z))))
    return out


def _values_of(world: "World", record: RegionRecord, voxels: I64) -> plane.Values:
    """Values at voxels [N, 3] that lie in one region of a plane. WorldError."""
    index = world.index_of(record)
    out = np.zeros(len(voxels), plane.DTYPES[record.plane])
    morton, chunk_at = np.unique(address.morton_of_chunk(address.chunk_of(voxels)), return_inverse=True)
    place = np.searchsorted(index.morton, morton)
    local = address.mask_index(voxels & (CHUNK - 1))
    for i, (code, at) in enumerate(zip(morton.tolist(), place.tolist(), strict=True)):
        if at == index.morton.size or index.morton[at] != code:
            continue
        stored = world.get_ranges(record, [(int(index.offsets[at]), int(index.n_bytes[at]))])[0]
        try:
            held, values = plane.split(record.plane, decode_plane(record.plane, stored, world.meta.codec))
        except ValueError as error:
            x, y, z = chunks_of_record(record, index.morton[at : at + 1])[0].tolist()
            raise WorldError(record.key, str(error), chunk_name(record.level, (x, y, z))) from None
        dense = np.zeros(CHUNK_VOXELS, out.dtype)
        dense[held] = values
        inside = np.flatnonzero(chunk_at.ravel() == i)
        out[inside] = dense[local[inside]]
    return out
