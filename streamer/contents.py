"""What a world's folder says it holds: manifest and zarr.json files, read and checked against each other."""

from pathlib import Path

from . import files, metadata
from .errors import WorldError
from .manifest import (
    JOURNAL_KEY,
    MANIFEST_KEY,
    MAX_MANIFEST_BYTES,
    Manifest,
    digest_of,
    parse_journal,
    parse_manifest,
)
from .metadata import WorldMeta


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
    for key in metadata.keys(meta.n_levels):
        if key == metadata.ROOT_KEY:  # meta was made of it: `read_meta` compared it
            continue
        try:
            metadata.check_file(key, read_listed(path, manifest, key), meta)
        except WorldError as error:
            wrong.append(error)
    if len(manifest.files) != meta.n_levels + 2:
        wrong.append(WorldError(MANIFEST_KEY, f"names {len(manifest.files)} zarr.json files"))
    if any(r.level >= meta.n_levels for r in manifest.regions):
        wrong.append(WorldError(MANIFEST_KEY, f"names a region of a level that is not among {meta.n_levels}"))
    return wrong
