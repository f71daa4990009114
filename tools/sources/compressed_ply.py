"""SuperSplat's compressed .ply: 256 splats share one `chunk` of bounds, each splat is four uint32.

packed_position and packed_scale: 11-10-11 bits between the chunk's min and max (scale is a logarithm);
packed_rotation: 2 bits name the largest of w, x, y, z, three times 10 bits hold the others, +-1/sqrt(2);
packed_color: 8-8-8-8, r g b between the chunk's min and max where it has them (older files: 0..1), and
opacity 0..1 itself, not its logit. The element `sh` is not read. y points down.

Precision: half a step of each field: position and log scale 1/2046 (x, z: 1/4094) of the chunk's extent,
rotation 1/1446 per component, colour and opacity 1/510. Layout: playcanvas/engine, GSplatCompressedData.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import ply as p
from .gaussians import assemble, exp_scale, place_largest
from .source import Gaussians, Rows, Source, check_count, spans

SPLATS_PER_CHUNK = 256
_PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_BOUNDS = tuple(
    f"{end}_{axis}" for end in ("min", "max") for axis in ("x", "y", "z", "scale_x", "scale_y", "scale_z")
)
_COLOUR_BOUNDS = tuple(f"{end}_{channel}" for end in ("min", "max") for channel in "rgb")
_SPLAT_BYTES = 16 + 4  # a splat and its share of the chunk's bounds

Float = NDArray[np.float64]


def is_compressed_ply(ply: p.Ply) -> bool:
    vertex = ply.element("vertex")
    return vertex is not None and "packed_position" in vertex.names


def open_compressed_ply(ply: p.Ply) -> Source:
    vertex, chunk = ply.element("vertex"), ply.element("chunk")
    if vertex is None or chunk is None or ply.encoding == "ascii":
        raise UserError(
            f"{shown(ply.path)}: compressed splats need a binary PLY with the elements chunk and vertex"
        )
    check_count(ply.path, vertex.n_rows, "splats")
    for element, names in ((vertex, _PACKED), (chunk, _BOUNDS)):
        if missing := [name for name in names if name not in element.names]:
            raise UserError(
                f"{shown(ply.path)}: compressed splats: element {element.name} has no {', '.join(missing)}"
            )
        if element.has_lists:
            raise UserError(f"{shown(ply.path)}: compressed splats: element {element.name} holds lists")
    if any(q.code != "u4" for q in vertex.properties if q.name in _PACKED):
        raise UserError(f"{shown(ply.path)}: compressed splats: the packed properties must be uint")
    if chunk.n_rows != -(-vertex.n_rows // SPLATS_PER_CHUNK):
        raise UserError(
            f"{shown(ply.path)}: {chunk.n_rows:,} chunks do not fit {vertex.n_rows:,} splats, 256 each"
        )

    def batches(n: int) -> Iterator[Gaussians]:
        for start, count in spans(vertex.n_rows, n, max(_SPLAT_BYTES, vertex.min_row_bytes)):
            splats = p.binary_rows(ply, vertex, start, count)
            first, last = start // SPLATS_PER_CHUNK, (start + count - 1) // SPLATS_PER_CHUNK
            bounds = p.binary_rows(ply, chunk, first, last - first + 1)
            which = np.arange(start, start + count) // SPLATS_PER_CHUNK - first
            batch = _decode(splats, bounds, which)
            if len(batch):
                yield batch

    notes: dict[str, str | int] = {"format": "compressed ply", **p.describe(ply)}
    return Source(ply.path, "gaussians", vertex.n_rows, "-y", batches, notes)


def _decode(splats: Rows, bounds: Rows, which: NDArray[np.int64]) -> Gaussians:
    def between(unit: Float, *axes: str) -> Float:
        low = p.stack(bounds, tuple(f"min_{axis}" for axis in axes))[which]
        high = p.stack(bounds, tuple(f"max_{axis}" for axis in axes))[which]
        with np.errstate(all="ignore"):
            return low + (high - low) * unit

    colour = _fractions(splats["packed_color"], (24, 8), (16, 8), (8, 8), (0, 8))
    rgb = colour[:, :3]
    if set(_COLOUR_BOUNDS) <= set(bounds.dtype.names or ()):
        rgb = between(rgb, "r", "g", "b")
    return assemble(
        between(_fractions(splats["packed_position"], (21, 11), (11, 10), (0, 11)), "x", "y", "z"),
        exp_scale(
            between(
                _fractions(splats["packed_scale"], (21, 11), (11, 10), (0, 11)),
                "scale_x",
                "scale_y",
                "scale_z",
            )
        ),
        _rotation(splats["packed_rotation"]),
        colour[:, 3],
        rgb,
    )


def _fractions(packed: NDArray[np.uint32], *fields: tuple[int, int]) -> Float:
    """Bit fields (shift, width) of [N] uint32 as [N, len(fields)] in 0..1."""
    bits = packed.astype(np.int64)
    return np.stack(
        [(bits >> shift & (1 << width) - 1) / ((1 << width) - 1) for shift, width in fields], axis=1
    )


def _rotation(packed: NDArray[np.uint32]) -> Float:
    """[N] uint32 -> [N, 4] w, x, y, z; the largest component follows from unit length."""
    small = (_fractions(packed, (20, 10), (10, 10), (0, 10)) - 0.5) * np.sqrt(2)
    return place_largest(small, packed >> 30)
