"""What every reader of meshes gives: parts (vertices, faces, one material each), and the Source made of them.

A mesh is held in memory: vertices as they came, once for all its instances; corners are gathered by batch.
Dropped: triangles that name a vertex that is not there, or have a corner that is not finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB
from ..errors import UserError, shown
from . import source as s
from .points import GREY
from .source import Texture, Triangles, Up

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MAX_MESH_BYTES = 1 << 30
MAX_TRIANGLES = 1 << 27  # of a scene, every instance counted
MAX_PARTS = 1 << 20
LINEAR = (LINEAR_OF_SRGB / 65535).astype(np.float32)
PLAIN = (float(LINEAR[GREY]),) * 3 + (1.0,)  # linear light and alpha of what has no colour


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """F triangles of one material. Colours are linear light and alpha; they multiply each other."""

    positions: NDArray[np.floating]  # [V, 3] source units
    faces: NDArray[np.integer]  # [F, 3]
    uv: NDArray[np.floating] | None = None  # [V, 2], (0, 0) the picture's top left corner
    factor: tuple[float, float, float, float] = PLAIN
    colours: F32 | None = None  # [V, 4]
    face_colours: F32 | None = None  # [F, 4]
    texture: Texture | None = None
    cutoff: float = 0.0
    matrix: F64 | None = None  # [4, 4] row-major, to the scene


def linear(rgba: NDArray[np.uint8]) -> F32:
    """sRGB bytes [N, 3 or 4] -> linear light 0..1 and alpha 1 [N, 4]: such alpha is seldom meant."""
    out = np.ones((len(rgba), 4), np.float32)
    out[:, :3] = LINEAR[rgba[:, :3]]
    return out


def check_bytes(path: Path) -> int:
    """Size of a mesh file; UserError above what is held in memory."""
    n_bytes = s.file_bytes(path)
    if n_bytes > MAX_MESH_BYTES:
        raise UserError(
            f"{shown(path)} has {n_bytes:,} bytes: meshes are read whole, up to {MAX_MESH_BYTES:,}; split it"
        )
    return n_bytes


def triangles(part: Part, start: int, stop: int) -> Triangles:
    """Some faces of a part as corners; what is damaged is left out."""
    faces = part.faces[start:stop].astype(np.int64)
    valid = ((faces >= 0) & (faces < len(part.positions))).all(1)
    rows, faces = np.flatnonzero(valid) + start, faces[valid]
    corners = part.positions[faces].astype(np.float64)
    if part.matrix is not None:
        with np.errstate(all="ignore"):
            corners = placed(corners, part.matrix)
    finite = np.isfinite(corners).all((1, 2))
    rows, faces, corners = rows[finite], faces[finite], corners[finite]
    colours = np.broadcast_to(np.asarray(part.factor, np.float32), (len(faces), 3, 4))
    if part.colours is not None:
        colours = colours * part.colours[faces]
    if part.face_colours is not None:
        colours = colours * part.face_colours[rows][:, None]
    if part.uv is None:
        uv = np.zeros((len(faces), 3, 2))
    else:
        uv = np.nan_to_num(part.uv[faces].astype(np.float64), posinf=0, neginf=0)
    colours = np.clip(np.nan_to_num(colours), 0, 1).astype(np.float32)
    return Triangles(corners, colours, uv, part.texture, part.cutoff)


def placed(corners: F64, matrix: F64) -> F64:
    """Positions [..., 3] through a matrix [4, 4]. Sums in a fixed order: the same in every batch."""
    x, y, z = (corners[..., axis, None] for axis in range(3))
    moved: F64 = matrix[:3, 0] * x + matrix[:3, 1] * y + matrix[:3, 2] * z + matrix[:3, 3]
    return moved


def mesh_source(path: Path, parts: Sequence[Part], up: Up, notes: dict[str, str | int]) -> s.Source:
    """A Source of parts; those of one material go together, so that batches are not many and small."""
    n_items = sum(len(part.faces) for part in parts)
    s.check_count(path, n_items, "triangles")
    if n_items > MAX_TRIANGLES:
        raise UserError(f"{shown(path)} has {n_items:,} triangles: the limit is {MAX_TRIANGLES:,}; split it")
    first_use: dict[tuple[int, float], int] = {}
    for part in parts:
        first_use.setdefault((id(part.texture), part.cutoff), len(first_use))
    ordered = sorted(parts, key=lambda part: first_use[id(part.texture), part.cutoff])

    def batches(n: int) -> Iterator[Triangles]:
        assert n >= 1
        waiting: list[Triangles] = []
        held = 0
        for part in ordered:
            first = waiting[0] if waiting else None
            if first is not None and (first.texture is not part.texture or first.cutoff != part.cutoff):
                yield joined(waiting)
                waiting, held = [], 0
            at = 0
            while at < len(part.faces):
                stop = min(at + n - held, len(part.faces))
                found = triangles(part, at, stop)
                at = stop
                if len(found):
                    waiting.append(found)
                    held += len(found)
                if held >= n:
                    yield joined(waiting)
                    waiting, held = [], 0
        if waiting:
            yield joined(waiting)

    return s.Source(path, "triangles", n_items, up, batches, notes)


def joined(parts: list[Triangles]) -> Triangles:
    """Triangles of one material as one batch."""
    if len(parts) == 1:
        return parts[0]
    positions, colours, uv = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("positions", "colours", "uv")
    )
    return Triangles(positions, colours, uv, parts[0].texture, parts[0].cutoff)
