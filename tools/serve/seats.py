"""Who is connected, who flies, and the one frame on its way to each.

A seat is written by the network's thread alone. The drawing thread reads `wish`, which is replaced whole,
and counts `n_drawn`. So for each client there is at most one picture being drawn, one being encoded, and one
that waits: a newer one takes its place.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace

from ...app.camera import Pose
from .messages import Look
from .pace import Pace, after_answer, after_draw

MAX_SEATS = 16
_UNDER_WAY = 2  # one is drawn while another is encoded


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants to see now."""

    pose: Pose
    look: Look
    seq: int = 0  # of the client's newest pose message
    moved_s: float = -1e9  # when the pose last changed, time.monotonic()


@dataclass(frozen=True, slots=True)
class Frame:
    """An encoded picture with all that goes before it."""

    n: int
    data: bytes
    is_still: bool
    took: tuple[float, float] | None = (
        None  # in motion: seconds that drawing took, and the scale of each side
    )


@dataclass(slots=True, eq=False, weakref_slot=True)
class Seat:
    """One client. Those that do not fly are sent the pictures of the first that does."""

    number: int
    wish: Wish
    flies: bool
    pace: Pace = field(default_factory=Pace)
    frame: Frame | None = None  # encoded and not yet sent; a newer one takes its place
    latest: Frame | None = None  # what its window shows: for who begins to watch
    n_drawn: int = 0  # pictures begun; by the drawing thread
    n_delivered: int = 0  # and come to an end
    note: str = ""  # to be told to the client
    is_news: bool = True  # its role or the number of clients has changed and it has not been told
    unanswered: dict[int, tuple[float, bool]] = field(default_factory=dict)  # frame -> sent when, is_still
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def may_send(self) -> bool:
        return self.frame is not None and len(self.unanswered) < self.pace.window

    @property
    def has_room(self) -> bool:
        """Whether a picture drawn now would find its way free."""
        under_way = self.n_drawn - self.n_delivered
        on_the_way = under_way + len(self.unanswered)
        return self.frame is None and under_way < _UNDER_WAY and on_the_way < self.pace.window

    def give(self, frame: Frame) -> None:
        self.frame = self.latest = frame
        self.changed.set()

    def take(self) -> Frame:
        """The frame that is to be sent now."""
        assert self.frame is not None
        frame, self.frame = self.frame, None
        self.unanswered[frame.n] = time.monotonic(), frame.is_still
        return frame

    def answered(self, n: int) -> None:
        """The client has decoded a frame. One that it was never sent is no frame."""
        sent = self.unanswered.pop(n, None)
        if sent is None:
            return
        if not sent[1]:  # a still is large on purpose
            self.pace = after_answer(self.pace, time.monotonic() - sent[0])
        self.changed.set()


@dataclass(slots=True)
class Hall:
    """Every seat, oldest first. `wake` tells the drawing thread that something has changed."""

    home: Pose
    largest: tuple[int, int]  # a picture's size at the most, pixels
    seats: tuple[Seat, ...] = ()  # replaced whole: the drawing thread reads it
    wake: threading.Event = field(default_factory=threading.Event)
    closing: bool = False
    n_joined: int = 0

    @property
    def pilot(self) -> Seat | None:
        """Whom the others watch."""
        return next((seat for seat in self.seats if seat.flies), None)

    def join(self) -> Seat | None:
        """A seat for a new client: the first flies, the others watch. None if there is none left."""
        if len(self.seats) >= MAX_SEATS:
            return None
        pilot = self.pilot
        wish = Wish(pilot.wish.pose if pilot else self.home, Look(self.largest))
        self.n_joined += 1
        seat = Seat(self.n_joined, wish, flies=pilot is None)
        self.seats = (*self.seats, seat)
        self._show_to(seat)
        self._tell_all()
        return seat

    def leave(self, seat: Seat) -> None:
        """A client has gone. If nobody flies any more, who has waited longest flies on from there."""
        self.seats = tuple(other for other in self.seats if other is not seat)
        if self.pilot is None and self.seats:
            heir = self.seats[0]
            heir.flies, heir.wish = True, replace(heir.wish, pose=seat.wish.pose)
        self._tell_all()

    def wish(self, seat: Seat, wish: Wish) -> None:
        seat.wish = wish
        self.wake.set()

    def fly(self, seat: Seat) -> None:
        """Give a watching client a camera of its own, where the one is that it watched."""
        if not seat.flies and self.pilot:
            seat.flies, seat.wish = True, replace(seat.wish, pose=self.pilot.wish.pose)
            self._tell_all()

    def watch(self, seat: Seat) -> None:
        """Let a client watch another one, if another one flies."""
        if seat.flies and any(other.flies and other is not seat for other in self.seats):
            seat.flies = False
            self._show_to(seat)
            self._tell_all()

    def deliver(self, seat: Seat, frame: Frame | None) -> None:
        """A picture for a seat has been encoded; None: nothing came of it."""
        seat.n_delivered += 1
        if frame is not None and seat in self.seats:
            if frame.took:
                seat.pace = after_draw(seat.pace, *frame.took)
            is_pilot = seat is self.pilot
            if seat.flies:
                seat.give(frame)
            for other in self.seats if is_pilot else ():
                if not other.flies:
                    other.give(frame)
        self.wake.set()

    def _show_to(self, seat: Seat) -> None:
        if not seat.flies and self.pilot and self.pilot.latest:
            seat.give(self.pilot.latest)

    def _tell_all(self) -> None:
        for seat in self.seats:
            seat.is_news = True
            seat.changed.set()
        self.wake.set()
