"""MagicaVoxel `.vox` (version 200): one model per region of 256^3, placed by a scene graph, one palette.

Coordinates are the world's voxels, so what is baked from the file again lies where it lay. A voxel is solid
there: coverage is not kept. Colours are exact up to 255 of them, else chosen by `palette`. MagicaVoxel's own
editor shows about 1,000 voxels around the origin; other readers have no such limit.
Layout: ephtracy/voxel-model, MagicaVoxel-file-format-vox and its extension.
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import UserError
from . import palette
from .options import Made, Progress
from .selection import I64, Selection, voxels

MAX_COLOURS = 255  # palette byte 0 is empty
MAX_FILE_BYTES = (1 << 32) - 1 - (1 << 20)  # MAIN tells its size in 32 bits
EDITOR_VOXELS = 1000  # from the origin, what MagicaVoxel's editor places
_ROOT, _GROUP = 0, 1  # node ids; model i has 2 + 2 i and 3 + 2 i


def write_vox(selection: Selection, path: Path, progress: Progress) -> Made:
    """Write `path`, which does not exist yet. UserError if a .vox cannot hold so much; OSError."""
    counts = np.zeros(palette.N_COLOURS, np.uint32)
    n_regions, n_voxels = len(selection.records()), 0
    for done, (_, at, rgba) in enumerate(voxels(selection)):
        progress("colours", done, n_regions)
        n_voxels += len(at)
        if 4 * n_voxels > MAX_FILE_BYTES:
            raise UserError(".vox holds at most 4 GiB: crop with --bounds, or export a coarser --level")
        seen, n = np.unique(palette.codes(rgba), return_counts=True)
        counts[seen] += n.astype(np.uint32)
    colours, index, exact = palette.choose(counts, MAX_COLOURS)

    places: list[I64] = []
    with path.open("xb") as file:
        file.write(b"VOX " + struct.pack("<I4sII", 200, b"MAIN", 0, 0))
        for done, (_, at, rgba) in enumerate(voxels(selection)):
            progress("models", done, n_regions)
            low = at.min(axis=0)
            size = at.max(axis=0) + 1 - low
            records = np.empty((len(at), 4), np.uint8)
            records[:, :3] = at - low
            records[:, 3] = index[palette.codes(rgba)] + 1
            _chunk(file, b"SIZE", struct.pack("<3I", *size.tolist()))
            _chunk(file, b"XYZI", struct.pack("<I", len(at)) + records.tobytes())
            places.append(low + size // 2)  # a model's pivot
        for kind, body in _scene(places):
            _chunk(file, kind, body)
        table = np.zeros((256, 4), np.uint8)
        table[: len(colours), :3] = colours
        table[:, 3] = 255
        _chunk(file, b"RGBA", table.tobytes())
        n_bytes = file.tell() - 20
        file.seek(16)
        file.write(struct.pack("<I", n_bytes))
    progress("models", n_regions, n_regions)
    far = max(int(np.abs(place).max()) for place in places) > EDITOR_VOXELS
    facts = {"models": len(places), "colours": int(np.count_nonzero(counts)), "palette": len(colours)}
    return Made(n_voxels, {**facts, "exact_colours": exact, "beyond_the_editor": far})


def _chunk(file: BinaryIO, kind: bytes, body: bytes) -> None:
    file.write(kind + struct.pack("<II", len(body), 0) + body)


def _scene(places: list[I64]) -> list[tuple[bytes, bytes]]:
    """The scene graph: a group of all models, each moved to its place."""
    n = len(places)
    nodes = [
        (b"nTRN", _moved(_ROOT, _GROUP, -1, {})),
        (
            b"nGRP",
            struct.pack("<i", _GROUP) + _pairs({}) + struct.pack(f"<i{n}i", n, *range(2, 2 + 2 * n, 2)),
        ),
    ]
    for i, place in enumerate(places):
        shift = " ".join(str(int(c)) for c in place)
        nodes.append((b"nTRN", _moved(2 + 2 * i, 3 + 2 * i, 0, {"_t": shift})))
        shape = struct.pack("<i", 3 + 2 * i) + _pairs({}) + struct.pack("<ii", 1, i) + _pairs({})
        nodes.append((b"nSHP", shape))
    return nodes


def _moved(node: int, child: int, layer: int, frame: dict[str, str]) -> bytes:
    head = struct.pack("<i", node) + _pairs({}) + struct.pack("<iiii", child, -1, layer, 1)
    return head + _pairs(frame)


def _pairs(pairs: dict[str, str]) -> bytes:
    parts = [struct.pack("<i", len(pairs))]
    for text in (t.encode("ascii") for pair in pairs.items() for t in pair):
        parts.append(struct.pack("<i", len(text)) + text)
    return b"".join(parts)
