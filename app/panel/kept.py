"""What windows drew last: it is shown again while nothing in them can have changed.

To build the widgets of a window costs the main thread more than anything else of the panel. imgui has no way
to leave one out (its own refresh policy fails where windows are docked), so a window that is left out is
opened with nothing in it, and what it had drawn before takes the place of that.
"""

from typing import Any

from imgui_bundle import imgui


class Kept:
    """The draw lists of windows, by title. Needs an imgui context."""

    def __init__(self) -> None:
        self._lists: dict[str, list[Any]] = {}  # a window's own, and those of what scrolls inside of it
        self._where: dict[str, tuple[float, ...]] = {}
        self._spare: list[Any] = []
        self._built: list[str] = []  # in this frame
        self._shown: list[str] = []  # in this frame

    def fits(self, title: str) -> bool:
        """Between imgui's begin and end: whether it could be shown where this window is now."""
        return title in self._lists and self._where[title] == _where()

    def show(self, title: str) -> None:
        """Between imgui's begin and end, in place of the widgets: as large as they were."""
        self._shown.append(title)
        imgui.dummy(imgui.internal.get_current_window().content_size)
        at = imgui.get_window_pos()  # imgui leaves out a list in which there is nothing
        imgui.get_window_draw_list().add_rect_filled(at, at + imgui.ImVec2(1, 1), 0xFFFFFFFF)

    def build(self, title: str) -> None:
        """Between imgui's begin and end: the widgets follow."""
        self._built.append(title)
        self._where[title] = _where()

    def forget(self, title: str) -> None:
        """It cannot be seen."""
        self._spare += self._lists.pop(title, [])

    def apply(self) -> None:
        """After imgui's render: put what is shown again in its place, remember what was built."""
        data = imgui.get_draw_data()
        lists = list(data.cmd_lists)
        if self._shown:
            data.cmd_lists.clear()
            for commands in lists:
                data.cmd_lists.push_back(commands)
                if commands._owner_name in self._shown:
                    own, *inside = self._lists[commands._owner_name]
                    _copy(own, commands)
                    for each in inside:
                        data.cmd_lists.push_back(each)
        for title in self._built:
            self._spare += self._lists.pop(title, [])
            self._lists[title] = [self._copied(each) for each in lists if _belongs(each, title)]
        self._built, self._shown = [], []

    def _copied(self, commands: Any) -> Any:
        """In a list that is used again and again: imgui never frees those that it clones for Python."""
        copy = self._spare.pop() if self._spare else imgui.ImDrawList(imgui.get_draw_list_shared_data())
        _copy(commands, copy)
        return copy

    def release(self) -> None:
        """Free all of it, before imgui's context."""
        self._lists, self._spare = {}, []


def _where() -> tuple[float, ...]:
    at, size = imgui.get_window_pos(), imgui.get_window_size()
    return at.x, at.y, size.x, size.y


def _copy(of: Any, to: Any) -> None:
    to.vtx_buffer, to.idx_buffer = of.vtx_buffer, of.idx_buffer
    to.cmd_buffer, to.flags = of.cmd_buffer, of.flags


def _belongs(commands: Any, title: str) -> bool:
    owner = commands._owner_name or ""
    return owner == title or owner.startswith(f"{title}/")
