"""The few widgets that the windows are made of. Each explains itself in a tooltip."""

import math
from functools import cache
from typing import Any

from imgui_bundle import imgui

from ..session import Session
from ..settings import TABLE, Setting, number
from . import style

LOG_FROM = 100.0  # a range that spans this factor gets a logarithmic slider
LABEL_SHARE = 0.46  # of a window's width, for the names of values
_FOR_TOOLTIP = imgui.HoveredFlags_.for_tooltip


def tip(session: Session, text: str) -> None:
    """Explain the widget before this call."""
    if session.settings.tooltips and imgui.is_item_hovered(_FOR_TOOLTIP):
        imgui.begin_tooltip()
        imgui.push_text_wrap_pos(imgui.get_font_size() * 22)
        imgui.text(text)
        imgui.pop_text_wrap_pos()
        imgui.end_tooltip()


def setting(session: Session, said: Setting) -> None:
    """One line: the setting's name and the widget that its type and range ask for. Double click: default."""
    value = getattr(session.settings, said.field)
    label = f"##{said.field}"
    imgui.align_text_to_frame_padding()
    imgui.text(said.name)
    tip(session, explain(said))
    imgui.same_line(imgui.get_content_region_avail().x * LABEL_SHARE)
    imgui.set_next_item_width(-1)
    if said.is_switch:
        _, value = imgui.checkbox(label, value)
    else:
        assert said.range is not None
        lowest, highest = said.range
        log = lowest > 0 and highest / lowest >= LOG_FROM
        flags = imgui.SliderFlags_.logarithmic if log else imgui.SliderFlags_.none
        form = number_format(lowest, highest, value) + (f" {said.unit}" if said.unit else "").replace(
            "%", "%%"
        )
        flags |= imgui.SliderFlags_.always_clamp
        changed, moved = imgui.slider_float(label, float(value), lowest, highest, form, flags)
        if changed:  # else it would only have been rounded to float32
            value = float(f"{moved:.7g}")
    if imgui.is_item_hovered() and imgui.is_mouse_double_clicked(imgui.MouseButton_.right):
        value = said.default
    tip(session, explain(said))
    setattr(session.settings, said.field, value)


@cache
def explain(said: Setting) -> str:
    """A setting's tooltip."""
    default = (
        ("on" if said.default else "off") if said.is_switch else f"{number(said.default)} {said.unit}".strip()
    )
    return f"{said.sentence}\nDefault: {default}. On the command line: {said.flag}"


def number_format(lowest: float, highest: float, value: float) -> str:
    """printf's format with as many digits as a value of that range needs."""
    if highest - lowest > 50 and abs(value) >= 10:
        return "%.0f"
    least = lowest if lowest > 0 else (highest - lowest) / 100
    digits = 1 - math.floor(math.log10(max(abs(value), least)))
    return f"%.{min(max(digits, 1), 4)}f"


def settings_of(session: Session, group: str) -> None:
    """All settings of one group."""
    for said in TABLE:
        if said.group == group:
            setting(session, said)


def pair(session: Session, name: str, value: str, text: str = "", rgb: style.Rgb | None = None) -> None:
    """A name and a value that is only shown."""
    imgui.text_colored(style.colour(style.FAINT), name)
    if text:
        tip(session, text)
    imgui.same_line(imgui.get_content_region_avail().x * LABEL_SHARE)
    if rgb is None:
        imgui.text(value)
    else:
        imgui.text_colored(style.colour(rgb), value)
    if text:
        tip(session, text)


def bar(session: Session, name: str, used: float, budget: float, unit: str, text: str) -> None:
    """A budget and how much of it is used."""
    imgui.align_text_to_frame_padding()
    imgui.text_colored(style.colour(style.FAINT), name)
    tip(session, text)
    imgui.same_line(imgui.get_content_region_avail().x * 0.28)
    share = used / budget if budget else 0.0
    shown = f"{used:,.{0 if budget >= 100 else 1}f} of {budget:,.{0 if budget >= 100 else 1}f} {unit}"
    full = share > 0.97
    if full:
        imgui.push_style_color(imgui.Col_.plot_histogram, style.colour(style.WARNING, 0.8))
    imgui.progress_bar(min(share, 1.0), imgui.ImVec2(-1, 0), shown)
    if full:
        imgui.pop_style_color()
    tip(session, text)


def switch(session: Session, name: str, value: bool, text: str) -> bool:
    """A checkbox with its name behind it. -> the new value"""
    _, value = imgui.checkbox(name, value)
    tip(session, text)
    return bool(value)


def choice(session: Session, name: str, now: str, options: Any, text: str) -> str:
    """A line with a list to choose from. -> the new value"""
    imgui.align_text_to_frame_padding()
    imgui.text(name)
    tip(session, text)
    imgui.same_line(imgui.get_content_region_avail().x * LABEL_SHARE)
    imgui.set_next_item_width(-1)
    options = list(options)
    _, at = imgui.combo(f"##{name}", options.index(now) if now in options else 0, options)
    tip(session, text)
    return str(options[at])


def heading(text: str) -> None:
    """What the lines below are about."""
    imgui.spacing()
    imgui.separator_text(text)
