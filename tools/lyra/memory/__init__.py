"""What a generator remembers of the frames it made: five ways behind one interface, `retrieved.Memory`."""

from collections.abc import Callable

from .atlas import AtlasMemory
from .frames import FrameMemory, NoMemory, world_encoded
from .retrieved import Memory, Retrieved
from .view import Frame, Picture, View
from .votes import VoteMemory

ARMS: dict[str, Callable[[], Memory]] = {
    "none": NoMemory,
    "frame": FrameMemory,
    "frame+world": world_encoded,
    "atlas": AtlasMemory,
    "atlas+votes": VoteMemory,
}

__all__ = [
    "ARMS",
    "AtlasMemory",
    "Frame",
    "FrameMemory",
    "Memory",
    "NoMemory",
    "Picture",
    "Retrieved",
    "View",
    "VoteMemory",
    "world_encoded",
]
