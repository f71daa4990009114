"""A gamepad as glfw maps it (the layout of an Xbox pad, whatever the maker). Pure but for `read_pad`."""

import math
from dataclasses import dataclass, replace

import glfw

from .state import Steer

DEAD_ZONE = 0.15  # of a stick that is let go: worn ones rest anywhere in it
LOOK_DEG_S = 120.0  # at full stick
_AXES = 6  # left x, left y, right x, right y, left trigger, right trigger
_BUTTONS = 15
# What a button that has just gone down asks for.
ASKS = {
    glfw.GAMEPAD_BUTTON_A: "walk",
    glfw.GAMEPAD_BUTTON_X: "focus",
    glfw.GAMEPAD_BUTTON_Y: "orbit",
    glfw.GAMEPAD_BUTTON_BACK: "home",
}
CLICKS = {glfw.GAMEPAD_BUTTON_DPAD_UP: 1.0, glfw.GAMEPAD_BUTTON_DPAD_DOWN: -1.0}


@dataclass(frozen=True, slots=True)
class Pad:
    """A gamepad's state. axes [6] -1 to 1: sticks' y downwards, triggers -1 at rest; buttons held."""

    axes: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, -1.0, -1.0)
    down: frozenset[int] = frozenset()


def steered(pad: Pad, before: Pad, seconds: float) -> tuple[Steer, frozenset[str]]:
    """What a pad asks of a frame. -> (steer, what buttons that went down ask for)

    Left stick moves, right stick looks, triggers go up (right) and down (left), bumpers are fast (right) and
    slow (left), the cross sets the speed.
    """
    right, back = _stick(pad.axes[0], pad.axes[1])
    look_right, look_down = _stick(pad.axes[2], pad.axes[3])
    up = _trigger(pad.axes[5]) - _trigger(pad.axes[4])
    pressed = pad.down - before.down
    steer = Steer(
        move=(-back, right, up),
        turn_deg=(look_right * LOOK_DEG_S * seconds, look_down * LOOK_DEG_S * seconds),
        clicks=sum(CLICKS.get(button, 0.0) for button in pressed),
        fast=glfw.GAMEPAD_BUTTON_RIGHT_BUMPER in pad.down,
        slow=glfw.GAMEPAD_BUTTON_LEFT_BUMPER in pad.down,
    )
    return steer, frozenset(ASKS[button] for button in pressed if button in ASKS)


def both(a: Steer, b: Steer) -> Steer:
    """Two devices at once: keyboard and pad."""
    forward, right, up = (max(-1.0, min(1.0, p + q)) for p, q in zip(a.move, b.move, strict=True))
    return replace(
        a,
        move=(forward, right, up),
        turn_deg=(a.turn_deg[0] + b.turn_deg[0], a.turn_deg[1] + b.turn_deg[1]),
        clicks=a.clicks + b.clicks,
        fast=a.fast or b.fast,
        slow=a.slow or b.slow,
    )


def read_pad() -> Pad | None:
    """The first gamepad that glfw knows a mapping for, or None. Call after glfw.poll_events."""
    for joystick in range(glfw.JOYSTICK_1, glfw.JOYSTICK_LAST + 1):
        if glfw.joystick_present(joystick) and glfw.joystick_is_gamepad(joystick):
            state = glfw.get_gamepad_state(joystick)
            if state is None:
                continue
            axes = tuple(float(state.axes[i]) for i in range(_AXES))
            return Pad(axes, frozenset(i for i in range(_BUTTONS) if state.buttons[i]))
    return None


def _stick(x: float, y: float) -> tuple[float, float]:
    """A stick without its dead zone, finer near the middle."""
    length = math.hypot(x, y)
    if not length > DEAD_ZONE:  # also for what is not a number
        return 0.0, 0.0
    much = min((length - DEAD_ZONE) / (1 - DEAD_ZONE), 1.0) ** 2
    return x / length * much, y / length * much


def _trigger(value: float) -> float:
    pulled = (value + 1) / 2
    return max(0.0, (pulled - DEAD_ZONE) / (1 - DEAD_ZONE))
