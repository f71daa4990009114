"""Which entity each voxel of a resident chunk belongs to, as the pass semantic draws it: a byte a voxel.

Made when the pass is first shown, so that a world that is only looked at pays nothing: 4 KiB a slot.
"""

import moderngl
import numpy as np
from numpy.typing import NDArray

from ...atlas.layout import CHUNK_VOXELS, SLOTS_PER_LAYER

UNIT_ROWS, UNIT_KNOWN = 1, 2  # texture units: shaders/shade.comp


class EntityRows:
    """One row of 4096 bytes per slot, and whether it is that of the chunk which the slot holds now.

    Check `is_there`: where the driver has not the memory, nothing is held and nothing is drawn of it.
    """

    def __init__(self, ctx: moderngl.Context, n_slots: int) -> None:
        self.n_layers = -(-n_slots // SLOTS_PER_LAYER)
        shape = CHUNK_VOXELS, SLOTS_PER_LAYER, self.n_layers
        self._rows = ctx.texture_array(shape, 1, dtype="u1")
        self._known = ctx.texture(shape[1:], 1, dtype="u1")
        for texture in (self._rows, self._known):
            texture.filter = moderngl.NEAREST, moderngl.NEAREST
        self.is_there = ctx.error != "GL_OUT_OF_MEMORY"
        if self.is_there:
            self.tell(np.zeros(n_slots, bool))

    def write(self, slots: NDArray[np.int64], rows: NDArray[np.uint8]) -> None:
        """rows [N, 4096] uint8, indices of the palette in mask order, of N slots."""
        for slot, row in zip(slots.tolist(), rows, strict=True):
            where = 0, slot % SLOTS_PER_LAYER, slot // SLOTS_PER_LAYER, CHUNK_VOXELS, 1, 1
            self._rows.write(row.tobytes(), viewport=where)

    def tell(self, known: NDArray[np.bool_]) -> None:
        """known [n_slots]: which rows hold."""
        data = np.zeros(self.n_layers * SLOTS_PER_LAYER, np.uint8)
        data[: known.size] = known
        self._known.write(data.tobytes())

    def bind(self) -> None:
        """Bind both where the shader expects them."""
        self._rows.use(UNIT_ROWS)
        self._known.use(UNIT_KNOWN)

    def release(self) -> None:
        """Free all of it."""
        self._rows.release()
        self._known.release()
