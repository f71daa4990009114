"""`.splat`: 32-byte records without a header (antimatter15/splat, MIT).

Position 3 x float32, sigma 3 x float32 (linear), r g b opacity 4 x uint8, quaternion w x y z 4 x uint8 as
(byte - 128) / 128. No spherical harmonics. y points down.

Precision: position and sigma exact; rotation 1/128 per component before it is normalised; colour and opacity
half of 1/255.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import UserError, shown
from . import source as s
from .gaussians import assemble

RECORD = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
assert RECORD.itemsize == 32


def open_splat(path: Path) -> s.Source:
    n_bytes = s.file_bytes(path)
    head = s.read_bytes(path, 0, min(32, n_bytes))
    if known := s.known_as(head):
        raise UserError(f"{shown(path)} is {known}: expected .splat records of 32 bytes")
    if n_bytes % RECORD.itemsize:
        raise UserError(
            f"{shown(path)} has {n_bytes:,} bytes, not whole .splat records of 32: is it cut short?"
        )
    n_items = n_bytes // RECORD.itemsize

    def part(n: int, first: int = 0, count: int | None = None) -> Iterator[s.Gaussians]:
        last = n_items if count is None else min(first + count, n_items)
        for start, some in s.spans(last, n, RECORD.itemsize, first):
            rows = s.read_rows(path, start * RECORD.itemsize, RECORD, some)
            with np.errstate(all="ignore"):
                positions, scales = rows["position"].astype(np.float64), rows["scale"].astype(np.float64)
            rgba = rows["rgba"] / 255
            batch = assemble(positions, scales, (rows["rotation"] - 128.0) / 128, rgba[:, 3], rgba[:, :3])
            if len(batch):
                yield batch

    return s.Source(path, "gaussians", n_items, "-y", part, {"format": "splat"}, part)
