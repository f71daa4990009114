"""The window "View": what is drawn and how."""

from imgui_bundle import imgui

from ...atlas.layout import PASSES, PROJECTIONS
from ..session import Session
from . import widgets

PASS_TEXTS = {
    "colour": "The world as it looks.",
    "depth": "How far each voxel is: near is bright.",
    "normal": "Which way each voxel's face looks.",
    "uvw": "Identity: a pixel's bytes are its voxel's coordinates in its region.",
    "level": "The level of detail of each voxel; level 0 is the finest.",
    "steps": "How many steps each ray took: dark is cheap.",
    "touched": "The chunks that rays ended in, each in a colour of its own.",
    "residency": "Green is as fine as the pixel asks for, orange waits for finer; coarse levels are darker.",
    "semantic": "Which entity each voxel belongs to, where the world knows.",
}
PROJECTION_TEXTS = {
    "planar": "A usual camera.",
    "stereo": "Two eyes side by side, for a viewer or crossed eyes.",
    "cube": "Six faces in a row: right, left, up, down, ahead, back.",
    "equirect": "All directions in one picture, as 360° video wants it.",
}


def draw(session: Session) -> None:
    """Between imgui's begin and end."""
    widgets.heading("Pass")
    _passes(session)
    widgets.heading("Camera")
    names = {p: p for p in PROJECTIONS}
    told = " ".join(f"{p}: {PROJECTION_TEXTS.get(p, '')}" for p in names)
    session.projection = widgets.choice(session, "Projection", session.projection, names, told)
    widgets.settings_of(session, "Camera")
    widgets.heading("Light")
    widgets.settings_of(session, "Light")
    widgets.heading("Quality")
    widgets.settings_of(session, "Quality")


def _passes(session: Session) -> None:
    width = (imgui.get_content_region_avail().x - 3 * imgui.get_style().item_spacing.x) / 3.0
    for i, name in enumerate(PASSES):
        if i % 3:
            imgui.same_line()
        chosen = name == session.pass_name
        if chosen:
            imgui.push_style_color(imgui.Col_.button, imgui.get_style().color_(imgui.Col_.slider_grab))
            imgui.push_style_color(imgui.Col_.text, imgui.ImVec4(0.06, 0.07, 0.08, 1))
        if imgui.button(name, imgui.ImVec2(width, 0)):
            session.pass_name = name
        if chosen:
            imgui.pop_style_color(2)
        widgets.tip(session, f"{PASS_TEXTS.get(name, '')} Key {i + 1}.")
