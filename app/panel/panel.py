"""The panel as a whole: when it is drawn, what it takes of the user's input, how it lies in the window.

imgui is asked for a new picture of the panel only when there is a reason (`due`). Else a frame pays for
laying the picture over the window alone. Where nobody waits for a picture, one frame builds it and the next
rasterises it.
"""

import time
from dataclasses import replace
from typing import Any

from imgui_bundle import imgui, implot

from .. import path_desk
from ..render.damage import Box
from ..render.overlay import Overlay
from ..session import Session, Stroke
from ..settings import values_of
from ..window import Event, Input
from . import dialogs, over, style
from .dock import COLUMN, Dock, shaped
from .due import SETTLING, Due
from .feed import feed, press_after_motion
from .kept import Kept
from .windows import WINDOWS, PanelWindow

_ANY_POPUP = imgui.PopupFlags_.any_popup_id | imgui.PopupFlags_.any_popup_level


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
        if layout:
            imgui.load_ini_settings_from_memory(layout)
        style.load_font()
        self.overlay = Overlay(ctx, size)
        self._held: set[int] = set()
        self._later: list[Event] = []  # for the next frame
        self._due, self._kept = Due(), Kept()
        self._built_s = 0.0
        self._in_frame = self._is_built = False  # built: and not yet rasterised
        self._glyphs = 0  # which texture they are in
        self._shown: object = None
        self._n_messages = 0
        self._strokes: list[Stroke] = []  # of the last picture of the panel
        self._drags_scene = False
        width, height = self.room(size)
        self._dock = Dock(size, is_new=not layout)
        self._room: Box = (0, 0, *size)  # what it leaves for the scene
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
        self._hear(session, events, now, size)
        self._due.step(session.settings.panel_hz)
        if self._due.is_urgent or (self._due.is_old and not self._is_built):
            self._new_frame(session, size)
        self.took_ms = (time.perf_counter() - began) * 1e3
        return self._left(session, now)

    def _hear(self, session: Session, events: list[Event], now: Input, size: tuple[int, int]) -> None:
        """Note why there should be a new picture: at once, or the panel would answer late."""
        io, due = self._io, self._due
        buttons = [e.down for e in events if e.kind == "button"]
        if buttons:
            self._drags_scene = buttons[-1] and not (self.overlay.covers(now.cursor) or _is_popup_open())
        typed = io.want_text_input and any(e.kind in ("key", "char") for e in events)
        if typed or buttons or any(e.kind == "focus" for e in events):
            due.all = SETTLING + len(buttons)  # imgui takes one of its changes a frame
        pointed = any(e.kind in ("cursor", "scroll") for e in events) and (
            io.want_capture_mouse or self.overlay.covers(now.cursor)
        )
        if pointed and not self._is_dragging_scene:
            due.pointed = SETTLING
        shown = self._what(session, size)
        if shown != self._shown:
            self._shown, due.changed = shown, SETTLING
        if len(session.messages) != self._n_messages:
            self._n_messages, due.over = len(session.messages), SETTLING
        if [*map(id, session.strokes)] != [*map(id, self._strokes)]:
            self._strokes, due.over = list(session.strokes), max(due.over, 1)

    @property
    def _is_dragging_scene(self) -> bool:
        return self._drags_scene and not self._io.want_capture_mouse

    def _what(self, session: Session, size: tuple[int, int]) -> object:
        """What the panel shows besides figures that may be old for a moment."""
        return (
            size, session.pass_name, session.projection, session.shows_panel, session.shows_help,
            session.name, session.frozen, session.tiny_budget, session.slow_disk_ms, session.mode,
            len(session.bakings), values_of(session.settings), path_desk.shown(session),
            len(session.scene.entities.met) if session.scene.entities else 0,
        )  # fmt: skip

    def _new_frame(self, session: Session, size: tuple[int, int]) -> None:
        scale = self._display_scale * session.settings.panel_scale
        if scale != self._scale:
            self._scale, self._due.all = scale, SETTLING
            style.apply(scale)
        now = time.perf_counter()
        self._io.display_size = imgui.ImVec2(*size)
        self._io.delta_time = min(max(now - self._built_s, 1e-4), 0.5)
        self._built_s = now
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
        if not (self._in_frame or self._is_built):
            return False
        began, is_new = time.perf_counter(), True
        if self._in_frame:
            is_new = self._due.is_urgent
            self._build(session, size)
            self._due.made()
        self._in_frame, self._is_built = False, not is_new
        is_new = is_new and self.overlay.draw(size, self._room)
        self.took_ms += (time.perf_counter() - began) * 1e3
        return is_new

    def _build(self, session: Session, size: tuple[int, int]) -> None:
        self._room = 0, 0, *size
        if session.shows_panel:
            self._dock.open(size, self._scale)
            self._room = self._dock.room
        self.picture = shaped(self._room, session.projection)
        if session.shows_panel:
            self._windows(session)
            self._dock.bring_forward()
        dialogs.hear(session)
        over.strokes(session, self.picture)
        over.messages(session, self.picture)
        if session.shows_help:
            over.help_list(session, self.picture)
        imgui.render()
        self._kept.apply()

    def _windows(self, session: Session) -> None:
        """Each window; its widgets are built anew where they may have changed."""
        glyphs = self._io.fonts.tex_data.unique_id
        if glyphs != self._glyphs or _is_popup_open():  # a popup is built by a window
            self._glyphs, self._due.all = glyphs, max(self._due.all, 1)
        for window in WINDOWS:
            if not imgui.begin(window.title)[0]:
                self._kept.forget(window.title)
            elif self._is_due(window):
                self._kept.build(window.title)
                window.draw(session)
            else:
                self._kept.show(window.title)
            imgui.end()

    def _is_due(self, window: PanelWindow) -> bool:
        """Between imgui's begin and end: whether its widgets are built anew."""
        under_mouse = imgui.is_window_hovered(imgui.HoveredFlags_.child_windows)
        held = imgui.is_any_item_active() and imgui.is_window_focused(imgui.FocusedFlags_.child_windows)
        return self._due.builds(window, under_mouse, held) or not self._kept.fits(window.title)

    def layout(self) -> str:
        """imgui's own text of what lies where."""
        return str(imgui.save_ini_settings_to_memory())

    def release(self) -> None:
        """Free all of it."""
        if self._in_frame:
            imgui.end_frame()
        self._kept.release()
        self.overlay.release()
        implot.destroy_context(self.plots)
        imgui.destroy_context(self.context)


def _is_popup_open() -> bool:
    return bool(imgui.is_popup_open("", _ANY_POPUP))
