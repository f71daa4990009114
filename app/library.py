"""What the viewer asks of whoever started it: worlds by name, and bakes in the background.

Reading formats and baking are other rooms' work; this room only says what it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..streamer.chunk_source import ChunkSource
from .camera import Pose


class OpenError(Exception):
    """One line: why a name is neither a world nor a scene."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A world that is open."""

    name: str
    source: ChunkSource
    home: Callable[
        [tuple[int, int], float], Pose
    ]  # picture's size and field of view -> where it is seen whole


class Baking(Protocol):
    """A scene that becomes a world in another process: coarse first, then finer."""

    name: str  # of the scene
    stage: str  # what it does now
    fraction: float  # of this stage, 0 to 1
    failed: str  # why it ended without a world, or ""

    def poll(self) -> str | None:
        """Never waits. -> the name of a world that has become ready since, each finer than the last"""
        ...

    @property
    def is_done(self) -> bool:
        """Nothing more will come."""
        ...

    def stop(self) -> None:
        """End it. What is ready stays."""
        ...


class Library(Protocol):
    """Where names lead."""

    def is_world(self, name: str) -> bool:
        """Whether it can be opened as it is; otherwise it may be a scene to bake."""
        ...

    def open(self, name: str) -> Opened:
        """Raises OpenError. May be called from any thread."""
        ...

    def bake(self, name: str, voxel_size_m: float) -> Baking:
        """Raises OpenError where this is no scene."""
        ...
