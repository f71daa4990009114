"""Layered LAZ chunks (point formats 6 to 10), checked before they are unpacked.

A chunk begins with one whole point, the number of its points and the byte counts of its layers, one layer per
field (Isenburg, "LASzip 1.4"). lazrs makes room for what a count says, and a Rust program that finds no room
ends: an exception would be too late.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ..errors import UserError, shown
from . import source as s

_LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}  # point, colour, colour and near infrared, wave packet
_EXTRA_BYTES = 14  # one layer a byte


def check_layers(
    path: Path, record: bytes, at_points: int, n_points: int, table: list[tuple[int, int]]
) -> None:
    """record: the laszip record; table: (points, bytes) of each chunk. UserError if a layer is not there."""
    compressor, n_items = struct.unpack_from("<H30xH", record, 0)
    items = list(struct.iter_unpack("<HHH", record[34 : 34 + 6 * n_items]))
    n_layers = sum(size if kind == _EXTRA_BYTES else _LAYERS.get(kind, 0) for kind, size, _ in items)
    begins = sum(size for _, size, _ in items)
    n_bytes = s.file_bytes(path)
    at, seen = at_points + 8, 0
    with s.opened(path) as file:
        for count, chunk_bytes in table:
            fits = 0 <= chunk_bytes <= n_bytes - at and chunk_bytes >= begins
            if fits and compressor == 3:
                file.seek(at + begins)
                head = file.read(4 + 4 * n_layers)
                fits = len(head) == 4 + 4 * n_layers
                sizes = struct.unpack(f"<{1 + n_layers}I", head)[1:] if fits else ()
                fits = fits and begins + len(head) + sum(sizes) == chunk_bytes
            if not fits:
                raise UserError(
                    f"{shown(path)}: a chunk of the LAZ file at byte {at:,} is damaged or cut short"
                )
            at, seen = at + chunk_bytes, seen + count
    if seen < n_points:
        raise UserError(f"{shown(path)} is cut short: it has chunks for {seen:,} of {n_points:,} points")
