"""What the controllers of common headsets say, as `Hands`: actions, and whose buttons do them."""

from types import ModuleType
from typing import Any

from .runtime import Hands, Place

_LEFT, _RIGHT = "/user/hand/left/input/", "/user/hand/right/input/"
# Action -> its kind in xr.ActionType.
ACTIONS = {
    "move": "VECTOR2F_INPUT",
    "turn": "VECTOR2F_INPUT",
    "rise": "BOOLEAN_INPUT",
    "grow": "BOOLEAN_INPUT",
    "shrink": "BOOLEAN_INPUT",
    "quality": "BOOLEAN_INPUT",
    "leave": "BOOLEAN_INPUT",
    "point": "POSE_INPUT",
}
_STICKS = {"move": _LEFT + "thumbstick", "turn": _RIGHT + "thumbstick", "point": _RIGHT + "aim/pose"}
# Interaction profile -> action -> input. The simple one has neither sticks nor grips: it can only leave.
BINDINGS: dict[str, dict[str, str]] = {
    "/interaction_profiles/oculus/touch_controller": _STICKS
    | {
        "rise": _LEFT + "squeeze/value",
        "grow": _LEFT + "y/click",
        "shrink": _LEFT + "x/click",
        "quality": _RIGHT + "b/click",
        "leave": _LEFT + "menu/click",
    },
    "/interaction_profiles/valve/index_controller": _STICKS
    | {
        "rise": _LEFT + "squeeze/value",
        "grow": _LEFT + "b/click",
        "shrink": _LEFT + "a/click",
        "quality": _RIGHT + "b/click",
        "leave": _LEFT + "thumbstick/click",
    },
    "/interaction_profiles/microsoft/motion_controller": _STICKS
    | {
        "rise": _LEFT + "squeeze/click",
        "grow": _LEFT + "trackpad/click",
        "shrink": _LEFT + "thumbstick/click",
        "quality": _RIGHT + "trackpad/click",
        "leave": _LEFT + "menu/click",
    },
    "/interaction_profiles/htc/vive_controller": {
        "move": _LEFT + "trackpad",
        "turn": _RIGHT + "trackpad",
        "point": _RIGHT + "aim/pose",
        "rise": _LEFT + "squeeze/click",
        "grow": _LEFT + "trigger/click",
        "quality": _RIGHT + "menu/click",
        "leave": _LEFT + "menu/click",
    },
    "/interaction_profiles/khr/simple_controller": {
        "point": _RIGHT + "aim/pose",
        "leave": _LEFT + "menu/click",
    },
}


class Controllers:
    """The actions of one session."""

    def __init__(self, xr: ModuleType, instance: Any, session: Any) -> None:
        self._xr, self._session = xr, session
        self._set = xr.create_action_set(instance, xr.ActionSetCreateInfo("voxtide", "Voxtide", 0))
        self._actions = {
            name: xr.create_action(
                self._set,
                xr.ActionCreateInfo(
                    action_name=name,
                    action_type=getattr(xr.ActionType, kind),
                    localized_action_name=name.capitalize(),
                ),
            )
            for name, kind in ACTIONS.items()
        }
        for profile, inputs in BINDINGS.items():
            bindings = [
                xr.ActionSuggestedBinding(self._actions[name], xr.string_to_path(instance, path))
                for name, path in inputs.items()
            ]
            try:
                xr.suggest_interaction_profile_bindings(
                    instance,
                    xr.InteractionProfileSuggestedBinding(
                        interaction_profile=xr.string_to_path(instance, profile), suggested_bindings=bindings
                    ),
                )
            except xr.exception.PathUnsupportedError:
                continue  # a runtime may not know every maker
        xr.attach_session_action_sets(session, xr.SessionActionSetsAttachInfo(action_sets=[self._set]))
        self._pointing = xr.create_action_space(session, xr.ActionSpaceCreateInfo(self._actions["point"]))

    def read(self, space: Any, when: Any) -> Hands:
        """What is held and where the right hand points, in a space at a time."""
        xr = self._xr
        active = xr.ActiveActionSet(self._set, xr.NULL_PATH)
        # Where another window has the controllers, every action below says that it is not active.
        xr.sync_actions(self._session, xr.ActionsSyncInfo(active_action_sets=[active]))
        move_x, move_y = self._stick("move")
        turn_x, turn_y = self._stick("turn")
        return Hands(
            move=(move_x, move_y),
            turn=turn_x,
            aim=turn_y,
            hand=self._hand(space, when),
            **{name: self._is_down(name) for name in ("rise", "grow", "shrink", "quality", "leave")},
        )

    def _stick(self, name: str) -> tuple[float, float]:
        xr = self._xr
        state = xr.get_action_state_vector2f(self._session, xr.ActionStateGetInfo(self._actions[name]))
        return (float(state.current_state.x), float(state.current_state.y)) if state.is_active else (0.0, 0.0)

    def _is_down(self, name: str) -> bool:
        xr = self._xr
        state = xr.get_action_state_boolean(self._session, xr.ActionStateGetInfo(self._actions[name]))
        return bool(state.is_active and state.current_state)

    def _hand(self, space: Any, when: Any) -> Place | None:
        xr = self._xr
        found = xr.locate_space(self._pointing, space, when)
        flags = xr.SpaceLocationFlags
        known = flags.POSITION_VALID_BIT, flags.ORIENTATION_VALID_BIT
        if not all(found.location_flags & bit for bit in known):
            return None
        return place_of(found.pose)


def place_of(pose: Any) -> Place:
    """An XrPosef."""
    p, q = pose.position, pose.orientation
    return Place((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
