"""The zarr.json files of a world: one of the root group, one of the group `color`, one per level; and the
same for each plane of attributes beside it, where a world has some.

Everything but the root's attributes follows from the level and the codec, so reading is comparing:
a file must hold exactly the bytes this module writes for what it says. That refuses, without a rule
for each, other zarr versions, shapes, dtypes, codecs, chunk keys, duplicate keys, NaN and 1.0 for 1.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..atlas import entity, plane, stamp
from ..atlas.layout import CHUNK, MAX_LEVEL, ORIGIN_BITS, REGION
from .codec import CODECS, CodecName
from .errors import WorldError, quoted
from .region_file import COLOR

FORMAT = 4  # of the whole world; a reader refuses any other
MAX_JSON_BYTES = 1 << 20
MAX_JSON_DEPTH = 32
MIN_VOXEL_SIZE_M, MAX_VOXEL_SIZE_M = 1e-6, 1e6
ROOT_KEY = "zarr.json"
CODEC_NAMES = {COLOR: "voxtide.packed"} | {name: f"voxtide.{name}" for name in plane.NAMES}

Corner = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class WorldMeta:
    """What the root zarr.json says of a world."""

    voxel_size_m: float  # edge of a level-0 voxel
    n_levels: int  # levels 0..n_levels-1 exist
    bounds_voxels: tuple[Corner, Corner]  # (x, y, z) low, high exclusive; level-0 voxels
    codec: CodecName
    codec_level: int  # what the writer asked of the codec; readers do not need it
    sources: tuple[dict[str, Any], ...]  # provenance and licences, as the bake was given them
    planes: tuple[str, ...] = ()  # attributes beside the colour, in the order of `atlas.plane.NAMES`
    entities: dict[int, str] = field(default_factory=dict)  # names of ids in the plane `semantic`
    now: int = 0  # the stamp of the latest observation in the plane `updated`


def array_key(level: int, of: str = COLOR) -> str:
    """The zarr.json of one level."""
    return f"{of}/{level}/zarr.json"


def keys(meta: WorldMeta) -> list[str]:
    """Every zarr.json of a world, sorted."""
    groups = (COLOR, *meta.planes)
    arrays = [array_key(k, of) for of in groups for k in range(meta.n_levels)]
    return sorted([ROOT_KEY, *(f"{of}/zarr.json" for of in groups), *arrays])


def encode_all(meta: WorldMeta) -> dict[str, bytes]:
    """Key -> bytes of every zarr.json. ValueError if the metadata is outside its limits."""
    check(meta)
    files = {ROOT_KEY: encode_root(meta)}
    for of in (COLOR, *meta.planes):
        files[f"{of}/zarr.json"] = _dump(_group({}))
        files |= {array_key(k, of): encode_array(k, meta, of) for k in range(meta.n_levels)}
    return files


def encode_root(meta: WorldMeta) -> bytes:
    """The root group's zarr.json."""
    low, high = meta.bounds_voxels
    attributes: dict[str, Any] = {
        "format": FORMAT,
        "voxel_size_m": meta.voxel_size_m,
        "n_levels": meta.n_levels,
        "bounds_voxels": [list(low), list(high)],
        "codec": {"name": meta.codec, "level": meta.codec_level},
        "sources": list(meta.sources),
    }
    if meta.planes:
        attributes["planes"] = list(meta.planes)
    if "semantic" in meta.planes:
        attributes["entities"] = {str(i): name for i, name in meta.entities.items()}
    if "updated" in meta.planes:
        attributes["now"] = meta.now
    return _dump(_group({"voxtide": attributes}))


def encode_array(level: int, meta: WorldMeta, of: str = COLOR) -> bytes:
    """One level's zarr.json: (z, y, x, RGBA) uint8, or (z, y, x) of a plane's type; a shard is a region."""
    last = [4] if of == COLOR else []  # the fourth axis, RGBA
    edge = 1 << (ORIGIN_BITS + 1 - level)
    compressor = {
        "zstd": {"name": "zstd", "configuration": {"level": meta.codec_level, "checksum": False}},
        # zarr's codec has no high-compression setting; the block it decodes is the same
        "lz4": {"name": "numcodecs.lz4", "configuration": {"acceleration": 1}},
    }[meta.codec]
    packed = {"name": CODEC_NAMES[of], "configuration": {}}
    sharding = {
        "chunk_shape": [CHUNK, CHUNK, CHUNK, *last],
        "codecs": [packed, compressor, {"name": "crc32c"}],
        "index_codecs": [{"name": "voxtide.index", "configuration": {}}],
        "index_location": "end",
    }
    return _dump(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [edge, edge, edge, *last],
            "data_type": "uint8" if of == COLOR else np.dtype(plane.DTYPES[of]).name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [REGION, REGION, REGION, *last]},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
            "attributes": {},
            "dimension_names": ["z", "y", "x", *(["rgba"] if last else [])],
            "storage_transformers": [],
        }
    )


def _group(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _dump(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def parse_root(data: bytes) -> WorldMeta:
    """The root zarr.json, checked. WorldError says which field and why."""
    document = _load(ROOT_KEY, data)
    try:
        attributes = document["attributes"]["voxtide"]
        if attributes["format"] != FORMAT:
            found = quoted(attributes["format"])
            raise WorldError(
                ROOT_KEY, f"world format {found}; this Voxtide reads format {FORMAT}: bake it again"
            )
        low, high = attributes["bounds_voxels"]
        meta = WorldMeta(
            voxel_size_m=attributes["voxel_size_m"],
            n_levels=attributes["n_levels"],
            bounds_voxels=(tuple(low), tuple(high)),
            codec=attributes["codec"]["name"],
            codec_level=attributes["codec"]["level"],
            sources=tuple(attributes["sources"]),
            planes=tuple(attributes.get("planes", ())),
            entities={int(i): name for i, name in attributes.get("entities", {}).items()},
            now=attributes.get("now", 0),
        )
        check(meta)
        expected = encode_root(meta)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise WorldError(ROOT_KEY, f"not the root of a Voxtide world: {quoted(str(error))}") from None
    except ValueError as error:
        raise WorldError(ROOT_KEY, str(error)) from None
    _compare(ROOT_KEY, data, document, expected)
    return meta


def check_file(key: str, data: bytes, meta: WorldMeta) -> None:
    """WorldError if a zarr.json other than the root's is not exactly what meta makes it."""
    expected = encode_all(meta)[key]
    if data != expected:
        _compare(key, data, _load(key, data), expected)


def _load(key: str, data: bytes) -> Any:
    if len(data) > MAX_JSON_BYTES:
        raise WorldError(key, f"{len(data)} bytes; at most {MAX_JSON_BYTES} are read")
    try:
        document = json.loads(data)
    except RecursionError:
        raise WorldError(key, f"nested deeper than {MAX_JSON_DEPTH}") from None
    except ValueError as error:  # JSON and UTF-8 both
        raise WorldError(key, f"not JSON: {quoted(str(error))}") from None
    if depth(document) > MAX_JSON_DEPTH:  # from here on recursion is safe
        raise WorldError(key, f"nested deeper than {MAX_JSON_DEPTH}")
    return document


def _compare(key: str, data: bytes, document: Any, expected: bytes) -> None:
    if data != expected:
        raise WorldError(
            key, _first_difference(document, json.loads(expected)) or "not written as Voxtide does"
        )


def _first_difference(found: Any, expected: Any, path: str = "") -> str | None:
    """Where two JSON documents part, as a sentence; walks no deeper than the expected one."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            if name not in expected or name not in found:
                return f"{path}/{quoted(name)} is {'missing' if name in expected else 'not expected'}"
            difference = _first_difference(found[name], expected[name], f"{path}/{name}")
            if difference:
                return difference
        return None
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(found, expected, strict=True))
        return next((d for i, (f, e) in pairs if (d := _first_difference(f, e, f"{path}/{i}"))), None)
    if type(found) is type(expected) and found == expected:
        return None
    return f"{path} is {quoted(found)}, must be {quoted(expected)}"


def check(meta: WorldMeta) -> None:
    """ValueError if a field has the wrong type or lies outside its limits."""
    size = meta.voxel_size_m
    if type(size) is not float or not (math.isfinite(size) and MIN_VOXEL_SIZE_M <= size <= MAX_VOXEL_SIZE_M):
        raise ValueError(
            f"voxel_size_m {quoted(size)} must be a float in {MIN_VOXEL_SIZE_M}..{MAX_VOXEL_SIZE_M}"
        )
    if type(meta.n_levels) is not int or not 1 <= meta.n_levels <= MAX_LEVEL + 1:
        raise ValueError(f"n_levels {quoted(meta.n_levels)} must be an integer in 1..{MAX_LEVEL + 1}")
    if meta.codec not in CODECS:
        raise ValueError(f"codec {quoted(meta.codec)} must be one of {', '.join(CODECS)}")
    if type(meta.codec_level) is not int or not 1 <= meta.codec_level <= 22:
        raise ValueError(f"codec level {quoted(meta.codec_level)} must be an integer in 1..22")
    _check_bounds(meta.bounds_voxels)
    _check_planes(meta)
    if (
        not all(type(source) is dict for source in meta.sources)
        or depth(list(meta.sources)) > MAX_JSON_DEPTH - 3
    ):
        raise ValueError(f"sources must be objects nested at most {MAX_JSON_DEPTH - 4} deep")
    if len(encode_root(meta)) > MAX_JSON_BYTES:
        raise ValueError(f"sources make zarr.json larger than {MAX_JSON_BYTES} bytes")


def _check_bounds(bounds: tuple[Corner, Corner]) -> None:
    low, high = bounds
    half = 1 << ORIGIN_BITS
    whole = len(low) == len(high) == 3 and all(type(c) is int for c in (*low, *high))
    if not whole or not all(-half <= a <= b <= half for a, b in zip(low, high, strict=True)):
        raise ValueError(
            f"bounds_voxels {quoted(bounds)} must be two corners in [-{half}, {half}], low first"
        )


def _check_planes(meta: WorldMeta) -> None:
    if meta.planes != tuple(name for name in plane.NAMES if name in meta.planes):
        raise ValueError(f"planes {quoted(meta.planes)} must be of {', '.join(plane.NAMES)}, in that order")
    for i, name in meta.entities.items():
        if type(i) is not int or not 1 <= i < entity.N_IDS or type(name) is not str or not name:
            raise ValueError(f"entity {quoted(i)} must be a name for an id in 1..{entity.N_IDS - 1}")
    if meta.entities and "semantic" not in meta.planes:
        raise ValueError("entities are named, and there is no plane semantic")
    if type(meta.now) is not int or not 0 <= meta.now <= stamp.CYCLE:
        raise ValueError(f"now {quoted(meta.now)} must be a stamp in 0..{stamp.CYCLE}")
    if (meta.now != stamp.NEVER) != ("updated" in meta.planes):
        raise ValueError("now, the latest stamp, goes with a plane updated")


def depth(document: Any) -> int:
    """Nesting of a JSON document, without recursion."""
    deepest, layer = 0, [document]
    while layer:
        deepest += 1
        containers = [d for d in layer if isinstance(d, dict | list)]
        layer = [item for d in containers for item in (d.values() if isinstance(d, dict) else d)]
        if deepest > MAX_JSON_DEPTH:
            break
    return deepest


def plain_json(sources: Any) -> list[dict[str, Any]]:
    """Provenance as the JSON it will be read back as. ValueError if it cannot be: NaN, bytes, a path."""
    try:
        plain = json.loads(json.dumps(sources, allow_nan=False))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"sources are not JSON: {error}") from None
    if not isinstance(plain, list):
        raise ValueError("sources must be a list of objects")
    return plain
