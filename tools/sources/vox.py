"""MagicaVoxel `.vox`, versions 150 to 200: models, palette, scene graph (ephtracy/voxel-model).

A file is a tree of chunks (id, content bytes, children bytes). SIZE and XYZI come in pairs, one per model. A
voxel's palette byte i is colour i - 1 of RGBA, or of the default palette; 0 is empty. IMAP only says where
the editor's window shows a colour, so it changes nothing here. Palette alpha is ignored, as MagicaVoxel does:
every voxel is solid. z points up; a cell is a unit.

A voxel's entity (`semantic`) is its palette byte, 1..255, so a palette entry that means something keeps its
number. It is called "palette i", after its note, where the file has one for each of the palette's colours or
for each of its rows of 8 (NOTE), and before its material's kind, unless that is the plain one (MATL).

A model turns about the corner floor(size / 2), half a cell off its cells' centres. Where visible models
overlap, the one later in depth-first order wins (MagicaVoxel documents no order). Without a scene graph the
first model is read, where it stands (0 .. size - 1); further ones would be frames of an animation. Dropped:
voxels outside their model's size, with palette byte 0, or covered by a later one. Precision: exact.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import source as s
from .vox_scene import Instance, Node, Reader, instances, read_node

TILE_BITS = 8  # overlaps are resolved in tiles of 256^3 cells
_TILE = 1 << TILE_BITS
_FEW = 1 << 18  # voxels: read at a time, and sorted rather than searched for in a tile
_MAX_CHUNKS = 1 << 18
_MAX_SIDE = 2048  # MagicaVoxel's is 256, which is all that a voxel's bytes reach
_MAX_NODE_BYTES = 1 << 24
_MAX_NAME = 80  # characters of a note or a material's kind
_ROW = 8  # colours in a row of the palette
_NO_NOTES = ("color", "note")  # what MagicaVoxel writes where nobody wrote anything
_NODES = ("nTRN", "nGRP", "nSHP")


@dataclass(frozen=True, slots=True)
class _Model:
    size: NDArray[np.int64]  # [3] voxels
    offset: int  # of its XYZI records in the file
    n_voxels: int


@dataclass(slots=True)
class _Parts:
    models: list[_Model] = field(default_factory=list)
    nodes: dict[int, Node] = field(default_factory=dict)
    hidden_layers: set[int] = field(default_factory=set)
    palette: NDArray[np.uint8] | None = None
    n_materials: int = 0
    materials: dict[int, str] = field(default_factory=dict)  # palette byte -> kind, where not diffuse
    notes: list[str] = field(default_factory=list)


def open_vox(path: Path) -> s.Source:
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(20, n_bytes))
    if not head.startswith(b"VOX "):
        raise s.wrong_magic(path, head, "a MagicaVoxel .vox file")
    if len(head) < 20 or head[8:12] != b"MAIN":
        raise UserError(f"{shown(path)} is cut short or damaged: expected a MAIN chunk in the .vox file")
    version, content, children = struct.unpack("<4xI4xII", head)
    if not 150 <= version <= 200:
        raise UserError(f"{shown(path)} is .vox version {version}: versions 150 to 200 are read")
    if 20 + content + children > n_bytes:
        raise UserError(
            f"{shown(path)} is cut short: MAIN declares {content + children:,} bytes, it has {n_bytes - 20:,}"
        )
    parts = _read_parts(path, 20 + content, 20 + content + children)
    placed = _place(path, parts)
    n_items = sum(parts.models[i.model].n_voxels for i in placed)
    s.check_count(path, n_items, "visible voxels")
    palette = default_palette() if parts.palette is None else parts.palette

    def batches(n: int) -> Iterator[s.Voxels]:
        assert n >= 1
        for corner, keys, indices in _tiles(path, parts.models, placed):
            for start, count in s.spans(len(keys), n, 32):
                key = keys[start : start + count]
                voxels = corner + np.stack([key & 255, key >> 8 & 255, key >> 16], axis=1)
                entry = indices[start : start + count]
                yield s.Voxels(voxels, palette[entry], entry.astype(np.uint32))

    notes: dict[str, str | int] = {
        "format": f"vox v{version}",
        "n_models": len(parts.models),
        "n_instances": len(placed),
        "n_materials": parts.n_materials,
        "palette": "default" if parts.palette is None else "own",
    }
    entities = {i: _entity(i, parts) for i in _used(path, [parts.models[i.model] for i in placed])}
    return s.Source(path, "voxels", n_items, "z", batches, notes, entities=entities)


def _entity(entry: int, parts: _Parts) -> str:
    """What a palette byte is called."""
    per_note = 1 if len(parts.notes) >= 255 else _ROW
    at = (entry - 1) // per_note
    note = parts.notes[at].strip() if at < len(parts.notes) else ""
    name = f"{note}, palette {entry}" if note and note not in _NO_NOTES else f"palette {entry}"
    return f"{name} ({parts.materials[entry]})" if entry in parts.materials else name


def _used(path: Path, models: list[_Model]) -> list[int]:
    """Palette bytes that the voxels of these models have."""
    seen = np.zeros(256, bool)
    for offset, n_voxels in {(m.offset, m.n_voxels) for m in models}:
        for start, count in s.spans(n_voxels, _FEW, 4):
            seen[s.read_rows(path, offset + 4 * start, "u1", 4 * count)[3::4]] = True
    seen[0] = False
    return np.flatnonzero(seen).tolist()


def _read_parts(path: Path, at: int, end: int) -> _Parts:
    """Walk the children of MAIN. Voxels stay in the file; what they need is checked here."""
    parts = _Parts()
    size: NDArray[np.int64] | None = None
    n_chunks = 0
    while at < end:
        n_chunks += 1
        if end - at < 12 or n_chunks > _MAX_CHUNKS:
            raise UserError(f"{shown(path)}: the .vox chunks are damaged at byte {at:,}")
        name, content, children = struct.unpack("<4sII", s.read_bytes(path, at, 12))
        kind, body = name.decode("ascii", "replace"), at + 12
        at = body + content + children
        where = f"{shown(path)}: .vox chunk {shown(kind)} at byte {body - 12:,}"
        if at > end:
            raise UserError(f"{where} is cut short: it declares {content + children:,} bytes")
        if kind == "SIZE":
            size = _read_size(_reader(path, body, content, where, 12))
        elif kind == "XYZI":
            if size is None:
                raise UserError(f"{where}: XYZI without SIZE before it")
            n_voxels = _reader(path, body, min(content, 4), where, 4).count(256**3)
            if 4 + 4 * n_voxels > content:
                raise UserError(f"{where} is cut short: {n_voxels:,} voxels in {content:,} bytes")
            parts.models.append(_Model(size, body + 4, n_voxels))
            size = None
        elif kind == "RGBA":
            colours = np.frombuffer(_reader(path, body, content, where, 1024).take(1024), np.uint8)
            parts.palette = _by_index(colours.reshape(256, 4))
        elif kind in _NODES:
            node_id, node = read_node(kind, _reader(path, body, content, where, _MAX_NODE_BYTES))
            parts.nodes[node_id] = node
        elif kind == "LAYR":
            reader = _reader(path, body, content, where, _MAX_NODE_BYTES)
            layer, attributes = reader.int32(), reader.pairs()
            if attributes.get("_hidden") == "1":
                parts.hidden_layers.add(layer)
        elif kind in ("MATL", "MATT"):
            parts.n_materials += 1
            _read_names(parts, kind, _reader(path, body, content, where, _MAX_NODE_BYTES))
        elif kind == "NOTE":
            _read_names(parts, kind, _reader(path, body, content, where, _MAX_NODE_BYTES))
    return parts


def _read_names(parts: _Parts, kind: str, reader: Reader) -> None:
    """NOTE: names. MATL: byte, then pairs; MATT, its predecessor: byte, kind. Byte 256 is byte 0, unused.

    A damaged one is passed over: what an entity is called is not worth the scene.
    """
    try:
        if kind == "NOTE":
            parts.notes = [shown(reader.text())[:_MAX_NAME] for _ in range(reader.count(256))]
            return
        entry = reader.int32() & 255
        if kind == "MATL":
            name = reader.pairs().get("_type", "").removeprefix("_")
        else:
            name = {1: "metal", 2: "glass", 3: "emit"}.get(reader.int32(), "")
    except UserError:
        return
    if name not in ("", "diffuse"):
        parts.materials[entry] = shown(name)[:_MAX_NAME]


def _reader(path: Path, offset: int, n_bytes: int, where: str, most: int) -> Reader:
    return Reader(s.read_bytes(path, offset, min(n_bytes, most)), where)


def _read_size(reader: Reader) -> NDArray[np.int64]:
    size = [reader.int32() for _ in range(3)]
    if not all(1 <= side <= _MAX_SIDE for side in size):
        raise reader.bad(
            f"a model of {' x '.join(map(str, size))} voxels: expected 1..{_MAX_SIDE} on each axis"
        )
    return np.array(size, np.int64)


def _place(path: Path, parts: _Parts) -> list[Instance]:
    """Which models are shown where."""
    if not parts.models:
        raise UserError(f"{shown(path)} holds no model: nothing to read")
    if not parts.nodes:  # before scene graphs; the shift undoes the pivot
        return [Instance(0, np.eye(3, dtype=np.int64), parts.models[0].size // 2)]
    placed = instances(parts.nodes, frozenset(parts.hidden_layers), shown(path))
    if any(not 0 <= i.model < len(parts.models) for i in placed):
        raise UserError(
            f"{shown(path)}: the scene shows a model that does not exist (there are {len(parts.models)})"
        )
    return [i for i in placed if parts.models[i.model].n_voxels]


def _tiles(
    path: Path, models: list[_Model], placed: list[Instance]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]]:
    """Per tile of 256^3 cells: corner [3], keys [N] (as in `_cells`) and palette bytes [N] of its voxels."""
    in_tile: dict[tuple[int, int, int], list[Instance]] = {}
    for instance in placed:
        low, high = _bounds(models[instance.model], instance)
        for z in range(low[2], high[2] + 1):
            for y in range(low[1], high[1] + 1):
                for x in range(low[0], high[0] + 1):
                    in_tile.setdefault((z, y, x), []).append(instance)
    dense = np.zeros(_TILE**3, np.uint8)
    for tile in sorted(in_tile):
        corner = np.array(tile[::-1], np.int64) << TILE_BITS
        keys: list[NDArray[np.int64]] = []
        n_keys = 0
        for instance in in_tile[tile]:
            for key, index in _cells(path, models[instance.model], instance, corner):
                dense[key] = index  # later ones overwrite
                n_keys += len(key)
                if n_keys <= _FEW:
                    keys.append(key)
        # A tile with few voxels is not worth a walk through all of its cells.
        cells = np.unique(np.concatenate(keys)) if keys and n_keys <= _FEW else np.flatnonzero(dense)
        indices = dense[cells]
        dense[cells] = 0
        yield corner, cells, indices


def _bounds(model: _Model, instance: Instance) -> tuple[list[int], list[int]]:
    """First and last tile (x, y, z) that an instance may touch."""
    reach = np.minimum(model.size, 256) - 1
    ends = _to_world(np.stack([np.zeros(3, np.int64), reach]), model, instance) >> TILE_BITS
    return ends.min(axis=0).tolist(), ends.max(axis=0).tolist()


def _to_world(voxels: NDArray[np.int64], model: _Model, instance: Instance) -> NDArray[np.int64]:
    # In halves of a cell everything stays whole: a turned centre is odd on every axis.
    halves = 2 * (voxels - model.size // 2) + 1
    columns, signs = np.abs(instance.turn).argmax(axis=1), instance.turn.sum(axis=1)
    cells: NDArray[np.int64] = (halves[:, columns] * signs >> 1) + instance.shift
    return cells


def _cells(
    path: Path, model: _Model, instance: Instance, corner: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Keys x + 256 y + 65536 z in the tile at `corner`, and palette bytes, of an instance's valid voxels."""
    for start, count in s.spans(model.n_voxels, _FEW):
        records = s.read_rows(path, model.offset + 4 * start, "u1", 4 * count).reshape(-1, 4)
        records = records[(records[:, 3] > 0) & (records[:, :3] < model.size).all(axis=1)]
        local = _to_world(records[:, :3].astype(np.int64), model, instance) - corner
        inside = (local[:, 0] | local[:, 1] | local[:, 2]) >> TILE_BITS == 0  # neither negative nor beyond
        local = local[inside]
        yield local[:, 0] | local[:, 1] << 8 | local[:, 2] << 16, records[inside, 3]


def _by_index(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA as stored [256, 4] -> by palette byte: byte i is colour i - 1; solid."""
    palette = np.roll(colours, 1, axis=0)
    palette[:, 3] = 255
    return palette


def default_palette() -> NDArray[np.uint8]:
    """[256, 4] by palette byte: six levels of r, g, b, brightest first, then ramps of red, green, blue and
    grey.

    Equal to the table in the format's description, entry by entry; its black ends it and byte 0 is unused.
    """
    levels = np.array([255, 204, 153, 102, 51, 0])
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)[:-1]
    ramp = np.array([238, 221, 187, 170, 136, 119, 85, 68, 34, 17])
    ramps = [
        np.where(np.array(mask), ramp[:, None], 0) for mask in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1))
    ]
    rgb = np.concatenate([np.zeros((1, 3)), cube, *ramps])
    return np.concatenate([rgb, np.full((256, 1), 255)], axis=1).astype(np.uint8)
