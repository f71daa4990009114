"""One frame, as a walk, and what a frame knows as arrays."""

import time
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..atlas import layout
from ..streamer.streamer import Update
from .camera import View
from .entities import PASS
from .render.renderer import Light, Renderer
from .render.ring import NO_FEEDBACK, Feedback
from .render.timers import Timers
from .scene import Scene
from .sight import sight_of

_SETTLED_FRAMES = 2  # with nothing missing and nothing under way
_GIVE_UP_FRAMES = 60  # with nothing coming, although rays still ask: there is no room, or it cannot be read
_PAUSE_S = 0.002
PATIENCE_S = 30.0  # without anything coming


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What one frame did. Times in milliseconds; stream_main is what streaming cost the main thread."""

    march_ms: float
    feedback: Feedback  # of this frame where it was waited for, else the newest that has come
    stream_main_ms: float = 0.0
    upload_ms: float = 0.0
    update: Update | None = None
    is_settled: bool = False  # nothing was missing, and nothing that can still come
    knows_entities: bool = True  # those of all that is seen, where they are shown


def draw(renderer: Renderer, scene: Scene, view: View, light: Light, name: str = "colour") -> FrameReport:
    """March, shade, hear what the rays asked for. Nothing comes or goes; the renderer keeps the picture."""
    march_ms = renderer.march(scene.pool, view, scene.start_of(view))
    knows = True
    if name == PASS and scene.entities is not None:
        knows = scene.entities.step(scene.pool.read_touched_slots(), waits=scene.streamer is None)
    renderer.shade(scene.pool, view, light, name)
    feedback = scene.pool.take_feedback()
    settled = knows and len(feedback.requests) == 0
    return FrameReport(march_ms, feedback, is_settled=settled, knows_entities=knows)


def draw_streamed(
    renderer: Renderer,
    scene: Scene,
    view: View,
    light: Light,
    name: str = "colour",
    timers: Timers | None = None,
) -> FrameReport:
    """One frame of a streamed world, as a walk. timers: hear how long each part keeps the GPU busy.

    1. hear what an earlier frame's rays touched and missed, if that has come
    2. decide what comes in, what goes, and what to read next
    3. bring it in: clear entries, fill slots, write entries
    4. march; 5. shade, whose rays to the sun ask too; 6. reduce the feedback, and send it on its way
    """
    assert scene.streamer is not None, "this scene is not streamed"
    start, cpu_start = time.perf_counter(), time.thread_time()
    feedback = scene.pool.ring.pop() or NO_FEEDBACK
    touched, requests, said = feedback.touched_slots, feedback.requests, feedback.frame
    update = scene.streamer.update(touched, requests, said, sight_of(view), scene.pool.frame)
    decided = time.perf_counter()
    with _timed(timers, "upload"):
        scene.apply(update)
    applied = time.perf_counter()
    scene.streamer.spent(update, (time.thread_time() - cpu_start) * 1e3)
    with _timed(timers, "march"):
        march_ms = renderer.march(scene.pool, view, scene.start_of(view))
    knows = name != PASS or scene.entities is None or scene.entities.step(touched)
    with _timed(timers, "shade"):
        renderer.shade(scene.pool, view, light, name)
    with _timed(timers, "reduce"):
        scene.pool.send_feedback()
    main_ms, upload_ms = (decided - start) * 1e3, (applied - decided) * 1e3
    return FrameReport(march_ms, feedback, main_ms, upload_ms, update, knows_entities=knows)


def settle(
    renderer: Renderer,
    scene: Scene,
    view: View,
    light: Light,
    name: str = "colour",
    timeout_s: float | None = None,
) -> FrameReport:
    """Draw until no ray misses anything, or what is missing can not come. -> the last frame's report

    timeout_s: gives up when nothing has come for so long (default PATIENCE_S), however long it takes in all
    """
    steps = settling(renderer, scene, view, light, name, timeout_s)
    while True:
        try:
            if not next(steps):
                time.sleep(_PAUSE_S)
        except StopIteration as stop:
            return cast(FrameReport, stop.value)


def settling(
    renderer: Renderer,
    scene: Scene,
    view: View,
    light: Light,
    name: str = "colour",
    timeout_s: float | None = None,
) -> Generator[bool, None, FrameReport]:
    """settle(), one drawn frame a step, for who has more to do between. Yields whether chunks came."""
    assert scene.streamer is not None, "this scene is not streamed"
    timeout_s = timeout_s or PATIENCE_S
    until = time.monotonic() + timeout_s
    since, n_quiet, n_evicted = scene.pool.frame, 0, 0
    drawn: set[int] = set()
    while True:
        number = scene.pool.frame
        drawn.add(number)
        report = draw_streamed(renderer, scene, view, light, name)
        update = report.update
        came = update is not None and len(update.streams) > 0
        if came or (update is not None and len(update.withdraw) > 0):
            since = number
        n_quiet = 0 if came or not (scene.streamer.is_idle and report.knows_entities) else n_quiet + 1
        # What rays said of another view, or before the last change, proves nothing.
        heard = report.feedback.frame
        done = heard in drawn and heard >= since and is_settled(report, scene)
        if n_quiet >= (_SETTLED_FRAMES if done else _GIVE_UP_FRAMES):
            return replace(report, is_settled=done)
        n_evicted += update.n_evicted if update else 0
        if came and n_evicted <= scene.pool.n_slots:  # beyond, what came for this view has gone for it again
            until = time.monotonic() + timeout_s
        elif time.monotonic() > until:
            return report
        yield came


def is_settled(report: FrameReport, scene: Scene) -> bool:
    """Whether a frame found nothing missing, as far as its rays have been heard, and nothing is under way."""
    heard = report.feedback.frame > 0 and len(report.feedback.requests) == 0
    came = report.update is not None and len(report.update.streams) > 0
    idle = scene.streamer is None or scene.streamer.is_idle
    return heard and not came and idle and report.knows_entities


def _timed(timers: Timers | None, part: str) -> AbstractContextManager[None]:
    return timers.part(part) if timers else nullcontext()


def status(hits: NDArray[np.void]) -> NDArray[np.uint32]:
    """[...] layout.HIT -> [...] uint32, one of layout.HIT_*"""
    return np.asarray(hits["info"] & (1 << layout.HIT_STATUS_BITS) - 1)


def is_hit(hits: NDArray[np.void]) -> NDArray[np.bool_]:
    """[...] layout.HIT -> [...] whether the ray found a voxel."""
    found = status(hits)
    return np.asarray((found == layout.HIT_VOXEL) | (found == layout.HIT_COARSE))


def level(hits: NDArray[np.void]) -> NDArray[np.int64]:
    """[...] layout.HIT -> [...] int64 level of the voxel that was hit."""
    return (hits["info"] >> layout.HIT_LEVEL_SHIFT & 31).astype(np.int64)


def depth_m(hits: NDArray[np.void], voxel_size_m: float) -> NDArray[np.float32]:
    """[...] layout.HIT -> [...] float32 metres along the ray, inf where it found nothing."""
    t = hits["t"].astype(np.float64) * voxel_size_m
    return np.where(is_hit(hits), t, np.inf).astype(np.float32)


def uvw_rgba(hits: NDArray[np.void], corner_voxel: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The canonical pass: RGB is the voxel's UVW at its own level, A is 255; a hole is all 0.

    [...] layout.HIT, [3] int64 -> [..., 4] uint8
    """
    k = level(hits)
    out = np.zeros((*hits.shape, 4), np.uint8)
    for axis, name in enumerate("xyz"):
        out[..., axis] = hits[name] + (corner_voxel[axis] >> k) & (layout.REGION - 1)
    out[..., 3] = 255
    out[~is_hit(hits)] = 0
    return out
