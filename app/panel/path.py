"""The window "Path": keys of a camera path, playing it, files, recording."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imgui_bundle import imgui

from .. import path_desk, path_edit, taking
from ..path_desk import Desk
from ..path_edit import Draft
from ..paths import MAX_FPS, MAX_SIDE
from ..session import Session
from . import dialogs

_PROJECTIONS = {"planar": "Flat", "stereo": "Stereo", "equirect": "360°"}
_SIZES = {"planar": (1280, 720), "stereo": (2560, 720), "equirect": (2048, 1024)}
_ROWS = 7  # keys that are seen at once
_LABEL = 0.38  # of the width


def draw(session: Session) -> None:
    """Between imgui's begin and end."""
    desk = path_desk.desk_of(session)
    if desk.done is not None:
        _recording(session, desk)
        return
    _edit(session, desk)
    if desk.draft.keys:
        _keys(session, desk)
        _chosen(session, desk)
        _timing(session, desk)
        _playing(session, desk)
    _files(session, desk)
    if desk.draft.keys:
        _record(session, desk)
    if desk.drag is None and not imgui.is_any_item_active():
        desk.editor.release()


def _edit(session: Session, desk: Desk) -> None:
    width = _share(3)
    if imgui.button("Add key", imgui.ImVec2(width, 0)):
        path_desk.add_key(session)
    _tip("A key where you stand now, behind the chosen one. Its field of view is the present one. (K)")
    for name, can, run, says in (
        ("Undo", desk.editor.can_undo, desk.editor.undo, "Take the last change back."),
        ("Redo", desk.editor.can_redo, desk.editor.redo, "Make the change again that was taken back."),
    ):
        imgui.same_line()
        imgui.begin_disabled(not can)
        if imgui.button(name, imgui.ImVec2(width, 0)):
            run()
        imgui.end_disabled()
        _tip(says)
    if not desk.draft.keys:
        imgui.text_wrapped("Fly to where the film begins and add a key; fly on and add the next.")


def _keys(session: Session, desk: Desk) -> None:
    flags = imgui.TableFlags_.scroll_y | imgui.TableFlags_.row_bg | imgui.TableFlags_.sizing_stretch_same
    rows = min(len(desk.draft.keys), _ROWS) + 1
    if not imgui.begin_table("##keys", 4, flags, imgui.ImVec2(0, rows * imgui.get_frame_height() * 1.15)):
        return
    imgui.table_setup_scroll_freeze(0, 1)
    for name in ("Key", "Time s", "View °", "Yaw °"):
        imgui.table_setup_column(name)
    imgui.table_headers_row()
    clipper = imgui.ListClipper()
    clipper.begin(len(desk.draft.keys))
    while clipper.step():
        for i in range(clipper.display_start, clipper.display_end):
            _row(session, desk, i)
    imgui.end_table()
    _tip("Click a key to look from there.")


def _row(session: Session, desk: Desk, i: int) -> None:
    key = desk.draft.keys[i]
    imgui.table_next_row()
    imgui.table_next_column()
    chosen = desk.draft.chosen == i
    if imgui.selectable(f"{i + 1}##key{i}", chosen, imgui.SelectableFlags_.span_all_columns)[0]:
        path_desk.go_to_key(session, i)
    for text in (f"{key.t:.2f}", f"{key.fov_deg:.0f}", f"{key.pose.yaw % 360:.0f}"):
        imgui.table_next_column()
        imgui.text(text)


def _chosen(session: Session, desk: Desk) -> None:
    i = desk.draft.chosen
    if i is None or i >= len(desk.draft.keys):
        return
    imgui.separator_text(f"Key {i + 1}")
    key, n = desk.draft.keys[i], len(desk.draft.keys)
    if i > 0:
        before = desk.draft.keys[i - 1].t
        gap = _number("Seconds to it", key.t - before, 0.02, path_edit.MIN_GAP_S, 3600, "%.2f s",
            "How long the way to this key takes; what follows moves with it.")  # fmt: skip
        if gap is not None:
            path_desk.edit(session, lambda d: path_edit.delay(d, i, gap), ("delay", i))
    fov = _number("Field of view", key.fov_deg, 0.2, 1.0, 165.0, "%.1f°", "Vertical, at this key.")
    if fov is not None:
        path_desk.edit(session, lambda d: path_edit.widen(d, i, fov), ("fov", i))
    buttons: tuple[tuple[str, bool, Callable[[Draft], Draft], str], ...] = (
        ("Here", True, lambda d: path_edit.move(d, i, session.pose), "Put this key where you stand."),
        ("Up", i > 0, lambda d: path_edit.swap(d, i, i - 1), "Come earlier: change with the key before."),
        ("Down", i + 1 < n, lambda d: path_edit.swap(d, i, i + 1), "Come later: change with the next key."),
        ("Delete", True, lambda d: path_edit.delete(d, i), "Take this key out. Undo brings it back."),
    )
    width = _share(len(buttons))
    for name, can, make, says in buttons:
        imgui.begin_disabled(not can)
        if imgui.button(name, imgui.ImVec2(width, 0)):
            path_desk.edit(session, make)
        imgui.end_disabled()
        _tip(says)
        if name != "Delete":
            imgui.same_line()


def _timing(session: Session, desk: Desk) -> None:
    imgui.separator_text("The whole path")
    path = desk.path
    assert path is not None
    if path.seconds:
        says = "How long it takes; every part keeps its share."
        seconds = _number("Seconds", path.seconds, 0.05, 0.1, 86_400, "%.2f s", says)
        if seconds is not None:
            path_desk.edit(session, lambda d: path_edit.stretch(d, seconds), "stretch")
    says = "Of what is recorded, and of files that hold frames."
    fps = _number("Frame rate", path.fps, 0.1, 1.0, MAX_FPS, "%.3g", says)
    if fps is not None:
        path_desk.edit(session, lambda d: replace(d, fps=fps), "fps")
    changed, loop = imgui.checkbox("Loop", desk.draft.loop)
    _tip("Go back to the first key at the end, and on for ever.")
    if changed:
        path_desk.edit(session, lambda d: replace(d, loop=loop))
    imgui.same_line()
    changed, even = imgui.checkbox("One speed", desk.draft.pace == "even")
    _tip("Move along the whole way at one speed; the keys' times then only say how long it takes in all.")
    if changed:
        path_desk.edit(session, lambda d: replace(d, pace="even" if even else "keys"))
    imgui.same_line()
    _, desk.shows_way = imgui.checkbox("Show", desk.shows_way)
    _tip("Draw the way, and what each key sees, over the scene.")


def _playing(session: Session, desk: Desk) -> None:
    path = desk.path
    assert path is not None
    if imgui.button("Stop" if desk.is_playing else "Play", imgui.ImVec2(_share(4), 0)):
        (path_desk.stop if desk.is_playing else path_desk.play)(session)
    _tip("Fly along the path. (Space)")
    imgui.same_line()
    imgui.set_next_item_width(-1)
    first = path.keys[0].t
    changed, at = imgui.slider_float("##at", desk.at_s, first, max(path.keys[-1].t, first + 1e-3), "%.2f s")
    _tip("Where on the path you are: drag to look around in time.")
    if changed:
        desk.is_playing = False
        path_desk.play_to(session, float(at))
    elif imgui.is_item_deactivated() and not desk.is_playing:
        path_desk.stop(session)


def _files(session: Session, desk: Desk) -> None:
    imgui.separator_text("File")
    imgui.set_next_item_width(-1)
    _, desk.file = imgui.input_text("##file", desk.file)
    _tip("Voxtide's .json, nerfstudio's camera path .json, or Lyra's trajectory .npz (docs/paths.md).")
    width, file = _share(2), Path(desk.file)
    kinds = ".npz as Lyra's trajectory, .nerfstudio.json for nerfstudio, else Voxtide's own."
    buttons: tuple[tuple[str, bool, Callable[[], None], str], ...] = (
        ("Load", True, lambda: path_desk.load(session, file),
         "Read this file; what kind it is, is seen from what is in it. Undo brings the old path back."),
        ("Save", bool(desk.draft.keys), lambda: path_desk.save(session, file), f"Write the path: {kinds}"),
        ("Open …", True, lambda: dialogs.ask_for_path(session), "Choose a file to read."),
        ("Save as …", bool(desk.draft.keys), lambda: dialogs.ask_where_to_save(session),
         f"Choose where to write the path: {kinds}"),
    )  # fmt: skip
    for i, (name, can, run, says) in enumerate(buttons):
        if i % 2:
            imgui.same_line()
        imgui.begin_disabled(not can)
        if imgui.button(name, imgui.ImVec2(width, 0)):
            run()
        imgui.end_disabled()
        _tip(says)


def _record(session: Session, desk: Desk) -> None:
    imgui.separator_text("Record")
    imgui.set_next_item_width(
        imgui.get_content_region_avail().x - _share(4) - imgui.get_style().item_spacing.x
    )
    _, desk.out = imgui.input_text("##out", desk.out)
    _tip("An .mp4, or a folder for numbered .png.")
    imgui.same_line()
    if imgui.button("To …", imgui.ImVec2(-1, 0)):
        dialogs.ask_for_film(session)
    _tip("Choose the file to record to.")
    imgui.set_next_item_width(-1)
    changed, size = imgui.input_int2("##size", list(desk.size))
    _tip("Width and height of a frame, pixels; an .mp4 needs even ones, 360° is twice as wide as high.")
    if changed:
        desk.size = min(max(int(size[0]), 16), MAX_SIDE // 4), min(max(int(size[1]), 16), MAX_SIDE // 4)
    imgui.set_next_item_width(_share(2))
    names = list(_PROJECTIONS)
    _, at = imgui.combo("##projection", names.index(desk.projection), list(_PROJECTIONS.values()))
    if names[at] != desk.projection:
        desk.projection, desk.size = names[at], _SIZES[names[at]]
    _tip("Flat, two eyes side by side, or every direction; the film's metadata says which.")
    imgui.same_line()
    if imgui.button("Record", imgui.ImVec2(-1, 0)):
        taking.film(session, Path(desk.out))
    _tip("Each frame waits until nothing is missing: no frame is coarse, however slow the disk is.")


def _recording(session: Session, desk: Desk) -> None:
    path = desk.path
    n = path.n_frames if path else 0
    done = desk.done or 0.0
    imgui.progress_bar(done, imgui.ImVec2(-1, 0), f"{round(done * n)} of {n} frames")
    if imgui.button("Stop", imgui.ImVec2(-1, 0)):
        path_desk.stop(session)
    _tip("Stop recording. An .mp4 is not kept; frames in a folder are.")


def _number(
    name: str, value: float, speed: float, least: float, most: float, form: str, says: str
) -> float | None:
    """A line with a number that can be dragged or typed. -> the new one, None where it is the old"""
    imgui.align_text_to_frame_padding()
    imgui.text(name)
    _tip(says)
    imgui.same_line(imgui.get_content_region_avail().x * _LABEL)
    imgui.set_next_item_width(-1)
    flags = imgui.SliderFlags_.always_clamp
    changed, new = imgui.drag_float(f"##{name}", value, speed, least, most, form, flags)
    _tip(says)
    return float(new) if changed else None


def _share(n: int) -> float:
    """The width of one of n buttons in a line."""
    gap = imgui.get_style().item_spacing.x
    return (imgui.get_content_region_avail().x - (n - 1) * gap) / n


def _tip(text: str) -> None:
    imgui.set_item_tooltip(text)
