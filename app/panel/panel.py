"""The panel as a whole: when it is drawn, what it takes of the user's input, how it lies in the window.

imgui is asked for a new picture of the panel only when there is a reason: something touches it, something in
it has changed, or its figures are old. Else a frame pays for laying the picture over the window alone.
"""

import time
from dataclasses import replace
from typing import Any

from imgui_bundle import imgui, implot

from ...atlas.layout import CUBE_FACES
from .. import path_desk
from ..render.overlay import Overlay
from ..session import Session, Stroke
from ..window import Event, Input
from . import dialogs, over, style
from .feed import feed
from .windows import WINDOWS

COLUMN = 340.0  # pixels, before scaling
LOWER = 0.46  # of the column's height
SPACE = 0x766F7874  # imgui's name of the space: any number that stays the same
LEAST_FRAMES = 4  # between two pictures that are made because figures are old: few frames pay for them
SETTLING_FRAMES = 2  # imgui lays out what has changed in the frame after


class Panel:
    """imgui in one window. Needs the GL context that Overlay needs; one at a time."""

    def __init__(self, ctx: Any, size: tuple[int, int], scale: float, layout: str) -> None:
        self.context = imgui.create_context()
        self.plots = implot.create_context()
        self._io = imgui.get_io()
        self._io.set_ini_filename("")
        self._io.config_flags |= imgui.ConfigFlags_.docking_enable
        self._io.config_windows_move_from_title_bar_only = True
        self._display_scale, self._scale = scale, 0.0
        self._asks_layout = not layout
        if layout:
            imgui.load_ini_settings_from_memory(layout)
        style.load_font()
        self.overlay = Overlay(ctx, size)
        self._held: set[int] = set()
        self._later: list[Event] = []  # for the next frame
        self._due, self._drawn, self._was = SETTLING_FRAMES, 0.0, (0, 0)
        self._in_frame = False
        self._asks_front = self._skipped = 0
        self._shown: object = None
        self._strokes: list[Stroke] = []  # of the last picture of the panel
        self._drags_scene = False
        width, height = self.room(size)
        self.picture: over.Box = (0.0, 0.0, float(width), float(height))
        self.took_ms = 0.0  # the main thread, for the last frame's panel

    @property
    def picture_size(self) -> tuple[int, int]:
        """Pixels of the window that the panel leaves for the picture."""
        return round(self.picture[2]), round(self.picture[3])

    def room(self, size: tuple[int, int]) -> tuple[int, int]:
        """About what it will leave of a window, before it has been drawn."""
        column = COLUMN * self._display_scale
        return max(round(size[0] - min(column, size[0] / 2)), 1), size[1]

    def begin(self, session: Session, events: list[Event], now: Input, size: tuple[int, int]) -> Input:
        """Take this frame's events. -> the input that is left for the scene

        The scene's cursor counts from the picture's upper left.
        """
        began = time.perf_counter()
        waiting = [*self._later, *events]
        cut = press_after_motion(waiting) if self.overlay.covers(now.cursor) else len(waiting)
        events, self._later = waiting[:cut], waiting[cut:]
        feed(self._io, events, self._held)
        if self._concerns(events, now):
            # imgui takes one change of a button a frame: press and release may have come together
            self._due = SETTLING_FRAMES + sum(event.kind == "button" for event in events)
        changed = self._what(session, size)
        if changed != self._shown:
            self._shown, self._due = changed, max(self._due, SETTLING_FRAMES)
        if list(map(id, session.strokes)) != list(map(id, self._strokes)):
            self._strokes, self._due = list(session.strokes), max(self._due, 1)
        self._skipped += 1
        if (
            self._skipped >= LEAST_FRAMES
            and time.perf_counter() - self._drawn > 1 / session.settings.panel_hz
        ):
            self._due = max(self._due, 1)
        if self._due:
            self._new_frame(session, size)
        self.took_ms = (time.perf_counter() - began) * 1e3
        return self._left(session, now)

    def _concerns(self, events: list[Event], now: Input) -> bool:
        """Whether events may be the panel's: at once, or it would answer late."""
        io = self._io
        if any(e.kind == "button" and e.down for e in events):
            self._drags_scene = not self.overlay.covers(now.cursor) and not imgui.is_popup_open(
                "", imgui.PopupFlags_.any_popup_id | imgui.PopupFlags_.any_popup_level
            )
        typing = io.want_text_input and any(e.kind in ("key", "char") for e in events)
        pointing = any(e.kind in ("cursor", "scroll") for e in events) and (
            io.want_capture_mouse or self.overlay.covers(now.cursor)
        )
        pressed = any(e.kind in ("button", "focus") for e in events)
        return typing or pressed or (pointing and not self._is_dragging_scene)

    @property
    def _is_dragging_scene(self) -> bool:
        return self._drags_scene and not self._io.want_capture_mouse

    def _what(self, session: Session, size: tuple[int, int]) -> object:
        """What the panel shows besides figures that may be old for a moment."""
        return (
            size, session.pass_name, session.projection, session.shows_panel, session.shows_help,
            session.name, session.frozen, session.tiny_budget, session.slow_disk_ms, session.mode,
            len(session.messages), len(session.bakings), replace(session.settings), path_desk.shown(session),
        )  # fmt: skip

    def _new_frame(self, session: Session, size: tuple[int, int]) -> None:
        scale = self._display_scale * session.settings.panel_scale
        if scale != self._scale:
            self._scale = scale
            style.apply(scale)
        now, self._skipped = time.perf_counter(), 0
        self._io.display_size = imgui.ImVec2(*size)
        self._io.delta_time = min(max(now - self._drawn, 1e-4), 0.5)
        self._drawn = now
        self.overlay.new_frame()
        imgui.new_frame()
        self._in_frame = True

    def _left(self, session: Session, now: Input) -> Input:
        x, y, _, _ = self.picture
        inside = now.cursor[0] - x, now.cursor[1] - y
        takes_mouse = self._io.want_capture_mouse and not self._drags_scene
        session.cursor = None if takes_mouse else inside
        start = now.drag_from and (now.drag_from[0] - x, now.drag_from[1] - y)
        left = replace(now, cursor=inside, drag_from=None if takes_mouse else start)
        if takes_mouse:
            left = replace(left, turn=(0.0, 0.0), scroll=0.0, double_clicked=False)
        if self._io.want_text_input:
            left = replace(left, move=(0.0, 0.0, 0.0), pressed=(), fast=False, slow=False)
        return left

    def draw(self, session: Session, size: tuple[int, int]) -> bool:
        """Draw the windows, if this frame is one for it. -> whether there is a new picture of the panel"""
        if not self._in_frame:
            return False
        began = time.perf_counter()
        self._dock(session, size)
        if session.shows_panel:
            for window in WINDOWS:
                if imgui.begin(window.title)[0]:
                    window.draw(session)
                imgui.end()
            self._bring_forward()
        dialogs.hear(session)
        over.strokes(session, self.picture)
        over.messages(session, self.picture)
        if session.shows_help:
            over.help_list(session, self.picture)
        imgui.render()
        self._in_frame = False
        self.overlay.draw(size)
        self._due -= 1
        self.took_ms += (time.perf_counter() - began) * 1e3
        return True

    def _dock(self, session: Session, size: tuple[int, int]) -> None:
        """The space that windows dock in, and what of it is left for the picture."""
        if not session.shows_panel:
            self.picture = shaped((0.0, 0.0, float(size[0]), float(size[1])), session.projection)
            return
        flags = imgui.DockNodeFlags_.passthru_central_node | imgui.DockNodeFlags_.no_docking_over_central_node
        space = SPACE
        if self._asks_layout:
            self._asks_layout = False
            self._lay_out(space, size)
        imgui.dock_space_over_viewport(space, imgui.get_main_viewport(), flags)
        middle = imgui.internal.dock_builder_get_central_node(space)
        if middle is not None and middle.size.x >= 1 and middle.size.y >= 1:
            room = middle.pos.x, middle.pos.y, middle.size.x, middle.size.y
            self.picture = shaped(room, session.projection)

    def _lay_out(self, space: int, size: tuple[int, int]) -> None:
        build = imgui.internal
        build.dock_builder_remove_node(space)
        build.dock_builder_add_node(space, imgui.internal.DockNodeFlagsPrivate_.dock_space)
        build.dock_builder_set_node_size(space, imgui.ImVec2(*size))
        share = min(COLUMN * self._scale / max(size[0], 1), 0.5)
        column = build.dock_builder_split_node_py(space, imgui.Dir.right, share)[1]
        _, lower, upper = build.dock_builder_split_node_py(column, imgui.Dir.down, LOWER)
        nodes = {"upper": upper, "lower": lower}
        for window in WINDOWS:
            build.dock_builder_dock_window(window.title, nodes[window.place])
        build.dock_builder_finish(space)
        self._asks_front = SETTLING_FRAMES

    def _bring_forward(self) -> None:
        """Of windows that share a place, the first is to be seen: imgui shows the one that came last."""
        if self._asks_front:
            self._asks_front -= 1
            for place in ("lower", "upper"):
                imgui.set_window_focus(next(window.title for window in WINDOWS if window.place == place))
            imgui.set_window_focus(None)

    def layout(self) -> str:
        """imgui's own text of what lies where."""
        return str(imgui.save_ini_settings_to_memory())

    def release(self) -> None:
        """Free all of it."""
        if self._in_frame:
            imgui.end_frame()
        self.overlay.release()
        implot.destroy_context(self.plots)
        imgui.destroy_context(self.context)


def shaped(room: over.Box, projection: str) -> over.Box:
    """Where in the room a picture of a projection goes: six faces in a row have a shape of their own."""
    if projection != "cube":
        return room
    x, y, width, height = room
    edge = max(min(width // CUBE_FACES, height // 1), 1.0)
    return x + (width - CUBE_FACES * edge) // 2, y + (height - edge) // 2, CUBE_FACES * edge, edge


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
