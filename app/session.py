"""What the viewer knows: one plain record that loop, shortcuts and panel share."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import PASSES
from .camera import Pose, View
from .frame import FrameReport
from .history import History
from .library import Baking
from .scene import Scene
from .settings import Settings

MAX_MESSAGES = 50
SEMANTIC = "semantic"  # a pass, and the layer that it shows
Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Picked:
    """The voxel under the cursor. Region, UVW and texel follow from voxel and level: atlas.address."""

    voxel: Triple  # at its level, world voxels
    level: int
    rgba: tuple[int, int, int, int]
    distance_m: float
    position_m: tuple[float, float, float]  # where the ray met it
    face: int = 0
    is_coarse: bool = False  # it wanted a finer one that is not resident
    entity: str = ""  # where the world has entities


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line that the panel draws over the picture: points [N, 2], picture pixels from the top left."""

    points: NDArray[np.floating[Any]]
    rgb: tuple[float, float, float] = (1.0, 0.8, 0.2)
    width: float = 2.0
    closed: bool = False


@dataclass(slots=True)
class Session:
    """One open viewer. Whoever adds a feature adds its own record as one field here."""

    name: str  # of the world that is shown
    scene: Scene
    home: Pose
    settings: Settings
    size: tuple[int, int]  # of the picture, pixels: the window without what the panel takes of it
    pose: Pose = field(init=False)
    speed_m_s: float = 1.0  # flying, before Shift, Alt and what is near
    mode: str = "fly"  # fly, orbit, walk
    moving: Any = None  # app/moving's own state
    path: Any = None  # the keyframe editor's own state
    bookmarks: dict[int, Pose] = field(default_factory=dict)
    pass_name: str = PASSES[0]
    projection: str = "planar"
    picked: Picked | None = None
    cursor: tuple[float, float] | None = None  # picture pixels; None where the panel has the mouse
    view: View | None = None  # of the frame drawn last
    report: FrameReport | None = None  # of the frame drawn last
    strokes: list[Stroke] = field(default_factory=list)  # refilled each frame by whoever draws over the scene
    frozen: bool = False  # nothing comes, nothing goes
    slow_disk_ms: float = 0.0  # by which each read takes longer
    tiny_budget: bool = False  # a few MB of video memory
    shows_panel: bool = True
    shows_help: bool = False
    is_closing: bool = False
    worlds: list[str] = field(default_factory=list)  # that are open; one of them is shown
    poses: dict[str, Pose] = field(default_factory=dict)  # where one stood in a world when it was left
    recent: list[str] = field(default_factory=list)  # of earlier starts too, the newest first
    bakings: list[Baking] = field(default_factory=list)
    open_next: list[str] = field(default_factory=list)  # dropped or chosen: worlds to open, scenes to bake
    history: History = field(default_factory=History)
    disk: object = None  # what counts the bytes that this world reads; None where it has no disk
    read_mb: float = 0.0  # from the disk so far, by this world
    layers: tuple[str, ...] = ()  # what this world has beside the colour
    renderer: str = ""  # whose GL
    messages: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MAX_MESSAGES))

    def __post_init__(self) -> None:
        self.pose = self.home

    def next_world(self) -> None:
        """Show the next of the open worlds."""
        if len(self.worlds) < 2:
            return self.say("No other world is open: drop one on the window")
        at = self.worlds.index(self.name) if self.name in self.worlds else -1
        self.open_next.append(self.worlds[(at + 1) % len(self.worlds)])

    def show_pass(self, name: str) -> None:
        """Show a pass of layout.PASSES, and say so where this world has nothing for it."""
        self.pass_name = name
        if name == SEMANTIC and SEMANTIC not in self.layers:
            self.say(f"{self.name} knows no entities: the pass semantic has nothing to show")

    def say(self, text: str) -> None:
        """One line for the user, shown in the window for some seconds."""
        self.messages.append((time.monotonic(), text))
