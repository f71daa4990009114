"""The passes of a frame, in order: march, shade, present. All compute but the last, which is a blit.

Owns what depends on the picture's size: the hits and the picture. The world's memory is the Pool's.
"""

import time
from dataclasses import asdict, dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from ...atlas import layout
from ..camera import View
from ..entity_colours import palette
from .native import Native
from .pool import BIND_HITS, Pool
from .programs import compile_compute, set_uniforms

IMAGE_PICTURE = 2
UNIT_COLOURS = 3  # of entities: shaders/shade.comp
_GROUP = 8  # threads along a workgroup edge: local_size in the shaders
_HAZE_AT_EXTENT = 0.02  # share of the light that haze takes over the world's diagonal


@dataclass(frozen=True, slots=True)
class Light:
    """How a frame is lit.

    sun            towards the sun, world axes, any length
    haze_per_voxel extinction per level-0 voxel of distance
    extent_voxels  what the depth picture spans
    shadows        march a second ray to the sun from every hit
    exposure       factor on the light of the colour pass
    """

    haze_per_voxel: float
    extent_voxels: float
    shadows: bool = True
    sun: tuple[float, float, float] = (0.42, -0.55, 0.72)
    exposure: float = 1.0


def light_of(extent_voxels: float, shadows: bool = True) -> Light:
    """The light that suits a world whose diagonal is `extent_voxels` long."""
    extent = max(extent_voxels, 1.0)
    return Light(float(-np.log(1 - _HAZE_AT_EXTENT)) / extent, extent, shadows)


class Renderer:
    """Draws a Pool from a View into a picture of a fixed size.

    A view may be smaller than the picture: it lies in the picture's upper left, and `present` enlarges it.
    """

    def __init__(self, ctx: moderngl.Context, size: tuple[int, int]) -> None:
        self.ctx, self.size = ctx, size
        self._native = Native()
        # Two programs for one pass: remembering what rays pass through costs what few frames can bear.
        self._march = [compile_compute(ctx, "march.comp", {"TRAIL": trail}) for trail in (0, 1)]
        self._shade = compile_compute(ctx, "shade.comp")
        self._entity_colours = ctx.texture((layout.ENTITY_UNREAD + 1, 1), 4, palette().tobytes())
        self._entity_colours.filter = moderngl.NEAREST, moderngl.NEAREST
        self._allocate()

    def _allocate(self) -> None:
        width, height = self.size
        self._hits = self.ctx.buffer(reserve=width * height * layout.HIT.itemsize)
        self._picture = self.ctx.texture(self.size, 4)
        self._framebuffer = self.ctx.framebuffer([self._picture])

    @property
    def picture(self) -> moderngl.Texture:
        """What was shaded last, row 0 below."""
        return self._picture

    @property
    def framebuffer(self) -> moderngl.Framebuffer:
        """The picture, to be copied elsewhere."""
        return self._framebuffer

    def resize(self, size: tuple[int, int]) -> None:
        """Change the picture's size; what it showed is gone."""
        if size != self.size:
            self._free_pictures()
            self.size = size
            self._allocate()

    def march(self, pool: Pool, view: View, start: dict[str, object]) -> float:
        """Fire one ray per pixel; hits and feedback stay on the GPU. -> milliseconds, waiting for the GPU.

        start: which chunks hold the eye, as `Scene.start_of` tells
        """
        self._bind(pool)
        program = self._march[pool.frame % layout.TRAIL_FRAMES == 0]
        set_uniforms(program, **asdict(view), **pool.uniforms(), **start)
        self._native.finish()
        began = time.perf_counter()
        self._run(program, view)
        self._native.finish()
        return (time.perf_counter() - began) * 1e3

    def shade(self, pool: Pool, view: View, light: Light, name: str = "colour") -> None:
        """Turn the hits of the last march into the picture of one pass of layout.PASSES."""
        self._bind(pool)
        self._picture.bind_to_image(IMAGE_PICTURE, read=False, write=True)
        pool.atlas.use(0)
        self._entity_colours.use(UNIT_COLOURS)
        if pool.entities is not None:
            pool.entities.bind()
        set_uniforms(
            self._shade,
            **asdict(view),
            **pool.uniforms(),
            corner=tuple(int(v) for v in pool.root.corner_voxel),
            sun=tuple(np.array(light.sun) / np.linalg.norm(light.sun)),
            haze=light.haze_per_voxel,
            extent=light.extent_voxels,
            shadows=int(light.shadows),
            exposure=light.exposure,
            has_entities=int(pool.entities is not None),
            **{"pass": layout.PASSES.index(name)},
        )
        self._run(self._shade, view)

    def read_hits(self, view: View) -> NDArray[np.void]:
        """-> [height, width] layout.HIT of the last march, row 0 at the top"""
        width, height = view.size
        data = self._hits.read(width * height * layout.HIT.itemsize)
        return np.frombuffer(data, layout.HIT).reshape(height, width)

    def read_picture(self) -> NDArray[np.uint8]:
        """-> [height, width, 4] uint8, row 0 at the top"""
        width, height = self.size
        self._native.finish()  # moderngl's read would keep other threads from running while it waits
        return np.frombuffer(self._picture.read(), np.uint8).reshape(height, width, 4)[::-1]

    def present(self, view_size: tuple[int, int], corner: tuple[int, int], size: tuple[int, int]) -> None:
        """Blit what a view of `view_size` drew to the window whose context is current.

        corner, size  where in the window, pixels, the lower left first
        """
        width, height = view_size
        top = self.size[1]
        x, y = corner
        self.ctx.screen.use()
        self._native.blit(
            self._framebuffer.glo,
            (0, top - height, width, top),
            self.ctx.screen.glo,
            (x, y, x + size[0], y + size[1]),
            smooth=view_size != size,
        )

    def darken(self) -> None:
        """Fill the window whose context is current with a quiet grey."""
        self.ctx.screen.use()
        self.ctx.screen.clear(0.07, 0.07, 0.08)

    def finish(self) -> None:
        """Wait until all of it is drawn; other threads run meanwhile."""
        self._native.finish()

    def _bind(self, pool: Pool) -> None:
        pool.bind()
        self._hits.bind_to_storage_buffer(BIND_HITS)

    def _run(self, program: moderngl.ComputeShader, view: View) -> None:
        assert view.size[0] <= self.size[0], (view.size, self.size)
        assert view.size[1] <= self.size[1], (view.size, self.size)
        self._native.run(program, -(-view.size[0] // _GROUP), -(-view.size[1] // _GROUP))
        self.ctx.memory_barrier()

    def _free_pictures(self) -> None:
        self._framebuffer.release()
        self._picture.release()
        self._hits.release()

    def release(self) -> None:
        """Free all of it."""
        self._free_pictures()
        for program in self._march:
            program.release()
        self._shade.release()
        self._entity_colours.release()
