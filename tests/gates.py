"""Sources whose reads a test lets through one by one, and small worlds held in memory."""

import threading
import time

import numpy as np
from voxtide.atlas import address
from voxtide.atlas.chunk import pack_sorted
from voxtide.atlas.page_table import root_grid
from voxtide.atlas.streams import encode
from voxtide.streamer.metadata import WorldMeta
from worlds import levels_of


class Memory:
    """A ChunkSource of some voxels and all their levels. Counts what it is asked for."""

    def __init__(self, voxels, rgba, n_levels=None):
        levels = levels_of(voxels, rgba, n_levels)
        self.chunks = {}
        for level, (at, colours) in enumerate(levels):
            ids, rank = np.unique(address.chunk_id(level, address.chunk_of(at)), return_inverse=True)
            key = rank.ravel().astype(np.int64) << 12 | address.mask_index(at & 15)
            order = np.argsort(key)
            packed = pack_sorted(key[order], np.ascontiguousarray(colours[order]))[1]
            self.chunks |= dict(zip(ids.tolist(), map(encode, packed), strict=True))
        lo, hi = (tuple(map(int, v)) for v in (voxels.min(0), voxels.max(0) + 1))
        self.meta = WorldMeta(0.01, len(levels), (lo, hi), "zstd", 5, ({},))
        self.root = root_grid(len(levels) - 1, np.array(lo), np.array(hi))
        self.read = []  # (ids) of every call, in order

    @property
    def ids(self):
        return np.array(sorted(self.chunks), np.uint64)

    def read_many(self, ids, on_bad=None):
        self.read.append(ids.copy())
        return [self.chunks.get(chunk) for chunk in ids.tolist()]


class Gated:
    """Lets one read through at a time: `waiting` says that a thread stands at the gate."""

    def __init__(self, inner):
        self.inner, self.meta = inner, inner.meta
        self.waiting, self.gate = threading.Event(), threading.Semaphore(0)
        self.open = False

    def read_many(self, ids, on_bad=None):
        if not self.open:
            self.waiting.set()
            self.gate.acquire()
        return self.inner.read_many(ids, on_bad)

    def let_one_through(self):
        self.waiting.clear()
        self.gate.release()


def wait_until(condition, timeout_s=60.0):
    """Wait for something that threads bring about. AssertionError if it does not come.

    The limit is for what never comes: on a machine that is busy with other things a read may take seconds.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.002)
