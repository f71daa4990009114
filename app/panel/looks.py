"""The window "View": what is drawn and how."""

from imgui_bundle import imgui

from ...atlas.layout import PASSES, PROJECTIONS
from .. import taking
from ..entity_colours import colour_index, palette
from ..session import SEMANTIC, Session
from . import style, widgets

PASS_TEXTS = {
    "colour": "The world as it looks.",
    "depth": "How far each voxel is: near is bright.",
    "normal": "Which way each voxel's face looks.",
    "uvw": "Identity: a pixel's bytes are its voxel's coordinates in its region.",
    "level": "The level of detail of each voxel; level 0 is the finest.",
    "steps": "How many steps each ray took: dark is cheap.",
    "touched": "The chunks that rays ended in, each in a colour of its own.",
    "residency": "Green is as fine as the pixel asks for, orange waits for finer; coarse levels are darker.",
    "albedo": "The colours as they were baked, without light.",
    "semantic": "Which entity each voxel belongs to, where the world knows.",
}
_LEGEND_ROWS = 8  # entities that are seen at once
_PALETTE = palette()
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
    if session.pass_name == SEMANTIC:
        _legend(session)
    widgets.heading("Camera")
    names = {p: p for p in PROJECTIONS}
    told = " ".join(f"{p}: {PROJECTION_TEXTS.get(p, '')}" for p in names)
    session.projection = widgets.choice(session, "Projection", session.projection, names, told)
    widgets.settings_of(session, "Camera")
    if imgui.button("Screenshot", imgui.ImVec2(-1, 0)):
        taking.screenshot(session)
    widgets.tip(
        session, f"As a PNG in {taking.pictures_folder()}; drop it here to look from there again. (F12)"
    )
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
            session.show_pass(name)
        if chosen:
            imgui.pop_style_color(2)
        widgets.tip(session, f"{PASS_TEXTS.get(name, '')} Key {(i + 1) % 10}.")


def _legend(session: Session) -> None:
    """The entities that have been met since the pass was first shown, each with its colour."""
    entities = session.scene.entities
    if entities is None or entities.failed:
        imgui.text_wrapped(entities.failed if entities else "This world knows no entities.")
        return
    met = sorted(entities.met)
    if not met:
        imgui.text_colored(style.colour(style.FAINT), "Reading which entities there are ...")
        return
    height = min(len(met), _LEGEND_ROWS) * imgui.get_text_line_height_with_spacing()
    imgui.begin_child("##legend", imgui.ImVec2(0, height))
    edge = imgui.ImVec2(imgui.get_text_line_height(), imgui.get_text_line_height())
    flags = imgui.ColorEditFlags_.no_tooltip | imgui.ColorEditFlags_.no_drag_drop
    clipper = imgui.ListClipper()
    clipper.begin(len(met))
    while clipper.step():
        for entity in met[clipper.display_start : clipper.display_end]:
            r, g, b, _ = (_PALETTE[colour_index(entity)] / 255).tolist()
            imgui.color_button(f"##entity{entity}", imgui.ImVec4(r, g, b, 1), flags, edge)
            imgui.same_line()
            imgui.text(entities.names.get(entity, f"entity {entity}"))
    imgui.end_child()
    widgets.tip(session, "What has been seen so far. The window Voxel names what is under the cursor.")
