"""Slots: where a chunk lies in the atlas, and who has which.

Slot s is chunk (s & 15, s >> 4 & 15, s >> 8 & 15) of layer s >> 12; a voxel of it is found in the
layer's 4096^2 texels through the UVW bijection. What lies there is the page table's business.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layout import CHUNK, CHUNK_BITS, ENTRY_SLOT_MASK, REGION_CHUNKS, SLOTS_PER_LAYER
from .uvw import voxel_to_atlas

Int = NDArray[np.int64]
U64 = NDArray[np.uint64]

MAX_SLOTS = ENTRY_SLOT_MASK + 1  # what a page entry can name


def slot_origin(slot: ArrayLike) -> tuple[Int, Int]:
    """Layer and chunk position of slots.

    [...] int -> (layer [...], chunk [..., 3] (x, y, z) in [0, 16)), both int64
    ValueError: a slot outside [0, 2^24).
    """
    s = np.asarray(slot)
    if s.dtype.kind not in "iu" or (s.size and (s.min() < 0 or s.max() >= MAX_SLOTS)):
        raise ValueError(f"slots are integers in [0, {MAX_SLOTS})")
    s = s.astype(np.int64)
    chunk = np.stack([s >> CHUNK_BITS * axis & (REGION_CHUNKS - 1) for axis in range(3)], axis=-1)
    return s // SLOTS_PER_LAYER, chunk


def atlas_texel(slot: ArrayLike, local: ArrayLike) -> tuple[Int, Int, Int]:
    """Texel of voxels of chunks in slots. slot [...], local [..., 3] in [0, 16) -> (layer, x, y) int64.

    ValueError: a slot or a local voxel out of range.
    """
    p = np.asarray(local)
    if p.dtype.kind not in "iu" or (p.size and (p.min() < 0 or p.max() >= CHUNK)):
        raise ValueError("local voxel outside the chunk")
    layer, chunk = slot_origin(slot)
    uvw = chunk * CHUNK + p.astype(np.int64)
    x, y = voxel_to_atlas(uvw[..., 0], uvw[..., 1], uvw[..., 2])
    return np.broadcast_to(layer, x.shape), x, y


class SlotPool:
    """A fixed number of slots: each is free, or owned by one chunk (`address.chunk_id`).

    owner [n_slots] uint64 and taken [n_slots] bool may be read by anyone; owner means something
    only where taken. The lowest slots go first, and a slot given back is the next one taken.
    """

    __slots__ = ("_free", "n_free", "owner", "taken")

    def __init__(self, n_slots: int) -> None:
        """All free. ValueError unless 0 < n_slots <= 2^24."""
        if not 0 < n_slots <= MAX_SLOTS:
            raise ValueError(f"n_slots is 1..{MAX_SLOTS}, not {n_slots}")
        self._free = np.arange(n_slots - 1, -1, -1, dtype=np.int64)  # a stack: the top is at n_free - 1
        self.n_free = n_slots
        self.owner: U64 = np.zeros(n_slots, np.uint64)
        self.taken: NDArray[np.bool_] = np.zeros(n_slots, bool)

    @property
    def n_slots(self) -> int:
        """Free and taken together."""
        return self.taken.size

    def take(self, owners: U64) -> Int:
        """A slot for each owner. [n] uint64 chunk ids -> [n] int64.

        IndexError, and nothing has changed, if fewer are free.
        """
        n = owners.size
        if n > self.n_free:
            raise IndexError(f"{n} slots wanted, {self.n_free} of {self.n_slots} free")
        slots = self._free[self.n_free - n : self.n_free][::-1].copy()
        self.n_free -= n
        self.owner[slots] = owners
        self.taken[slots] = True
        return slots

    def give(self, slots: Int) -> None:
        """Free slots. [n] int64, each taken and named once: anything else is a bug of the caller."""
        assert slots.size == 0 or (slots.min() >= 0 and slots.max() < self.n_slots), "no such slot"
        assert self.taken[slots].all(), "a free slot was given back"
        self.taken[slots] = False
        each_once = np.count_nonzero(self.taken) == self.n_slots - self.n_free - slots.size
        if not each_once:
            self.taken[slots] = True
        assert each_once, "a slot was given back twice at once"
        self._free[self.n_free : self.n_free + slots.size] = slots
        self.n_free += slots.size
