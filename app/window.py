"""A window and what its user does: glfw, and no GL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import glfw

from .errors import GraphicsError

# Physical keys, so that they lie under the same fingers on every layout: glfw's key codes are positions.
_MOVES = {
    glfw.KEY_W: (1, 0, 0),
    glfw.KEY_S: (-1, 0, 0),
    glfw.KEY_D: (0, 1, 0),
    glfw.KEY_A: (0, -1, 0),
    glfw.KEY_E: (0, 0, 1),
    glfw.KEY_Q: (0, 0, -1),
}


@dataclass(frozen=True, slots=True)
class Input:
    """What the user asked for since the last frame.

    move    forward, right, up, each -1 to 1
    turn    mouse motion in pixels while a button was held: right, down
    scroll  wheel clicks, up positive
    pressed keys that went down, glfw codes
    """

    move: tuple[float, float, float]
    turn: tuple[float, float]
    scroll: float
    pressed: frozenset[int]
    fast: bool
    slow: bool
    closed: bool


@dataclass(slots=True)
class Window:
    """An open window whose GL context is current in this thread."""

    handle: Any
    _turn: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _scroll: float = 0.0
    _pressed: set[int] = field(default_factory=set)
    _cursor: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Pixels, not screen units. (0, 0) while iconified."""
        width, height = glfw.get_framebuffer_size(self.handle)
        return int(width), int(height)

    def poll(self) -> Input:
        """Take in events. -> what they ask for"""
        glfw.poll_events()
        if glfw.get_key(self.handle, glfw.KEY_ESCAPE) == glfw.PRESS:
            glfw.set_window_should_close(self.handle, True)
        held = [m for key, m in _MOVES.items() if glfw.get_key(self.handle, key) == glfw.PRESS]
        forward, right, up = (float(sum(axis)) for axis in zip(*held, (0, 0, 0), strict=True))
        now = Input(
            move=(forward, right, up),
            turn=(self._turn[0], self._turn[1]),
            scroll=self._scroll,
            pressed=frozenset(self._pressed),
            fast=glfw.get_key(self.handle, glfw.KEY_LEFT_SHIFT) == glfw.PRESS,
            slow=glfw.get_key(self.handle, glfw.KEY_LEFT_ALT) == glfw.PRESS,
            closed=bool(glfw.window_should_close(self.handle)),
        )
        self._turn, self._scroll, self._pressed = [0.0, 0.0], 0.0, set()
        return now

    def swap(self) -> None:
        glfw.swap_buffers(self.handle)

    def title(self, text: str) -> None:
        glfw.set_window_title(self.handle, text)

    def on_key(self, _window: Any, key: int, _scancode: int, action: int, _mods: int) -> None:
        if action == glfw.PRESS:
            self._pressed.add(key)

    def on_scroll(self, _window: Any, _dx: float, dy: float) -> None:
        self._scroll += dy

    def on_cursor(self, window: Any, x: float, y: float) -> None:
        buttons = glfw.MOUSE_BUTTON_LEFT, glfw.MOUSE_BUTTON_RIGHT
        if self._cursor and any(glfw.get_mouse_button(window, b) == glfw.PRESS for b in buttons):
            self._turn[0] += x - self._cursor[0]
            self._turn[1] += y - self._cursor[1]
        self._cursor = x, y


def _text(message: bytes | str) -> str:
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else message


@contextmanager
def open_window(size: tuple[int, int], title: str, gl_version: int) -> Iterator[Window]:
    """Open a window with a current GL context. Raises GraphicsError."""
    failures: list[str] = []
    glfw.set_error_callback(lambda _code, text: failures.append(_text(text)))
    if not glfw.init():
        raise GraphicsError(
            f"no window can be opened ({'; '.join(failures) or 'no display'}); draw without one: "
            "voxtide render WORLD -o OUT.png"
        )
    try:
        glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, gl_version // 100)
        glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, gl_version // 10 % 10)
        glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
        handle = glfw.create_window(*size, title, None, None)
        if not handle:
            raise GraphicsError(
                f"no window with OpenGL {gl_version / 100:.1f} ({'; '.join(failures)}); "
                "`voxtide doctor` tells what is missing"
            )
        glfw.make_context_current(handle)
        window = Window(handle)
        glfw.set_key_callback(handle, window.on_key)
        glfw.set_scroll_callback(handle, window.on_scroll)
        glfw.set_cursor_pos_callback(handle, window.on_cursor)
        yield window
    finally:
        glfw.terminate()
