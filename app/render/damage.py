"""What of imgui's picture differs from the one before: only that has to be rasterised.

Most pictures of a panel are made because a figure has changed or the mouse has moved, and most of what is in
them is as it was, to the last vertex.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import xxhash
from imgui_bundle import imgui

Box = tuple[int, int, int, int]  # x0, y0, x1, y1: window pixels from the upper left
FloatBox = tuple[float, float, float, float]
_BORDER = 2  # pixels that a window may draw beyond its edge


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw list of imgui's: whose, where, and a number for what is in it."""

    owner: str
    boxes: tuple[FloatBox, ...]
    content: int
    is_window: bool
    commands: Any


class Damage:
    """Remembers what imgui drew."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, tuple[FloatBox, ...]]] = {}

    def of(self, lists: list[Drawn], size: tuple[int, int]) -> Box | None:
        """The box of a window of `size` pixels that holds all that has changed since the last call."""
        now = {each.owner: (each.content, each.boxes) for each in lists}
        was, self._seen = self._seen, now
        if now == was and list(now) == list(was):
            return None
        if not was or [name for name in was if name in now] != [name for name in now if name in was]:
            return 0, 0, *size  # at first, or where one list has come to lie over another
        changed = [name for name in now.keys() | was.keys() if now.get(name) != was.get(name)]
        found = [box for name in changed for each in (now, was) if name in each for box in each[name][1]]
        return _around(found, size) if found else None

    def forget(self) -> None:
        """The picture is gone."""
        self._seen = {}


def drawn(data: Any) -> list[Drawn]:
    """imgui's draw lists, the lowest first. Needs an imgui context."""
    return [_drawn(commands, i) for i, commands in enumerate(data.cmd_lists)]


def clip(data: Any, lists: list[Drawn], to: Box) -> None:
    """Leave of imgui's picture what lies in a box."""
    x0, y0, x1, y1 = to
    data.cmd_lists.clear()
    for each in lists:
        if any(x < x1 and z > x0 and y < y1 and w > y0 for x, y, z, w in each.boxes):
            data.cmd_lists.push_back(each.commands)
            buffer = each.commands.cmd_buffer
            for i in range(buffer.size()):  # to go through them would give copies
                r = buffer[i].clip_rect
                buffer[i].clip_rect = imgui.ImVec4(max(r.x, x0), max(r.y, y0), min(r.z, x1), min(r.w, y1))


def _drawn(commands: Any, i: int) -> Drawn:
    owner = commands._owner_name or f"#{i}"
    window = imgui.internal.find_window_by_name(owner)
    if window is not None:  # its commands say that its background may be anywhere
        at, size = window.pos, window.size
        boxes: tuple[FloatBox, ...] = ((at.x, at.y, at.x + size.x, at.y + size.y),)
    else:
        found = [command.clip_rect for command in commands.cmd_buffer if command.elem_count]
        boxes = tuple((r.x, r.y, r.z, r.w) for r in found)
    content = _content(commands.idx_buffer, imgui.INDEX_SIZE, 0)
    content = _content(commands.vtx_buffer, imgui.VERTEX_SIZE, content)
    return Drawn(owner, boxes, content, window is not None, commands)


def _content(buffer: Any, item_bytes: int, seed: int) -> int:
    n_bytes = buffer.size() * item_bytes
    if not n_bytes:
        return seed
    return int(xxhash.xxh3_64_intdigest(ctypes.string_at(buffer.data_address(), n_bytes), seed))


def _around(found: list[FloatBox], size: tuple[int, int]) -> Box:
    x0, y0 = (max(int(min(box[i] for box in found)) - _BORDER, 0) for i in (0, 1))
    x1, y1 = (min(int(max(box[2 + i] for box in found)) + 1 + _BORDER, size[i]) for i in (0, 1))
    return x0, y0, max(x1, x0), max(y1, y0)
