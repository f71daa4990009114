"""Single rays into the world on the GPU, and what they met: for picking, a few at a time."""

import ctypes

import moderngl
import numpy as np
from numpy.typing import NDArray

from ...atlas import layout
from ...atlas.uvw import voxel_to_atlas
from .native import Native, _function
from .pool import BIND_HITS, BIND_RAYS, Pool
from .programs import compile_compute, set_uniforms

MAX_RAYS = 1024
_GROUP = 64  # threads of a workgroup: local_size in probe.comp
_GL_RGBA, _GL_UNSIGNED_BYTE = 0x1908, 0x1401


class Rays:
    """Fires layout.RAY records. Freed by `release`."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._native = Native()
        self._program = compile_compute(ctx, "probe.comp")
        self._rays = ctx.buffer(reserve=MAX_RAYS * layout.RAY.itemsize)
        self._hits = ctx.buffer(reserve=MAX_RAYS * layout.HIT.itemsize)
        integers = [ctypes.c_uint, *[ctypes.c_int] * 7, ctypes.c_uint, ctypes.c_uint, ctypes.c_int]
        self._read_texels = _function("glGetTextureSubImage", None, *integers, ctypes.c_void_p)

    def fire(self, pool: Pool, rays: NDArray[np.void]) -> NDArray[np.void]:
        """[N] layout.RAY, at most MAX_RAYS -> [N] layout.HIT. Waits for the GPU.

        They touch and ask like the rays of a picture: what is picked comes in.
        """
        n = len(rays)
        assert n <= MAX_RAYS, n
        if n == 0:
            return np.zeros(0, layout.HIT)
        self._rays.write(rays.tobytes())
        pool.bind()
        self._rays.bind_to_storage_buffer(BIND_RAYS)
        self._hits.bind_to_storage_buffer(BIND_HITS)
        set_uniforms(self._program, n_rays=n, **pool.uniforms())
        self._native.run(self._program, -(-n // _GROUP))
        self.ctx.memory_barrier()
        return np.frombuffer(self._hits.read(n * layout.HIT.itemsize), layout.HIT)

    def colour(self, pool: Pool, hit: np.void) -> tuple[int, int, int, int]:
        """RGBA of the voxel of one layout.HIT: one texel of the atlas. Waits for the GPU."""
        slot = int(hit["slot"])
        chunk = np.array([slot, slot >> 4, slot >> 8]) & (layout.REGION_CHUNKS - 1)
        local = np.array([int(hit[axis]) for axis in "xyz"]) & (layout.CHUNK - 1)
        column, row = (int(v) for v in voxel_to_atlas(*(chunk * layout.CHUNK + local).tolist()))
        texel = (ctypes.c_uint8 * 4)()
        layer = slot // layout.SLOTS_PER_LAYER
        where = (0, column, row, layer, 1, 1, 1, _GL_RGBA, _GL_UNSIGNED_BYTE, 4)
        self._read_texels(pool.atlas.glo, *where, texel)
        red, green, blue, alpha = texel
        return red, green, blue, alpha

    def release(self) -> None:
        """Free all of it."""
        for thing in (self._program, self._rays, self._hits):
            thing.release()
