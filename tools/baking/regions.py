"""Stage 2: everything that was summed up in one region -> its file. Any order of the runs, the same bytes."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atlas import address, chunk
from ...atlas.lod import LINEAR_OF_SRGB, SRGB_OF_LINEAR
from ...streamer.manifest import RegionRecord
from ...streamer.writer import write_region_file
from ..bake_options import BakeOptions
from ..pyramid import Levels, plane_regions_of
from ..voxelise import semantic, updated
from ..voxelise.kinds import KINDS
from ..voxelise.semantic import Votes
from ..voxelise.sums import Sums
from ..voxelise.updated import Seen
from .spill import ATTRIBUTES, Block, Columns, Corner

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Keys = NDArray[np.int32]  # of voxels in a region, see `spill.Run`
Box = tuple[Corner, Corner]  # lowest voxel, highest exclusive
Parts = list[tuple[NDArray[np.int32], Columns]]
N_CHUNKS = 1 << 12  # of a region


@dataclass(frozen=True, slots=True)
class Finest:
    """A region of level 0 as it was written, and the box of its voxels; both None where it stayed empty."""

    record: RegionRecord | None
    box: Box | None


def region_unit(
    out: Path,
    region: Corner,
    blocks: Sequence[Block],
    options: BakeOptions,
    most_rows: int,
    stay: Keys | None = None,
) -> Finest:
    """Merge, resolve, pack and write one region. A worker does this. OSError, WorldError (a spilled run).

    stay: keys, ascending, that are kept of the kinds that carve; None: all.
    """
    morton: list[I64] = []
    packed: list[bytes] = []
    keys, boxes = [], []
    colour = [block for block in blocks if block.kind not in ATTRIBUTES]
    for key, rgba in voxels_of(region, colour, options, most_rows, stay):
        codes, chunks = chunk.pack_sorted(key, rgba)
        morton.append(codes)
        packed += chunks
        boxes.append(box_of(region, key))
        keys.append(key)
    if not packed:
        return Finest(None, None)
    planes = planes_of(region, [b for b in blocks if b.kind in ATTRIBUTES], keys)
    record = write_region_file(out, 0, region, np.concatenate(morton), packed, options.codec, planes)
    return Finest(record, union(boxes))


def voxels_of(
    region: Corner,
    blocks: Sequence[Block],
    options: BakeOptions,
    most_rows: int,
    stay: Keys | None = None,
) -> Iterator[tuple[I64, U8]]:
    """The solid voxels of a region -> (key [M] ascending, rgba [M, 4]), about most_rows sums at a time.

    key: Morton code of the chunk << 12 | mask index. No chunk is parted.
    """
    if sum(block.n_rows for block in blocks) <= most_rows:
        cuts = [0, N_CHUNKS]
    else:
        per_chunk = sum(np.bincount(block.load()[0] >> 12, minlength=N_CHUNKS) for block in blocks)
        assert isinstance(per_chunk, np.ndarray)
        filled = np.cumsum(per_chunk) // most_rows  # how many parts are full after each chunk
        cuts = [0, *(np.flatnonzero(np.diff(filled)) + 1).tolist(), N_CHUNKS]
    for first, last in itertools.pairwise(cuts):
        of_kind: dict[str, Parts] = defaultdict(list)
        for block in blocks:
            narrow, columns = block.load()
            rows = slice(*np.searchsorted(narrow, (first << 12, last << 12)))
            of_kind[block.kind].append((narrow[rows], {name: c[rows] for name, c in columns.items()}))
        resolved = [_resolved(kind, region, of_kind[kind], options, stay) for kind in sorted(of_kind)]
        key, rgba = resolved[0] if len(resolved) == 1 else _together(resolved)
        if key.size:
            yield key, rgba


def _resolved(
    kind: str, region: Corner, parts: Parts, options: BakeOptions, stay: Keys | None
) -> tuple[I64, U8]:
    """Sums of one kind, added up -> (keys of the solid voxels, rgba)."""
    keys = np.concatenate([key for key, _ in parts]).astype(np.int64)
    if not keys.size:
        return np.empty(0, np.int64), np.empty((0, 4), np.uint8)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)
    key = ordered[starts]
    columns = {
        name: np.add.reduceat(np.concatenate([c[name] for _, c in parts]).take(order, axis=0), starts)
        for name in parts[0][1]
    }
    summed = Sums(voxels_at(region, key).astype(np.int32), **columns)
    solid, coverage = KINDS[kind].resolve(summed, options)
    if stay is not None and KINDS[kind].carves:
        solid &= np.isin(key, stay, assume_unique=True)
    there = Sums(*(getattr(summed, name)[solid] for name in Sums.__slots__))
    return key[solid], np.concatenate([KINDS[kind].colour(there), coverage[solid, None]], axis=1)


def planes_of(region: Corner, blocks: Sequence[Block], keys: list[I64]) -> dict[str, tuple[I64, list[bytes]]]:
    """The attributes of a region whose voxels are at these keys, packed, by plane."""
    rows: dict[str, Parts] = defaultdict(list)
    for block in blocks:
        rows[block.kind].append(block.load())
    if not rows:
        return {}
    level = voxels_at(region, np.concatenate(keys))
    found: Levels = {}
    for name, parts in rows.items():
        at = voxels_at(region, np.concatenate([key for key, _ in parts]).astype(np.int64)).astype(np.int32)
        columns = {c: np.concatenate([held[c] for _, held in parts]) for c in ATTRIBUTES[name]}
        if name == "semantic":
            votes = Votes(at, columns["ids"].astype(np.uint32), columns["weight"])
            found[name] = semantic.within(*semantic.resolve(semantic.merge([votes])), level)
        else:
            seen = updated.merge([Seen(at, columns["n"])])
            found[name] = semantic.within(*updated.resolve(seen), level)
    return plane_regions_of(found).get(region, {})


def _together(resolved: list[tuple[I64, U8]]) -> tuple[I64, U8]:
    """Voxels of several kinds in one place: coverage-weighted mean in linear light, the largest coverage."""
    keys = np.concatenate([key for key, _ in resolved])
    rgba = np.concatenate([colours for _, colours in resolved])
    order = np.argsort(keys, kind="stable")
    if not order.size:
        return keys, rgba
    ordered = keys[order]
    starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)
    coverage = rgba[order, 3].astype(np.int64)
    weight = np.add.reduceat(coverage, starts)[:, None]
    light = np.add.reduceat(LINEAR_OF_SRGB[rgba[order, :3]] * coverage[:, None], starts)
    colour = SRGB_OF_LINEAR[(2 * light + weight) // (2 * weight)]
    top = np.maximum.reduceat(rgba[order, 3], starts)
    return ordered[starts], np.concatenate([colour, top[:, None]], axis=1)


def voxels_at(region: Corner, key: I64) -> I64:
    """Keys in a region -> voxels [M, 3] int64."""
    inside = address.chunk_of_morton(key >> 12) * 16 + address.local_of_mask_index(key & 4095)
    return address.voxel_at(np.array(region), inside)


def box_of(region: Corner, key: I64) -> Box:
    """Tight box of keys [M] in a region, M >= 1."""
    return box_of_voxels(voxels_at(region, key))


def box_of_voxels(voxels: I64) -> Box:
    """Tight box of voxels [M, 3], M >= 1."""
    return _corner(voxels.min(0)), _corner(voxels.max(0) + 1)


def union(boxes: Sequence[Box]) -> Box:
    """The box around boxes, at least one."""
    low = np.min([low for low, _ in boxes], axis=0)
    return _corner(low), _corner(np.max([high for _, high in boxes], axis=0))


def _corner(values: I64) -> Corner:
    x, y, z = (int(v) for v in values)
    return x, y, z
