"""A streamed scene with everything that measures it: one frame in, one record out."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...app import frame
from ...app.camera import Pose, View, look
from ...app.render.context import Context, describe, open_headless
from ...app.render.pool import BYTES_PER_SLOT
from ...app.render.renderer import Light, Renderer, light_of
from ...app.render.ring import NO_FEEDBACK, Feedback
from ...app.render.timers import Timers
from ...app.scene import Scene, stream
from ...atlas.layout import HIT_COARSE, HIT_UNRESOLVED
from ...streamer.chunk_source import OnBad
from ...streamer.streamer import Streamer
from ..errors import UserError
from .figures import rss_bytes
from .opening import Opened


@dataclass(frozen=True, slots=True)
class Setup:
    """How a world is drawn while it is measured."""

    size: tuple[int, int] = (320, 180)
    projection: str = "planar"  # of layout.PROJECTIONS
    fov_deg: float = 60.0
    vram_bytes: int = 256 << 20
    ram_bytes: int = 512 << 20
    fps: float = 60.0
    paced: bool = False  # the loader works 1/fps in each frame, however long drawing takes
    cold: bool = False


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame. Counts of chunks and bytes are this frame's own; those held are as of its end."""

    at_s: float  # since the rig was ready
    frame_ms: float  # until the GPU has drawn it; without the wait for the next
    stream_main_ms: float  # of the main thread: hear, decide
    packing_ms: float  # of the main thread: arrivals laid out for the GPU
    loader_ms: float  # CPU of the loader's threads since the frame before
    n_loaded: int
    n_evicted: int
    n_bytes: int  # uploaded
    n_touched: int | None  # chunks, of the newest feedback; None if none has come
    n_pixels: int
    n_coarse: int
    n_unresolved: int
    level: float  # median over the pixels that hit something
    n_resident: int
    ram_bytes: int
    rss_bytes: int


@dataclass(slots=True)
class Rig:
    """A scene under test. Frames are drawn by `step`, at most `setup.fps` a second."""

    ctx: Context
    opened: Opened
    setup: Setup
    scene: Scene
    renderer: Renderer
    timers: Timers
    light: Light
    began_s: float
    due_s: float = 0.0  # when the next frame may begin
    loader_s: float = 0.0
    staging_s: float = 0.0
    heard: Feedback = NO_FEEDBACK  # the newest

    @property
    def streamer(self) -> Streamer:
        assert self.scene.streamer is not None
        return self.scene.streamer

    @property
    def gl_renderer(self) -> str:
        return describe(self.ctx)

    @property
    def vram_bytes(self) -> int:
        """What resident chunks take at this moment."""
        return self.scene.n_resident * BYTES_PER_SLOT

    def view(self, pose: Pose, fov_deg: float | None = None) -> View:
        return view_of(self.setup, self.scene, pose, fov_deg)

    def step(self, pose: Pose, fov_deg: float | None = None) -> FrameRecord:
        """Wait until the frame is due, draw it, look at what its rays hit.

        Paced, the loader's threads rest while it is drawn, and then get what a frame of 1/fps leaves them
        beside the main thread's streaming: as if a GPU had drawn it in that time.
        """
        self.streamer.hold(self.setup.paced)
        record = self._step(pose, fov_deg)
        if self.setup.paced:
            self.streamer.hold(False)
            time.sleep(max(0.0, 1 / self.setup.fps - (record.stream_main_ms + record.packing_ms) / 1e3))
        return record

    def _step(self, pose: Pose, fov_deg: float | None) -> FrameRecord:
        view = self.view(pose, fov_deg)
        time.sleep(max(0.0, self.due_s - time.perf_counter()))
        began = time.perf_counter()
        self.due_s = began + 1 / self.setup.fps
        report = frame.draw_streamed(self.renderer, self.scene, view, self.light, timers=self.timers)
        self.timers.end_frame()
        ended = time.perf_counter()
        return self._record(view, report, began, ended)

    def _record(self, view: View, report: frame.FrameReport, began: float, ended: float) -> FrameRecord:
        hits = self.renderer.read_hits(view)
        status = frame.status(hits)
        levels = frame.level(hits[frame.is_hit(hits)])
        update, heard = report.update, report.feedback.frame > 0
        assert update is not None
        self.heard = report.feedback if heard else self.heard
        loader_s, staging_s = self.streamer.busy_s, self.scene.pool.staging_s
        record = FrameRecord(
            at_s=began - self.began_s,
            frame_ms=(ended - began) * 1e3,
            stream_main_ms=report.stream_main_ms,
            packing_ms=(staging_s - self.staging_s) * 1e3,
            loader_ms=(loader_s - self.loader_s) * 1e3,
            n_loaded=len(update.streams),
            n_evicted=update.n_evicted,
            n_bytes=update.n_bytes,
            n_touched=len(report.feedback.touched_slots) if heard else None,
            n_pixels=status.size,
            n_coarse=int((status == HIT_COARSE).sum()),
            n_unresolved=int((status == HIT_UNRESOLVED).sum()),
            level=float(np.median(levels)) if levels.size else 0.0,
            n_resident=self.scene.n_resident,
            ram_bytes=self.streamer.ram.counts().n_bytes,
            rss_bytes=rss_bytes(),
        )
        self.loader_s, self.staging_s = loader_s, staging_s
        return record

    def settle(self, pose: Pose) -> NDArray[np.uint8]:
        """Draw until nothing is missing any more, unpaced. -> the picture [height, width, 4]"""
        frame.settle(self.renderer, self.scene, self.view(pose), self.light)
        return self.renderer.read_picture().copy()

    def forget_work(self) -> None:
        """Do not count what was done since the last step to the next one."""
        self.loader_s, self.staging_s = self.streamer.busy_s, self.scene.pool.staging_s

    def touched_voxels(self, pose: Pose, fov_deg: float | None = None) -> int:
        """How many voxels the rays of this view touch: one more march, of which streaming hears nothing.

        Reads the whole touched plane, so it is for every now and then, between frames.
        """
        view, pool = self.view(pose, fov_deg), self.scene.pool
        self.renderer.march(pool, view, self.scene.start_of(view))
        self.renderer.shade(pool, view, self.light)
        n = pool.count_touched()
        pool.clear_feedback()
        return n

    def forget_caches(self) -> None:
        """Make the next reads cold: the RAM tier and the kernel's pages of the world go."""
        self.streamer.ram.clear()
        self.opened.drop_caches()


def view_of(setup: Setup, scene: Scene, pose: Pose, fov_deg: float | None = None) -> View:
    """What an eye at a pose sees. Raises UserError where that cannot be drawn."""
    where = scene.voxel_size_m, scene.root.corner_voxel
    try:
        return look(pose, setup.size, fov_deg or setup.fov_deg, *where, projection=setup.projection)
    except ValueError as error:
        raise UserError(str(error)) from None


@contextmanager
def open_rig(opened: Opened, setup: Setup, on_bad: OnBad) -> Iterator[Rig]:
    """Open a headless context and the world in it; free everything at the end."""
    with ExitStack() as open_things:
        ctx = open_headless()
        open_things.callback(ctx.release)
        if setup.cold:
            opened.drop_caches()
        scene = stream(ctx, opened.source, setup.vram_bytes, setup.ram_bytes, on_bad)
        open_things.callback(scene.release)
        renderer = Renderer(ctx, setup.size)
        open_things.callback(renderer.release)
        light = light_of(scene.extent_voxels)
        yield Rig(ctx, opened, setup, scene, renderer, Timers(ctx), light, time.perf_counter())
