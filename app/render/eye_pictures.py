"""A picture for each eye, on its way into textures that a headset's runtime made."""

import moderngl
import numpy as np
from numpy.typing import NDArray

from .renderer import Renderer

Size = tuple[int, int]


class EyePictures:
    """Two renderers, and the framebuffers around foreign textures. Freed by `release`."""

    def __init__(self, ctx: moderngl.Context, sizes: tuple[Size, Size]) -> None:
        self.ctx = ctx
        self.renderers = tuple(Renderer(ctx, size) for size in sizes)
        self._targets: dict[int, moderngl.Framebuffer] = {}

    @property
    def sizes(self) -> tuple[Size, Size]:
        left, right = self.renderers
        return left.size, right.size

    def resize(self, sizes: tuple[Size, Size]) -> None:
        """Draw at other sizes; what was drawn is gone."""
        for renderer, size in zip(self.renderers, sizes, strict=True):
            renderer.resize(size)

    def mark(self, eye: int, dots: NDArray[np.integer], radius: int, rgb: tuple[int, int, int]) -> None:
        """Draw squares over an eye's picture. dots [N, 2] columns and rows from the top left."""
        renderer = self.renderers[eye]
        width, height = renderer.size
        for column, row in np.asarray(dots).tolist():
            x0, x1 = max(column - radius, 0), min(column + radius + 1, width)
            y0, y1 = max(height - 1 - row - radius, 0), min(height - row + radius, height)
            if x0 < x1 and y0 < y1:
                data = bytes((*rgb, 255)) * ((x1 - x0) * (y1 - y0))
                renderer.picture.write(data, viewport=(x0, y0, x1 - x0, y1 - y0))

    def copy(self, eye: int, texture: int, size: Size) -> None:
        """Put an eye's picture into the lower left of a texture of the runtime's, whose size is told.

        Bytes are copied as they are: they are sRGB, and so is the texture.
        """
        if texture not in self._targets:
            foreign = self.ctx.external_texture(texture, size, 4, 0, "f1")
            self._targets[texture] = self.ctx.framebuffer([foreign])
        self.ctx.copy_framebuffer(self._targets[texture], self.renderers[eye].framebuffer)

    def finish(self) -> None:
        """Wait until all of it is drawn."""
        self.ctx.finish()

    def release(self) -> None:
        """Free what is ours; the textures are the runtime's."""
        for target in self._targets.values():
            target.release()
        for renderer in self.renderers:
            renderer.release()
