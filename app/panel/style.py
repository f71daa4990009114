"""How the panel looks: quiet, dark, legible; one accent. Sizes are scaled for dense displays."""

from importlib.resources import as_file, files
from typing import Any

from imgui_bundle import imgui, implot

FONT_PX = 16.0
ACCENT = (0.36, 0.66, 0.74)
WARNING = (0.93, 0.66, 0.28)
FAINT = (0.60, 0.62, 0.65)
_BACK = (0.105, 0.11, 0.12)

Rgb = tuple[float, float, float]


def colour(rgb: Rgb, alpha: float = 1.0) -> Any:
    return imgui.ImVec4(*rgb, alpha)


def grey(level: float, alpha: float = 1.0) -> Any:
    """Slightly blue, so that pictures beside it look neutral."""
    return imgui.ImVec4(level * 0.97, level * 0.99, level * 1.04, alpha)


def apply(scale: float) -> None:
    """Set sizes, colours and the font. scale: 1 on a usual display."""
    style = imgui.get_style()
    imgui.style_colors_dark()
    style.window_rounding = style.child_rounding = style.tab_rounding = 0.0
    style.frame_rounding = style.grab_rounding = style.popup_rounding = 3.0
    style.window_border_size = style.popup_border_size = 1.0
    style.frame_border_size = style.tab_bar_overline_size = 0.0
    style.window_padding = imgui.ImVec2(12, 10)
    style.frame_padding = imgui.ImVec2(8, 4)
    style.item_spacing = imgui.ImVec2(8, 7)
    style.item_inner_spacing = imgui.ImVec2(8, 4)
    style.scrollbar_size, style.grab_min_size = 11.0, 12.0
    style.docking_separator_size = 2.0
    style.window_menu_button_position = imgui.Dir.none
    style.scale_all_sizes(scale)
    style.font_size_base = FONT_PX
    style.font_scale_main = scale
    _colours(style)
    plot = implot.get_style()
    plot.plot_padding = imgui.ImVec2(4 * scale, 4 * scale)
    plot.plot_border_size = 0.0


def _colours(style: Any) -> None:
    kind = imgui.Col_
    table = {
        kind.window_bg: colour(_BACK), kind.child_bg: grey(0.0, 0.0), kind.popup_bg: grey(0.14),
        kind.border: grey(0.22), kind.text: grey(0.88), kind.text_disabled: colour(FAINT),
        kind.frame_bg: grey(0.18), kind.frame_bg_hovered: grey(0.23), kind.frame_bg_active: grey(0.26),
        kind.title_bg: colour(_BACK), kind.title_bg_active: colour(_BACK),
        kind.title_bg_collapsed: colour(_BACK),
        kind.button: grey(0.22), kind.button_hovered: grey(0.29), kind.button_active: grey(0.33),
        kind.header: grey(0.19), kind.header_hovered: grey(0.25), kind.header_active: grey(0.28),
        kind.tab: colour(_BACK), kind.tab_hovered: grey(0.25), kind.tab_selected: grey(0.19),
        kind.tab_dimmed: colour(_BACK), kind.tab_dimmed_selected: grey(0.19),
        kind.tab_selected_overline: colour(ACCENT), kind.tab_dimmed_selected_overline: colour(ACCENT),
        kind.check_mark: colour(ACCENT), kind.slider_grab: colour(ACCENT, 0.85),
        kind.slider_grab_active: colour(ACCENT), kind.plot_histogram: colour(ACCENT, 0.75),
        kind.separator: grey(0.22), kind.separator_hovered: colour(ACCENT, 0.6),
        kind.separator_active: colour(ACCENT), kind.resize_grip: grey(0.22),
        kind.scrollbar_bg: grey(0.0, 0.0), kind.scrollbar_grab: grey(0.28),
        kind.docking_empty_bg: grey(0.0, 0.0), kind.text_selected_bg: colour(ACCENT, 0.35),
        kind.nav_cursor: colour(ACCENT),
    }  # fmt: skip
    for which, value in table.items():
        style.set_color_(which, value)


def load_font() -> None:
    """Roboto, which comes with imgui-bundle; without it imgui's own font stays."""
    fonts = files("imgui_bundle") / "assets" / "fonts" / "Roboto" / "Roboto-Regular.ttf"
    if fonts.is_file():
        with as_file(fonts) as path:
            imgui.get_io().fonts.add_font_from_file_ttf(str(path), FONT_PX)
