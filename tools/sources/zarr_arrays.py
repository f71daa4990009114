"""Zarr arrays (v2, v3) and OME-Zarr 0.4 and 0.5 images, as folders on disk, read through zarr-python.

An array is [z, y, x] or [z, y, x, channel] with 3 or 4 bytes. Of an OME image the finest level is read, the
first time step, and its axes and voxel size are those of its metadata; 3 or 4 channels of bytes are sRGB
(and coverage), of others the first is read, or `?channel=`. A group without image metadata must hold one
array, or `?array=PATH` names it. Metadata is checked before zarr sees it: only codecs that cannot run code,
chunks of bounded size. z points up.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import json_fields as j
from . import source as s
from .sog_files import checked_name
from .volumes import Block, Scalars, above_of, volume_source

MAX_CHUNK_BYTES = 1 << 28
_MAX_SHARD_BYTES = 1 << 34  # of a shard, of which only chunks are unpacked
_MAX_FILES = 1 << 20
_CODECS = {
    "bytes", "transpose", "sharding_indexed", "crc32c", "gzip", "zstd", "blosc", "zlib", "lz4", "bz2", "lzma",
    "shuffle", "delta", "numcodecs.zlib", "numcodecs.lz4", "numcodecs.bz2", "numcodecs.lzma",
    "numcodecs.shuffle", "numcodecs.delta", "numcodecs.zstd", "numcodecs.blosc",
}  # fmt: skip
_METRES = {
    "meter": 1.0, "metre": 1.0, "millimeter": 1e-3, "centimeter": 1e-2, "decimeter": 0.1, "kilometer": 1e3,
    "micrometer": 1e-6, "nanometer": 1e-9, "angstrom": 1e-10, "foot": 0.3048, "inch": 0.0254, "yard": 0.9144,
}  # fmt: skip
_TYPES = (
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
)


def open_zarr(path: Path, array: str = "", channel: str = "", above: str = "") -> s.Source:
    where = shown(path)
    attributes, kind = _metadata(path)
    if kind == "group" and "voxtide" in attributes:
        raise UserError(
            f"{where} is a Voxtide world already: view it, or name the scene that it was baked from"
        )
    image = _image(attributes, where)
    inner, axes, unit_m = array, "", None
    scale: list[float] = []
    if kind == "group" and not array:
        if image is None:
            inner = _only_array(path)
        else:
            inner, axes, scale, unit_m = image
    elif kind == "array" and array:
        raise UserError(f"{where} is an array: ?array= is for groups")
    folder = path.joinpath(*checked_name(inner, where).split("/")) if inner else path
    shape, chunk, dtype = _checked_array(folder)
    axes = axes or {3: "zyx", 4: "zyxc"}.get(len(shape), "")
    if len(axes) != len(shape) or not {"x", "y"} <= set(axes):
        raise UserError(
            f"{where}: an array {shown(shape)} with axes {shown(axes or '?')}: expected [z, y, x]"
        )
    n_channels = shape[axes.index("c")] if "c" in axes else 1
    coloured = dtype == np.uint8 and n_channels in (3, 4) and not channel
    asked = int(channel) if channel.isdecimal() and len(channel) < 9 else channel or 0
    at_channel = j.whole({"?channel": asked}, "?channel", where, n_channels - 1)
    source = _opened(folder)

    size, step = (dict(zip(axes, lengths, strict=True)) for lengths in (shape, chunk))
    volume = (size.get("z", 1), size["y"], size["x"])
    box = _box(
        volume, (step.get("z", 1), step["y"], step["x"]), dtype.itemsize * (n_channels if coloured else 1)
    )

    def blocks() -> Iterator[Block]:
        for at in np.ndindex(*(-(-n // b) for n, b in zip(volume, box, strict=True))):
            corner = (at[0] * box[0], at[1] * box[1], at[2] * box[2])
            wanted: dict[str, Any] = {"t": 0, "c": slice(None) if coloured else at_channel}
            wanted |= {a: slice(c, c + b) for a, c, b in zip("zyx", corner, box, strict=True)}
            block = _read(source, tuple(wanted[a] for a in axes), folder)
            yield corner, _ordered(block, axes, coloured)

    spacing = tuple(dict(zip(axes, scale, strict=True)).get(a, 1.0) for a in "zyx") if scale else None
    notes: dict[str, str | int] = {"format": "ome-zarr" if image else "zarr", "dtype": str(dtype)}
    if spacing:
        notes["cell"] = f"{spacing[2]:g} x {spacing[1]:g} x {spacing[0]:g}, unit {unit_m or 'unknown'} m"
    return volume_source(
        path, volume, blocks, notes, Scalars(above_of(path, above)),
        spacing=spacing, unit_m=unit_m, files=_files(path, folder),  # type: ignore[arg-type]
    )  # fmt: skip


def _metadata(path: Path) -> tuple[j.Json, str]:
    """(attributes, "group" or "array")."""
    if (path / "zarr.json").is_file():
        meta = j.read_json(path / "zarr.json")
        kind = meta.get("node_type")
        if meta.get("zarr_format") != 3 or kind not in ("group", "array"):
            raise UserError(f"{shown(path)}: zarr.json is no Zarr 3 group or array")
        attributes = meta.get("attributes", {})
    else:
        kind = "array" if (path / ".zarray").is_file() else "group"
        attributes = j.read_json(path / ".zattrs") if (path / ".zattrs").is_file() else {}
    return (attributes if isinstance(attributes, dict) else {}), kind


def _image(attributes: j.Json, where: str) -> tuple[str, str, list[float], float | None] | None:
    """(path, axes, scale per axis, metres per unit) of the finest level of an OME-Zarr image."""
    ome = attributes.get("ome", attributes)
    many = ome.get("multiscales") if isinstance(ome, dict) else None
    if not many:
        return None
    try:
        first = many[0]
        axes = [
            a if isinstance(a, dict) else {"name": a} for a in first.get("axes", ["t", "c", "z", "y", "x"])
        ]
        names = "".join(str(a["name"]) for a in axes)
        units = {str(a["unit"]) for a in axes if a.get("unit") and str(a["name"]) in "zyx"}
        data = first["datasets"][0]
        scale = next(
            (t["scale"] for t in data.get("coordinateTransformations", []) if t["type"] == "scale"), None
        )
        inner = data["path"]
    except (KeyError, IndexError, TypeError, AttributeError):
        raise UserError(f"{where}: the OME-Zarr metadata (multiscales) is damaged") from None
    if (
        len(set(names)) != len(names)
        or len(names) != len(axes)
        or not set(names) <= set("tczyx")
        or type(inner) is not str
    ):
        raise UserError(f"{where}: OME-Zarr axes {shown(names)}: expected some of t, c, z, y, x")
    sizes = j.floats({"scale": scale}, "scale", where, len(names)) if scale is not None else []
    return inner, names, sizes, _METRES.get(units.pop()) if len(units) == 1 else None


def _only_array(path: Path) -> str:
    try:
        names = sorted(p.parent.name for marker in ("zarr.json", ".zarray") for p in path.glob(f"*/{marker}"))
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {shown(error.strerror)}") from None
    if len(names) == 1:
        return names[0]
    raise UserError(
        f"{shown(path)} holds {shown(', '.join(names[:20])) or 'no array'}: name one with ?array="
    )


def _checked_array(folder: Path) -> tuple[tuple[int, ...], tuple[int, ...], np.dtype]:
    """Shape, shape of what is read at a time, type; UserError for what zarr must not be shown."""
    where = shown(folder)
    if (folder / "zarr.json").is_file():
        meta = j.read_json(folder / "zarr.json")
        dtype, codecs = meta.get("data_type"), meta.get("codecs")
        grid = j.part(j.part(meta, "chunk_grid", where), "configuration", where)
        shard = j.listed(grid, "chunk_shape", where, int, 1, 8)
        chunk = _codecs(codecs, shard, where, 0)
        if meta.get("node_type") != "array" or meta.get("storage_transformers"):
            raise UserError(f"{where}: zarr.json is no plain Zarr array")
    elif (folder / ".zarray").is_file():
        meta = j.read_json(folder / ".zarray")
        chunk = shard = j.listed(meta, "chunks", where, int, 1, 8)
        named = (
            [meta.get("compressor"), *(meta.get("filters") or [])]
            if type(meta.get("filters") or []) is list
            else [0]
        )
        for codec in named:
            if codec is not None and (not isinstance(codec, dict) or codec.get("id") not in _CODECS):
                raise UserError(f"{where}: the Zarr codec {shown(codec)} is not read")
        text = meta.get("dtype")
        dtype = (
            {f"{o}{np.dtype(t).str[1:]}": t for t in _TYPES for o in "<>|"}.get(text)
            if type(text) is str
            else None
        )
    else:
        raise UserError(f"{where} is no Zarr array: it has neither zarr.json nor .zarray")
    if type(dtype) is not str or dtype not in _TYPES:
        raise UserError(
            f"{where}: Zarr values of type {shown(meta.get('data_type', meta.get('dtype')))} are not read"
        )
    shape = j.listed(meta, "shape", where, int, len(shard), len(shard))
    kind = np.dtype(dtype)
    if not all(1 <= n <= s.MAX_ITEMS for n in shape) or not all(
        1 <= n <= s.MAX_ITEMS for n in (*shard, *chunk)
    ):
        raise UserError(f"{where}: a Zarr array of {shown(shape)} in chunks of {shown(shard)} is not read")
    if (
        math.prod(chunk) * kind.itemsize > MAX_CHUNK_BYTES
        or math.prod(shard) * kind.itemsize > _MAX_SHARD_BYTES
    ):
        raise UserError(f"{where}: Zarr chunks of {shown(chunk)} are over {MAX_CHUNK_BYTES:,} bytes")
    return tuple(shape), tuple(chunk), kind


def _codecs(codecs: Any, shard: list[int], where: str, depth: int) -> list[int]:
    """Check a chain of Zarr 3 codecs -> shape of the innermost chunks."""
    chunk = shard
    if not isinstance(codecs, list) or not 1 <= len(codecs) <= 8 or depth > 2:
        raise UserError(f"{where}: expected a list of Zarr codecs")
    for codec in codecs:
        name = codec.get("name") if isinstance(codec, dict) else None
        if not isinstance(name, str) or name not in _CODECS:
            raise UserError(f"{where}: the Zarr codec {shown(name)} is not read")
        if name == "sharding_indexed":
            inner = j.part(codec, "configuration", where)
            chunk = j.listed(inner, "chunk_shape", where, int, len(shard), len(shard))
            if (
                any(n < 1 or m % n for n, m in zip(chunk, shard, strict=True))
                or math.prod(m // n for n, m in zip(chunk, shard, strict=True)) > 1 << 21
            ):
                raise UserError(f"{where}: shards of {shown(shard)} in chunks of {shown(chunk)} are not read")
            _codecs(inner.get("codecs"), chunk, where, depth + 1)
            _codecs(inner.get("index_codecs"), chunk, where, depth + 1)
    return chunk


def _box(volume: tuple[int, ...], chunk: tuple[int, ...], cell_bytes: int) -> tuple[int, int, int]:
    """Whole chunks [z, y, x] that are read at a time: as many as fit READ_BYTES, at least one."""
    box = list(chunk)
    for axis in (2, 1, 0):
        room = s.READ_BYTES // max(1, math.prod(box) * cell_bytes)
        box[axis] *= max(1, min(room, -(-volume[axis] // box[axis])))
    return box[0], box[1], box[2]


def _ordered(block: NDArray[Any], axes: str, coloured: bool) -> NDArray[Any]:
    """What was read -> [z, y, x] or [z, y, x, c]."""
    left = [a for a in axes if a in "zyx" or (a == "c" and coloured)]
    order = [left.index(a) for a in "zyxc" if a in left]
    block = np.transpose(block, order)
    return block if "z" in left else block[None]


def _opened(folder: Path) -> Any:
    try:
        import zarr
    except ImportError:
        raise UserError(f"{shown(folder)}: to read Zarr, type: pip install 'voxtide[bake]'") from None
    try:
        return zarr.open_array(str(folder), mode="r")
    except Exception as error:  # a plugin of codecs: no list of what it raises is complete
        raise UserError(f"{shown(folder)}: zarr refuses it: {shown(type(error).__name__)}") from None


def _read(array: Any, where: tuple[Any, ...], folder: Path) -> NDArray[Any]:
    try:
        return np.asarray(array[where])
    except Exception as error:
        raise UserError(
            f"{shown(folder)}: a chunk does not unpack: it is damaged ({type(error).__name__})"
        ) from None


def _files(path: Path, folder: Path) -> tuple[Path, ...]:
    """Metadata and chunks, in a fixed order."""
    top = [path / name for name in ("zarr.json", ".zgroup", ".zattrs") if (path / name).is_file()]
    inner: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        inner += [Path(root, name) for name in sorted(names)]
        if len(inner) > _MAX_FILES:
            raise UserError(f"{shown(folder)} has over {_MAX_FILES:,} chunk files: bake a part of it")
    return tuple(dict.fromkeys([*top, *inner]))
