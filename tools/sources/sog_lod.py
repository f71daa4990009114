"""Streamed SOG (PlayCanvas): lod-meta.json, a tree over SOG folders; Gaussians at several levels of detail.

Level 0 is the finest and is what is read; `lod-meta.json?lod=2` reads another. A node of the tree names, per
level, a range of splats in one of the folders. The `environment`, a far sky, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import UserError, shown
from . import json_fields as j
from . import source as s
from .sog import Sog, decoded, parse
from .sog_files import checked_name, in_folder

_MAX_NODES = 1 << 18
_MAX_LODS = 32
_MAX_FILES = 1 << 14

Ranges = list[tuple[int, int]]  # start, count


def open_sog_lod(path: Path, lod: str = "0") -> s.Source:
    where = shown(path)
    meta = j.read_json(path)
    if meta.get("version", 1) != 1:
        raise UserError(
            f"{where} is streamed SOG version {shown(repr(meta['version'])[:20])}: version 1 is read"
        )
    n_lods = j.whole(meta, "lodLevels", where, _MAX_LODS)
    if not (lod.isdecimal() and lod.isascii() and len(lod) < 4 and int(lod) < n_lods):
        raise UserError(f"{where} has the levels of detail 0 to {n_lods - 1}: there is no ?lod={shown(lod)}")
    names = j.listed(meta, "filenames", where, str, 1, _MAX_FILES)
    ranges = _ranges(meta.get("tree"), str(int(lod)), len(names), where)
    chunks: list[tuple[Sog, Ranges]] = []
    files = [path]
    for k in sorted(ranges):
        meta_path = path.parent / checked_name(names[k], where)
        sog = parse(in_folder(meta_path.parent), meta_path.name, shown(meta_path))
        if any(start + count > sog.n_splats for start, count in ranges[k]):
            raise UserError(
                f"{where}: the tree names splats beyond the {sog.n_splats:,} in {shown(names[k])}"
            )
        chunks.append((sog, ranges[k]))
        images = {name for named in sog.files.values() for name in named}
        files += [meta_path, *(meta_path.parent / name for name in sorted(images))]
    n_items = sum(count for _, spans in chunks for _, count in spans)
    s.check_count(path, n_items, "splats")

    def batches(n: int) -> Iterator[s.Gaussians]:
        for sog, spans in chunks:
            yield from decoded(sog, spans, n)

    notes: dict[str, str | int] = {
        "format": "streamed sog",
        "lod": int(lod),
        "n_lods": n_lods,
        "n_files": len(chunks),
    }
    if meta.get("environment"):
        notes["environment"] = "left out"
    return s.Source(path, "gaussians", n_items, "-y", batches, notes, files=tuple(files))


def _ranges(tree: Any, lod: str, n_files: int, where: str) -> dict[int, Ranges]:
    """File number -> the ranges of splats that the tree names at a level, sorted and without overlap."""
    found: dict[int, Ranges] = {}
    todo, n_nodes = [tree], 0
    while todo:
        node = todo.pop()
        n_nodes += 1
        children = node.get("children", []) if isinstance(node, dict) else None
        lods = node.get("lods", {}) if isinstance(node, dict) else None
        if not isinstance(children, list) or not isinstance(lods, dict) or n_nodes > _MAX_NODES:
            raise UserError(f"{where}: the tree is damaged or has over {_MAX_NODES:,} nodes")
        todo += children
        if lod in lods:
            whole = partial(j.whole, j.part(lods, lod, where), where=where)
            span = (whole("offset"), whole("count"))
            if span[1]:
                found.setdefault(whole("file", most=n_files - 1), []).append(span)
    for spans in found.values():
        spans.sort()
        if any(a + n > b for (a, n), (b, _) in pairwise(spans)):
            raise UserError(f"{where}: the tree names the same splats twice")
    return found
