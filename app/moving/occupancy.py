"""What is occupied near the user, known on the CPU: a thread reads masks, the main thread looks them up.

The main thread says where the user is (`look_around`) by one assignment and asks (`ask`) what is known by
now; it reads nothing and waits for nothing. The thread walks down from the root: a chunk is read only where
its parent's mask says that something is there. Masks are 512 bytes; the least recently wanted leave first.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...atlas.address import CHUNK_AXIS_BITS, CHUNK_BIAS, chunk_id
from ...atlas.layout import CHUNK_BITS, MASK_BYTES
from ...atlas.streams import Stream, masks
from ...streamer.chunk_source import ChunkSource
from ...streamer.descent import present
from ...streamer.errors import WorldError

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Bool = NDArray[np.bool_]

MAX_MASKS = 1 << 16  # 34 MB
STEP_CHUNKS = 512  # read at once, before the thread looks where the user is now
IDLE_S = 0.02  # between looks for a new place
_REST = 0.1  # of its reach the eye may move before its surroundings are looked through again
_NOTHING = np.zeros(MASK_BYTES // 8, np.uint64)
_NEAR_CELLS = 4  # of each level around the eye, so that what is near is known: twice solid.near_voxels'
Boxes = list[tuple[I64, I64]]  # [lo, hi) by level, voxels of that level


class Occupancy:
    """Who answers `solid.Ask` for a world. `close` stops its thread."""

    def __init__(self, source: ChunkSource, read: Callable[[U64], Sequence[Stream | None]] | None = None):
        """read: how to get chunks, if not from the source; as its read_many, called on the thread."""
        self.n_levels = source.meta.n_levels
        self.voxel_size_m = source.meta.voxel_size_m
        self._bounds = tuple(np.array(corner, np.int64) for corner in source.meta.bounds_voxels)
        self._source, self._read = source, read
        self._masks: OrderedDict[int, NDArray[np.uint64]] = OrderedDict()  # written by the thread alone
        self._bad: set[int] = set()  # could not be read: never known, and not tried again
        self._looked = np.full(3, np.inf), 0.0  # from where, and how far, when a wish was last made
        self._wish: Boxes | None = None
        self._done: Boxes | None = None  # the wish that has been granted
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="voxtide-occupancy", daemon=True)
        self._thread.start()

    def look_around(self, eye_m: tuple[float, float, float], reach_m: float = 0.0, finest: int = 0) -> None:
        """Say where the eye is: what lies around it becomes known. Never waits.

        reach_m  know every voxel of the box that reaches so far to all sides, not only what is about the eye,
                 down to level `finest`
        """
        eye = np.array(eye_m) / self.voxel_size_m
        moved = np.abs(eye - self._looked[0]).max() * self.voxel_size_m
        if reach_m == self._looked[1] and moved <= reach_m * _REST:
            return  # the thread has better to do than to look the same box through in each frame
        self._looked = eye, reach_m
        boxes = []
        for level in range(self.n_levels):
            reach = reach_m / self.voxel_size_m / 2**level if level >= finest else 0.0
            cells = max(reach, _NEAR_CELLS)
            at = eye / 2**level
            boxes.append((np.floor(at - cells).astype(np.int64), np.ceil(at + cells).astype(np.int64) + 1))
        self._wish = boxes

    def ask(self, level: int, voxels: I64) -> tuple[Bool, Bool]:
        """[N, 3] voxels of a level -> (occupied [N], known [N]). Never waits.

        Outside the world's bounds nothing is, and below an empty voxel of a coarser level nothing is.
        """
        occupied, known = np.zeros(len(voxels), bool), np.zeros(len(voxels), bool)
        lo, hi = self._bounds
        out = ((voxels + 1 << level <= lo) | (voxels << level >= hi)).any(axis=1)
        known[out] = True
        rest = np.flatnonzero(~out)
        for k in range(level, self.n_levels):
            if not rest.size:
                break
            held, here = self._look_up(k, voxels[rest] >> (k - level))
            if k == level:
                occupied[rest[here]] = held[here]
                known[rest[here]] = True
            else:  # a coarser level can only tell that nothing is
                here &= ~held
                known[rest[here]] = True
            rest = rest[~here]
        return occupied, known

    def occupied(self, voxels: I64) -> Bool:
        """Whether level-0 voxels are occupied; what is not known counts as free. [N, 3] -> [N]"""
        return self.ask(0, np.asarray(voxels, np.int64))[0]

    @property
    def is_settled(self) -> bool:
        """Whether everything about the last place that was named is known, or cannot be."""
        return self._done is self._wish

    def close(self) -> None:
        """Stop the thread; a hung read is left to itself."""
        self._closed.set()
        self._thread.join(1.0)

    def _look_up(self, level: int, voxels: I64) -> tuple[Bool, Bool]:
        """-> (occupied, whether the chunk is here)"""
        # As atlas.address.chunk_id and mask_index, without their checks: all of it is inside the world.
        x, y, z = voxels.T
        at = (x >> CHUNK_BITS) + CHUNK_BIAS | (y >> CHUNK_BITS) + CHUNK_BIAS << CHUNK_AXIS_BITS
        at |= (z >> CHUNK_BITS) + CHUNK_BIAS << 2 * CHUNK_AXIS_BITS
        keys, chunk_at = np.unique(at, return_inverse=True)
        masks = [self._masks.get(key | level << 60) for key in keys.tolist()]
        here = np.array([m is not None for m in masks])[chunk_at]
        words = np.stack([_NOTHING if m is None else m for m in masks])
        block = (x >> 2 & 3) | (y >> 2 & 3) << 2 | (z >> 2 & 3) << 4
        bit = (x & 3) | (y & 3) << 2 | (z & 3) << 4
        held = words[chunk_at, block] >> bit.astype(np.uint64) & np.uint64(1)
        return held.astype(bool), here

    def _work(self) -> None:
        while not self._closed.is_set():
            wish = self._wish
            if wish is None or wish is self._done or self._grant(wish):
                self._done = wish
                time.sleep(IDLE_S)

    def _grant(self, wish: Boxes) -> bool:
        """Read what a wish lacks, coarse levels first. -> False if there is a newer wish"""
        for level in range(self.n_levels - 1, -1, -1):
            ids = self._lacking(level, *wish[level])
            for start in range(0, len(ids), STEP_CHUNKS):
                if self._closed.is_set() or self._wish is not wish:
                    return False
                self._take(ids[start : start + STEP_CHUNKS])
        return True

    def _lacking(self, level: int, lo: I64, hi: I64) -> U64:
        """The chunks of a box that are there, or may be, and have not been read."""
        first = np.maximum(lo, self._bounds[0] >> level) >> CHUNK_BITS
        last = np.minimum(hi - 1, (self._bounds[1] - 1) >> level) >> CHUNK_BITS
        if (first > last).any():
            return np.empty(0, np.uint64)
        axes = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
        chunks = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        if level + 1 < self.n_levels:
            chunks = chunks[self._may_hold(level, chunks)]
        ids = chunk_id(level, chunks)
        lacking = []
        for key in ids.tolist():
            if key in self._masks:
                self._masks.move_to_end(key)
            elif key not in self._bad:
                lacking.append(key)
        return np.array(lacking, np.uint64)

    def _may_hold(self, level: int, chunks: I64) -> Bool:
        """Whether the level above has a voxel where each chunk is. [N, 3] -> [N]"""
        ids, at = np.unique(chunk_id(level + 1, chunks >> 1), return_inverse=True)
        masks = [self._masks.get(key) for key in ids.tolist()]
        words = np.stack([_NOTHING if m is None else m for m in masks])
        blocks = words.reshape(-1, 2, 2, 2, 2, 2, 2)  # z, y, x of the octant before those inside it
        held = (blocks != 0).any(axis=(2, 4, 6))
        half = chunks & 1
        found: Bool = held[at, half[:, 2], half[:, 1], half[:, 0]]
        return found

    def _take(self, ids: U64) -> None:
        errors: list[WorldError] = []  # who hears of damage hears of it from the streamer
        found = self._read(ids) if self._read else self._source.read_many(ids, errors.append)
        there, streams = present(found)
        for key, mask in zip(ids[there].tolist(), masks(streams), strict=True):
            self._masks[key] = mask.copy()
        for key in np.delete(ids, there).tolist():
            if errors:
                self._bad.add(key)  # which of them was bad is not told: what is not here stays unknown
            else:
                self._masks[key] = _NOTHING
        while len(self._masks) > MAX_MASKS:
            self._masks.popitem(last=False)
