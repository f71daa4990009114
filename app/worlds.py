"""Which world is shown: opening it without keeping the window waiting, baking what is none yet."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..streamer.chunk_source import ChunkSource, OnBad
from ..streamer.stores import CountingFiles, SlowFiles
from ..streamer.world import World
from . import taking
from .camera import Pose
from .library import Baking, Library, Opened, OpenError
from .render.context import Context
from .scene import Pinned, Scene, pin, scene_of
from .session import Session
from .settings import Settings

TINY_BYTES = 8 << 20
SPEED_PER_EXTENT = 0.15  # of the world's diagonal per second
_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Ready:
    """A world whose coarse levels have been read, and what watches its disk (None: it has none)."""

    opened: Opened
    pinned: Pinned
    home: Pose
    slow: SlowFiles | None
    counted: CountingFiles | None


@dataclass(slots=True)
class Worlds:
    """Opens worlds on a thread of its own and hands them to the session between two frames."""

    ctx: Context
    library: Library
    on_bad: OnBad
    slow: SlowFiles | None = None
    counted: CountingFiles | None = None
    wants_tiny: bool = False  # what the scene was opened with
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "voxtide-open"))
    _coming: Future[Ready] | None = None
    _keeps_pose: bool = False
    _by_bake: dict[str, str] = field(default_factory=dict)  # a baked world's name -> its scene's

    def first(self, name: str, settings: Settings, size: tuple[int, int]) -> Session:
        """Open a world at once, and a session on it. Raises OpenError or WorldError."""
        ready = self._open(name, settings, size, tiny=False)
        session = Session(ready.opened.name, self._scene(ready), ready.home, settings, size)
        self._show(session, ready)
        return session

    def goes_on(self, session: Session, baking: Baking) -> None:
        """The first world is one of a bake that goes on to finer ones."""
        session.bakings.append(baking)
        self._by_bake[session.name] = baking.name

    def step(self, session: Session) -> bool:
        """Once a frame, and never waits: begin what was asked for, show what is ready. -> whether it did"""
        if session.tiny_budget != self.wants_tiny and self._coming is None:
            self._begin(session, session.name, keeps_pose=True)
        for name in session.open_next:
            self._ask(session, name)
        session.open_next.clear()
        self._hear_bakings(session)
        if self.slow is not None:
            self.slow.delay_s = session.slow_disk_ms / 1e3
        if self.counted is not None:
            session.read_mb = self.counted.n_bytes / _MB
        return self._take(session)

    def _ask(self, session: Session, name: str) -> None:
        if name.lower().endswith(".png") and taking.go_to_picture(session, Path(name)):
            return
        try:
            if self.library.is_world(name):
                self._begin(session, name.rstrip("/"))
            else:
                baking = self.library.bake(name, session.settings.drop_voxel_m)
                session.bakings.append(baking)
                session.say(f"Baking {baking.name} in the background")
        except OpenError as error:
            session.say(str(error))

    def _hear_bakings(self, session: Session) -> None:
        for baking in list(session.bakings):
            finer = baking.poll()
            if finer is not None:
                known = baking.name in self._by_bake.values()
                self._by_bake[finer] = baking.name
                self._begin(session, finer, keeps_pose=known and self._shows(session, baking.name))
            if baking.is_done:
                session.bakings.remove(baking)
                session.say(baking.failed or f"{baking.name} is baked")

    def _shows(self, session: Session, scene_name: str) -> bool:
        return self._by_bake.get(session.name) == scene_name

    def _begin(self, session: Session, name: str, keeps_pose: bool = False) -> None:
        if self._coming is not None and not self._coming.cancel():
            self._coming.add_done_callback(_close)
        self.wants_tiny, self._keeps_pose = session.tiny_budget, keeps_pose
        self._coming = self._thread.submit(
            self._open, name, session.settings, session.size, session.tiny_budget
        )

    def _open(self, name: str, settings: Settings, size: tuple[int, int], tiny: bool) -> Ready:
        opened = self.library.open(name)
        slow, counted = watch(opened.source)
        home = opened.home(size, settings.fov_deg)
        vram_bytes = TINY_BYTES if tiny else int(settings.vram_mb * _MB)
        pinned = pin(opened.source, vram_bytes, int(settings.ram_mb * _MB), self.on_bad)
        return Ready(opened, pinned, home, slow, counted)

    def _take(self, session: Session) -> bool:
        if self._coming is None or not self._coming.done():
            return False
        coming, self._coming = self._coming, None
        try:
            ready = coming.result()
        except Exception as error:  # whatever is wrong with that world, the one that is shown stays
            session.say(f"Not opened: {error}")
            session.tiny_budget = self.wants_tiny
            return False
        old, pose = session.scene, session.pose
        session.poses[session.name] = pose
        session.scene = self._scene(ready)
        old.release()
        session.name, session.home, session.picked = ready.opened.name, ready.home, None
        self._show(session, ready)
        session.pose = pose if self._keeps_pose else session.poses.get(session.name, ready.home)
        session.show_pass(session.pass_name)
        return True

    def _scene(self, ready: Ready) -> Scene:
        return scene_of(self.ctx, ready.opened.source, ready.pinned)

    def _show(self, session: Session, ready: Ready) -> None:
        self.slow, self.counted = ready.slow, ready.counted
        session.disk, session.layers = ready.counted, ready.opened.source.meta.planes
        scene = session.scene
        session.speed_m_s = max(SPEED_PER_EXTENT * scene.extent_voxels * scene.voxel_size_m, 0.05)
        if session.name not in session.worlds:
            session.worlds.append(session.name)

    def close(self, session: Session) -> None:
        """End what is under way."""
        for baking in session.bakings:
            baking.stop()
        if self._coming is not None and not self._coming.cancel():
            self._coming.add_done_callback(_close)
        self._thread.shutdown(wait=False)


def _close(coming: Future[Ready]) -> None:
    """A world that came when nobody wanted it any more: stop its threads."""
    if not coming.cancelled() and coming.exception() is None:
        coming.result().pinned.streamer.close()


def watch(source: ChunkSource) -> tuple[SlowFiles | None, CountingFiles | None]:
    """Put something between a world and its disk that can slow it and counts what is read."""
    if not isinstance(source, World):
        return None, None
    slow = SlowFiles(source.store, 0.0)
    source.store = counted = CountingFiles(slow)
    return slow, counted
