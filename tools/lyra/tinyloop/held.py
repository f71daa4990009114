"""What a run of TinyLoop remembers: patches of surface or a memory arm, frames shown whole, a tail."""

import copy
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .. import cloud as clouds
from ..cloud import Cloud
from ..memory import ARMS, FrameMemory, Memory
from ..memory.view import Frame, View
from ..protocol import F32, F64, Mask, Rgb, Seed
from .flow import Source

Finish = Literal["refined", "decoded", "blended"]
FINISHES: tuple[Finish, ...] = ("refined", "decoded", "blended")
PATCHES = "patches"  # WarpFill's memory
MEMORIES = (PATCHES, *ARMS)
STORED = 8  # of the frames, one in so many is remembered whole
TAIL = 20  # frames that history is made of


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is made. memory: of MEMORIES; finish: what becomes of decoded frames.

    refined: by the network's last part; decoded: nothing; blended: covered pixels are the warp's.
    """

    memory: str = PATCHES
    source: Source = "warp"
    finish: Finish = "refined"


@dataclass(slots=True)
class Held:
    """All that a run remembers; a copy of it undoes a step."""

    patches: dict[int, list[Cloud]]
    frames: FrameMemory = field(default_factory=FrameMemory)  # shown whole, retrieved by visibility
    arm: Memory | None = None
    tail: dict[int, tuple[Rgb, F32]] = field(default_factory=dict)  # the last TAIL frames, and frame 0

    @classmethod
    def begun(cls, seed: Seed, patches: Cloud, whole: F32, memory: str) -> "Held":
        """Frame 0 alone. whole: its depth without gaps."""
        held = cls({0: [patches]}, arm=None if memory == PATCHES else ARMS[memory]())
        held.tail[0] = seed.rgb, whole
        held.keep(Frame(0, seed.rgb, whole, View(seed.w2c, seed.k, (whole.shape[0], whole.shape[1]))))
        return held

    def keep(self, frame: Frame) -> None:
        """Remember a frame whole."""
        self.frames.add(frame)
        if self.arm is not None:
            self.arm.add(frame)

    def remember(
        self, rgb: Rgb, depth: F32, new: Mask, w2c: F64, k: F64, ids: NDArray[np.int64]
    ) -> list[Cloud]:
        """Take frames in -> the patches of what they made up."""
        parts, size = [], (depth.shape[1], depth.shape[2])
        for at, number in enumerate(map(int, ids)):
            self.tail[number] = rgb[at], depth[at]
            if new[at].any():
                parts.append(clouds.cloud_of(rgb[at], depth[at], new[at], w2c[at], k[at], number))
                self.patches.setdefault((number - 1) // STORED * STORED + 1, []).append(parts[-1])
            if number % STORED == 0 or at == len(ids) - 1:
                frame = Frame(number, rgb[at], depth[at], View(w2c[at], k[at], size))
                self.keep(frame)
        for old in [i for i in self.tail if 0 < i <= int(ids[-1]) - TAIL]:
            del self.tail[old]
        return parts

    def copied(self) -> "Held":
        """What may be gone back to; frames and patches themselves are shared, they never change."""
        patches = {key: list(parts) for key, parts in self.patches.items()}
        return Held(patches, copy.deepcopy(self.frames), copy.deepcopy(self.arm), dict(self.tail))
