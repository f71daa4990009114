"""The keys of moving, as rows of app/actions.py: key, label, name, sentence, what it does, modifiers."""

from collections.abc import Callable

import glfw

from .moving.places import N_BOOKMARKS
from .session import Session

Do = Callable[[Session], None]
Row = tuple[int, str, str, str, Do, int]


def _asks(what: str) -> Do:
    return lambda session: session.moving.ask(session, what)


def _keep(number: int) -> Do:
    def run(session: Session) -> None:
        session.bookmarks[number] = session.pose
        session.say(f"Bookmark {number} is here")

    return run


def _go(number: int) -> Do:
    def run(session: Session) -> None:
        if number in session.bookmarks:
            session.pose = session.bookmarks[number]
        else:
            session.say(f"There is no bookmark {number}; Ctrl+F{number} makes one")

    return run


def _copy(session: Session) -> None:
    # GLFW 3.4 needs no window for the clipboard; the stubs are older.
    glfw.set_clipboard_string(None, session.moving.copy_text(session))  # type: ignore[arg-type]


def _paste(session: Session) -> None:
    text = glfw.get_clipboard_string(None) or b""  # type: ignore[arg-type]
    session.moving.paste(session, text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


MOVING_KEYS: tuple[Row, ...] = (
    (glfw.KEY_V, "V", "orbit", "Turn about what is under the cursor, or fly", _asks("orbit"), 0),
    (glfw.KEY_F, "F", "focus", "Go half way to what is under the cursor", _asks("focus"), 0),
    (glfw.KEY_G, "G", "walk", "Walk on the ground, or fly", _asks("walk"), 0),
    (glfw.KEY_C, "Ctrl+C", "copy pose", "Copy the pose as a line of text", _copy, glfw.MOD_CONTROL),
    (glfw.KEY_V, "Ctrl+V", "paste pose", "Go to a pose that was copied", _paste, glfw.MOD_CONTROL),
    *(
        (glfw.KEY_F1 + i - 1, f"F{i}", f"bookmark {i}", f"Go to bookmark {i}", _go(i), 0)
        for i in range(1, N_BOOKMARKS + 1)
    ),
    *(
        (glfw.KEY_F1 + i - 1, f"Ctrl+F{i}", f"keep {i}", f"Keep as bookmark {i}", _keep(i), glfw.MOD_CONTROL)
        for i in range(1, N_BOOKMARKS + 1)
    ),
)  # fmt: skip
