"""Scrub a world: read every byte, name everything that is not what the manifest says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import files, planes
from .contents import check_files, read_manifest, read_meta
from .errors import WorldError, quoted
from .manifest import JOURNAL_KEY, MANIFEST_KEY, Manifest
from .world import World


@dataclass(frozen=True, slots=True)
class BadChunk:
    """One thing that is wrong."""

    file: str  # below the world's folder; escaped if it is not a name of ours
    chunk: str | None  # "level/x,y,z", or None if the whole file is meant
    what: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` read and found."""

    ok: bool
    n_regions: int  # read and whole
    n_chunks: int  # of colour, read and good
    bad: tuple[BadChunk, ...]


def verify(path: Path, progress: Callable[[int], None] | None = None) -> VerifyReport:
    """Read a whole world; progress is told the bytes of each region. WorldError only if path is no folder.

    Found: any changed bit of a region, the manifest or a zarr.json; a truncated, missing, swapped or
    stale file; a file that the manifest does not name; a link, folder or FIFO in place of a file.
    """
    path = Path(path)
    if not path.is_dir():
        raise WorldError(".", "no such folder")
    bad: list[WorldError] = []
    n_regions = n_chunks = 0
    try:
        manifest = read_manifest(path)
    except WorldError as error:
        return VerifyReport(False, 0, 0, (_entry(error),))
    bad += _foreign(path, manifest)
    try:
        meta = read_meta(path, manifest)
    except WorldError as error:
        bad.append(error)  # without it nobody knows the codec, so regions go unread
    else:
        bad += check_files(path, manifest, meta)
        n_regions, n_chunks = scrub(World(path, meta, manifest.regions), bad, progress)
    return VerifyReport(not bad, n_regions, n_chunks, tuple(map(_entry, bad)))


def scrub(
    world: World, bad: list[WorldError], progress: Callable[[int], None] | None = None
) -> tuple[int, int]:
    """Read every region and every plane; `bad` gets what is wrong -> (whole regions, good chunks)."""
    n_regions = n_chunks = 0
    for record in world.regions:
        before = len(bad)
        n_chunks += len(world.read_region(record, bad.append, n_threads=-1).packed)
        for attribute in record.planes:
            planes.read_region(world, attribute, bad.append)
        n_regions += len(bad) == before
        if progress:
            progress(sum(file.n_bytes for file in record.files))
    return n_regions, n_chunks


def _entry(error: WorldError) -> BadChunk:
    return BadChunk(error.file, error.chunk, error.what)


def _foreign(path: Path, manifest: Manifest) -> list[WorldError]:
    """What lies in the folder and is not named.

    A journal beside a manifest counts as named: the bake died after writing one, before removing the other.
    """
    named = {
        MANIFEST_KEY,
        JOURNAL_KEY,
        *(f.key for f in manifest.files),
        *(f.key for r in manifest.regions for f in r.files),
    }
    bad = []
    try:
        for key, kind in files.walk(path):
            if kind != "folder" and key not in named:
                what = "file" if kind == "file" else "link or special file"
                bad.append(WorldError(quoted(key), f"foreign: a {what} that the manifest does not name"))
    except WorldError as error:  # a folder that cannot be listed
        bad.append(error)
    return bad
