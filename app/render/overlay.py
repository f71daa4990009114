"""The panel's picture: imgui draws it when it changes, and each frame lays it over the window.

To rasterise a panel in every frame would take longer than it is worth, so it is kept in a texture. Around the
room that docked windows leave for the scene it is opaque: a frame copies that. What lies over the scene is
blended in, and only where there is something: a frame pays for what the panel covers.
"""

from collections.abc import Iterable
from math import ceil, floor

import moderngl
import numpy as np
from imgui_bundle import imgui
from numpy.typing import NDArray

from ...shaders import compose
from . import damage
from .damage import Box, Damage, Drawn, FloatBox
from .native import Native

TILE = 32  # pixels


class Overlay:
    """imgui's renderer in the context that is current, and what it drew last. Needs an imgui context."""

    def __init__(self, ctx: moderngl.Context, size: tuple[int, int]) -> None:
        self.ctx, self._native, self._damage = ctx, Native(), Damage()
        imgui.backends.opengl3_init("#version 450")
        vertex, fragment = (compose(f"overlay.{of}.glsl", {}).text for of in ("vert", "frag"))
        self._program = ctx.program(vertex_shader=vertex, fragment_shader=fragment)
        self._boxes = ctx.buffer(np.zeros((1, 4), np.float32).tobytes())
        self._array = ctx.vertex_array(self._program, [(self._boxes, "4f/i", "in_box")])
        self._n_boxes = 0  # of the scene's room, that are blended in
        self._is_warm = False  # the driver has compiled what blends them
        self._room: Box = (0, 0, *size)
        self._windows: list[Box] = []  # in the room
        self._allocate(size)

    def _allocate(self, size: tuple[int, int]) -> None:
        self.size = size
        self._texture = self.ctx.texture(size, 4)
        self._framebuffer = self.ctx.framebuffer([self._texture])

    def new_frame(self) -> None:
        """To be called before imgui's own."""
        imgui.backends.opengl3_new_frame()

    def draw(self, size: tuple[int, int], room: Box) -> bool:
        """Rasterise what imgui has made ready (imgui.render) for a window of `size` pixels. -> is it another?

        room: what docked windows leave of the window; around it the picture is opaque
        """
        if size != self.size:
            was = self._framebuffer, self._texture  # moderngl returns to the one in use when it makes another
            self._allocate(size)
            for thing in was:
                thing.release()
            self._damage.forget()
        data = imgui.get_draw_data()
        lists = damage.drawn(data)
        changed = self._damage.of(lists, size)
        if changed is None:
            return False
        self._cover(lists, room)
        x0, y0, x1, y1 = changed
        self._framebuffer.use()
        if inside(room, [changed]):  # around it what docked windows draw is opaque
            self._framebuffer.clear(viewport=(x0, size[1] - y1, x1 - x0, y1 - y0))
        damage.clip(data, lists, changed)
        imgui.backends.opengl3_render_draw_data(data)
        return True

    def _cover(self, lists: list[Drawn], room: Box) -> None:
        """Note what lies in the room: over the scene."""
        # The dock space spans the room and leaves it free.
        over = [each for each in lists if "/DockSpace_" not in each.owner]
        self._room = room
        self._windows = [box for each in over if each.is_window for box in inside(room, each.boxes)]
        boxes = blended([box for each in over for box in inside(room, each.boxes)])
        self._n_boxes = len(boxes)
        data = np.array(boxes, np.float32)
        if data.nbytes > self._boxes.size:
            self._boxes.orphan(data.nbytes)
        if boxes:
            self._boxes.write(data.tobytes())

    def covers(self, cursor: tuple[float, float]) -> bool:
        """Whether a window of the panel may be at a window pixel, counted from the upper left."""
        return not is_in(self._room, cursor) or any(is_in(box, cursor) for box in self._windows)

    def compose(self, onto: moderngl.Framebuffer | None = None) -> None:
        """Lay what `draw` made over a picture as large as the window; None: over the window itself."""
        screen, height = onto or self.ctx.screen, self.size[1]
        for x0, y0, x1, y1 in around(self._room, self.size):
            box = x0, height - y1, x1, height - y0
            self._native.blit(self._framebuffer.glo, box, screen.glo, box, smooth=False)
        n_boxes = self._n_boxes or (not self._is_warm)
        if not n_boxes:
            return
        self._is_warm = True
        screen.use()
        screen.viewport = 0, 0, *self.size
        self._texture.use(0)
        self._program["u_window"] = self.size
        self.ctx.enable_only(moderngl.BLEND)
        self.ctx.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self._array.render(moderngl.TRIANGLE_STRIP, vertices=4, instances=n_boxes)
        self.ctx.enable_only(moderngl.NOTHING)

    def release(self) -> None:
        """Free all of it, before imgui's context."""
        for thing in (self._array, self._boxes, self._program, self._framebuffer, self._texture):
            thing.release()
        imgui.backends.opengl3_shutdown()


def around(room: Box, size: tuple[int, int]) -> list[Box]:
    """What of a window of `size` pixels is not its room: at most four boxes, none over another."""
    x0, y0, x1, y1 = room
    width, height = size
    boxes = (0, 0, width, y0), (0, y1, width, height), (0, y0, x0, y1), (x1, y0, width, y1)
    return [box for box in boxes if box[0] < box[2] and box[1] < box[3]]


def is_in(box: Box, at: tuple[float, float]) -> bool:
    return box[0] <= at[0] < box[2] and box[1] <= at[1] < box[3]


def inside(room: Box, boxes: Iterable[FloatBox]) -> list[Box]:
    """What of some boxes lies in a room, to whole pixels."""
    x0, y0, x1, y1 = room
    found = [
        (max(floor(x), x0), max(floor(y), y0), min(ceil(z), x1), min(ceil(w), y1)) for x, y, z, w in boxes
    ]
    return [box for box in found if box[0] < box[2] and box[1] < box[3]]


def blended(boxes: list[Box]) -> list[Box]:
    """The same boxes, or where there are more than one some that hold them: none lies over another."""
    if len(boxes) < 2:
        return boxes
    tiles = np.array(boxes) // TILE
    tiles[:, 2:] = -(-np.array(boxes)[:, 2:] // TILE)
    columns, rows = tiles[:, 2:].max(0)
    covered = np.zeros((rows, columns), bool)
    for x0, y0, x1, y1 in tiles.tolist():
        covered[y0:y1, x0:x1] = True
    return [(x0 * TILE, y0 * TILE, x1 * TILE, y1 * TILE) for x0, y0, x1, y1 in rectangles(covered)]


def rectangles(covered: NDArray[np.bool_]) -> list[Box]:
    """[rows, columns] -> few boxes of what is covered, nothing in two of them: it would be blended twice"""
    differs = np.flatnonzero((covered[1:] != covered[:-1]).any(1)) + 1
    found = []
    for y0, y1 in zip((0, *differs.tolist()), (*differs.tolist(), len(covered)), strict=True):
        edges = np.flatnonzero(np.diff(covered[y0].astype(np.int8), prepend=0, append=0)).tolist()
        found += [(x0, y0, x1, y1) for x0, x1 in zip(edges[::2], edges[1::2], strict=True)]
    return found
