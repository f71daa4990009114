"""What lies over the picture: lines, messages, the list of shortcuts."""

import time
from typing import Any

import numpy as np
from imgui_bundle import imgui

from ..actions import ACTIONS, HELD
from ..session import Session
from . import style

MESSAGE_S = 5.0
MAX_SHOWN = 4
Box = tuple[float, float, float, float]  # x, y, width, height of the picture, window pixels


def messages(session: Session, picture: Box, now: float | None = None) -> bool:
    """The newest messages, lower left. -> whether there is any"""
    now = time.monotonic() if now is None else now
    fresh = [text for when, text in session.messages if now - when < MESSAGE_S][-MAX_SHOWN:]
    if not fresh:
        return False
    margin = imgui.get_font_size()
    imgui.set_next_window_pos(
        imgui.ImVec2(picture[0] + margin, picture[1] + picture[3] - margin), pivot=imgui.ImVec2(0, 1)
    )
    imgui.set_next_window_bg_alpha(0.88)
    flags = _still() | imgui.WindowFlags_.no_inputs | imgui.WindowFlags_.always_auto_resize
    imgui.begin("##messages", None, flags)
    imgui.push_text_wrap_pos(max(picture[2] - 4 * margin, 10 * margin))
    for text in fresh:
        imgui.text(text)
    imgui.pop_text_wrap_pos()
    imgui.end()
    return True


def strokes(session: Session, picture: Box) -> None:
    """Lines over the scene, cut off at the picture's edge."""
    if not session.strokes:
        return
    x, y, width, height = picture
    lists = imgui.get_background_draw_list()
    for stroke in session.strokes:
        points = np.asarray(stroke.points, np.float64) + np.array([x, y])
        lo = np.maximum(points.min(0) - stroke.width - 1, (x, y))
        hi = np.minimum(points.max(0) + stroke.width + 1, (x + width, y + height))
        if not (lo < hi).all():
            continue
        lists.push_clip_rect(imgui.ImVec2(*lo), imgui.ImVec2(*hi), True)
        ink = imgui.color_convert_float4_to_u32(style.colour(stroke.rgb))
        flags = imgui.ImDrawFlags_.closed if stroke.closed else imgui.ImDrawFlags_.none
        lists.add_polyline([imgui.ImVec2(*p) for p in points.tolist()], ink, stroke.width, flags)
        lists.pop_clip_rect()


def help_list(session: Session, picture: Box) -> None:
    """Every shortcut, in two columns, over the middle of the picture."""
    x, y, width, height = picture
    imgui.set_next_window_pos(imgui.ImVec2(x + width / 2, y + height / 2), pivot=imgui.ImVec2(0.5, 0.5))
    imgui.set_next_window_size_constraints(imgui.ImVec2(0, 0), imgui.ImVec2(width - 16, height - 16))
    imgui.set_next_window_bg_alpha(0.94)
    imgui.begin("Keys and mouse", None, _still(title=True) | imgui.WindowFlags_.always_auto_resize)
    rows = [*HELD, *((a.label, a.sentence) for a in ACTIONS)]
    half = -(-len(rows) // 2)
    if imgui.begin_table("##keys", 4, imgui.TableFlags_.sizing_fixed_fit | imgui.TableFlags_.pad_outer_x):
        for left, right in zip(rows[:half], [*rows[half:], ("", "")], strict=False):
            imgui.table_next_row()
            for key, sentence in (left, right):
                imgui.table_next_column()
                imgui.text_colored(style.colour(style.ACCENT), key)
                imgui.table_next_column()
                imgui.text(sentence + "   ")
        imgui.end_table()
    imgui.end()


def _still(title: bool = False) -> Any:
    kind = imgui.WindowFlags_
    flags = kind.no_move | kind.no_resize | kind.no_saved_settings | kind.no_docking | kind.no_collapse
    flags |= kind.no_focus_on_appearing | kind.no_nav
    return flags if title else flags | kind.no_title_bar
