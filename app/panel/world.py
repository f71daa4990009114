"""The window "World": what is open, what is being baked, what was open before."""

from pathlib import PurePath

from imgui_bundle import imgui

from ..session import Session
from . import dialogs, widgets


def draw(session: Session) -> None:
    """Between imgui's begin and end."""
    _open_buttons(session)
    widgets.heading("Open")
    for name in list(session.worlds):
        _open_world(session, name, name == session.name)
    for baking in session.bakings:
        imgui.text(baking.name)
        imgui.progress_bar(baking.fraction, imgui.ImVec2(-1, 0), baking.stage)
        widgets.tip(session, "Baked in the background: it is shown as soon as a coarse version is there.")
    scene = session.scene
    widgets.heading("This world")
    widgets.pair(session, "Voxel", f"{scene.voxel_size_m * 100:g} cm", "Width of the finest voxel.")
    size = scene.extent_voxels * scene.voxel_size_m
    widgets.pair(session, "Diagonal", f"{size:,.1f} m", "From one corner of its bounds to the other.")
    widgets.pair(session, "Levels", f"{scene.root.level + 1}", "Levels of detail; each is half as fine.")
    layers = ", ".join(("colour", *session.layers))
    widgets.pair(session, "Layers", layers, "What each voxel has: colour, and what was baked beside it.")
    recent = [name for name in session.recent if name not in session.worlds]
    if recent:
        widgets.heading("Recent")
        for name in recent:
            _entry(session, name, False)


def _open_world(session: Session, name: str, is_shown: bool) -> None:
    """A world that is open: click to show it, or take it from the list."""
    cross = 1.6 * imgui.get_font_size()
    _entry(session, name, is_shown, imgui.get_content_region_avail().x - cross)
    if not is_shown:
        imgui.same_line()
        if imgui.small_button(f"x##{name}"):
            session.worlds.remove(name)
        widgets.tip(session, "Close this world: take it from the list.")


def _entry(session: Session, name: str, is_shown: bool, width: float = 0.0) -> None:
    short = PurePath(name).name or name
    size = imgui.ImVec2(width, 0)
    if imgui.selectable(f"{short}##{name}", is_shown, imgui.SelectableFlags_.none, size)[0] and not is_shown:
        session.open_next.append(name)
    widgets.tip(session, f"{name}\n" + ("It is shown now." if is_shown else "Click to show it."))


def _open_buttons(session: Session) -> None:
    half = (imgui.get_content_region_avail().x - imgui.get_style().item_spacing.x) / 2
    if imgui.button("Open world …", imgui.ImVec2(half, 0)):
        dialogs.ask_for_world(session)
    widgets.tip(session, "Choose the folder of a baked world. Or drop it on the window.")
    imgui.same_line()
    if imgui.button("Open scene …", imgui.ImVec2(half, 0)):
        dialogs.ask_for_scene(session)
    widgets.tip(session, "Splats, points, meshes, volumes, .vox … baked in the background. Or drop it here.")
