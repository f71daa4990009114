"""When the panel needs a new picture, and which of its windows are built anew for it.

Widgets are what a picture costs most, so a window is built when something touches it, when it shows what has
changed, or when its figures are old. Nobody waits for figures: few frames pay for them.
"""

import time
from dataclasses import dataclass, field

from .windows import PanelWindow

LEAST_FRAMES = 4  # between two pictures that are made because figures are old
SETTLING = 2  # pictures: imgui lays out what has changed in the one after


@dataclass(slots=True)
class Due:
    """Reasons, each with the number of pictures that it still asks for."""

    all: int = SETTLING  # something was pressed, typed or moved: any window may look different
    pointed: int = 0  # the mouse moves over the panel
    changed: int = 0  # the session
    over: int = 0  # what is drawn over the scene
    is_old: bool = False  # figures are, in this frame
    _figures_s: float = 0.0  # when they were built
    _n_since: int = 0  # frames
    _under_mouse: set[str] = field(default_factory=set)  # windows, in the last picture

    def step(self, hz: float) -> None:
        """Once a frame. hz: how often figures may be built"""
        self._n_since += 1
        self.is_old = self._n_since >= LEAST_FRAMES and time.perf_counter() - self._figures_s > 1 / hz

    @property
    def is_urgent(self) -> bool:
        """Somebody waits for it."""
        return bool(self.all or self.pointed or self.changed or self.over)

    def builds(self, window: PanelWindow, is_under_mouse: bool, is_held: bool) -> bool:
        """Whether a window is to be built for the picture that is being made.

        held: the mouse or the keyboard holds something of it. A window that the mouse only is over waits for
        the next frame where this one builds figures.
        """
        changed = (window.grows_old and self.is_old) or (window.follows and self.changed > 0)
        if not (self.all or is_held or changed):
            if not (is_under_mouse or window.title in self._under_mouse):
                return False
            if self.is_old:
                self.pointed = SETTLING
                return False
        (self._under_mouse.add if is_under_mouse else self._under_mouse.discard)(window.title)
        return True

    def made(self) -> None:
        """A picture is."""
        self.all, self.pointed = max(self.all - 1, 0), max(self.pointed - 1, 0)
        self.changed, self.over = max(self.changed - 1, 0), max(self.over - 1, 0)
        if self.is_old:
            self._figures_s, self._n_since = time.perf_counter(), 0
