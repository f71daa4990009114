"""Bake again what of a world is damaged, and nothing else.

The manifest says what every file must be, so a file is written only if its bytes have the manifest's digest:
a repaired world is the original one, byte for byte, or it is left as it was. Regions of level 0 come from the
source, cropped to the region; coarser ones from the level below, which is repaired first; zarr.json files
from what the root says. A root that is lost is made anew: from the manifest, the source and the options.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..atlas import plane
from ..atlas.layout import MAX_LEVEL
from ..atlas.stamp import stamp_of
from ..streamer import files, metadata
from ..streamer.codec import LEVELS
from ..streamer.contents import check_files, read_manifest, read_meta
from ..streamer.errors import WorldError
from ..streamer.manifest import MANIFEST_KEY, MAX_MANIFEST_BYTES, Manifest, digest_of
from ..streamer.metadata import ROOT_KEY, WorldMeta
from ..streamer.verify import VerifyReport, scrub, verify
from ..streamer.world import World
from . import mend
from .bake import provenance, quiet
from .bake_options import BakeOptions, checked
from .errors import UserError, shown
from .rebake import bounds_in, cropped_to, encoded, from_below
from .sources.source import Source
from .voxelise.kinds import KINDS

MAX_TOLD = 2000  # characters of recorded options in a message
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was written, and what a scrub of the whole world finds now."""

    repaired: tuple[str, ...]  # files, below the world's folder
    after: VerifyReport


def repair(
    path: Path, source: Source, lost_options: Mapping[str, Any] | None = None, progress: Progress = quiet
) -> RepairReport:
    """Bring a world's damaged and missing files back, out of the source it was baked from.

    lost_options: of the bake, by their names in BakeOptions; only asked where the root zarr.json is lost.
    UserError: another source, other options, or the bytes that come out are not the manifest's; what was
    written until then is right. WorldError: the folder is no world.
    """
    path = Path(path)
    repaired: list[str] = []
    manifest = _manifest(path, repaired)
    meta, is_draft = _root(path, manifest, source, lost_options or {}, repaired)
    options = checked_source(meta, source)
    world = World(path, meta, manifest.regions)
    bad: list[WorldError] = [] if is_draft else check_files(path, manifest, meta)
    scrub(world, bad)
    damaged = {error.file for error in bad}
    todo = [r for r in manifest.regions if any(f.key in damaged for f in r.files)]
    finest = cropped_to(source, options)
    for done, record in enumerate(sorted(todo, key=lambda r: (r.level, r.region))):
        progress("repair", done, len(todo))
        try:
            made = finest(record.region) if record.level == 0 else from_below(world, record)
        except UserError:  # nothing is there, or nothing fits
            raise _differs(path, record.key, is_draft) from None
        for file, data in encoded(record, made, meta):
            if file.key in damaged:
                _write(path, file.key, data, file.digest, is_draft)
                repaired.append(file.key)
    if is_draft:
        meta = replace(meta, bounds_voxels=bounds_in(world))
    repaired += _write_metadata(path, manifest, meta, is_draft)
    progress("repair", len(todo), len(todo))
    return RepairReport(tuple(repaired), verify(path))


# What the world says of itself ---------------------------------------------------------------------


def _manifest(path: Path, repaired: list[str]) -> Manifest:
    """The manifest; one changed byte is found by its own digest. UserError: nothing else can be repaired."""
    try:
        return read_manifest(path)
    except WorldError as error:
        if error.file != MANIFEST_KEY or not (path / ROOT_KEY).is_file():
            raise
        why = error
    try:
        whole = mend.manifest(files.read_file(path, MANIFEST_KEY, MAX_MANIFEST_BYTES))
    except WorldError:
        whole = None
    if whole is None:
        raise UserError(
            f"{shown(path)}: {why}. Only the manifest says what every other file must be, so nothing can be "
            f"repaired: bake again with --overwrite{_recorded(path)}"
        )
    _write(path, MANIFEST_KEY, whole, digest_of(whole), False)
    repaired.append(MANIFEST_KEY)
    return read_manifest(path)


def _recorded(path: Path) -> str:
    """The options that an unchecked zarr.json shows, for a message."""
    try:
        root = json.loads(files.read_file(path, ROOT_KEY, metadata.MAX_JSON_BYTES))
        used = root["attributes"]["voxtide"]["sources"][0]["options"]
        return f" and the options {json.dumps(used)[:MAX_TOLD]}"
    except (WorldError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def recorded_asked(path: Path) -> dict[str, str]:
    """How an unchecked zarr.json says that the source was opened; {} where it says nothing."""
    try:
        root = json.loads(files.read_file(Path(path), ROOT_KEY, metadata.MAX_JSON_BYTES))
        asked = root["attributes"]["voxtide"]["sources"][0]["asked"].items()
        return {name: word for name, word in asked if isinstance(name, str) and isinstance(word, str)}
    except (WorldError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return {}


def _root(
    path: Path, manifest: Manifest, source: Source, lost_options: Mapping[str, Any], repaired: list[str]
) -> tuple[WorldMeta, bool]:
    """The root's metadata -> (meta, whether it is a draft, whose bounds are not known yet)."""
    try:
        return read_meta(path, manifest), False
    except WorldError:
        pass
    record = next((f for f in manifest.files if f.key == ROOT_KEY), None)
    try:
        data = files.read_file(path, ROOT_KEY, metadata.MAX_JSON_BYTES)
        whole = mend.one_byte(data, record.digest) if record else None
    except WorldError:
        whole = None
    if whole is not None:
        _write(path, ROOT_KEY, whole, digest_of(whole), False)
        repaired.append(ROOT_KEY)
        return read_meta(path, manifest), False
    options = checked(options_of(dict(lost_options)), source)
    n_levels = sum(f.key == metadata.array_key(k) for f in manifest.files for k in range(MAX_LEVEL + 1))
    held = {p.plane for r in manifest.regions for p in r.planes}
    now = int(stamp_of(source.n_items)) if KINDS[source.kind].observes else 0
    draft = WorldMeta(
        float(options.voxel_size_m),
        n_levels,
        ((0, 0, 0), (0, 0, 0)),
        options.codec,
        LEVELS[options.codec],
        tuple(metadata.plain_json([provenance(source, options)])),
        planes=tuple(name for name in plane.NAMES if name in held),
        entities=dict(source.entities) if "semantic" in held else {},
        now=now if "updated" in held else 0,
    )
    return draft, True


def checked_source(meta: WorldMeta, source: Source) -> BakeOptions:
    """The options that a world was baked with. UserError if it was not baked from this source."""
    origin = meta.sources[0] if len(meta.sources) == 1 else {}
    if "options" not in origin or "xxh3_128" not in origin:
        raise UserError("this world does not say which file it was baked from: bake it again")
    options = options_of(origin["options"])
    found = provenance(source, options)["xxh3_128"]
    if found != origin["xxh3_128"]:
        raise UserError(
            f"{shown(source.path)} is not what this world was baked from: that was "
            f"{shown(origin.get('file'))}, xxh3-128 {shown(origin['xxh3_128'])}, this one has {found}"
        )
    return checked(options, source)


def options_of(recorded: Any) -> BakeOptions:
    """Options out of JSON. UserError: such as this Voxtide does not know."""

    def plain(value: Any, to_float: bool) -> Any:
        if isinstance(value, list | tuple):
            return tuple(plain(v, to_float) for v in value)
        return float(value) if to_float and type(value) is int else value

    types = {f.name: str(f.type) for f in fields(BakeOptions)}
    try:
        return BakeOptions(**{name: plain(value, "float" in types[name]) for name, value in recorded.items()})
    except (TypeError, AttributeError, KeyError):
        raise UserError(
            f"a bake has no such options: {shown(json.dumps(recorded))}; they are {', '.join(types)}"
        ) from None


# Writing -------------------------------------------------------------------------------------------


def _write(path: Path, key: str, data: bytes, wanted: str, is_draft: bool) -> None:
    """Write a file that is what the manifest names. UserError if it is not, or the disk refuses."""
    if digest_of(data) != wanted:
        raise _differs(path, key, is_draft)
    try:
        files.write_file(path, key, data)
    except OSError as error:
        raise UserError(f"cannot write {shown(path / key)}: {shown(error.strerror or error)}") from error


def _differs(path: Path, key: str, is_draft: bool) -> UserError:
    what = f"{shown(path)}: {key} comes out differently than it was baked"
    if is_draft:
        return UserError(
            f"{what}. The root zarr.json is lost, and with it the bake's options: pass those that were not "
            "the default, as --option voxel_size_m=0.02"
        )
    return UserError(
        f"{what}, by another version of Voxtide or of the codec's library. It is left as it is: bake the "
        "world again"
    )


def _write_metadata(path: Path, manifest: Manifest, meta: WorldMeta, is_draft: bool) -> list[str]:
    """Write the zarr.json files that are damaged -> their keys."""
    texts = metadata.encode_all(meta)
    written = []
    for record in manifest.files:
        try:
            if digest_of(files.read_file(path, record.key, metadata.MAX_JSON_BYTES)) == record.digest:
                continue
        except WorldError:
            pass
        if record.key in texts:
            _write(path, record.key, texts[record.key], record.digest, is_draft)
            written.append(record.key)
    return written
