"""All GPU memory of a world, allocated once: slots, masks, pages and what the rays report back.

Nothing grows after this. Bindings are those of the GLSL files in shaders/include.
"""

import time
from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from ...atlas import layout
from ...atlas.page_table import RootGrid
from ...atlas.streams import Stream
from ..errors import GraphicsError
from .entity_rows import EntityRows
from .native import Native
from .programs import compile_compute, set_uniforms
from .ring import Feedback, FeedbackRing, feedback_bytes, read_feedback

BIND_PAGES, BIND_MASKS, BIND_RAYS, BIND_HITS = 0, 1, 2, 3
BIND_STAMPS, BIND_ASKED, BIND_FEEDBACK, BIND_STAGING, BIND_WORK = 4, 5, 6, 7, 8
IMAGE_ATLAS, IMAGE_TOUCHED = 0, 1

BYTES_PER_SLOT = layout.CHUNK_VOXELS * 4 + 2 * layout.MASK_BYTES + 2 * 8 * 4 + 4 + 4
_NOTHING_YET = bytes(layout.FEEDBACK.itemsize)
_MAX_ARRIVALS = 8192  # in one dispatch; of groups, every GL 4.5 driver takes 65,535 on an axis


class Pool:
    """The GPU side of the page table and its slots."""

    def __init__(
        self, ctx: moderngl.Context, root: RootGrid, n_slots: int, staging_bytes: int = 32 << 20
    ) -> None:
        assert 0 < n_slots <= layout.ENTRY_SLOT_MASK
        self.ctx, self.root, self.n_slots = ctx, root, n_slots
        self.frame = 1  # what rays stamp on the slots they touch
        self.staging_s = 0.0  # main thread's time so far to lay arrivals out for the GPU
        self._native = Native()
        self.n_layers = -(-n_slots // layout.SLOTS_PER_LAYER)
        self._check_limits()
        side = layout.ATLAS
        self.atlas = ctx.texture_array((side, side, self.n_layers), 4)
        self.atlas.filter = moderngl.NEAREST, moderngl.NEAREST
        # 16 slots of 128 words a row, 256 rows: see touched_texel in feedback.glsl
        self.touched = ctx.texture_array((2048, 256, self.n_layers), 1, dtype="u4")
        self.touched.filter = moderngl.NEAREST, moderngl.NEAREST
        page_bytes = (root.n_chunks + 8 * n_slots) * 4
        self.staging_bytes = staging_bytes
        self._buffers = {
            BIND_PAGES: ctx.buffer(reserve=page_bytes),
            BIND_MASKS: ctx.buffer(reserve=n_slots * layout.MASK_BYTES),
            BIND_STAMPS: ctx.buffer(reserve=n_slots * 4),
            BIND_ASKED: ctx.buffer(reserve=n_slots * 8 * 4),
            BIND_FEEDBACK: ctx.buffer(reserve=feedback_bytes(n_slots)),
            BIND_STAGING: ctx.buffer(reserve=staging_bytes),
            BIND_WORK: ctx.buffer(reserve=_MAX_ARRIVALS * layout.ARRIVAL.itemsize),
        }
        if ctx.error == "GL_OUT_OF_MEMORY":  # drivers report it late, and go on with nothing behind the name
            raise GraphicsError(self._too_large("the driver has not that much"))
        for binding in (BIND_PAGES, BIND_STAMPS, BIND_ASKED):
            self._buffers[binding].clear()
        self._buffers[BIND_FEEDBACK].write(_NOTHING_YET)
        self.entities: EntityRows | None = None  # made when the pass semantic is first shown
        self.ring = FeedbackRing(ctx, self._buffers[BIND_FEEDBACK])
        self._programs = {
            name: compile_compute(ctx, f"{name}.comp") for name in ("upload", "publish", "reduce")
        }

    def hold_entities(self) -> bool:
        """Make room for the entities of every slot. -> False if the driver has not so much memory"""
        rows = EntityRows(self.ctx, self.n_slots)
        if not rows.is_there:
            rows.release()
            return False
        self.entities = rows
        return True

    def _check_limits(self) -> None:
        limits = self.ctx.info
        if self.n_layers > limits["GL_MAX_ARRAY_TEXTURE_LAYERS"]:
            raise GraphicsError(self._too_large("a texture has not so many layers here"))
        if self.n_slots * layout.MASK_BYTES > limits["GL_MAX_SHADER_STORAGE_BLOCK_SIZE"]:
            raise GraphicsError(self._too_large("a buffer is not so large here"))

    def _too_large(self, why: str) -> str:
        return f"{self.n_slots * BYTES_PER_SLOT >> 20} MB of video memory for chunks: {why}; lower --vram"

    def bind(self) -> None:
        """Bind every buffer and image where the shaders expect them."""
        for binding, buffer in self._buffers.items():
            buffer.bind_to_storage_buffer(binding)
        self.atlas.bind_to_image(IMAGE_ATLAS, read=False, write=True)
        self.touched.bind_to_image(IMAGE_TOUCHED, read=True, write=True)

    def upload(self, slots: NDArray[np.int64], streams: Sequence[Stream]) -> None:
        """Undo streams into slots, in as many dispatches as the staging buffer asks for.

        None may lie (`atlas.streams.lying`): what it says is where the GPU reads.
        """
        sizes = np.array([len(one) for one in streams], np.int64)
        start = 0
        while start < len(streams):
            fits = int(np.searchsorted(np.cumsum(sizes[start:]), self.staging_bytes, side="right"))
            stop = start + min(max(fits, 1), _MAX_ARRIVALS)
            self._upload_batch(slots[start:stop], streams[start:stop], sizes[start:stop])
            start = stop

    def _upload_batch(
        self, slots: NDArray[np.int64], streams: Sequence[Stream], sizes: NDArray[np.int64]
    ) -> None:
        began = time.perf_counter()
        arrivals = np.zeros(len(streams), layout.ARRIVAL)
        arrivals["slot"], arrivals["n_bytes"] = slots, sizes
        arrivals["offset_bytes"] = np.cumsum(sizes) - sizes
        self._buffers[BIND_STAGING].write(b"".join(streams))
        self._buffers[BIND_WORK].write(arrivals.tobytes())
        self.staging_s += time.perf_counter() - began
        self.bind()
        set_uniforms(self._programs["upload"], first=0)
        self._native.run(self._programs["upload"], len(streams))
        self.ctx.memory_barrier()

    def publish(self, writes: NDArray[np.uint32]) -> None:
        """Write page entries: [N, 2] uint32 (address, entry), as `PageTable` returns them."""
        batch = self._buffers[BIND_WORK].size // 8
        for start in range(0, len(writes), batch):
            part = np.ascontiguousarray(writes[start : start + batch])
            self._buffers[BIND_WORK].write(part.tobytes())
            self.bind()
            set_uniforms(self._programs["publish"], n_writes=len(part))
            self._native.run(self._programs["publish"], -(-len(part) // 64))
            self.ctx.memory_barrier()

    def read_feedback(self) -> Feedback:
        """What this frame's rays asked for and touched. Waits for the GPU. The touched bits are gone then."""
        self._reduce()
        return read_feedback(self._buffers[BIND_FEEDBACK], self.frame)

    def take_feedback(self) -> Feedback:
        """As `read_feedback`; a new frame begins."""
        feedback = self.read_feedback()
        self._begin_frame()
        return feedback

    def read_touched_slots(self) -> NDArray[np.uint32]:
        """The slots that this frame's rays have touched so far. Waits for the GPU; nothing is reduced."""
        return read_feedback(self._buffers[BIND_FEEDBACK], self.frame).touched_slots

    def send_feedback(self) -> None:
        """Send the frame's feedback into the ring, from which `ring.pop` takes it; a new frame begins."""
        self._reduce()
        self.ring.push(self.frame)
        self._begin_frame()

    def read_touched(self) -> NDArray[np.bool_]:
        """The touched plane. Waits for the GPU, and reads all of it: for tests and pictures.

        -> [n_slots, 4096] bool, bits in mask order
        """
        words = np.frombuffer(self.touched.read(), "<u4").reshape(-1, layout.MASK_WORDS)[: self.n_slots]
        return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(bool)

    def count_touched(self) -> int:
        """How many voxels are touched. Waits for the GPU, and reads the whole plane: for measuring."""
        words = np.frombuffer(self.touched.read(), "<u4")
        return int(np.bitwise_count(words).sum(dtype=np.int64))

    def clear_feedback(self) -> None:
        """Forget what this frame's rays said; a new frame begins."""
        self._reduce()
        self._begin_frame()

    def _reduce(self) -> None:
        """List what was asked and forget the touched bits, at a cost that follows what was touched."""
        self.bind()
        self._native.run(self._programs["reduce"], layout.REDUCE_GROUPS)
        self.ctx.memory_barrier()

    def _begin_frame(self) -> None:
        self._buffers[BIND_FEEDBACK].write(_NOTHING_YET)
        self.frame += 1

    def uniforms(self) -> dict[str, object]:
        """What every shader that includes pages.glsl or feedback.glsl wants to know."""
        size = tuple(int(v) for v in self.root.size)
        return {"root_size": size, "root_level": self.root.level, "frame": self.frame}

    def release(self) -> None:
        """Free all of it."""
        self.ring.release()
        for buffer in self._buffers.values():
            buffer.release()
        for program in self._programs.values():
            program.release()
        self.atlas.release()
        self.touched.release()
        if self.entities is not None:
            self.entities.release()
