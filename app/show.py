"""The picture in the window: which frames are drawn, with how many pixels, and what they were like."""

import time
from dataclasses import replace

from . import frame
from .camera import look
from .light import light_from
from .panel.over import Box
from .render.context import Context
from .render.overlay import Overlay
from .render.renderer import Renderer
from .resolution import Resolution, scaled_size
from .session import Session

_IDLE_MS = 250.0  # a longer gap between frames was a pause, no frame


class Show:
    """Owns the renderer of the window."""

    def __init__(self, ctx: Context, size: tuple[int, int]) -> None:
        self.resolution = Resolution()
        self._renderer = Renderer(ctx, size)
        self._drawn: object = None
        self._pose: object = None
        self._is_settled = self._is_quiet = False  # quiet: no ray that was heard misses anything
        self._since = 0  # frame in which what is drawn now was drawn first
        self._corner, self._shown_size = (0, 0), size
        self._view_size = size
        self._scaled = False
        self._last = 0.0
        self._read_mb = 0.0
        self._new = False

    def draw(self, session: Session, picture: Box, window: tuple[int, int]) -> bool:
        """Draw one frame of the scene. -> False if the window shows just that already, or cannot be seen"""
        x, y, width, height = (round(v) for v in picture)
        self._new = False
        if min(width, height) < 1 or min(window) < 1:
            return False
        now, settings = time.perf_counter(), session.settings
        pose = session.pose, session.projection
        moves = pose != self._pose
        self._pose = pose
        highest = settings.resolution_percent / 100
        lowest = min(settings.lowest_percent / 100, highest)
        scale = self.resolution.begin(moves and settings.adaptive, now, highest, lowest)
        size = scaled_size((width, height), scale, session.projection)
        wish = pose, size, picture, session.pass_name, replace(settings), session.frozen, id(session.scene)
        if wish == self._drawn and self._is_settled:
            return False
        pauses = wish == self._drawn and settings.adaptive and not self.resolution.rests(now)
        if pauses and self._is_quiet:  # the same few pixels once more would only make all of them come later
            self.resolution.pauses()
            return False
        self._scaled = not self.resolution.rests(now) and settings.adaptive
        self._corner, self._shown_size, self._view_size = (x, window[1] - y - height), (width, height), size
        self._renderer.resize(window)
        self._march(session, size, wish)
        self._drawn, self._new = wish, True
        return True

    def _march(self, session: Session, size: tuple[int, int], wish: object) -> None:
        scene, settings = session.scene, session.settings
        where = scene.voxel_size_m, scene.root.corner_voxel
        try:
            view = look(
                session.pose, size, settings.fov_deg, *where, settings.voxel_pixels, session.projection,
                settings.ipd_m,
            )  # fmt: skip
        except ValueError as error:  # too far away: stay where the picture is
            session.say(str(error))
            session.pose = session.home
            return
        light = light_from(settings, scene.extent_voxels)
        if scene.streamer is not None:
            limit = int(settings.upload_mb * (1 << 20))
            if scene.streamer.budgets.upload_bytes_per_frame != limit:
                scene.streamer.budgets = replace(scene.streamer.budgets, upload_bytes_per_frame=limit)
        frozen = session.frozen or scene.streamer is None
        one = frame.draw if frozen else frame.draw_streamed
        session.view, session.report = view, one(self._renderer, scene, view, light, session.pass_name)
        if wish != self._drawn:
            self._since = scene.pool.frame - 1
        heard = frozen or session.report.feedback.frame >= self._since
        quiet = session.report.knows_entities if frozen else frame.is_settled(session.report, scene)
        self._is_quiet, self._is_settled = quiet, wish == self._drawn and heard and quiet

    def present(self, overlay: Overlay, window: tuple[int, int]) -> None:
        """Bring picture and panel to the window."""
        if min(window) < 1:
            return
        self._renderer.resize(window)
        if self._shown_size[1] != window[1]:  # something of the window is neither picture nor panel
            self._renderer.darken()
        self._renderer.present(self._view_size, self._corner, self._shown_size)
        overlay.compose()
        self._renderer.finish()

    def shown(self, session: Session, panel_ms: float) -> None:
        """After the swap: note what this frame was like."""
        now = time.perf_counter()
        if not self._new:
            return
        self.resolution.shown(now, session.settings.target_fps, self._scaled)
        took_ms, self._last = (now - self._last) * 1e3, now
        report, streamer = session.report, session.scene.streamer
        if report is None or took_ms > _IDLE_MS * 4:
            return
        came = report.update
        read_mb, self._read_mb = max(session.read_mb - self._read_mb, 0.0), session.read_mb
        session.history.add(
            frame_ms=took_ms,
            march_ms=report.march_ms,
            main_ms=report.stream_main_ms + report.upload_ms + panel_ms,
            resident=session.scene.n_resident,
            under_way=streamer.n_under_way if streamer else 0,
            arrived=len(came.streams) if came else 0,
            missing=len(report.feedback.requests),
            read_mb_s=read_mb / took_ms * 1e3,
        )

    def release(self) -> None:
        """Free all of it."""
        self._renderer.release()
