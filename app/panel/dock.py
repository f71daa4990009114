"""Where windows dock: the column at the right at first, and what is left of the window for the scene."""

from imgui_bundle import imgui

from ...atlas.layout import CUBE_FACES
from ..render.damage import Box
from .windows import WINDOWS

COLUMN = 340.0  # pixels, before scaling
LOWER = 0.46  # of the column's height
SPACE = 0x766F7874  # imgui's name of the space: any number that stays the same
_FLAGS = imgui.DockNodeFlags_.passthru_central_node | imgui.DockNodeFlags_.no_docking_over_central_node
_FRAMES_TO_FRONT = 2  # imgui lays out what has changed in the frame after


class Dock:
    """The space that windows dock in. is_new: nothing is known of where they lay."""

    def __init__(self, size: tuple[int, int], is_new: bool) -> None:
        self.room: Box = (0, 0, *size)  # that docked windows leave
        self._asks_layout = is_new
        self._asks_front = 0

    def open(self, size: tuple[int, int], scale: float) -> None:
        """Before the windows: the space itself, and how much room there is."""
        if self._asks_layout:
            self._asks_layout = False
            self._lay_out(size, scale)
        imgui.dock_space_over_viewport(SPACE, imgui.get_main_viewport(), _FLAGS)
        middle = imgui.internal.dock_builder_get_central_node(SPACE)
        if middle is not None and middle.size.x >= 1 and middle.size.y >= 1:
            x, y = middle.pos.x, middle.pos.y
            self.room = round(x), round(y), round(x + middle.size.x), round(y + middle.size.y)

    def bring_forward(self) -> None:
        """After the windows. Of those that share a place the first is to be seen, imgui shows the last."""
        if self._asks_front:
            self._asks_front -= 1
            for place in ("lower", "upper"):
                imgui.set_window_focus(next(window.title for window in WINDOWS if window.place == place))
            imgui.set_window_focus(None)

    def _lay_out(self, size: tuple[int, int], scale: float) -> None:
        build = imgui.internal
        build.dock_builder_remove_node(SPACE)
        build.dock_builder_add_node(SPACE, imgui.internal.DockNodeFlagsPrivate_.dock_space)
        build.dock_builder_set_node_size(SPACE, imgui.ImVec2(*size))
        share = min(COLUMN * scale / max(size[0], 1), 0.5)
        column = build.dock_builder_split_node_py(SPACE, imgui.Dir.right, share)[1]
        _, lower, upper = build.dock_builder_split_node_py(column, imgui.Dir.down, LOWER)
        nodes = {"upper": upper, "lower": lower}
        for window in WINDOWS:
            build.dock_builder_dock_window(window.title, nodes[window.place])
        build.dock_builder_finish(SPACE)
        self._asks_front = _FRAMES_TO_FRONT


def shaped(room: Box, projection: str) -> tuple[float, float, float, float]:
    """Where in the room a picture of a projection goes: six faces in a row have a shape of their own.

    -> x, y, width, height
    """
    x, y, width, height = room[0], room[1], room[2] - room[0], room[3] - room[1]
    if projection != "cube":
        return x, y, width, height
    edge = max(min(width // CUBE_FACES, height), 1)
    return x + (width - CUBE_FACES * edge) // 2, y + (height - edge) // 2, CUBE_FACES * edge, edge
