"""The window's loop: poll, shortcuts, move, draw the scene, draw the panel, present."""

import gc
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..streamer.chunk_source import OnBad
from . import path_desk, path_drag
from .actions import run_pressed
from .camera import Pose
from .library import Baking, Library
from .mover import Mover
from .panel.panel import Panel
from .path_desk import PathFiles
from .remembering import Remembering
from .render.context import GL_VERSION, describe, open_current
from .session import Session
from .show import Show
from .window import Input, Window, open_window
from .worlds import Worlds

_TITLE_S = 0.5
_IDLE_S = 0.004  # between looks at the events while nothing changes


@dataclass(frozen=True, slots=True)
class Start:
    """How a viewer is to begin."""

    names: Sequence[str]  # worlds; the first is shown
    flags: dict[str, object]  # settings that the command line gave: field -> value
    pose: Pose | None = None  # None: framed
    size: tuple[int, int] | None = None  # of the window, pixels; None: as it was left
    seconds: float | None = None  # close after this long
    memory: Path | None = None  # where settings are kept; None: safe mode, nothing is read or written
    baking: Baking | None = None  # of which the first world is
    path_files: PathFiles | None = None  # for camera paths; None: Voxtide's own alone


def view_worlds(library: Library, start: Start, on_bad: OnBad) -> None:
    """Open a window and let the user look until it is closed.

    Raises GraphicsError when there is no display or no GL, OpenError or WorldError for the first world.
    """
    remembering = Remembering(start.memory, start.flags)
    kept = remembering.memory
    with ExitStack() as open_things:
        size = start.size or kept.window or (1280, 720)
        window = open_things.enter_context(open_window(size, "Voxtide", GL_VERSION))
        ctx = open_current()
        panel = Panel(ctx, window.size, window.scale, kept.layout)
        open_things.callback(panel.release)
        worlds = Worlds(ctx, library, on_bad)
        session = worlds.first(start.names[0], kept.settings, panel.room(window.size))
        open_things.callback(lambda: session.scene.release())
        open_things.callback(lambda: worlds.close(session))
        if start.baking is not None:
            worlds.goes_on(session, start.baking)
        _begin(session, start, worlds, remembering)
        session.renderer = describe(ctx)
        session.moving = Mover(ctx)
        open_things.callback(session.moving.release)
        show = Show(ctx, window.size)
        open_things.callback(show.release)
        open_things.callback(lambda: remembering.end(session, panel.layout(), window.size))
        for _ in range(2):  # so that the first frame that is shown has the panel, and a picture of its size
            panel.begin(session, [], Input(), window.size)
            panel.draw(session, window.size)
        gc.freeze()  # a look for garbage at all that was imported takes 15 ms of one frame
        open_things.callback(gc.unfreeze)
        run(window, panel, worlds, show, session, remembering, start.seconds)


def _begin(session: Session, start: Start, worlds: Worlds, remembering: Remembering) -> None:
    session.pose = start.pose or session.home
    session.path = path_desk.Desk(start.path_files or path_desk.OwnFiles())
    for name in start.names[1:]:
        (session.worlds if worlds.library.is_world(name) else session.open_next).append(name)
    session.recent = remembering.memory.recent
    remembering.show_world(session)
    for line in remembering.told:
        session.say(line)


def run(
    window: Window,
    panel: Panel,
    worlds: Worlds,
    show: Show,
    session: Session,
    remembering: Remembering,
    seconds: float | None,
) -> None:
    """The loop."""
    began = last = titled = time.perf_counter()
    n_frames = 0
    while seconds is None or last - began < seconds:
        polled = window.poll()
        if polled.closed or session.is_closing:
            return
        session.open_next += polled.dropped
        now = panel.begin(session, window.events, polled, window.size)
        session.size = panel.picture_size
        run_pressed(session, now.pressed)
        if worlds.step(session):
            remembering.show_world(session)
        clock = time.perf_counter()
        if not path_desk.is_busy(session):
            session.moving.step(session, path_drag.hold(session, now), clock - last)
        path_desk.step(session, clock - last)
        last = clock
        drawn = show.draw(session, panel.picture, window.size)
        session.moving.look_under_cursor(session)
        drawn |= panel.draw(session, window.size)
        if drawn:
            show.present(panel.overlay, window.size)
            window.swap()
            show.shown(session, panel.took_ms)
            n_frames += 1
        else:
            time.sleep(_IDLE_S)
        remembering.keep(session, clock)
        window.wait_for_display(session.settings.vsync)
        if clock - titled > _TITLE_S:
            window.title(
                f"Voxtide: {session.name}, {n_frames / (clock - titled):.0f} fps, {session.renderer}"
            )
            titled, n_frames = clock, 0
