"""What a world's folder says it holds: manifest and zarr.json files, read and checked against each other."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atlas import address
from ..atlas.layout import REGION_CHUNKS
from . import files, metadata
from .errors import WorldError
from .manifest import (
    JOURNAL_KEY,
    MANIFEST_KEY,
    MAX_MANIFEST_BYTES,
    Manifest,
    RegionRecord,
    digest_of,
    parse_journal,
    parse_manifest,
)
from .metadata import WorldMeta
from .region_file import RegionIndex, parse_index

I64 = NDArray[np.int64]


def read_manifest(path: Path) -> Manifest:
    """The manifest of a finished world. WorldError, in one line, for one being baked or no world at all."""
    if not path.is_dir():
        raise WorldError(".", "no such folder")
    try:
        return parse_manifest(files.read_file(path, MANIFEST_KEY, MAX_MANIFEST_BYTES))
    except WorldError as error:
        if error.what != files.MISSING:
            raise
    try:
        journal = parse_journal(files.read_file(path, JOURNAL_KEY, MAX_MANIFEST_BYTES))
    except WorldError as error:
        if error.what == files.MISSING:
            raise WorldError(MANIFEST_KEY, "missing: this folder is not a finished Voxtide world") from None
        raise
    n_regions = len(journal.regions)
    what = f"this world is being baked, {n_regions} regions so far: finish that bake, or resume it"
    raise WorldError(JOURNAL_KEY, what)


def read_meta(path: Path, manifest: Manifest) -> WorldMeta:
    """The root zarr.json. WorldError if it is not the one the manifest names."""
    return metadata.parse_root(read_listed(path, manifest, metadata.ROOT_KEY))


def read_listed(path: Path, manifest: Manifest, key: str) -> bytes:
    """A zarr.json whose size and digest the manifest knows. WorldError if they differ, or it knows none."""
    record = next((f for f in manifest.files if f.key == key), None)
    if record is None:
        raise WorldError(MANIFEST_KEY, f"does not name {key}")
    data = files.read_file(path, key, metadata.MAX_JSON_BYTES, record.n_bytes)
    if digest_of(data) != record.digest:
        raise WorldError(key, "changed: its digest is not the manifest's")
    return data


def check_files(path: Path, manifest: Manifest, meta: WorldMeta) -> list[WorldError]:
    """What is wrong with the zarr.json files below the root and with what the manifest names of them."""
    wrong = []
    for key in metadata.keys(meta):
        if key == metadata.ROOT_KEY:  # meta was made of it: `read_meta` compared it
            continue
        try:
            metadata.check_file(key, read_listed(path, manifest, key), meta)
        except WorldError as error:
            wrong.append(error)
    if len(manifest.files) != len(metadata.keys(meta)):
        wrong.append(WorldError(MANIFEST_KEY, f"names {len(manifest.files)} zarr.json files"))
    if any(r.level >= meta.n_levels for r in manifest.regions):
        wrong.append(WorldError(MANIFEST_KEY, f"names a region of a level that is not among {meta.n_levels}"))
    if any(p.plane not in meta.planes for r in manifest.regions for p in r.planes):
        wrong.append(WorldError(MANIFEST_KEY, "names a plane that zarr.json does not"))
    return wrong


def chunks_of_record(record: RegionRecord, morton: I64) -> I64:
    """Chunk coordinates (x, y, z) at its level of a region's Morton codes. [C] -> [C, 3] int64."""
    return address.chunk_of_morton(morton) + np.array(record.region, np.int64) * REGION_CHUNKS


def index_of_record(record: RegionRecord, tail: bytes) -> RegionIndex:
    """A region's parsed index. WorldError if it is damaged or disagrees with the manifest."""
    try:
        index = parse_index(tail, record.n_bytes)
    except ValueError as error:
        raise WorldError(record.key, str(error)) from None
    if index.morton.size != record.n_chunks:
        raise WorldError(record.key, f"{index.morton.size} chunks, the manifest says {record.n_chunks}")
    return index
