"""Memories keyed by frame: none at all, and Lyra 2's, with the frame's own coordinates or the world's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ....atlas.precision import TIERS, Tier
from .coverage import STRIDE, greedy, seen_by
from .keys import cells
from .retrieved import Retrieved
from .splat import nothing, over, warp
from .view import F32, F64, I32, Frame, Picture, View, smooth, unproject


@dataclass(slots=True)
class NoMemory:
    """The last frame and nothing else: what a generator has without a memory."""

    name: str = "none"
    last: Frame | None = None

    def add(self, frame: Frame) -> None:
        """Remember it, forget the one before."""
        self.last = frame

    def retrieve(self, targets: Sequence[View], n: int = 5) -> Retrieved:
        """Nothing: the last frame is given to the generator in any case."""
        return Retrieved()

    def render(self, found: Retrieved, view: View) -> Picture:
        """The last frame, warped."""
        return nothing(view, False) if self.last is None else warp(self.last, view)

    def n_bytes(self) -> dict[str, int]:
        """Of what is kept, by category."""
        return {} if self.last is None else {"rgb": self.last.rgb.nbytes, "depth": self.last.depth.nbytes}

    def geometry(self) -> tuple[F64, F64]:
        """Where surfaces are stored, and where they are in truth. [N, 3] each, for experiments."""
        return _geometry([] if self.last is None else [self.last])


@dataclass(slots=True)
class FrameMemory:
    """Frames with their depths; retrieval by visibility. `coverage.py` states the rule.

    With a tier, what the generator is told are world coordinates instead of (u, v, slot): it finds the pixels
    to copy by their cell in [low, high]^3, so all pixels in a cell become one, whichever frame they are of.
    """

    name: str = "frame"
    tier: Tier | None = None
    bounds: tuple[float, float] = (-64.0, 64.0)
    frames: dict[int, Frame] = field(default_factory=dict)
    points: dict[int, F32] = field(default_factory=dict)  # [N, 3] every fourth pixel of every fourth row

    def add(self, frame: Frame) -> None:
        """Keep a frame. ValueError: that one is here, or not newer than the last."""
        if self.frames and frame.id <= next(reversed(self.frames)):
            raise ValueError(f"frame {frame.id} is not newer than {next(reversed(self.frames))}")
        coarse = frame.depth[::STRIDE, ::STRIDE]
        world = unproject(coarse, frame.view.smaller(STRIDE))
        self.frames[frame.id] = frame
        self.points[frame.id] = world[coarse > 0].astype(np.float32)

    def retrieve(self, targets: Sequence[View], n: int = 5) -> Retrieved:
        """Up to n frames that cover most of what the targets see, best first, the newest left out."""
        if len(self.frames) < 2:
            return Retrieved()
        clouds = list(self.points.values())
        sees = seen_by(clouds, [t.smaller(STRIDE) for t in targets])
        chosen = greedy(sees[:-1], sees[-1], n)
        ids = list(self.frames)
        return Retrieved(tuple(ids[c] for c in chosen), n_examined=sum(map(len, clouds)) * len(targets))

    def render(self, found: Retrieved, view: View) -> Picture:
        """The last frame, then the retrieved ones, best first, where those before leave holes."""
        if not self.frames:
            return nothing(view, False)
        used = [next(reversed(self.frames.values())), *(self.frames[i] for i in found.frames)]
        colours = self._by_cell(used) if self.tier else [None] * len(used)
        picture = warp(used[0], view, colours[0])
        for frame, colour in zip(used[1:], colours[1:], strict=True):
            picture = over(picture, warp(frame, view, colour))
        return picture

    def _by_cell(self, used: list[Frame]) -> list[NDArray[np.float32] | None]:
        """Each frame's colours as they are found by coordinate: the mean of all pixels in the same cell."""
        assert self.tier is not None
        kept = [smooth(f.depth) for f in used]
        points = np.concatenate([unproject(f.depth, f.view)[k] for f, k in zip(used, kept, strict=True)])
        colour = np.concatenate([f.rgb[k] for f, k in zip(used, kept, strict=True)]).astype(np.float64)
        _, cell = np.unique(cells(points, self.tier, *self.bounds), return_inverse=True)
        n = np.bincount(cell)
        mean = np.stack([(np.bincount(cell, colour[:, c]) / n)[cell] for c in range(3)], axis=-1)
        out: list[NDArray[np.float32] | None] = []
        start = 0
        for frame, k in zip(used, kept, strict=True):
            image = frame.rgb.astype(np.float32)
            image[k] = mean[start : start + int(k.sum())]
            start += int(k.sum())
            out.append(image)
        return out

    def n_bytes(self) -> dict[str, int]:
        """Of what is kept, by category."""
        frames = self.frames.values()
        return {
            "points": sum(p.nbytes for p in self.points.values()),
            "depth": sum(f.depth.nbytes for f in frames),
            "rgb": sum(f.rgb.nbytes for f in frames),
        }

    def geometry(self) -> tuple[F64, F64]:
        """Where surfaces are stored, and where they are in truth. [N, 3] each, for experiments."""
        return _geometry(list(self.frames.values()))


def world_encoded(tier: str = "RGBA16UI", bounds: tuple[float, float] = (-64.0, 64.0)) -> FrameMemory:
    """The frame-keyed memory whose coordinates are the world's, in cells of a precision tier."""
    return FrameMemory(name="frame+world", tier=TIERS[tier], bounds=bounds)


def _geometry(frames: list[Frame]) -> tuple[F64, F64]:
    points: list[F64] = [np.empty((0, 3))]
    truth: list[I32] = [np.empty((0, 3), np.int32)]
    for frame in frames:
        assert frame.tracer is not None, "only frames of an experiment know the truth"
        kept = smooth(frame.depth)
        kept[1::2], kept[:, 1::2] = False, False  # a quarter of the pixels tells as much
        points.append(unproject(frame.depth, frame.view)[kept])
        truth.append(frame.tracer[kept])
    return np.concatenate(points), np.concatenate(truth).astype(np.float64) * 1e-6
