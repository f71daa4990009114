"""The panel's picture: imgui draws it when it changes, and each frame lays it over the window.

To rasterise a panel in every frame would take longer than it is worth, so it is kept in a texture. Only those
tiles of the window are blended in which there is something of it: a frame pays for what the panel covers.
"""

from typing import Any

import moderngl
import numpy as np
from imgui_bundle import imgui
from numpy.typing import NDArray

from ...shaders import compose

TILE = 32  # pixels


class Overlay:
    """imgui's renderer in the context that is current, and what it drew last. Needs an imgui context."""

    def __init__(self, ctx: moderngl.Context, size: tuple[int, int]) -> None:
        self.ctx = ctx
        imgui.backends.opengl3_init("#version 450")
        vertex, fragment = (compose(f"overlay.{of}.glsl", {"TILE": TILE}).text for of in ("vert", "frag"))
        self._program = ctx.program(vertex_shader=vertex, fragment_shader=fragment)
        self._tiles = ctx.buffer(reserve=8)
        self._array: moderngl.VertexArray | None = None
        self.covered = np.zeros((0, 0), bool)  # [rows, columns] tiles, row 0 at the top
        self._allocate(size)

    def _allocate(self, size: tuple[int, int]) -> None:
        self.size = size
        self._texture = self.ctx.texture(size, 4)
        self._framebuffer = self.ctx.framebuffer([self._texture])

    def new_frame(self) -> None:
        """To be called before imgui's own."""
        imgui.backends.opengl3_new_frame()

    def draw(self, size: tuple[int, int]) -> None:
        """Rasterise what imgui has made ready (imgui.render) for a window of `size` pixels."""
        if size != self.size:
            self._framebuffer.release()
            self._texture.release()
            self._allocate(size)
        data = imgui.get_draw_data()
        self._framebuffer.use()
        self._framebuffer.clear()
        imgui.backends.opengl3_render_draw_data(data)
        self.covered = covered_tiles(clip_boxes(data), size)
        rows, columns = np.nonzero(self.covered)
        top = size[1] / TILE  # tiles count from below, and the uppermost row need not be a whole one
        tiles = np.stack([columns, top - 1 - rows], -1).astype(np.float32)
        if tiles.nbytes > self._tiles.size or self._array is None:
            self._tiles.release()
            self._tiles = self.ctx.buffer(reserve=max(tiles.nbytes, 8))
            if self._array is not None:
                self._array.release()
            self._array = self.ctx.vertex_array(self._program, [(self._tiles, "2f/i", "in_tile")])
        if len(tiles):
            self._tiles.write(tiles.tobytes())

    def covers(self, cursor: tuple[float, float]) -> bool:
        """Whether something of the panel may be at a window pixel, counted from the upper left."""
        column, row = int(cursor[0] // TILE), int(cursor[1] // TILE)
        rows, columns = self.covered.shape
        return 0 <= row < rows and 0 <= column < columns and bool(self.covered[row, column])

    def compose(self) -> None:
        """Blend what `draw` made over the window whose context is current."""
        n_tiles = int(self.covered.sum())
        if self._array is None or not n_tiles:
            return
        screen = self.ctx.screen
        screen.use()
        screen.viewport = 0, 0, *self.size
        self._texture.use(0)
        self._program["u_window"] = self.size
        self.ctx.enable_only(moderngl.BLEND)
        self.ctx.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self._array.render(moderngl.TRIANGLE_STRIP, vertices=4, instances=n_tiles)
        self.ctx.enable_only(moderngl.NOTHING)

    def release(self) -> None:
        """Free all of it, before imgui's context."""
        if self._array is not None:
            self._array.release()
        for thing in (self._tiles, self._program, self._framebuffer, self._texture):
            thing.release()
        imgui.backends.opengl3_shutdown()


def clip_boxes(data: Any) -> NDArray[np.float64]:
    """[N, 4] x0, y0, x1, y1 of every command that imgui would draw, window pixels from the upper left."""
    boxes = [
        (r.x, r.y, r.z, r.w)
        for commands in data.cmd_lists
        for command in commands.cmd_buffer
        if command.elem_count
        for r in (command.clip_rect,)
    ]
    return np.array(boxes, np.float64).reshape(-1, 4)


def covered_tiles(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """[rows, columns] whether a box reaches into a tile. boxes [N, 4] as `clip_boxes` gives them."""
    columns, rows = -(-size[0] // TILE), -(-size[1] // TILE)
    covered = np.zeros((rows, columns), bool)
    whole = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    lo = np.floor(whole[:, :2] / TILE).astype(int).clip(0)
    hi = np.ceil(whole[:, 2:] / TILE).astype(int).clip(0)
    for (x0, y0), (x1, y1) in zip(lo.tolist(), hi.tolist(), strict=True):
        covered[y0:y1, x0:x1] = True
    return covered
