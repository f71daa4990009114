"""Which voxels are exported, and their reading, a region at a time. Nothing here holds more than one box."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...atlas import address
from ...atlas.chunk import split, unpack
from ...atlas.layout import CHUNK, CHUNK_BITS, REGION
from ...streamer.manifest import RegionRecord
from ...streamer.world import World
from ..errors import UserError
from .options import Corner, ExportOptions

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Selection:
    """A box of one level of a world, voxels (x, y, z), high exclusive; never empty."""

    world: World
    level: int
    low: I64  # [3]
    high: I64  # [3]

    @property
    def voxel_size_m(self) -> float:
        return self.world.meta.voxel_size_m * (1 << self.level)

    @property
    def corners(self) -> tuple[Corner, Corner]:
        return triple(self.low), triple(self.high)

    def at_level(self, level: int) -> "Selection":
        """The voxels of a coarser level that cover this box."""
        up = level - self.level
        return Selection(self.world, level, self.low >> up, -(-self.high >> up))

    def records(self) -> list[RegionRecord]:
        """The regions that reach into the box, by (z, y, x)."""
        first, last = address.region_of(self.low), address.region_of(self.high - 1)
        inside = [
            r
            for r in self.world.regions
            if r.level == self.level
            and all(a <= c <= b for a, c, b in zip(first, r.region, last, strict=True))
        ]
        return sorted(inside, key=lambda r: r.region[::-1])

    def box_of(self, record: RegionRecord) -> tuple[I64, I64]:
        """The part of the box that lies in a region: lowest voxel, highest exclusive."""
        corner = np.array(record.region, np.int64) * REGION
        return np.maximum(self.low, corner), np.minimum(self.high, corner + REGION)


def select(world: World, options: ExportOptions) -> Selection:
    """The box that the options ask for, cropped to what the world holds. UserError if it is empty."""
    meta, level = world.meta, options.level
    if not 0 <= level < meta.n_levels:
        raise UserError(f"--level {level}: this world has levels 0 to {meta.n_levels - 1}")
    low, high = (np.array(corner, np.int64) for corner in meta.bounds_voxels)
    low, high = low >> level, -(-high >> level)
    if options.bounds_m is not None:
        if not all(a < b for a, b in zip(*options.bounds_m, strict=True)):
            raise UserError("--bounds takes the lower corner first: X0,Y0,Z0,X1,Y1,Z1")
        # As a bake crops: a voxel is in if its centre is, so two crops that share a face share no voxel.
        edges = np.ceil(np.array(options.bounds_m) / (meta.voxel_size_m * 2**level) - 0.5)
        first, last = np.clip(edges, -(2.0**40), 2.0**40).astype(np.int64)
        low, high = np.maximum(low, first), np.minimum(high, last)
    if options.region is not None:
        corner = np.array(options.region, np.int64) * REGION
        low, high = np.maximum(low, corner), np.minimum(high, corner + REGION)
    selection = Selection(world, level, low, high)
    if (low >= high).any() or not selection.records():
        raise UserError("nothing of the world lies there: `voxtide info` tells its bounds")
    return selection


def voxels(selection: Selection) -> Iterator[tuple[Corner, I64, U8]]:
    """Region by region: (region, voxels [N, 3], rgba [N, 4]), N >= 1, in the order of storage."""
    for record in selection.records():
        low, high = selection.box_of(record)
        region = selection.world.read_region(record)
        found, colours = [], []
        for chunk, packed in zip(region.chunks, region.packed, strict=True):
            corner = chunk * CHUNK
            if (corner + CHUNK > low).all() and (corner < high).all():
                occupied, rgba = split(packed)
                at = address.local_of_mask_index(np.flatnonzero(occupied)) + corner
                inside = ((at >= low) & (at < high)).all(axis=1)
                found.append(at[inside])
                colours.append(rgba[inside])
        if sum(map(len, found)):
            yield record.region, np.concatenate(found), np.concatenate(colours)


def read_box(selection: Selection, low: I64, high: I64) -> U8:
    """A box of voxels, dense: [z, y, x, 4] uint8, zeros where empty and outside the selection."""
    out = np.zeros((*(high - low)[::-1].tolist(), 4), np.uint8)
    first, last = np.maximum(low, selection.low), np.minimum(high, selection.high)
    if (first >= last).any():
        return out
    axes = [
        np.arange(a, b) for a, b in zip(first >> CHUNK_BITS, (last + CHUNK - 1) >> CHUNK_BITS, strict=True)
    ]
    chunks = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    found = selection.world.read_packed(address.chunk_id(selection.level, chunks))
    for chunk, packed in zip(chunks * CHUNK, found, strict=True):
        if packed is not None:
            a, b = np.maximum(chunk, first), np.minimum(chunk + CHUNK, last)
            out[_slices(a - low, b - low)] = unpack(packed)[_slices(a - chunk, b - chunk)]
    return out


def _slices(low: I64, high: I64) -> tuple[slice, ...]:
    """(z, y, x) slices of a box (x, y, z)."""
    return tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))


def triple(values: I64) -> Corner:
    x, y, z = (int(v) for v in values)
    return x, y, z
