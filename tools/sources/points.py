"""Coloured points from .ply: what a record means, shared with .pcd, and the .ply opener.

Position x y z; colour red green blue, r g b or diffuse_red diffuse_green diffuse_blue: integers 0..255
(uint16: 0..65535), floating point 0..1. Without colour a point is light grey. z points up.

Dropped: a point with a NaN or infinite coordinate or colour (depth cameras write them for "nothing seen").
Precision: position exact in float64, colour half of 1/255.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import ply as p
from .source import Points, Rows, Source, check_count

GREY = 200  # of a point without colour
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_FACES = ("face", "faces", "tristrips", "tristrip")


def colour_names(names: tuple[str, ...] | frozenset[str]) -> tuple[str, ...] | None:
    """The three columns that carry the colour, if there are any."""
    return next((triple for triple in _COLOURS if set(triple) <= set(names)), None)


def assemble_points(rows: Rows, rgb: NDArray[np.floating] | None) -> Points:
    """Structured [N] with x, y, z and [N, 3] colour 0..1 (None: grey) -> at most N points."""
    positions = p.stack(rows, ("x", "y", "z"))
    keep = np.isfinite(positions).all(axis=1)
    if rgb is None:
        return Points(positions[keep], np.full((int(keep.sum()), 3), GREY, np.uint8))
    keep &= np.isfinite(rgb).all(axis=1)
    return Points(positions[keep], np.rint(np.clip(rgb[keep], 0, 1) * 255).astype(np.uint8))


def unit_colour(rows: Rows, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Columns of a declared type -> [N, 3], 0..1 where it is a colour."""
    whites = []
    for name in names:
        dtype = rows.dtype[name]
        whites.append(1.0 if dtype.kind == "f" else 65535.0 if dtype.str[1:] == "u2" else 255.0)
    return p.stack(rows, names) / whites


def has_faces(ply: p.Ply) -> bool:
    """Is it a mesh?"""
    return any(e.n_rows for e in ply.elements if e.name in _FACES)


def open_point_ply(ply: p.Ply) -> Source:
    vertex = ply.element("vertex")
    if vertex is None or not {"x", "y", "z"} <= vertex.names:
        raise UserError(
            f"{shown(ply.path)}: expected a PLY element vertex with x, y, z (points or Gaussian splats)"
        )
    if vertex.has_lists:
        raise UserError(f"{shown(ply.path)}: PLY vertices with lists are not read: export plain points")
    check_count(ply.path, vertex.n_rows, "points")
    names = colour_names(vertex.names)

    def part(n: int, first: int = 0, count: int | None = None) -> Iterator[Points]:
        for rows in p.rows(ply, "vertex", n, first, count):
            batch = assemble_points(rows, unit_colour(rows, names) if names else None)
            if len(batch):
                yield batch

    notes: dict[str, str | int] = {
        "format": "point ply",
        **p.describe(ply),
        "colour": " ".join(names or ("none",)),
    }
    return Source(
        ply.path, "points", vertex.n_rows, "z", part, notes, None if ply.encoding == "ascii" else part
    )
