"""The window "Settings": all of the table."""

from imgui_bundle import imgui

from ..session import Session
from ..settings import GROUPS, Settings
from . import widgets


def draw(session: Session) -> None:
    """Between imgui's begin and end."""
    for group in GROUPS:
        widgets.heading(group)
        widgets.settings_of(session, group)
    imgui.spacing()
    if imgui.button("All as at first", imgui.ImVec2(-1, 0)):
        session.settings = Settings()
        session.say("All settings are as at first")
    widgets.tip(session, "Every setting goes back to its default.")
