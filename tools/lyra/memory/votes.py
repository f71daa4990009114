"""An atlas whose voxels vote for frames: the atlas knows what is where, the frames keep how it looked.

Each voxel names at most four frames: the oldest that saw it, which has drifted least, and the three that saw
it best (nearest). The voxels that a view sees vote, and a greedy cover picks the frames. A frame that too few
voxels name any more is forgotten, so the number of frames follows the surface, not the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .atlas import AtlasMemory
from .coverage import greedy
from .retrieved import Retrieved
from .splat import nothing, over, warp
from .view import F64, Frame, Picture, View

I64 = NDArray[np.int64]

N_NAMES = 4
BETTER = 1.25  # times as good as the worst of the three, or it is not worth a change
MIN_SHARE = 0.02  # of the voxels that a frame saw: named by fewer, it is forgotten
NOBODY = -1


@dataclass(slots=True)
class VoteMemory:
    """An atlas, and the frames its voxels name, by the number that the atlas gave them."""

    voxel_size: float = 0.05
    name: str = "atlas+votes"
    atlas: AtlasMemory = field(default_factory=AtlasMemory)
    frames: dict[int, Frame] = field(default_factory=dict)
    n_seen: dict[int, int] = field(default_factory=dict)
    names: NDArray[np.int32] = field(default_factory=lambda: np.full((1024, N_NAMES), NOBODY, np.int32))
    score: NDArray[np.float16] = field(default_factory=lambda: np.zeros((1024, N_NAMES), np.float16))
    n_named: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1024, np.int64))  # by frame id

    def __post_init__(self) -> None:
        self.atlas.voxel_size = self.voxel_size

    def add(self, frame: Frame) -> None:
        """Fuse a frame and let its voxels decide whether they name it."""
        rows, z = self.atlas.fuse(frame)
        self._make_room(frame.id)
        score = (1 / np.maximum(z, 0.1) ** 2).astype(np.float16)
        first = self.names[rows, 0] == NOBODY
        self._name(rows[first], np.zeros(int(first.sum()), np.int64), frame.id, score[first])
        rows, score = rows[~first], score[~first]
        worst = 1 + self.score[rows, 1:].argmin(axis=1)
        better = score > BETTER * self.score[rows, worst]
        self._name(rows[better], worst[better], frame.id, score[better])
        self.frames[frame.id], self.n_seen[frame.id] = frame, z.size
        for i in [i for i in self.frames if self.n_named[i] < MIN_SHARE * self.n_seen[i]]:
            if i != frame.id:
                del self.frames[i], self.n_seen[i]

    def _name(self, rows: I64, slot: I64, frame: int, score: NDArray[np.float16]) -> None:
        before = self.names[rows, slot]
        self.n_named -= np.bincount(before[before != NOBODY], minlength=self.n_named.size)
        self.names[rows, slot], self.score[rows, slot] = frame, score
        self.n_named[frame] += rows.size

    def _make_room(self, frame: int) -> None:
        if len(self.names) < len(self.atlas.rows):
            more = len(self.atlas.rows) - len(self.names)
            self.names = np.concatenate([self.names, np.full((more, N_NAMES), NOBODY, np.int32)])
            self.score = np.concatenate([self.score, np.zeros((more, N_NAMES), np.float16)])
        if frame >= self.n_named.size:
            self.n_named = np.concatenate([self.n_named, np.zeros(frame + 1, np.int64)])

    def retrieve(self, targets: Sequence[View], n: int = 5) -> Retrieved:
        """Up to n frames that the voxels in view vote for, best first; the newest is left out."""
        found = self.atlas.retrieve(targets, n)
        newest = self.atlas.last
        if newest is None or found.rows is None:
            return found
        names = self.names[found.rows]
        ids = np.array(sorted(i for i in self.frames if i != newest.id), np.int32)
        sees = np.zeros((ids.size, found.rows.size), bool)
        for slot in range(N_NAMES):
            place = np.searchsorted(ids, names[:, slot]) if ids.size else np.zeros(len(names), np.int64)
            known = np.flatnonzero((place < ids.size) & (names[:, slot] >= 0))
            known = known[ids[place[known]] == names[known, slot]]
            sees[place[known], known] = True
        covered = self.atlas.rows["last"][found.rows] == newest.id + 1
        chosen = greedy(sees, covered, n)
        return Retrieved(tuple(int(ids[c]) for c in chosen), found.rows, found.n_examined)

    def render(self, found: Retrieved, view: View) -> Picture:
        """The last frame, the frames voted for, and the voxels where all of these have holes."""
        if self.atlas.last is None:
            return nothing(view, False)
        picture = warp(self.atlas.last, view)
        for i in found.frames:
            picture = over(picture, warp(self.frames[i], view))
        return over(picture, self.atlas.drawn(view))

    def n_bytes(self) -> dict[str, int]:
        """Of what is kept, by category."""
        kept = self.frames.values()
        votes = self.atlas.n * N_NAMES * (self.names.itemsize + self.score.itemsize)
        images = {"depth": sum(f.depth.nbytes for f in kept), "rgb": sum(f.rgb.nbytes for f in kept)}
        held = self.atlas.n_bytes()
        return {"atlas": held["atlas"], "index": held["index"], "votes": votes, **images}

    def geometry(self) -> tuple[F64, F64]:
        """Where surfaces are stored, and where they are in truth. [N, 3] each, for experiments."""
        return self.atlas.geometry()
