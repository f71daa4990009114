"""glfw's events as imgui takes them. Key codes of both are positions and names, so the table is by name."""

from collections.abc import Iterable
from typing import Any

import glfw
from imgui_bundle import imgui

from ..window import Event

_NAMED = {
    "SPACE": "space", "APOSTROPHE": "apostrophe", "COMMA": "comma", "MINUS": "minus", "PERIOD": "period",
    "SLASH": "slash", "SEMICOLON": "semicolon", "EQUAL": "equal", "LEFT_BRACKET": "left_bracket",
    "BACKSLASH": "backslash", "RIGHT_BRACKET": "right_bracket", "GRAVE_ACCENT": "grave_accent",
    "ESCAPE": "escape", "ENTER": "enter", "TAB": "tab", "BACKSPACE": "backspace", "INSERT": "insert",
    "DELETE": "delete", "RIGHT": "right_arrow", "LEFT": "left_arrow", "DOWN": "down_arrow", "UP": "up_arrow",
    "PAGE_UP": "page_up", "PAGE_DOWN": "page_down", "HOME": "home", "END": "end", "KP_ENTER": "keypad_enter",
    "LEFT_SHIFT": "left_shift", "LEFT_CONTROL": "left_ctrl", "LEFT_ALT": "left_alt",
    "RIGHT_SHIFT": "right_shift", "RIGHT_CONTROL": "right_ctrl", "RIGHT_ALT": "right_alt",
}  # fmt: skip
_LETTERS = {chr(c): chr(c).lower() for c in range(ord("A"), ord("Z") + 1)}
_DIGITS = {str(d): f"_{d}" for d in range(10)}
KEYS: dict[int, Any] = {
    getattr(glfw, f"KEY_{theirs}"): getattr(imgui.Key, ours)
    for theirs, ours in (_NAMED | _LETTERS | _DIGITS).items()
}
_MODIFIERS = {
    imgui.Key.mod_ctrl: (glfw.KEY_LEFT_CONTROL, glfw.KEY_RIGHT_CONTROL),
    imgui.Key.mod_shift: (glfw.KEY_LEFT_SHIFT, glfw.KEY_RIGHT_SHIFT),
    imgui.Key.mod_alt: (glfw.KEY_LEFT_ALT, glfw.KEY_RIGHT_ALT),
}


def feed(io: Any, events: Iterable[Event], held: set[int]) -> None:
    """Hand events to imgui. held: the keys that are down, kept from call to call."""
    for event in events:
        if event.kind == "cursor":
            io.add_mouse_pos_event(event.x, event.y)
        elif event.kind == "button" and event.code < 5:
            io.add_mouse_button_event(event.code, event.down)
        elif event.kind == "scroll":
            io.add_mouse_wheel_event(event.x, event.y)
        elif event.kind == "char":
            io.add_input_character(event.code)
        elif event.kind == "focus":
            io.add_focus_event(event.down)
            if not event.down:
                held.clear()
        elif event.kind == "key":
            (held.add if event.down else held.discard)(event.code)
            for modifier, codes in _MODIFIERS.items():
                io.add_key_event(modifier, any(code in held for code in codes))
            if event.code in KEYS:
                io.add_key_event(KEYS[event.code], event.down)


def press_after_motion(events: list[Event]) -> int:
    """How many events go before the first press that comes behind a motion; all, if none does.

    imgui lets nobody press what it has not seen the mouse over in the frame before. Where frames take long,
    both come together, and the press has to wait for a frame.
    """
    moved = False
    for i, event in enumerate(events):
        if event.kind == "button" and event.down and moved:
            return i
        moved |= event.kind == "cursor"
    return len(events)
