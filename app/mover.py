"""Moving in a window: keys, mouse and pad become a pose, and the cursor becomes a voxel.

The rules are app/moving's; here is what changes between frames. The session's pose, speed and mode may be
set by anyone (home, a path, the panel): moving goes on from there.
"""

import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .camera import Pose
from .moving.fly import focus, go_to
from .moving.gamepad import Pad, both, read_pad, steered
from .moving.occupancy import Occupancy
from .moving.places import pose_of_text, pose_text
from .moving.state import Manner, Mode, Moving, position
from .moving.step import advance, keyboard, switched
from .moving.walk import Ground
from .picking import entity_of, pick
from .render.context import Context
from .render.rays import Rays
from .scene import Scene
from .session import Picked, Session
from .window import Input

_REACH_M = 2.5  # around a walker everything is known: his height, and a second's way
_INERTIA_S = Manner().inertia_s
_AT_FIRST = 0.15  # of the world's extent: how far what is near is taken to be, until it is known
_MAX_REACH_VOXELS = 600.0


class Mover:
    """One window's moving. `session.moving` is it."""

    def __init__(self, ctx: Context) -> None:
        self.state = Moving(Pose(0.0, 0.0, 0.0, 0.0, 0.0))
        self._rays = Rays(ctx)
        self._scene: Scene | None = None
        self._occupancy: Occupancy | None = None
        self._pad = Pad()
        self._speed_m_s = 0.0  # as the session was told
        self._looked: object = None  # at what the last pick was
        self._asker = ThreadPoolExecutor(1, "voxtide-entity")  # who reads which entity a voxel is
        self._entity: Future[str] | None = None

    def step(self, session: Session, now: Input, seconds: float) -> None:
        """One frame. -> session.pose, speed_m_s, mode"""
        self._follow(session)
        settings = session.settings
        move = keyboard(now.move, now.turn, now.scroll, now.fast, now.slow, settings.mouse_deg_per_pixel)
        pad = read_pad()
        if pad is not None:
            by_pad, asks = steered(pad, self._pad, seconds)
            move, self._pad = both(move, by_pad), pad
            for ask in asks:
                self.ask(session, ask)
        if now.double_clicked:
            self.focus(session)
        extent_m = session.scene.extent_voxels * session.scene.voxel_size_m
        self.state = advance(
            self.state, move, self._manner(session), seconds, self._ground(session), extent_m
        )
        if self._occupancy is not None:
            reach = min(_REACH_M, _MAX_REACH_VOXELS * session.scene.voxel_size_m)
            self._occupancy.look_around(
                position(self.state.pose), reach if self.state.mode == "walk" else 0.0
            )
        self._tell(session)

    def look_under_cursor(self, session: Session) -> None:
        """After a frame is drawn. -> session.picked; its entity follows when it has been read"""
        view, cursor, scene = session.view, session.cursor, session.scene
        if view is None or cursor is None or min(session.size) < 1:
            session.picked, self._looked = None, None
            return
        looked = view, cursor, scene.pool.frame, id(scene)
        if looked != self._looked:
            self._looked = looked
            x, y = (c * n / s for c, n, s in zip(cursor, view.size, session.size, strict=True))
            found = pick(self._rays, scene, view, (math.floor(x), math.floor(y)))
            self._name(session, found)
        if self._entity is not None and self._entity.done() and session.picked is not None:
            session.picked = replace(session.picked, entity=self._entity.result())
            self._entity = None

    def ask(self, session: Session, what: str) -> None:
        """What a key or a button asks for: a name of moving.step.ASKS."""
        self._follow(session)
        if what == "home":
            self.state = go_to(self.state, session.home)
        elif what == "focus":
            self.focus(session)
        else:
            mode: Mode = "walk" if what == "walk" else "orbit"
            pivot = session.picked.position_m if session.picked is not None else None
            self.state = switched(self.state, mode, self._manner(session), self._ground(session), pivot)
        self._tell(session)

    def focus(self, session: Session) -> None:
        """Go half way to what is under the cursor, and turn about it."""
        if session.picked is None:
            session.say("Nothing is under the cursor to focus on")
        else:
            self._follow(session)
            self.state = focus(self.state, session.picked.position_m)
            self._tell(session)

    def copy_text(self, session: Session) -> str:
        """The pose as a line for the clipboard."""
        session.say("Copied the pose")
        return pose_text(session.pose)

    def paste(self, session: Session, text: str) -> None:
        """Go to the pose of a line."""
        try:
            session.pose = pose_of_text(text)
        except ValueError as error:
            session.say(str(error))

    def release(self) -> None:
        """Stop what runs beside, free what is on the GPU."""
        self._asker.shutdown(wait=False, cancel_futures=True)
        if self._occupancy is not None:
            self._occupancy.close()
        self._rays.release()

    def _follow(self, session: Session) -> None:
        """Take over what others have set."""
        if session.scene is not self._scene:
            self._enter(session)
        if session.pose != self.state.pose:
            self.state = go_to(self.state, session.pose)
        if session.speed_m_s != self._speed_m_s:
            self.state = replace(self.state, pace=session.speed_m_s / self.state.near_m)
        if session.mode != self.state.mode and session.mode in ("fly", "orbit", "walk"):
            mode: Mode = session.mode  # type: ignore[assignment]
            self.state = switched(self.state, mode, self._manner(session), self._ground(session), None)

    def _tell(self, session: Session) -> None:
        state = self.state
        self._speed_m_s = state.speed_m_s
        session.pose, session.speed_m_s, session.mode = state.pose, state.speed_m_s, state.mode

    def _enter(self, session: Session) -> None:
        """Another world: ask it what is solid, and begin at a pace that suits its size."""
        scene = self._scene = session.scene
        if self._occupancy is not None:
            self._occupancy.close()
        self._occupancy = Occupancy(scene.streamer.source) if scene.streamer is not None else None
        near_m = max(_AT_FIRST * scene.extent_voxels * scene.voxel_size_m, scene.voxel_size_m)
        self.state = Moving(session.pose, near_m=near_m)
        self._speed_m_s = session.speed_m_s
        self._looked = self._entity = None
        session.mode = self.state.mode
        session.speed_m_s = self._speed_m_s = self.state.speed_m_s

    def _manner(self, session: Session) -> Manner:
        settings = session.settings
        return Manner(_INERTIA_S if settings.inertia else 0.0, settings.speed_by_distance)

    def _ground(self, session: Session) -> Ground:
        known = self._occupancy
        if known is None:
            return Ground(_nothing_known, session.scene.root.level + 1, session.scene.voxel_size_m)
        return Ground(known.ask, known.n_levels, known.voxel_size_m)

    def _name(self, session: Session, found: Picked | None) -> None:
        """Show what was picked; ask for its entity, if it is another voxel than before."""
        before, session.picked = session.picked, found
        if found is None:
            self._entity = None
            return
        if before is not None and (before.voxel, before.level) == (found.voxel, found.level):
            session.picked = replace(found, entity=before.entity)
            return
        streamer = session.scene.streamer
        if streamer is not None and (self._entity is None or self._entity.done()):
            self._entity = self._asker.submit(entity_of, streamer.source, found.level, found.voxel)


def _nothing_known(level: int, voxels: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return np.zeros(len(voxels), bool), np.zeros(len(voxels), bool)
