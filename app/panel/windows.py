"""The windows of the panel: a title and a function that draws what is in it."""

from collections.abc import Callable

from ..session import Session

# Each is called between imgui's begin and end while its window is open; it may only change the session.
WINDOWS: tuple[tuple[str, Callable[[Session], None]], ...] = ()
