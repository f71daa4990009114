"""OpenXR, as far as it goes without a headset: what is said where something is missing; the order of calls.

The calls are made on the real structures of pyopenxr, with functions that record instead of a runtime.
"""

import ctypes
import importlib.util
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from voxtide.app.vr import loop, openxr
from voxtide.app.vr.openxr_hands import ACTIONS, BINDINGS
from voxtide.app.vr.runtime import Hands
from voxtide.tools import cli
from voxtide.tools.commands import view
from worlds import make_world, surface

needs_xr = pytest.mark.skipif(not importlib.util.find_spec("xr"), reason="needs pyopenxr: the extra vr")


@pytest.fixture
def world(tmp_path):
    make_world(tmp_path / "w", *surface(500, 30))
    return str(tmp_path / "w")


def one_line(capsys):
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert said.out == "" and len(lines) == 1, said
    return lines[0]


def test_without_pyopenxr_one_line_says_what_to_install(monkeypatch, capsys, world):
    monkeypatch.setitem(sys.modules, "xr", None)
    assert cli.main(["view", world, "--vr"]) == 2
    assert openxr.INSTALL in one_line(capsys)


@needs_xr
def test_without_a_runtime_one_line_says_so(monkeypatch, capfd, world, tmp_path):
    monkeypatch.setenv("XR_RUNTIME_JSON", str(tmp_path / "none.json"))
    assert cli.main(["view", world, "--vr"]) == 2
    assert "OpenXR runtime" in one_line(capfd)


def test_the_command_knows_the_loop_s_qualities():
    assert tuple(q.name for q in loop.QUALITIES) == view.VR_QUALITIES


def test_every_binding_is_of_an_action_and_leaving_is_always_possible():
    for profile, inputs in BINDINGS.items():
        assert set(inputs) <= set(ACTIONS), profile
        assert "leave" in inputs
        assert len(set(inputs.values())) == len(inputs), "no button does two things"


class Recorded:
    """pyopenxr's structures, with functions that a script answers: what a runtime would be asked."""

    def __init__(self, xr, states):
        self.real, self.calls, self.states, self.n_image = xr, [], list(states), 0

    def __getattr__(self, name):
        made = ANSWERS.get(name)
        if made is None:
            found = getattr(self.real, name)
            assert isinstance(found, type) or not callable(found) or name == "check_result", (
                f"asked for {name}"
            )
            return found

        def call(*arguments, **named):
            self.calls.append(name)
            return made(self, *arguments, **named)

        return call


def poll_event(fake, _instance):
    if not fake.states:
        raise fake.real.exception.EventUnavailable
    state = fake.states.pop(0)
    if state is None:
        raise fake.real.exception.EventUnavailable
    changed = fake.real.EventDataSessionStateChanged(state=getattr(fake.real.SessionState, state))
    buffer = fake.real.EventDataBuffer()
    ctypes.memmove(ctypes.byref(buffer), ctypes.byref(changed), ctypes.sizeof(changed))
    return buffer


def locate_views(fake, _session, info):
    views = []
    for side in (-1, 1):
        one = fake.real.View(fov=fake.real.Fovf(-0.9, 0.7, 0.8, -0.8))
        one.pose.position.x, one.pose.position.y, one.pose.orientation.w = side * 0.03, 1.6, 1.0
        views.append(one)
    both = fake.real.ViewStateFlags.POSITION_VALID_BIT | fake.real.ViewStateFlags.ORIENTATION_VALID_BIT
    return fake.real.ViewState(view_state_flags=both), views


def acquire(fake, _chain, _info):
    fake.n_image += 1
    return fake.n_image % 2


def end_frame(fake, _session, info):
    fake.calls.append(f"{info.layer_count} layers")


def stick(fake, _session, info):
    state = fake.real.ActionStateVector2f(is_active=1)
    state.current_state.x, state.current_state.y = 0.25, 0.75
    return state


def nothing(fake, *arguments, **named):
    return None


ANSWERS = {
    "create_session": lambda fake, *a: fake.real.Session(),
    "destroy_session": nothing,
    "enumerate_reference_spaces": lambda fake, *a: [fake.real.ReferenceSpaceType.STAGE.value],
    "create_reference_space": lambda fake, *a: fake.real.Space(),
    "create_action_set": lambda fake, *a: fake.real.ActionSet(),
    "create_action": lambda fake, *a: fake.real.Action(),
    "string_to_path": lambda fake, instance, text: 7,
    "suggest_interaction_profile_bindings": nothing,
    "attach_session_action_sets": nothing,
    "create_action_space": lambda fake, *a: fake.real.Space(),
    "enumerate_view_configuration_views": lambda fake, *a: (
        [SimpleNamespace(recommended_image_rect_width=100, recommended_image_rect_height=80)] * 2
    ),
    "enumerate_swapchain_formats": lambda fake, *a: [0x8C43],
    "create_swapchain": lambda fake, *a: fake.real.Swapchain(),
    "enumerate_swapchain_images": lambda fake, *a: [SimpleNamespace(image=11), SimpleNamespace(image=12)],
    "poll_event": poll_event,
    "begin_session": nothing,
    "end_session": nothing,
    "request_exit_session": nothing,
    "wait_frame": lambda fake, *a: fake.real.FrameState(
        predicted_display_time=5, predicted_display_period=11_000_000, should_render=1
    ),
    "begin_frame": nothing,
    "locate_views": locate_views,
    "sync_actions": nothing,
    "get_action_state_vector2f": stick,
    "get_action_state_boolean": lambda fake, *a: fake.real.ActionStateBoolean(is_active=1, current_state=0),
    "locate_space": lambda fake, *a: fake.real.SpaceLocation(),
    "acquire_swapchain_image": acquire,
    "wait_swapchain_image": nothing,
    "release_swapchain_image": nothing,
    "end_frame": end_frame,
}


@needs_xr
def test_a_session_is_begun_drawn_for_and_ended_in_order(monkeypatch):
    real = openxr.load_xr()
    fake = Recorded(real, ["IDLE", "READY", None, None, "STOPPING", "EXITING"])
    monkeypatch.setattr(openxr.Headset, "_create_info", lambda self, system: real.SessionCreateInfo())
    with ExitStack() as open_things:
        worn = openxr.Headset(fake, real.Instance(), 1, lambda: False, open_things)
        assert worn.sizes == ((100, 80), (100, 80))
        now = worn.begin()
        assert now.seconds == pytest.approx(0.011)
        left, right = now.eyes
        assert left.place.position[0] == pytest.approx(-0.03)
        assert left.fov == pytest.approx((-0.9, 0.7, 0.8, -0.8)) and right.place.orientation[3] == 1.0
        assert now.hands == Hands(move=(0.25, 0.75), turn=0.25, aim=0.75)
        assert [worn.texture(0), worn.texture(1)] == [12, 11]
        worn.end(((100, 80), (100, 80)))
        assert fake.calls[-4:] == ["release_swapchain_image"] * 2 + ["end_frame", "1 layers"]
        assert worn.begin() is not None
        worn.end(None)
        assert fake.calls[-1] == "0 layers"
        assert worn.begin() is None
    frames = [
        c
        for c in fake.calls
        if c in ("begin_session", "wait_frame", "begin_frame", "end_frame", "end_session")
    ]
    one = ["wait_frame", "begin_frame", "end_frame"]
    assert frames == ["begin_session", *one, *one, "end_session"]
    assert fake.calls[-1] == "destroy_session"


@needs_xr
def test_closing_the_desktop_s_window_asks_the_runtime_to_end(monkeypatch):
    real = openxr.load_xr()
    fake = Recorded(real, ["READY", None, "STOPPING", "EXITING"])
    monkeypatch.setattr(openxr.Headset, "_create_info", lambda self, system: real.SessionCreateInfo())
    with ExitStack() as open_things:
        worn = openxr.Headset(fake, real.Instance(), 1, lambda: True, open_things)
        assert worn.begin() is not None
        worn.end(None)
        assert worn.begin() is None
    assert "request_exit_session" in fake.calls
