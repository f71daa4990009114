"""A window and what its user does: glfw, and no GL."""

import time
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
_FAST = glfw.KEY_LEFT_SHIFT, glfw.KEY_RIGHT_SHIFT
_SLOW = glfw.KEY_LEFT_ALT, glfw.KEY_RIGHT_ALT
_TURNING = glfw.MOUSE_BUTTON_LEFT, glfw.MOUSE_BUTTON_RIGHT
DOUBLE_CLICK_S, DOUBLE_CLICK_PIXELS = 0.35, 4.0


@dataclass(frozen=True, slots=True)
class Input:
    """What the user asked for since the last frame.

    move    forward, right, up, each -1 to 1
    turn    mouse motion in pixels while a button was held: right, down
    scroll  wheel clicks, up positive
    pressed keys that went down, glfw codes with their modifiers, in the order in which they came
    cursor  where the mouse is, window pixels from the top left
    double_clicked  the left button went down twice at one place
    dropped paths of files that were dropped on the window
    drag_from  where the left button went down that is down now, or was a moment ago; window pixels
    """

    move: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[float, float] = (0.0, 0.0)
    scroll: float = 0.0
    pressed: tuple[tuple[int, int], ...] = ()
    cursor: tuple[float, float] = (0.0, 0.0)
    double_clicked: bool = False
    dropped: tuple[str, ...] = ()
    drag_from: tuple[float, float] | None = None
    fast: bool = False
    slow: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as the panel takes it. kind: key, char, button, cursor, scroll, focus."""

    kind: str
    code: int = 0  # glfw key, button, or the character
    down: bool = False
    x: float = 0.0
    y: float = 0.0


@dataclass(slots=True)
class Window:
    """An open window whose GL context is current in this thread."""

    handle: Any
    events: list[Event] = field(default_factory=list)  # of the last poll
    _turn: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _scroll: float = 0.0
    _pressed: list[tuple[int, int]] = field(default_factory=list)
    _dropped: list[str] = field(default_factory=list)
    _cursor: tuple[float, float] | None = None
    _clicked: tuple[float, float, float] = (-1.0, 0.0, 0.0)  # when and where
    _double: bool = False
    _drag_from: tuple[float, float] | None = None
    _is_let_go: bool = False
    _waits: bool | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Pixels, not screen units. (0, 0) while iconified."""
        width, height = glfw.get_framebuffer_size(self.handle)
        return int(width), int(height)

    @property
    def scale(self) -> float:
        """How much larger than usual text should be: the monitor's content scale."""
        return max(float(glfw.get_window_content_scale(self.handle)[0]), 0.5)

    def poll(self) -> Input:
        """Take in events. -> what they ask for"""
        self.events.clear()
        self._turn, self._scroll, self._double = [0.0, 0.0], 0.0, False
        self._pressed, self._dropped = [], []
        if self._is_let_go:
            self._drag_from, self._is_let_go = None, False
        glfw.poll_events()
        held = [m for key, m in _MOVES.items() if self._is_down(key)]
        forward, right, up = (float(sum(axis)) for axis in zip(*held, (0, 0, 0), strict=True))
        return Input(
            move=(forward, right, up),
            turn=(self._turn[0], self._turn[1]),
            scroll=self._scroll,
            pressed=tuple(self._pressed),
            cursor=self._cursor or (0.0, 0.0),
            double_clicked=self._double,
            dropped=tuple(self._dropped),
            drag_from=self._drag_from,
            fast=any(self._is_down(key) for key in _FAST),
            slow=any(self._is_down(key) for key in _SLOW),
            closed=bool(glfw.window_should_close(self.handle)),
        )

    def _is_down(self, key: int) -> bool:
        return bool(glfw.get_key(self.handle, key) == glfw.PRESS)

    def swap(self) -> None:
        glfw.swap_buffers(self.handle)

    def wait_for_display(self, wish: bool) -> None:
        """Whether `swap` waits until the display is ready."""
        if wish != self._waits:
            self._waits = wish
            glfw.swap_interval(int(wish))

    def title(self, text: str) -> None:
        glfw.set_window_title(self.handle, text)

    def on_key(self, _window: Any, key: int, _scancode: int, action: int, mods: int) -> None:
        if action == glfw.PRESS:
            self._pressed.append((key, mods))
        if action != glfw.REPEAT:
            self.events.append(Event("key", key, action == glfw.PRESS))

    def on_char(self, _window: Any, character: int) -> None:
        self.events.append(Event("char", character))

    def on_scroll(self, _window: Any, dx: float, dy: float) -> None:
        self._scroll += dy
        self.events.append(Event("scroll", x=dx, y=dy))

    def on_button(self, _window: Any, button: int, action: int, _mods: int) -> None:
        self.events.append(Event("button", button, action == glfw.PRESS))
        if button == glfw.MOUSE_BUTTON_LEFT:
            self._is_let_go = action == glfw.RELEASE
        if button == glfw.MOUSE_BUTTON_LEFT and action == glfw.PRESS and self._cursor:
            self._drag_from = self._cursor
            now, (when, x, y) = time.monotonic(), self._clicked
            near = abs(self._cursor[0] - x) + abs(self._cursor[1] - y) <= DOUBLE_CLICK_PIXELS
            self._double |= near and now - when <= DOUBLE_CLICK_S
            self._clicked = now, *self._cursor

    def on_cursor(self, window: Any, x: float, y: float) -> None:
        """x and y are screen units; all else here counts pixels."""
        size, units = glfw.get_framebuffer_size(window), glfw.get_window_size(window)
        x, y = x * size[0] / max(units[0], 1), y * size[1] / max(units[1], 1)
        if self._cursor and any(glfw.get_mouse_button(window, b) == glfw.PRESS for b in _TURNING):
            self._turn[0] += x - self._cursor[0]
            self._turn[1] += y - self._cursor[1]
        self._cursor = x, y
        self.events.append(Event("cursor", x=x, y=y))

    def on_focus(self, _window: Any, focused: int) -> None:
        self.events.append(Event("focus", down=bool(focused)))

    def on_drop(self, _window: Any, paths: list[str]) -> None:
        self._dropped += paths


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
        glfw.set_char_callback(handle, window.on_char)
        glfw.set_scroll_callback(handle, window.on_scroll)
        glfw.set_mouse_button_callback(handle, window.on_button)
        glfw.set_cursor_pos_callback(handle, window.on_cursor)
        glfw.set_window_focus_callback(handle, window.on_focus)
        glfw.set_drop_callback(handle, window.on_drop)  # type: ignore[arg-type]  # glfw hands over a list
        yield window
    finally:
        glfw.terminate()
