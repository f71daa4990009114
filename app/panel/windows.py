"""The windows of the panel: a title, a function that draws what is in it, and where it lies at first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..session import Session
from . import looks, path, preferences, streaming, voxel, world


@dataclass(frozen=True, slots=True)
class PanelWindow:
    """draw is called between imgui's begin and end; it may only change the session."""

    title: str
    draw: Callable[[Session], None]
    place: Literal["upper", "lower"]  # half of the column at the right
    # Anything that touches a window builds it anew. And else:
    grows_old: bool = True  # it shows figures
    follows: bool = True  # it shows what the session is set to, at once


WINDOWS: tuple[PanelWindow, ...] = (
    PanelWindow("View", looks.draw, "upper", grows_old=False),
    PanelWindow("World", world.draw, "upper"),
    PanelWindow("Settings", preferences.draw, "upper", grows_old=False),
    PanelWindow("Path", path.draw, "upper"),
    PanelWindow("Streaming", streaming.draw, "lower", follows=False),
    PanelWindow("Voxel", voxel.draw, "lower", follows=False),
)
