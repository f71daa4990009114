"""The viewer's camera path: the editor, playing, and the path's lines over the scene. `taking.py` records it.

The loop calls `step` once a frame after the user moved; the window "Path" (panel/path.py) changes the rest.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from . import path_edit, path_file, path_lines
from .camera import View, look
from .path_edit import Draft, Editor
from .paths import CameraPath
from .recording import IncompleteError
from .session import Session, Stroke

if TYPE_CHECKING:
    from .path_drag import Drag

_WAY, _CHOSEN, _CONE = (1.0, 0.8, 0.2), (1.0, 1.0, 1.0), (0.95, 0.6, 0.15)


class PathError(Exception):
    """A file that cannot be read or written: one line that says why."""


class PathFiles(Protocol):
    """Reading and writing what a path becomes; the command brings one that knows more formats."""

    def load(self, file: Path) -> CameraPath:
        """Raises PathError."""

    def save(self, file: Path, path: CameraPath) -> None:
        """Raises PathError."""

    def film(
        self, out: Path, size: tuple[int, int], fps: float, projection: str
    ) -> AbstractContextManager[Callable[[NDArray[np.uint8]], None]]:
        """A film that takes one frame after the other. Raises PathError."""


class OwnFiles:
    """Voxtide's own JSON, and no film."""

    def load(self, file: Path) -> CameraPath:
        try:
            return path_file.load(file)
        except (OSError, ValueError) as error:
            raise PathError(f"{file}: {error}") from None

    def save(self, file: Path, path: CameraPath) -> None:
        try:
            path_file.save(file, path)
        except OSError as error:
            raise PathError(f"{file}: {error}") from None

    def film(
        self, out: Path, size: tuple[int, int], fps: float, projection: str
    ) -> AbstractContextManager[Callable[[NDArray[np.uint8]], None]]:
        raise PathError("no film can be written here: record into a folder")


@dataclass(slots=True)
class Desk:
    """What the window "Path" shows."""

    files: PathFiles = field(default_factory=OwnFiles)
    editor: Editor = field(default_factory=Editor)
    file: str = "path.json"
    out: str = "path.mp4"
    size: tuple[int, int] = (1280, 720)  # of recorded frames
    projection: str = "planar"
    shows_way: bool = True
    at_s: float = 0.0  # where playing is
    is_playing: bool = False
    done: float | None = None  # share of a recording; None: none is under way
    strokes: list[Stroke] = field(default_factory=list)
    lines: path_lines.Lines | None = None
    drag: "Drag | None" = None  # the mouse button is down in the scene
    _recording: Generator[float, None, None] | None = None
    _ends: tuple[Path, str] = (Path(), "")  # what is being written, and what is said when it is
    _shape: tuple[object, path_lines.Shape] | None = None
    _seen: tuple[tuple[View, path_lines.Shape, int | None], list[Stroke]] | None = None
    _before: tuple[float, bool] | None = None  # field of view and freezing, to go back to

    @property
    def draft(self) -> Draft:
        return self.editor.draft

    @property
    def path(self) -> CameraPath | None:
        return self.editor.path

    def shape(self, path: CameraPath) -> path_lines.Shape:
        """The path's lines in the world; made anew only where it is another."""
        wish = path, self.size, self.draft.chosen
        if self._shape is None or self._shape[0] != wish:
            self._shape = wish, path_lines.shape_of(path, self.size[0] / self.size[1], self.draft.chosen)
        return self._shape[1]


def desk_of(session: Session) -> Desk:
    """The session's desk; made where there is none yet."""
    if session.path is None:
        session.path = Desk()
    desk: Desk = session.path
    return desk


def shown(session: Session) -> object:
    """What the window shows: another value where it is to be drawn anew."""
    desk = desk_of(session)
    return id(desk.draft), desk.is_playing, desk.at_s, desk.done


def is_busy(session: Session) -> bool:
    """Whether the path moves the eye, so that the user does not."""
    return session.path is not None and (session.path.is_playing or session.path.done is not None)


def step(session: Session, seconds: float) -> None:
    """One frame: play on, record on, and lay the path's lines over the scene."""
    desk = desk_of(session)
    if desk._recording is not None:
        _record_on(session, desk)
    elif desk.is_playing:
        play_to(session, desk.at_s + seconds)
    mine = {id(stroke) for stroke in desk.strokes}
    session.strokes = [stroke for stroke in session.strokes if id(stroke) not in mine]
    desk.strokes = _strokes(session, desk) if desk.shows_way and not is_busy(session) else []
    session.strokes += desk.strokes


def edit(session: Session, make: Callable[[Draft], Draft], gesture: object = None) -> None:
    """Change the draft; what would be no path is said, and nothing changes."""
    editor = desk_of(session).editor
    try:
        editor.do(make(editor.draft), gesture)
    except ValueError as error:
        session.say(str(error))


def undo(session: Session) -> None:
    """One change of the path back."""
    desk_of(session).editor.undo()


def redo(session: Session) -> None:
    """And forward again."""
    desk_of(session).editor.redo()


def add_key(session: Session) -> None:
    """A key at the current view."""
    fov = session.settings.fov_deg
    edit(session, lambda draft: path_edit.insert(draft, session.pose, fov))


def go_to_key(session: Session, i: int) -> None:
    """Choose key i and look from there."""
    desk = desk_of(session)
    desk.editor.do(path_edit.choose(desk.draft, i))
    stop(session)
    session.pose = desk.draft.keys[i].pose
    desk.at_s = desk.draft.keys[i].t


def play(session: Session) -> None:
    """Play from where it is, or from the start where that is the end."""
    desk = desk_of(session)
    path = desk.path
    if path is None or desk._recording is not None:
        return
    if not path.loop and desk.at_s >= path.keys[-1].t:
        desk.at_s = path.keys[0].t
    desk.is_playing = True


def play_or_stop(session: Session) -> None:
    """Play, or stop what is under way."""
    (stop if is_busy(session) else play)(session)


def play_to(session: Session, t: float) -> None:
    """Show the path at t seconds; playing stops at the end."""
    desk = desk_of(session)
    path = desk.path
    if path is None:
        return stop(session)
    if path.loop and path.seconds:
        t = path.keys[0].t + (t - path.keys[0].t) % path.seconds
    if desk._before is None:
        desk._before = session.settings.fov_deg, session.frozen
    key = path.sample(t)
    desk.at_s, session.pose, session.settings.fov_deg = t, key.pose, key.fov_deg
    if t >= path.keys[-1].t and not path.loop:
        desk.at_s = path.keys[-1].t
        stop(session)


def stop(session: Session) -> None:
    """Stop playing or recording; the view stays, its field of view goes back."""
    desk = desk_of(session)
    desk.is_playing = False
    if desk._recording is not None:
        desk._recording.close()
        desk._recording, desk.done = None, None
    if desk._before is not None:
        session.settings.fov_deg, session.frozen = desk._before
        desk._before = None


def load(session: Session, file: Path) -> None:
    """Read a path to edit it; the one before is one step back."""
    desk = desk_of(session)
    try:
        desk.editor.do(path_edit.draft_of(desk.files.load(file)))
    except PathError as error:
        return session.say(str(error))
    desk.at_s = 0.0
    session.say(f"{file.name}: {len(desk.draft.keys):,} keys")


def save(session: Session, file: Path) -> None:
    """Write the path; the suffix says as what."""
    desk = desk_of(session)
    path = desk.path
    if path is None:
        return session.say("A path has at least one key: add one first")
    try:
        desk.files.save(file, path)
        session.say(f"{file} is written")
    except PathError as error:
        session.say(str(error))


def begin(session: Session, steps: Generator[float, None, None], out: Path, said: str) -> None:
    """Have `step` go on with what is being recorded, one step a frame. said: how it ends, when all is well"""
    stop(session)
    desk = desk_of(session)
    desk._before = session.settings.fov_deg, session.frozen
    session.frozen = True  # one view at a time is streamed
    desk.done, desk._recording, desk._ends = 0.0, steps, (out, said)


def _record_on(session: Session, desk: Desk) -> None:
    assert desk._recording is not None
    try:
        desk.done = next(desk._recording)
    except StopIteration:
        session.say(desk._ends[1])
        stop(session)
    except (PathError, IncompleteError, OSError, ValueError) as error:
        session.say(f"{desk._ends[0]}: {error}")
        stop(session)


def _strokes(session: Session, desk: Desk) -> list[Stroke]:
    path, view = desk.path, view_of(session)
    desk.lines = None if path is None or view is None else desk.lines
    if path is None or view is None:
        return []
    held = desk.drag.key if desk.drag is not None else None
    near = handle_at(session, session.cursor) if session.cursor else None
    marked = held if held is not None else near
    wish = view, desk.shape(path), marked
    if desk._seen is not None and desk._seen[0] == wish and desk.lines is not None:
        return desk._seen[1]
    found = desk.lines = path_lines.lines(wish[1], view, session.scene.voxel_size_m)
    out = [Stroke(piece, _WAY, 2.5) for piece in found.way]
    for i, piece in found.cones:
        out.append(Stroke(piece, *((_CHOSEN, 2.0) if i == desk.draft.chosen else (_CONE, 1.2))))
    for i, at in enumerate(found.keys):
        if at is not None and i in wish[1].coned:
            ink = _CHOSEN if i in (desk.draft.chosen, marked) else _WAY
            out.append(Stroke(_square(at, 6.0 if i == marked else 3.5), ink, 2.0, closed=True))
    desk._seen = wish, out
    return out


def view_of(session: Session) -> View | None:
    """What the frame about to be drawn sees; None where it cannot be drawn."""
    scene, size = session.scene, session.size
    if min(size) < 2:
        return None
    size = size if session.projection != "stereo" else (size[0] // 2 * 2, size[1])
    where = scene.voxel_size_m, scene.root.corner_voxel
    try:
        return look(session.pose, size, session.settings.fov_deg, *where, projection=session.projection)
    except ValueError:
        return None


def handle_at(session: Session, at: tuple[float, float]) -> int | None:
    """The key whose handle is there, picture pixels, as it was drawn last."""
    desk = desk_of(session)
    if desk.lines is None or desk.path is None:
        return None
    key = path_lines.nearest(desk.lines, at)
    return key if key in desk.shape(desk.path).coned else None


def _square(at: tuple[float, float], half: float) -> NDArray[np.float64]:
    """A key's handle: by it the key can be dragged (path_drag.py)."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    return np.array(at) + half * corners
