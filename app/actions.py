"""Shortcuts: key, name, sentence, what it does. The help overlay and the tests read the same table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import glfw

from ..atlas.layout import PASSES
from . import path_desk, taking
from .moving_keys import MOVING_KEYS
from .session import Session

_CTRL = glfw.MOD_CONTROL
PASS_DIGITS = "1234567890"  # as they lie on a keyboard


@dataclass(frozen=True, slots=True)
class Action:
    """A key that does something once when it goes down. Keys are positions (glfw codes), not letters."""

    key: int
    label: str  # of the key, as the help shows it
    name: str
    sentence: str
    run: Callable[[Session], None]
    mods: int = 0  # glfw.MOD_CONTROL where it is wanted: both must match (Shift and Alt are for speed)


def _show_pass(name: str) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        session.show_pass(name)

    return run


def _help(session: Session) -> None:
    session.shows_help = not session.shows_help


def _close(session: Session) -> None:
    session.is_closing = not session.shows_help
    session.shows_help = False


def _home(session: Session) -> None:
    session.pose = session.home


def _panel(session: Session) -> None:
    session.shows_panel = not session.shows_panel


def _freeze(session: Session) -> None:
    session.frozen = not session.frozen
    session.say("Streaming is frozen: nothing comes, nothing goes" if session.frozen else "Streaming goes on")


VIEW_ACTIONS = (
    *(
        Action(ord(digit), digit, f"pass {name}", f"Show the pass {name}", _show_pass(name))
        for digit, name in zip(PASS_DIGITS, PASSES, strict=True)  # glfw's key codes of digits are ASCII
    ),
    Action(glfw.KEY_SLASH, "?", "help", "Show or hide this list", _help),
    Action(glfw.KEY_ESCAPE, "Esc", "close", "Close help, else the window", _close),
    Action(glfw.KEY_H, "H", "home", "Go to where the world is seen whole", _home),
    Action(glfw.KEY_N, "N", "next world", "Show the next of the open worlds", Session.next_world),
    Action(glfw.KEY_TAB, "Tab", "panel", "Show or hide the panel", _panel),
    Action(glfw.KEY_F12, "F12", "screenshot", "Keep the picture as a PNG", taking.screenshot),
    Action(glfw.KEY_K, "K", "key", "Add a key to the camera path where you stand", path_desk.add_key),
    Action(glfw.KEY_SPACE, "Space", "play", "Play the camera path, or stop", path_desk.play_or_stop),
    Action(glfw.KEY_Z, "Ctrl+Z", "undo", "Take the last change of the path back", path_desk.undo, _CTRL),
    Action(glfw.KEY_Y, "Ctrl+Y", "redo", "Make the change again that was taken back", path_desk.redo, _CTRL),
    Action(glfw.KEY_Z, "Z", "freeze", "Freeze streaming: nothing comes, nothing goes", _freeze),
)

# What is held or done with the mouse, for the help: keys, sentence.
HELD: tuple[tuple[str, str], ...] = (
    ("W A S D", "Move"),
    ("Q E", "Down, up"),
    ("Shift, Alt", "Ten times faster, ten times slower"),
    ("Drag", "Look around"),
    ("Drag a key", "Move it in the picture; with Shift farther or nearer"),
    ("Wheel", "Set the speed"),
)

# One line per room that brings shortcuts: a key may stand once.
ACTIONS: tuple[Action, ...] = (*VIEW_ACTIONS, *(Action(*row) for row in MOVING_KEYS))


def run_pressed(session: Session, pressed: Iterable[tuple[int, int]]) -> None:
    """Do what the keys that went down ask for: (key, mods) in the order in which they came."""
    by_key = {(a.key, a.mods): a for a in ACTIONS}
    for key, mods in pressed:
        action = by_key.get((key, mods & glfw.MOD_CONTROL))
        if action is not None:
            action.run(session)
