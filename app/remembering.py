"""Keeping what the user chose: read at the start, written soon after a change and at the end."""

from dataclasses import replace
from pathlib import Path

from .session import Session
from .settings import Settings
from .settings_file import Memory, load, save, save_soon

KEEP_S = 2.0  # after a change, so that a slider that is dragged is one change


class Remembering:
    """The viewer's memory. Without a path (safe mode) nothing is read and nothing is written."""

    def __init__(self, path: Path | None, flags: dict[str, object]) -> None:
        self.path = path
        self.memory, self.told = load(path) if path else (Memory(), [])
        self._stored = replace(self.memory.settings)  # without the flags, which count for one start
        self._flags = flags
        for name, value in flags.items():
            setattr(self.memory.settings, name, value)
        self._written = self._seen = self._now()
        self._changed_at: float | None = None

    def show_world(self, session: Session) -> None:
        """The session shows another world: its bookmarks, and its place among the recent."""
        self.memory.remember_world(session.name)
        session.recent = self.memory.recent
        session.bookmarks = self.memory.bookmarks.setdefault(session.name, {})

    def keep(self, session: Session, now: float) -> None:
        """Once a frame: write what has changed and then stayed for a while. Never waits."""
        self.memory.settings = session.settings
        if self.path is None:
            return
        state = self._now()
        if state != self._seen:
            self._seen, self._changed_at = state, now
        elif self._changed_at is not None and now - self._changed_at > KEEP_S:
            self._changed_at, self._written = None, state
            save_soon(self.path, self._to_write())

    def end(self, session: Session, layout: str, window: tuple[int, int]) -> None:
        """The window closes."""
        self.memory.settings, self.memory.layout = session.settings, layout
        if min(window) > 0:
            self.memory.window = window
        if self.path is not None:
            try:
                save(self.path, self._to_write())
            except OSError as error:
                session.say(f"Settings are not kept: {error}")

    def _now(self) -> object:
        bookmarks = {world: dict(poses) for world, poses in self.memory.bookmarks.items()}
        return replace(self.memory.settings), tuple(self.memory.recent), bookmarks

    def _to_write(self) -> Memory:
        """All of it, but what a flag has set and nobody has changed since."""
        settings: Settings = replace(self.memory.settings)
        for name, value in self._flags.items():
            if getattr(settings, name) == value:
                setattr(settings, name, getattr(self._stored, name))
        bookmarks = {world: poses for world, poses in self.memory.bookmarks.items() if poses}
        return replace(self.memory, settings=settings, bookmarks=bookmarks)
