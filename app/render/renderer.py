"""The passes of a frame, in order: march, shade. Everything is compute; showing it is a blit.

Owns what depends on the picture's size: the hits and the picture. The world's memory is the Pool's.
"""

import time
from dataclasses import asdict, dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from ...atlas import layout
from ..camera import View
from .pool import BIND_HITS, Pool
from .programs import compile_compute, set_uniforms

IMAGE_PICTURE = 2
_GROUP = 8  # threads along a workgroup edge: local_size in the shaders


@dataclass(frozen=True, slots=True)
class Light:
    """How a frame is lit.

    sun            unit vector towards the sun, world axes
    haze_per_voxel extinction per level-0 voxel of distance
    shadows        march a second ray to the sun from every hit
    """

    sun: tuple[float, float, float] = (0.42, -0.55, 0.72)
    haze_per_voxel: float = 0.0
    extent_voxels: float = 1000.0  # what the depth picture spans
    shadows: bool = False


class Renderer:
    """Draws a Pool from a View."""

    def __init__(self, ctx: moderngl.Context, size: tuple[int, int]) -> None:
        self.ctx, self.size = ctx, size
        self._march = compile_compute(ctx, "march.comp")
        self._shade = compile_compute(ctx, "shade.comp")
        self._hits = ctx.buffer(reserve=size[0] * size[1] * layout.HIT.itemsize)
        self.picture = ctx.texture(size, 4)
        self._framebuffer = ctx.framebuffer([self.picture])

    def march(self, pool: Pool, view: View) -> float:
        """Fire one ray per pixel; hits and feedback stay on the GPU. -> milliseconds, waiting for the GPU."""
        self._bind(pool)
        set_uniforms(self._march, **self._common(pool, view))
        self.ctx.finish()
        start = time.perf_counter()
        self._run(self._march)
        self.ctx.finish()
        return (time.perf_counter() - start) * 1e3

    def shade(self, pool: Pool, view: View, light: Light, name: str = "colour") -> None:
        """Turn the hits of the last march into the picture of one pass."""
        self._bind(pool)
        self.picture.bind_to_image(IMAGE_PICTURE, read=False, write=True)
        pool.atlas.use(0)
        set_uniforms(
            self._shade,
            **self._common(pool, view),
            corner=tuple(int(v) for v in pool.root.corner_voxel),
            sun=tuple(np.array(light.sun) / np.linalg.norm(light.sun)),
            haze=light.haze_per_voxel,
            extent=light.extent_voxels,
            shadows=int(light.shadows),
            **{"pass": layout.PASSES.index(name)},
        )
        self._run(self._shade)

    def read_hits(self) -> NDArray[np.void]:
        """-> [height, width] layout.HIT, row 0 at the top"""
        width, height = self.size
        return np.frombuffer(self._hits.read(), layout.HIT).reshape(height, width)

    def read_picture(self) -> NDArray[np.uint8]:
        """-> [height, width, 4] uint8, row 0 at the top"""
        width, height = self.size
        return np.frombuffer(self.picture.read(), np.uint8).reshape(height, width, 4)[::-1]

    def present(self, window: moderngl.Framebuffer) -> None:
        """Blit the picture to a window of the same size."""
        self.ctx.copy_framebuffer(window, self._framebuffer)

    def _common(self, pool: Pool, view: View) -> dict[str, object]:
        assert view.size == self.size, (view.size, self.size)
        return asdict(view) | pool.uniforms()

    def _bind(self, pool: Pool) -> None:
        pool.bind()
        self._hits.bind_to_storage_buffer(BIND_HITS)

    def _run(self, program: moderngl.ComputeShader) -> None:
        program.run(-(-self.size[0] // _GROUP), -(-self.size[1] // _GROUP))
        self.ctx.memory_barrier()

    def release(self) -> None:
        """Free all of it."""
        self._march.release()
        self._shade.release()
        self._hits.release()
        self._framebuffer.release()
        self.picture.release()
