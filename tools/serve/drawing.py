"""The thread that draws: one renderer, every flying client in turn. It never waits for the network.

A client's picture is drawn when there is room on its way. In motion it is as small as the pace says. Standing
still, it is drawn whole until no ray misses anything; then it is sent once more, as good as it can be, and
nothing is drawn until something changes.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...app import frame
from ...app.camera import Pose, View, look
from ...app.render.renderer import Renderer, light_of
from ...app.scene import Scene
from . import pace
from .messages import Look
from .pictures import Drawn
from .seats import Hall, Seat

STILL_S = 0.15  # without a new pose
_FRAME_S = 1 / 60  # frames of one client come no faster
_IDLE_S = 1.0
_GIVE_UP_FRAMES = 60  # with nothing coming although rays ask: there is no room, or it cannot be read
_NEAR_SHARE = 20  # percent of the pixels are nearer than what is called near
_NEAR_STEP = 16  # pixels: every so manieth row and column is looked at
_NEAR_EVERY = 4  # frames
_REMEMBERED = 16  # frames whose feedback may still come

Hand = Callable[[Seat, Drawn | None], None]
Note = Callable[[Seat, str], None]


@dataclass(slots=True)
class Progress:
    """How far the drawing of one seat's wish is. Known to the drawing thread alone."""

    wanted: tuple[Pose, Look] | None = None  # what the newest picture shows
    size: tuple[int, int] = (0, 0)  # and its size
    since: int = 0  # the frame with which that began
    at_s: float = -math.inf
    is_done: bool = False
    n_quiet: int = 0
    near_m: float | None = None


@dataclass(slots=True)
class Easel:
    """What is drawn with, and for whom each of the last frames was."""

    renderer: Renderer
    scene: Scene
    whose: OrderedDict[int, Seat] = field(default_factory=OrderedDict)
    n: int = 0


def draw_all(hall: Hall, renderer: Renderer, scene: Scene, hand: Hand, note: Note) -> None:
    """Draw until the hall closes. hand takes each picture, note a line for a client: neither may wait."""
    easel, progress = Easel(renderer, scene), dict[Seat, Progress]()
    while not hall.closing:
        hall.wake.clear()
        progress = {seat: progress.get(seat) or Progress() for seat in hall.seats if seat.flies}
        wait_s = _draw_next(easel, progress, hall.largest, hand, note)
        if wait_s > 0:
            _forget(easel, progress)
            hall.wake.wait(wait_s)


def _forget(easel: Easel, progress: dict[Seat, Progress]) -> None:
    """Nothing of a client that has gone stays behind."""
    easel.whose = OrderedDict((n, seat) for n, seat in easel.whose.items() if seat in progress)


def _draw_next(
    easel: Easel, progress: dict[Seat, Progress], largest: tuple[int, int], hand: Hand, note: Note
) -> float:
    """Draw for the seat that is due and has waited longest. -> seconds until one is due; 0 after drawing"""
    now = time.monotonic()
    waits = {seat: _wait_s(seat, done, now) for seat, done in progress.items() if seat.has_room}
    due = [seat for seat, wait_s in waits.items() if wait_s <= 0]
    if not due:
        return min([*waits.values(), _IDLE_S])
    seat = min(due, key=lambda seat: progress[seat].at_s)
    seat.n_drawn += 1
    hand(seat, _draw(easel, seat, progress[seat], largest, note))
    return 0.0


def _wait_s(seat: Seat, done: Progress, now: float) -> float:
    """How long until there is something to draw for a seat: inf if nothing is left to do."""
    wish, paced = seat.wish, done.at_s + _FRAME_S - now
    if done.wanted != (wish.pose, wish.look):
        return paced
    if done.is_done:
        return math.inf
    return max(wish.moved_s + STILL_S - now, paced)


def _draw(easel: Easel, seat: Seat, done: Progress, largest: tuple[int, int], note: Note) -> Drawn | None:
    """One frame for one seat. -> its picture, or None if it shows nothing new"""
    began = time.monotonic()
    wish, scene = seat.wish, easel.scene
    is_still = began >= wish.moved_s + STILL_S
    scale, quality = (1.0, pace.SHARP_QUALITY) if is_still else pace.moving(seat.pace, wish.look.quality)
    size = pace.fit(wish.look.size, largest, scale)
    wanted = wish.pose, wish.look
    is_new = (done.wanted, done.size) != (wanted, size)
    if is_new:
        done.wanted, done.size, done.since, done.n_quiet = wanted, size, scene.pool.frame, 0
    try:
        view = look(wish.pose, size, wish.look.fov_deg, scene.voxel_size_m, scene.root.corner_voxel)
    except ValueError as error:  # an eye too far away for any coordinate
        done.is_done = True
        note(seat, str(error))
        return None
    easel.renderer.resize(size)
    light = light_of(scene.extent_voxels, wish.look.shadows)
    easel.whose[scene.pool.frame] = seat
    report = frame.draw_streamed(easel.renderer, scene, view, light, wish.look.pass_name)
    came = report.update is not None and len(report.update.streams) > 0
    _hear(easel, seat, done, report, came, is_still)
    easel.n += 1
    if not (is_new or came or done.is_done):
        done.at_s = time.monotonic()
        return None
    if done.is_done or easel.n % _NEAR_EVERY == 1:
        done.near_m = _near_m(easel.renderer, view, scene.voxel_size_m)
    picture = easel.renderer.read_picture()
    done.at_s = time.monotonic()
    seconds = done.at_s - began
    if done.is_done:  # the bytes of other passes mean something
        quality = pace.STILL_QUALITY if wish.look.pass_name == "colour" else 0
    facts = {
        "seq": wish.seq,
        "pose": [wish.pose.x, wish.pose.y, wish.pose.z, wish.pose.yaw, wish.pose.pitch],
        "near_m": done.near_m,
        "scale": scale,
        "draw_ms": round(seconds * 1e3, 1),
    }
    return Drawn(easel.n, picture, quality, done.is_done, None if is_still else (seconds, scale), facts)


def _hear(
    easel: Easel, seat: Seat, done: Progress, report: frame.FrameReport, came: bool, is_still: bool
) -> None:
    """Whether the picture is whole: its own rays, as far as they have been heard, miss nothing.

    What other clients' rays miss does not count, nor what is only predicted.
    """
    heard = report.feedback
    whose = easel.whose.get(heard.frame)
    while len(easel.whose) > _REMEMBERED:
        easel.whose.popitem(last=False)
    knows = report.knows_entities  # of the pass semantic
    is_whole = whose is seat and heard.frame >= done.since and not len(heard.requests) and knows
    is_idle = (easel.scene.streamer is None or easel.scene.streamer.is_idle) and knows
    done.n_quiet = done.n_quiet + 1 if is_idle and not came else 0
    done.is_done = is_still and (is_whole or done.n_quiet >= _GIVE_UP_FRAMES)


def _near_m(renderer: Renderer, view: View, voxel_size_m: float) -> float | None:
    """How far away what is near is, metres; None if no ray hits anything. It sets the pace of flying."""
    hits = renderer.read_hits(view)[::_NEAR_STEP, ::_NEAR_STEP]
    depths = frame.depth_m(hits, voxel_size_m)
    depths = depths[np.isfinite(depths)]
    return round(float(np.percentile(depths, _NEAR_SHARE)), 3) if depths.size else None
