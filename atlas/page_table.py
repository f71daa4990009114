"""The octree of slots: which chunk lies where, and which of its children are resident.

The table lives twice: here, and as one uint32 buffer on the GPU (`pages` in shaders/include/pages.glsl):
the root grid's entries first, then eight child entries per slot. Every change is returned as the
(address, entry) pairs that bring the GPU's copy up to date, so nothing is compared or sent twice.

A chunk is published after its data is in its slot and after its parent; an entry is cleared before
its slot is reused. Hence a ray that finds an entry always finds data behind it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .address import chunk_id, chunk_of_id
from .family import level_of_id, octant_of_id, parent_id
from .id_map import NOWHERE, IdMap
from .layout import CHUNK, CHUNK_BITS, ENTRY_EMPTY, ENTRY_NONE, ENTRY_RESIDENT, MIN_PINNED_LEVEL

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class RootGrid:
    """The chunks of the coarsest level, a small dense grid that every ray starts from.

    origin, size: [3] int64, chunks of `level`.
    """

    level: int
    origin: I64
    size: I64

    @property
    def corner_voxel(self) -> I64:
        """Level-0 voxel from which rays count. [3] int64"""
        return (self.origin * CHUNK) << self.level

    @property
    def n_chunks(self) -> int:
        return int(np.prod(self.size))

    @property
    def ids(self) -> U64:
        """Every chunk of the grid, in the order of its entries. [n_chunks] uint64"""
        nx, ny, nz = self.size
        z, y, x = np.unravel_index(np.arange(self.n_chunks), (nz, ny, nx))
        return chunk_id(self.level, np.stack([x, y, z], axis=-1) + self.origin)


def root_grid(level: int, bounds_lo: I64, bounds_hi: I64) -> RootGrid:
    """The grid of level-`level` chunks that covers the level-0 voxels [bounds_lo, bounds_hi)."""
    lo = np.asarray(bounds_lo, np.int64) >> (level + CHUNK_BITS)
    hi = (np.asarray(bounds_hi, np.int64) - 1) >> (level + CHUNK_BITS)
    return RootGrid(level, lo, hi - lo + 1)


class PageTable:
    """Slots of resident chunks and the entries that lead to them."""

    __slots__ = ("chunks", "entries", "root")

    def __init__(self, root: RootGrid, n_slots: int) -> None:
        self.root = root
        self.chunks = IdMap()  # resident ones
        self.entries: U32 = np.full(root.n_chunks + 8 * n_slots, ENTRY_NONE, np.uint32)

    def addresses(self, ids: U64) -> I64:
        """Where the entries of these chunks lie: in the root grid, or in their parent's eight.

        [N] uint64 -> [N] int64, NOWHERE for a chunk that has no place: its parent is not resident, or it is
        outside the root grid.
        """
        level = level_of_id(ids)
        slots = self.chunks.find(parent_id(ids))
        at = np.where(slots == NOWHERE, NOWHERE, self.root.n_chunks + slots * 8 + octant_of_id(ids))
        high = np.flatnonzero(level >= self.root.level)
        if high.size:  # above the root no chunk has a place
            at[high] = np.where(level[high] == self.root.level, self._at_root(ids[high]), NOWHERE)
        return at

    def _at_root(self, ids: U64) -> I64:
        cell = chunk_of_id(ids)[1] - self.root.origin
        inside = ((cell >= 0) & (cell < self.root.size)).all(axis=-1)
        nx, ny, _ = self.root.size
        return np.where(inside, cell[:, 0] + nx * (cell[:, 1] + ny * cell[:, 2]), NOWHERE)

    def is_reachable(self, ids: U64) -> NDArray[np.bool_]:
        """Whether these chunks have a place: in the root grid, or below a resident parent. [N] -> [N]"""
        return np.asarray(self.addresses(ids) != NOWHERE)

    def publish(self, ids: U64, slots: I64) -> U32:
        """Make filled slots reachable. Parents must be resident or in the same call.

        ids [N] uint64, slots [N] -> [N, 2] uint32 (address, entry), in the order given.
        AssertionError if a chunk is resident already, or has no place.
        """
        self.chunks.add(ids, slots)
        return self._write(self.addresses(ids), slots.astype(np.uint32) | np.uint32(ENTRY_RESIDENT))

    def publish_empty(self, ids: U64) -> U32:
        """Tell that chunks hold no voxel, although their parents' voxels said they might. -> writes"""
        return self._write(self.addresses(ids), np.full(ids.size, ENTRY_EMPTY, np.uint32))

    def withdraw(self, ids: U64, at: I64) -> tuple[U32, I64]:
        """Make chunks unreachable, before their slots are reused. Children must be gone already.

        ids [N], at [N] the addresses that `publish` wrote for them
        -> ([N, 2] uint32 (address, entry), [N] int64 slots that are free once the GPU has it). The
        writes also forget which children of these slots were known to be empty.
        """
        slots = self.chunks.remove(ids)
        children = self.root.n_chunks + slots[:, None] * 8 + np.arange(8)
        known = self.entries[children]
        assert not (known & np.uint32(ENTRY_RESIDENT)).any(), "a chunk with a resident child was withdrawn"
        stale = children[known != ENTRY_NONE]
        gone = np.concatenate([at, stale])
        return self._write(gone, np.full(gone.size, ENTRY_NONE, np.uint32)), slots

    def slots_around(self, voxels: I64) -> dict[int, int]:
        """The resident chunks that hold all of some level-0 voxels, down to the finest level that is pinned.

        [N, 3] int64 -> {level: slot} from the root downwards, without a gap; empty outside the world
        """
        lo, hi = (self.root.origin << self.root.level), (self.root.origin + self.root.size << self.root.level)
        if ((voxels >> CHUNK_BITS < lo) | (voxels >> CHUNK_BITS >= hi)).any():
            return {}
        levels = np.arange(self.root.level, min(MIN_PINNED_LEVEL, self.root.level) - 1, -1)
        chunks = voxels[:, None, :] >> (levels[:, None] + CHUNK_BITS)  # [N, levels, 3]
        one = (chunks == chunks[0]).all(axis=(0, 2))
        slots = self.chunks.find(chunk_id(levels, chunks[0]))
        found: dict[int, int] = {}
        for level, slot, same in zip(levels.tolist(), slots.tolist(), one.tolist(), strict=True):
            if slot == NOWHERE or not same:
                break
            found[level] = slot
        return found

    def _write(self, at: I64, values: U32) -> U32:
        assert (at != NOWHERE).all(), "a chunk without a resident parent, or outside the root grid"
        self.entries[at] = values
        return np.stack([at.astype(np.uint32), values], axis=1)
