"""What a world consists of: the journal of a bake that runs, the manifest of one that ended. Text.

    voxtide manifest 1
    file <key> <bytes> <xxh3-128>                       one per zarr.json, sorted by key
    region <level> <x> <y> <z> <bytes> <xxh3-128> <chunks> <voxels>    sorted by level, x, y, z
    end <files> <regions> <xxh3-128 of every byte before this line>

    voxtide journal 3 <voxel_size_m> <codec> <codec level> <codec library version> <parameters> <crc32c>
    region <level> <x> <y> <z> <bytes> <xxh3-128> <chunks> <voxels> <crc32c of the line before it>
    note <name> <JSON in ASCII, sorted, without spaces around its signs> <crc32c>   the last of a name counts

A region with attributes goes on, for each of its planes, with: <plane> <bytes> <xxh3-128> <chunks> <values>.
So a region is one line whatever it holds, and done when all its files are.

One space between fields, lower-case hex, every line ended by one newline. Each text has exactly
one spelling: reading writes it again and compares, so that no changed bit goes unseen, be it the case
of a hex digit. A journal's tail may be torn: it counts up to its first damaged line.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import xxhash

from ..atlas import plane
from ..atlas.layout import CHUNK_VOXELS, MAX_LEVEL
from .codec import MIN_STORED_BYTES, crc32c
from .errors import WorldError, quoted
from .region_file import COLOR, MAX_REGION_BYTES, N_ENTRIES, index_bytes, region_key

MANIFEST_KEY = "manifest"
JOURNAL_KEY = "manifest.journal"
MANIFEST_MAGIC = b"voxtide manifest 1\n"
JOURNAL_MAGIC = b"voxtide journal 3 "
MAX_MANIFEST_BYTES = 256 << 20  # about 2.5 million regions

Region = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class RegionRecord:
    """One region file, as the manifest names it."""

    level: int
    region: Region  # (x, y, z), signed
    n_bytes: int  # of the file
    digest: str  # xxh3-128 of the file, 32 lower-case hex digits
    n_chunks: int
    n_voxels: int  # occupied ones, of this level; of a plane: those with a value
    plane: str = COLOR
    planes: "tuple[RegionRecord, ...]" = ()  # of a colour region: its attributes, in their order

    @property
    def key(self) -> str:
        """The file, below the world's folder."""
        return region_key(self.level, self.region, self.plane)

    @property
    def files(self) -> "tuple[RegionRecord, ...]":
        """This record and those of its planes: one for each file of the region."""
        return (self, *self.planes)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One zarr.json, as the manifest names it."""

    key: str
    n_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a finished world consists of."""

    files: tuple[FileRecord, ...]
    regions: tuple[RegionRecord, ...]


@dataclass(frozen=True, slots=True)
class BakeParameters:
    """What must be the same for a bake to go on where another stopped."""

    voxel_size_m: float
    codec: str
    codec_level: int
    library: str  # the version whose bytes the finished regions hold
    parameters: str  # the baker's own digest of source and options; no spaces


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal names, up to its first damaged line."""

    bake: BakeParameters
    regions: dict[tuple[int, Region], RegionRecord]
    n_good_bytes: int
    notes: dict[str, Any] = field(default_factory=dict)  # by name: who holds it, what the baker wrote down


def digest_of(data: bytes) -> str:
    """xxh3-128 of some bytes, as 32 lower-case hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def _region_line(record: RegionRecord) -> str:
    x, y, z = record.region
    parts = " ".join(
        f"{'' if r.plane == COLOR else r.plane + ' '}{r.n_bytes} {r.digest} {r.n_chunks} {r.n_voxels}"
        for r in record.files
    )
    return f"region {record.level} {x} {y} {z} {parts}"


def _region_of(line: str) -> RegionRecord:
    """A region line's record. ValueError if a field is not what it must be."""
    word, level, x, y, z, *counts = line.split(" ")
    region = (int(x), int(y), int(z))
    if not 0 <= int(level) <= MAX_LEVEL:
        raise ValueError(f"level {int(level)}")
    region_key(int(level), region)
    color = _record_of(int(level), region, COLOR, counts[:4])
    rest = [counts[at : at + 5] for at in range(4, len(counts), 5)]
    names = [part[0] for part in rest]
    if names != [name for name in plane.NAMES if name in names]:
        raise ValueError("planes that do not exist, or not in their order")
    planes = tuple(_record_of(int(level), region, name, part) for name, *part in rest)
    record = replace(color, planes=planes) if planes else color
    if word != "region" or _region_line(record) != line:
        raise ValueError("not the one way to write it")
    return record


def _record_of(level: int, region: Region, of: str, counts: list[str]) -> RegionRecord:
    n_bytes, digest, n_chunks, n_voxels = counts
    record = RegionRecord(level, region, int(n_bytes), _hex(digest), int(n_chunks), int(n_voxels), of)
    if not 1 <= record.n_chunks <= N_ENTRIES:
        raise ValueError(f"{record.n_chunks} chunks in a region")
    least = index_bytes(record.n_chunks) + MIN_STORED_BYTES  # all of its chunks may be the same
    if not least <= record.n_bytes <= MAX_REGION_BYTES:
        raise ValueError(f"a region of {record.n_bytes} bytes")
    if not record.n_chunks <= record.n_voxels <= record.n_chunks * CHUNK_VOXELS:
        raise ValueError(f"{record.n_voxels} voxels in {record.n_chunks} chunks")
    return record


def _hex(digest: str) -> str:
    if len(digest) != 32 or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"{digest} is not 32 lower-case hex digits")
    return digest


def encode_manifest(files: Iterable[FileRecord], regions: Iterable[RegionRecord]) -> bytes:
    """The manifest's bytes, whatever the order of its parts."""
    named = sorted(files, key=lambda f: f.key)
    ordered = sorted(regions, key=lambda r: (r.level, r.region))
    lines = [f"file {f.key} {f.n_bytes} {f.digest}\n" for f in named]
    lines += [f"{_region_line(r)}\n" for r in ordered]
    body = MANIFEST_MAGIC + "".join(lines).encode("ascii")
    return body + f"end {len(named)} {len(ordered)} {digest_of(body)}\n".encode("ascii")


def parse_manifest(data: bytes) -> Manifest:
    """The manifest, checked down to the last bit. WorldError says what is wrong."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise WorldError(MANIFEST_KEY, f"{len(data)} bytes; at most {MAX_MANIFEST_BYTES} are read")
    if not data.startswith(MANIFEST_MAGIC):
        raise WorldError(MANIFEST_KEY, f"does not begin with {MANIFEST_MAGIC.decode().strip()!r}")
    body = data[: data.rfind(b"\nend ") + 1]
    closing = data[len(body) :].split(b" ")
    if len(closing) != 4 or closing[3] != f"{digest_of(body)}\n".encode("ascii"):
        raise WorldError(MANIFEST_KEY, "cut or changed: its closing record does not match what is before it")
    files, regions = [], []
    for n, line in enumerate(body.decode("latin-1").split("\n")[1:-1], start=2):
        try:
            if line.startswith("file "):
                _, key, n_bytes, digest = line.split(" ")
                files.append(FileRecord(key, int(n_bytes), _hex(digest)))
            else:
                regions.append(_region_of(line))
        except ValueError as error:
            raise WorldError(MANIFEST_KEY, f"line {n}: {quoted(str(error))}") from None
    places = {f.key for f in files} | {(r.level, r.region) for r in regions}
    unique = len(places) == len(files) + len(regions)
    if not unique or not body.isascii() or encode_manifest(files, regions) != data:
        raise WorldError(MANIFEST_KEY, "not sorted, or not in the one way to write it")
    return Manifest(tuple(files), tuple(regions))


def _sealed(line: str) -> bytes:
    return f"{line} {crc32c(line.encode('ascii')):08x}\n".encode("ascii")


def encode_journal_head(bake: BakeParameters) -> bytes:
    """The journal's first line. ValueError if the baker's parameters are not one word of ASCII."""
    word = bake.parameters
    if not (word.isascii() and word.isprintable() and 1 <= len(word) <= 200 and " " not in word):
        raise ValueError(f"parameters must be one word of at most 200 ASCII characters, not {quoted(word)}")
    codec = f"{bake.codec} {bake.codec_level} {bake.library}"
    return _sealed(f"{JOURNAL_MAGIC.decode()}{bake.voxel_size_m!r} {codec} {bake.parameters}")


def encode_journal_record(record: RegionRecord) -> bytes:
    """One line of the journal."""
    return _sealed(_region_line(record))


def encode_journal_note(name: str, value: Any) -> bytes:
    """A line in which a baker writes down what it must know when it goes on. value: plain JSON."""
    assert re.fullmatch("[a-z0-9.]{1,40}", name), name
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return _sealed(f"note {name} {text}")


def _note_of(line: str) -> tuple[str, Any]:
    """A note's name and value. ValueError if it is no note, or not in the one way to write it."""
    word, name, text = line.split(" ", 2)
    try:
        value = json.loads(text)
        if word == "note" and encode_journal_note(name, value) == _sealed(line):
            return name, value
    except (RecursionError, AssertionError):
        pass
    raise ValueError("not the one way to write it")


def parse_journal(data: bytes) -> Journal:
    """What a journal names, up to its first damaged line. WorldError if that is its first."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise WorldError(JOURNAL_KEY, f"{len(data)} bytes; at most {MAX_MANIFEST_BYTES} are read")
    head, *lines = data.splitlines(keepends=True) or [b""]
    regions: dict[tuple[int, Region], RegionRecord] = {}
    try:
        size, codec, level, library, parameters = (
            _open_seal(head).removeprefix(JOURNAL_MAGIC.decode()).split(" ")
        )
        bake = BakeParameters(float(size), codec, int(level), library, parameters)
        if encode_journal_head(bake) != head:
            raise ValueError("not the one way to write it")
    except ValueError as error:
        raise WorldError(JOURNAL_KEY, f"its first line is damaged: {quoted(str(error))}") from None
    n_good_bytes = len(head)
    notes: dict[str, Any] = {}
    for line in lines:
        try:
            text = _open_seal(line)
            if text.startswith("note "):
                name, value = _note_of(text)
                notes[name] = value
            else:
                record = _region_of(text)
                regions[record.level, record.region] = record
        except ValueError:
            break  # the tail of a bake that died while writing it; its region is baked again
        n_good_bytes += len(line)
    return Journal(bake, regions, n_good_bytes, notes)


def _open_seal(line: bytes) -> str:
    """A journal line without its crc. ValueError if the crc is not that of the line."""
    text = line.decode("ascii")[:-10]
    if _sealed(text) != line:
        raise ValueError("its crc32c does not match")
    return text
