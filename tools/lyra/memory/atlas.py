"""A memory keyed by the world: the voxels of an atlas, reinforced in integers, so that order does not matter.

A voxel's address is its region and its UVW (`keys.py`); only texels that hold something are stored, a row
each. A frame reinforces a voxel once: with the mean colour of its pixels there, weighted by 1 / z^2 as an
integer, however many pixels.
All that a row holds are sums and a maximum of integers, so frames fused in any order give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ....atlas import address
from ....atlas.id_map import NOWHERE, IdMap
from ....atlas.layout import CHUNK
from ....atlas.lod import LINEAR_OF_SRGB, SRGB_OF_LINEAR
from ....atlas.stamp import CYCLE, NEVER, stamp_of
from .coverage import STRIDE, unhidden
from .keys import key_of, voxel_of
from .retrieved import Retrieved
from .splat import nothing, over, voxels, warp
from .view import F64, Frame, Picture, View, smooth, unproject

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

MAX_WEIGHT = 15
MAX_FRAMES = (1 << 32) // (65535 * MAX_WEIGHT)  # more could overflow a sum of 32 bits
_ROW = np.dtype([("sum", np.uint32, 3), ("weight", np.uint32), ("last", np.uint32)])


@dataclass(slots=True)
class AtlasMemory:
    """Voxels of voxel_size world units. `rows` has room for more than the n that are used."""

    voxel_size: float = 0.05
    name: str = "atlas"
    n: int = 0
    n_frames: int = 0
    last: Frame | None = None  # the newest, which the generator has anyway
    map: IdMap = field(default_factory=IdMap)  # key -> row
    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(1024, _ROW))
    voxel: NDArray[np.int32] = field(default_factory=lambda: np.zeros((1024, 3), np.int32))
    chunk: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1024, np.int32))  # of each row
    chunks: IdMap = field(default_factory=IdMap)  # chunk id -> index in corners
    corners: I64 = field(default_factory=lambda: np.zeros((0, 3), np.int64))  # chunk coordinates
    traced: NDArray[np.int64] = field(default_factory=lambda: np.zeros((1024, 4), np.int64))  # sums, n

    def add(self, frame: Frame) -> None:
        """Fuse a frame. ValueError: more frames than the sums have room for, or a point too far away."""
        self.fuse(frame)

    def fuse(self, frame: Frame) -> tuple[I64, F64]:
        """Fuse a frame -> (rows [M] that it sees, distance z [M] at which it does)."""
        if self.n_frames == MAX_FRAMES:
            raise ValueError(f"an atlas takes {MAX_FRAMES:,} frames")
        kept = smooth(frame.depth)
        keys = key_of(address.voxel_of(unproject(frame.depth, frame.view)[kept], self.voxel_size))
        keys, place, n = np.unique(keys, return_inverse=True, return_counts=True)
        rows = self._rows_of(keys)
        z = np.bincount(place, frame.depth[kept], keys.size) / n
        weight = np.clip(np.rint(16 / np.maximum(z, 0.1) ** 2), 1, MAX_WEIGHT).astype(np.uint32)
        colour = LINEAR_OF_SRGB[frame.rgb[kept]]
        for channel in range(3):
            total = np.bincount(place, colour[:, channel], keys.size).astype(np.int64)  # exact below 2^53
            self.rows["sum"][rows, channel] += weight * ((2 * total + n) // (2 * n)).astype(np.uint32)
        self.rows["weight"][rows] += weight
        self.rows["last"][rows] = np.maximum(self.rows["last"][rows], frame.id + 1)
        if frame.tracer is not None:
            for axis in range(3):
                self.traced[rows, axis] += np.bincount(place, frame.tracer[kept][:, axis], keys.size).astype(
                    np.int64
                )
            self.traced[rows, 3] += n
        self.n_frames += 1
        if self.last is None or frame.id > self.last.id:
            self.last = frame
        return rows, z

    def _rows_of(self, keys: NDArray[np.uint64]) -> I64:
        """The rows of keys, each given once; new ones are made where there are none."""
        rows = self.map.find(keys)
        new = np.flatnonzero(rows == NOWHERE)
        if new.size:
            rows[new] = np.arange(self.n, self.n + new.size)
            self._make_room(self.n + new.size)
            self.map.add(keys[new], rows[new])
            voxel = voxel_of(keys[new])
            self.voxel[rows[new]] = voxel
            self.chunk[rows[new]] = self._chunks_of(address.chunk_of(voxel))
            self.n += new.size
        return rows

    def _chunks_of(self, chunk: I64) -> I64:
        ids, first, place = np.unique(address.chunk_id(0, chunk), return_index=True, return_inverse=True)
        index = self.chunks.find(ids)
        new = np.flatnonzero(index == NOWHERE)
        index[new] = np.arange(len(self.corners), len(self.corners) + new.size)
        self.chunks.add(ids[new], index[new])
        self.corners = np.concatenate([self.corners, chunk[first[new]]])
        return np.asarray(index[place])

    def _make_room(self, n: int) -> None:
        if n > len(self.rows):
            size = max(n, 2 * len(self.rows))
            for name in ("rows", "voxel", "chunk", "traced"):
                old = getattr(self, name)
                new = np.zeros((size, *old.shape[1:]), old.dtype)
                new[: self.n] = old[: self.n]
                setattr(self, name, new)

    def in_view(self, view: View) -> I64:
        """Rows of the chunks that meet the frustum. -> [M]"""
        middle = (self.corners + 0.5) * CHUNK * self.voxel_size
        x, y, z = (middle @ view.w2c[:3, :3].T + view.w2c[:3, 3]).T
        radius = 0.5 * np.sqrt(3) * CHUNK * self.voxel_size
        inside = z > -radius
        for across, focal, low, size in (
            (x, view.k[0, 0], view.k[0, 2] + 0.5, view.size[1]),
            (y, view.k[1, 1], view.k[1, 2] + 0.5, view.size[0]),
        ):
            inside &= focal * across + low * z > -radius * np.hypot(focal, low)
            inside &= (size - low) * z - focal * across > -radius * np.hypot(focal, size - low)
        return np.flatnonzero(inside[self.chunk[: self.n]])

    def centres(self, rows: I64) -> F64:
        """Middles of voxels. [M] -> [M, 3] world units"""
        return np.asarray((self.voxel[rows] + 0.5) * self.voxel_size)

    def retrieve(self, targets: Sequence[View], n: int = 5) -> Retrieved:
        """The voxels that the targets see: chunks in the frustum, then the nearest voxel of each pixel."""
        found, examined = [np.empty(0, np.int64)], 0
        for target in targets:
            rows, view = self.in_view(target), target.smaller(STRIDE)
            examined += rows.size
            found.append(rows[unhidden(self.centres(rows), view, 1.5 * self.voxel_size)])
        return Retrieved(rows=np.unique(np.concatenate(found)), n_examined=examined)

    def render(self, found: Retrieved, view: View) -> Picture:
        """The last frame, and the voxels where it has holes."""
        if self.last is None:
            return nothing(view, False)
        return over(warp(self.last, view), self.drawn(view))

    def drawn(self, view: View) -> Picture:
        """The voxels alone."""
        rows = self.in_view(view)
        held = self.traced[rows]
        tracer = held[:, :3] / np.maximum(held[:, 3:], 1) * 1e-6 if held[:, 3].any() else None
        if tracer is None and self.last is not None and self.last.tracer is not None:
            tracer = np.zeros((rows.size, 3))
        return voxels(
            self.centres(rows), self.voxel_size, self.colours(rows).astype(np.float64), tracer, view
        )

    def colours(self, rows: I64) -> U8:
        """Mean colours. [M] -> [M, 3] sRGB"""
        held = self.rows[rows]
        weight = held["weight"][:, None].astype(np.int64)
        return np.asarray(SRGB_OF_LINEAR[(2 * held["sum"].astype(np.int64) + weight) // (2 * weight)])

    def stamps(self, rows: I64) -> U8:
        """When each was last observed, in a byte (`atlas.stamp`); 0 where 255 observations came since."""
        last = self.rows["last"][rows].astype(np.int64)
        now = int(self.rows["last"][: self.n].max(initial=0))
        return stamp_of(np.where(now - last < CYCLE, last, NEVER))

    def to_bytes(self) -> bytes:
        """All that the atlas holds, in the order of its keys: equal atlases give equal bytes."""
        keys, rows = self.map.ids, self.map.slots
        return keys.tobytes() + self.rows[rows].tobytes() + self.stamps(rows).tobytes()

    def n_bytes(self) -> dict[str, int]:
        """Of what is kept, by category; rows in use. The last frame is kept beside the atlas."""
        last = 0 if self.last is None else self.last.rgb.nbytes + self.last.depth.nbytes
        index = self.n * (16 + self.voxel.itemsize * 3 + self.chunk.itemsize) + len(self.corners) * (24 + 16)
        return {"atlas": self.n * _ROW.itemsize, "index": index, "last frame": last}

    def geometry(self) -> tuple[F64, F64]:
        """Where surfaces are stored, and where they are in truth. [N, 3] each, for experiments."""
        rows = np.flatnonzero(self.traced[: self.n, 3])
        held = self.traced[rows]
        return self.centres(rows), held[:, :3] / held[:, 3:] * 1e-6
