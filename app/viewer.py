"""The window's loop: poll, shortcuts, move, draw the scene, draw the panel, present."""

import time
from contextlib import ExitStack
from dataclasses import replace

from ..streamer.chunk_source import ChunkSource, OnBad
from . import frame
from .actions import run_pressed
from .camera import Pose, look
from .mover import Mover
from .render.context import GL_VERSION, Context, describe, open_current
from .render.renderer import Renderer, light_of
from .scene import stream
from .session import Session
from .settings import Settings
from .window import Input, open_window

_SPEED_PER_EXTENT = 0.15  # of the world's diagonal per second
_TITLE_S = 0.5
_IDLE_S = 0.005  # between looks at the events while the picture stands still


def view_world(
    source: ChunkSource,
    name: str,
    home: Pose,
    settings: Settings,
    size: tuple[int, int],
    vram_bytes: int,
    ram_bytes: int,
    seconds: float | None,
    on_bad: OnBad,
) -> None:
    """Open a window on a world and let the user look until it is closed, or `seconds` have passed.

    Raises GraphicsError when there is no display or no GL.
    """
    with ExitStack() as open_things:
        window = open_things.enter_context(open_window(size, f"Voxtide: {name}", GL_VERSION))
        ctx = open_current()
        scene = stream(ctx, source, vram_bytes, ram_bytes, on_bad)
        session = Session(name, scene, home, settings, window.size)
        open_things.callback(lambda: session.scene.release())
        session.speed_m_s = max(_SPEED_PER_EXTENT * scene.extent_voxels * scene.voxel_size_m, 0.05)
        session.moving = mover = Mover(ctx)
        open_things.callback(mover.release)
        show = Show(ctx, window.size)
        open_things.callback(show.release)
        start = last = titled = time.perf_counter()
        n_frames = 0
        while seconds is None or last - start < seconds:
            now = window.poll()
            if now.closed or session.is_closing:
                break
            session.size, session.cursor = window.size, now.cursor
            run_pressed(session, now.pressed)
            clock = time.perf_counter()
            mover.step(session, now, clock - last)
            last = clock
            drawn = show.draw(session, now)
            mover.look_under_cursor(session)
            if drawn:
                window.swap()
                n_frames += 1
            else:
                time.sleep(_IDLE_S)
            if clock - titled > _TITLE_S:
                window.title(f"Voxtide: {name}, {n_frames / (clock - titled):.0f} fps, {describe(ctx)}")
                titled, n_frames = clock, 0


class Show:
    """What is on the window."""

    def __init__(self, ctx: Context, size: tuple[int, int]) -> None:
        self._drawn: object = None
        self._is_settled = False
        self._renderer = Renderer(ctx, size)

    def draw(self, session: Session, now: Input) -> bool:
        """Draw and show one frame. -> False if the window shows just that already, or cannot be seen."""
        size, scene = session.size, session.scene
        wish = session.pose, size, session.pass_name, session.projection, replace(session.settings)
        if min(size) == 0 or (wish == self._drawn and self._is_settled):
            return False
        self._renderer.resize(size)
        where = scene.voxel_size_m, scene.root.corner_voxel
        session.view = look(session.pose, size, session.settings.fov_deg, *where, 1.0, session.projection)
        light = light_of(scene.extent_voxels, False)
        session.report = frame.draw_streamed(self._renderer, scene, session.view, light, session.pass_name)
        self._is_settled = wish == self._drawn and frame.is_settled(session.report, scene)
        self._renderer.present()
        self._drawn = wish
        return True

    def release(self) -> None:
        self._renderer.release()
