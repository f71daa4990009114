"""The octree of slots: which chunk lies where, and which of its children are resident.

The table lives twice: here, and as one uint32 buffer on the GPU (`pages` in shaders/include/pages.glsl):
the root grid's entries first, then eight child entries per slot. Every change is returned as the
(address, entry) pairs that bring the GPU's copy up to date, so nothing is compared or sent twice.

A chunk is published after its data is in its slot and after its parent; an entry is cleared before
its slot is reused. Hence a ray that finds an entry always finds data behind it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .address import chunk_id, chunk_of_id, octant_of_chunk, parent
from .layout import CHUNK, ENTRY_NONE, ENTRY_RESIDENT

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class RootGrid:
    """The chunks of the coarsest level, a small dense grid that every ray starts from.

    origin, size: [3] int64, chunks of `level`.
    """

    level: int
    origin: NDArray[np.int64]
    size: NDArray[np.int64]

    @property
    def corner_voxel(self) -> NDArray[np.int64]:
        """Level-0 voxel from which rays count. [3] int64"""
        return (self.origin * CHUNK) << self.level

    @property
    def n_chunks(self) -> int:
        return int(np.prod(self.size))


def root_grid(level: int, bounds_lo: NDArray[np.int64], bounds_hi: NDArray[np.int64]) -> RootGrid:
    """The grid of level-`level` chunks that covers the level-0 voxels [bounds_lo, bounds_hi)."""
    lo = np.asarray(bounds_lo, np.int64) >> (level + 4)
    hi = (np.asarray(bounds_hi, np.int64) - 1) >> (level + 4)
    return RootGrid(level, lo, hi - lo + 1)


@dataclass(slots=True)
class PageTable:
    """Slots of resident chunks and the entries that lead to them."""

    root: RootGrid
    n_slots: int
    entries: U32 = field(init=False)  # [n_root + 8 n_slots]
    slot_of: dict[int, int] = field(init=False, default_factory=dict)  # chunk id -> slot

    def __post_init__(self) -> None:
        self.entries = np.full(self.root.n_chunks + 8 * self.n_slots, ENTRY_NONE, np.uint32)

    def addresses(self, ids: U64) -> NDArray[np.int64]:
        """Where the entries of these chunks lie: in the root grid, or in their parent's eight.

        [N] uint64 -> [N] int64. KeyError if a parent is not resident; ValueError outside the root grid.
        """
        level, chunk = chunk_of_id(ids)
        at = np.empty(len(level), np.int64)
        top = level == self.root.level
        if top.any():
            cell = chunk[top] - self.root.origin
            if ((cell < 0) | (cell >= self.root.size)).any():
                raise ValueError("chunk outside the root grid")
            nx, ny, _ = self.root.size
            at[top] = cell[:, 0] + nx * (cell[:, 1] + ny * cell[:, 2])
        below = ~top
        if below.any():
            parents = chunk_id(level[below] + 1, parent(chunk[below]))
            slots = np.array([self.slot_of[int(p)] for p in parents], np.int64)
            at[below] = self.root.n_chunks + slots * 8 + octant_of_chunk(chunk[below])
        return at

    def is_reachable(self, ids: U64) -> NDArray[np.bool_]:
        """Whether these chunks have a place: in the root grid, or below a resident parent. [N] -> [N] bool"""
        level, chunk = chunk_of_id(ids)
        cell = chunk - self.root.origin
        inside = ((cell >= 0) & (cell < self.root.size)).all(axis=-1)
        # Above the root no chunk has a parent; the level is taken down only to keep the id in range.
        parents = chunk_id(np.minimum(level + 1, self.root.level), parent(chunk))
        below = np.array([p in self.slot_of for p in parents.tolist()], bool)
        return np.where(level == self.root.level, inside, below & (level < self.root.level))

    def publish(self, ids: U64, slots: NDArray[np.int64]) -> U32:
        """Make filled slots reachable. Parents must be resident or come earlier in the same call.

        ids [N] uint64, slots [N] -> [N, 2] uint32 (address, entry), in the order given.
        """
        for chunk, slot in zip(ids.tolist(), slots.tolist(), strict=True):
            assert chunk not in self.slot_of, f"chunk {chunk:#x} is resident already"
            self.slot_of[chunk] = slot
        return self._write(self.addresses(ids), slots.astype(np.uint32) | np.uint32(ENTRY_RESIDENT))

    def withdraw(self, ids: U64) -> tuple[U32, NDArray[np.int64]]:
        """Make chunks unreachable, before their slots are reused. Children must be gone already.

        -> ([N, 2] uint32 (address, ENTRY_NONE), [N] int64 slots that are free once the GPU has it)
        """
        at = self.addresses(ids)
        slots = np.array([self.slot_of[i] for i in ids.tolist()], np.int64)
        gone = self.root.n_chunks + slots[:, None] * 8 + np.arange(8)
        writes = self._write(at, np.full(len(at), ENTRY_NONE, np.uint32))
        assert (self.entries[gone] == ENTRY_NONE).all(), "a chunk with a resident child was withdrawn"
        for i in ids.tolist():
            del self.slot_of[i]
        return writes, slots

    def _write(self, at: NDArray[np.int64], values: U32) -> U32:
        self.entries[at] = values
        return np.stack([at.astype(np.uint32), values], axis=1)
