"""Chunks of an island at any level, many at a time: the ground, then what stands on it, packed.

What stands on a tile is worked out once and kept for a while. On levels whose voxels are wider than a tree's
place it is not drawn; the ground is made so much higher there that nothing below is lost.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..atlas import address
from ..atlas.layout import CHUNK, CHUNK_BITS, CHUNK_VOXELS
from . import island_colours as colours
from .island import Columns, Ground, columns
from .island_shape import SEA_Z, UNIT, snow_line
from .island_things import REACH_M, TALLEST_M, coarse_level, things_on, tile_level
from .solids import Solids, boxes, joined, ragged, voxels_in

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Edge = tuple[int, int]

N_SOLIDS = 400_000  # kept: 104 bytes each; a tile has some 60 coarse or 400 fine ones
BATCH = 128  # chunk columns worked out together: 16 kB of colours a chunk, and arrays that fit a cache

_MASK_INDEX = address.mask_index(
    np.stack(np.meshgrid(*[np.arange(CHUNK)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
).reshape(CHUNK, CHUNK, CHUNK)  # by local x, y, z


@dataclass(slots=True)
class Island:
    """An island cut to a square. Any thread may ask for chunks."""

    ground: Ground
    low: Edge  # (x, y) of its first column
    high: Edge  # exclusive
    tiles: OrderedDict[tuple[bool, int, int], Solids] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def last_drawn_level(island: Island) -> int:
    """Things are drawn up to this level, and only allowed for above it."""
    return tile_level(island.ground.shape) - 2


def make_chunks(island: Island, level: int, chunks: I64) -> list[bytes | None]:
    """[N, 3] chunks of a level -> N packed chunks, None where nothing is."""
    out: list[bytes | None] = [None] * len(chunks)
    order = np.lexsort((chunks[:, 2], chunks[:, 1], chunks[:, 0]))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        for row, packed in zip(rows.tolist(), _made(island, level, chunks[rows]), strict=True):
            out[row] = packed
    return out


@dataclass(frozen=True, slots=True)
class Surface:
    """Chunk columns of an island: the ground, and the room of what stands on it. [N, 16, 16] each."""

    columns: Columns
    room: I64  # highest level-0 voxel that a thing may occupy there; below the ground it may not be either
    inside: NDArray[np.bool_]  # of the square


def surface(island: Island, level: int, xy: I64) -> Surface:
    """Chunk columns [N, 2] of a level. All bounds hold those of finer levels."""
    shape = island.ground.shape
    c = columns(island.ground, level, xy[:, 0], xy[:, 1])
    cells = [(xy[:, axis, None] << CHUNK_BITS) + np.arange(CHUNK) for axis in (0, 1)]
    edges = zip(cells, island.low, island.high, strict=True)
    within_x, within_y = ((v >= lo >> level) & (v <= (hi - 1) >> level) for v, lo, hi in edges)
    x, y = (v << level for v in cells)
    # more than the line rises within the column
    snow = snow_line(shape, x[:, None, :], y[:, :, None]) // UNIT + (2 << level)
    land = (c.high > SEA_Z + shape.length(0.5)) & (c.low < SEA_Z + snow)
    room = np.where(land, c.high + shape.length(TALLEST_M), c.high)
    return Surface(c, room, within_x[:, None, :] & within_y[:, :, None])


def _made(island: Island, level: int, chunks: I64) -> list[bytes | None]:
    xy, at = np.unique(chunks[:, :2], axis=0, return_inverse=True)
    at = at.ravel()
    here = surface(island, level, xy)
    pixels = np.zeros((len(chunks), CHUNK_VOXELS, 4), np.uint8)
    _draw_ground(island, level, chunks, at, here, pixels)
    if level <= last_drawn_level(island):
        _draw_things(island, level, chunks, at, here, pixels)
    return _packed(pixels)


def _draw_ground(island: Island, level: int, chunks: I64, at: I64, here: Surface, pixels: U8) -> None:
    shape, c = island.ground.shape, here.columns
    base = chunks[:, 2, None, None] << CHUNK_BITS
    high = c.high if level <= last_drawn_level(island) else here.room
    first = np.maximum((c.low >> level)[at] - base, 0)
    last = np.minimum((high >> level)[at] - base, CHUNK - 1)
    count = np.where(here.inside[at], np.maximum(last - first + 1, 0), 0).ravel()
    occupied = np.flatnonzero(count)
    if occupied.size == 0:
        return
    item, up = ragged(count[occupied])
    place = occupied[item]
    chunk, column = place >> 2 * CHUNK_BITS, place & CHUNK * CHUNK - 1
    local = np.column_stack([column & CHUNK - 1, column >> CHUNK_BITS, first.ravel()[place] + up])
    x, y, z = ((chunks[chunk] << CHUNK_BITS) + local).T
    source = at[chunk] << 2 * CHUNK_BITS | column
    height, slope, tone = (v.ravel()[source] for v in (c.height, c.slope, c.tone))
    row, shade = colours.ground_rows(shape, height, slope, tone, snow_line(shape, x << level, y << level))
    rock = row == colours.ROCK
    row[rock] = colours.strata(shape, z[rock] << level, tone[rock])
    shade += colours.grain(x, y, z, level)
    pixels[chunk, _MASK_INDEX[local[:, 0], local[:, 1], local[:, 2]]] = colours.rgba(row, shade, level)


def _draw_things(island: Island, level: int, chunks: I64, at: I64, here: Surface, pixels: U8) -> None:
    owner, solids = _things_in(island, level, chunks)
    if owner.size == 0:
        return
    which, local = voxels_in(solids, level, chunks[owner] << CHUNK_BITS)
    chunk = owner[which]
    z = (chunks[chunk, 2] << CHUNK_BITS) + local[:, 2]
    place = at[chunk], local[:, 1], local[:, 0]
    shown = here.inside[place] & (z >= here.columns.low[place] >> level) & (z <= here.room[place] >> level)
    which, local, chunk, z = which[shown], local[shown], chunk[shown], z[shown]
    x, y, _ = ((chunks[chunk] << CHUNK_BITS) + local).T
    row, shade = colours.thing_rows(island.ground.shape, solids.take(which), x, y, z, level)
    shade += colours.grain(x, y, z, level)
    # of several writes to one voxel NumPy keeps the last: the later solid
    pixels[chunk, _MASK_INDEX[local[:, 0], local[:, 1], local[:, 2]]] = colours.rgba(row, shade, level)


def _things_in(island: Island, level: int, chunks: I64) -> tuple[I64, Solids]:
    """(chunk [K], solid [K]) pairs whose boxes meet, for each chunk in the order of its solids."""
    shift = tile_level(island.ground.shape)
    reach = island.ground.shape.length(REACH_M) + 1
    low = chunks << level + CHUNK_BITS
    high = low + (CHUNK << level) - 1
    first, last = (low[:, :2] - reach) >> shift, (high[:, :2] + reach) >> shift
    size = last - first + 1
    owner, place = ragged(size[:, 0] * size[:, 1])
    tile = first[owner] + np.column_stack([place % size[owner, 0], place // size[owner, 0]])
    wanted, tile_at = np.unique(tile, axis=0, return_inverse=True)
    found = _tiles(island, wanted, level >= coarse_level(island.ground.shape))
    order = np.argsort(tile_at.ravel(), kind="stable")
    ends = np.searchsorted(tile_at.ravel()[order], np.arange(len(wanted) + 1))
    owners, parts = [np.empty(0, np.int64)], []
    for i, solids in enumerate(found):
        here = owner[order[ends[i] : ends[i + 1]]]
        box = boxes(solids)
        meet = np.ones((len(here), len(solids)), bool)
        for axis in range(3):
            meet &= box[None, :, axis] <= high[here, axis, None]
            meet &= box[None, :, axis + 3] >= low[here, axis, None]
        chunk, solid = np.nonzero(meet)
        if solid.size:
            owners.append(here[chunk])
            parts.append(solids.take(solid))
    return np.concatenate(owners), joined(parts) if parts else joined([found[0].take(np.empty(0, np.int64))])


def _tiles(island: Island, tiles: I64, coarse: bool) -> list[Solids]:
    """What stands on tiles [T, 2], from the store or worked out."""
    keys = [(coarse, x, y) for x, y in tiles.tolist()]
    with island.lock:
        known = {key: island.tiles[key] for key in keys if key in island.tiles}
        for key in known:
            island.tiles.move_to_end(key)
    missing = [key for key in keys if key not in known]
    if not missing:
        return [known[key] for key in keys]
    for start in range(0, len(missing), BATCH):
        some = missing[start : start + BATCH]
        known |= dict(
            zip(some, things_on(island.ground, np.array([key[1:] for key in some]), coarse), strict=True)
        )
    with island.lock:
        island.tiles.update((key, known[key]) for key in missing)
        n_solids = sum(len(solids) for solids in island.tiles.values())
        while n_solids > N_SOLIDS:
            n_solids -= len(island.tiles.popitem(last=False)[1])
    return [known[key] for key in keys]


def _packed(pixels: U8) -> list[bytes | None]:
    """[N, 4096, 4] in mask order -> packed chunks, as `atlas.chunk.pack` makes them."""
    occupied = pixels[:, :, 3] != 0
    masks = np.packbits(occupied, axis=1, bitorder="little")
    values = pixels.reshape(-1, 4).view(np.uint32).ravel()[occupied.ravel()]
    ends = np.cumsum(occupied.sum(1)).tolist()
    return [
        None if end == start else masks[i].tobytes() + values[start:end].tobytes()
        for i, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
    ]
