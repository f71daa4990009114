"""What the frame loop needs of a headset, and nothing else: OpenXR behind it, or a stub in the tests.

All here is in OpenXR's own axes: metres from the middle of the floor, x to the right, y up, -z ahead;
quaternions (x, y, z, w); angles in radians.
"""

from dataclasses import dataclass, field
from typing import Protocol

Vector = tuple[float, float, float]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is and how it is turned."""

    position: Vector = (0.0, 0.0, 0.0)
    orientation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Eye:
    """An eye in this frame, and its field of view: angles left, right, up, down; left and down negative."""

    place: Place
    fov: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Hands:
    """What the controllers say. Buttons are true while they are held.

    move   left stick: to the right, ahead
    turn   right stick, to the right; aim: the same stick, ahead
    hand   where the right hand points, along its -z; None while it is not tracked
    """

    move: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    aim: float = 0.0
    hand: Place | None = None
    rise: bool = False  # left grip: the left stick goes up and down
    grow: bool = False
    shrink: bool = False
    quality: bool = False
    leave: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What the headset says at the start of a frame.

    eyes     left, right; None where nothing is to be drawn: it lies on the table
    seconds  until the next one
    """

    seconds: float
    eyes: tuple[Eye, Eye] | None = None
    hands: Hands = field(default_factory=Hands)


class Runtime(Protocol):
    """A headset that is worn."""

    @property
    def sizes(self) -> tuple[Size, Size]:
        """Pixels of the picture that each eye wants."""
        ...

    def begin(self) -> Frame | None:
        """Wait until it is time for a frame. None: the user or the runtime has ended it."""
        ...

    def texture(self, eye: int) -> int:
        """The GL texture to draw the eye's picture into, row 0 below; it is ours until `end`."""
        ...

    def end(self, drawn: tuple[Size, Size] | None) -> None:
        """Show the frame. drawn: how much of each texture was drawn, from its lower left; None: nothing."""
        ...
