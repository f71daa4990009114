"""A camera path being edited: its keys, which one is chosen, and how to take a step back. Pure.

Times are what a person sets; a loop's closing key is not among the keys here, it is made by `path`. Each edit
gives a new Draft, so that an editor is a list of them.
"""

from dataclasses import dataclass, field, replace

from .camera import Pose
from .paths import DEFAULT_FOV_DEG, DEFAULT_FPS, MAX_KEYS, CameraPath, Key, Pace

STEP_S = 2.0  # from one key to a new one behind it
MIN_GAP_S = 0.01  # between two keys
MAX_UNDO = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """What is edited. chosen is an index of keys, or None."""

    keys: tuple[Key, ...] = ()
    fps: float = DEFAULT_FPS
    loop: bool = False
    closing_s: float = STEP_S  # of a loop: from the last key to the first
    pace: Pace = "keys"
    size: tuple[int, int] | None = None
    chosen: int | None = None

    @property
    def path(self) -> CameraPath | None:
        """What is played and saved; None without keys."""
        if not self.keys:
            return None
        keys, loop = self.keys, self.loop and len(self.keys) > 1
        if loop:
            keys = (*keys, replace(keys[0], t=keys[-1].t + self.closing_s))
        return CameraPath(keys, self.fps, loop, self.pace, self.size)


def draft_of(path: CameraPath) -> Draft:
    """A path as something to edit."""
    keys, closing_s = path.keys, STEP_S
    if path.loop and len(keys) > 1:
        closing_s, keys = keys[-1].t - keys[-2].t, keys[:-1]
    return Draft(keys, path.fps, path.loop, closing_s, path.pace, path.size)


def insert(draft: Draft, pose: Pose, fov_deg: float = DEFAULT_FOV_DEG) -> Draft:
    """A key at the current view behind the chosen one, else behind the last; it is chosen then.

    Between two keys it comes in the middle of their time. Raises ValueError where there is no room.
    """
    n = len(draft.keys)
    if n + 1 >= MAX_KEYS:
        raise ValueError(f"a path has at most {MAX_KEYS} keys")
    at = n if draft.chosen is None else draft.chosen + 1
    if at == n:
        t = draft.keys[-1].t + STEP_S if n else 0.0
    else:
        before, after = draft.keys[at - 1].t, draft.keys[at].t
        if after - before < 2 * MIN_GAP_S:
            raise ValueError(f"key {at - 1} and key {at} are too close in time for one between them")
        t = (before + after) / 2
    keys = (*draft.keys[:at], Key(t, pose, fov_deg), *draft.keys[at:])
    return replace(draft, keys=keys, chosen=at)


def choose(draft: Draft, i: int | None) -> Draft:
    """Key i is the one that is edited."""
    return replace(draft, chosen=i)


def delete(draft: Draft, i: int) -> Draft:
    """Without key i; the times of the others stay, but the first is at 0 s. What came next is chosen."""
    keys = draft.keys[:i] + draft.keys[i + 1 :]
    if keys and i == 0:
        keys = tuple(replace(key, t=key.t - keys[0].t) for key in keys)
    return replace(draft, keys=keys, chosen=min(i, len(keys) - 1) if keys else None)


def move(draft: Draft, i: int, pose: Pose) -> Draft:
    """Key i stands elsewhere."""
    return _with(draft, i, pose=pose)


def widen(draft: Draft, i: int, fov_deg: float) -> Draft:
    """Key i has another field of view; a foreign lens is forgotten."""
    return _with(draft, i, fov_deg=fov_deg, lens=None)


def retime(draft: Draft, i: int, t: float) -> Draft:
    """Key i comes at another time, as far as its neighbours let it. The first stays at its own."""
    if i == 0:
        return draft
    low = draft.keys[i - 1].t + MIN_GAP_S
    high = draft.keys[i + 1].t - MIN_GAP_S if i + 1 < len(draft.keys) else low + 86_400.0
    return _with(draft, i, t=min(max(t, low), max(low, high)))


def delay(draft: Draft, i: int, seconds: float) -> Draft:
    """Key i comes so long after the one before it, and all that follow keep their distances."""
    if i == 0:
        return draft
    late = max(seconds, MIN_GAP_S) - (draft.keys[i].t - draft.keys[i - 1].t)
    later = tuple(replace(key, t=key.t + late) for key in draft.keys[i:])
    return replace(draft, keys=draft.keys[:i] + later)


def stretch(draft: Draft, seconds: float) -> Draft:
    """The whole path takes so long, each part its share of it."""
    path = draft.path
    if path is None or path.seconds == 0:
        return draft
    n_gaps = len(path.keys) - 1
    by = max(seconds, n_gaps * MIN_GAP_S) / path.seconds
    first = draft.keys[0].t
    keys = tuple(replace(key, t=first + (key.t - first) * by) for key in draft.keys)
    return replace(draft, keys=keys, closing_s=draft.closing_s * by)


def swap(draft: Draft, i: int, j: int) -> Draft:
    """Keys i and j change places; the times stay where they are. Key j is chosen."""
    keys = list(draft.keys)
    a, b = keys[i], keys[j]
    keys[i], keys[j] = replace(b, t=a.t), replace(a, t=b.t)
    return replace(draft, keys=tuple(keys), chosen=j)


def _with(draft: Draft, i: int, **changes: object) -> Draft:
    key = replace(draft.keys[i], **changes)  # type: ignore[arg-type]
    return replace(draft, keys=(*draft.keys[:i], key, *draft.keys[i + 1 :]))


@dataclass(slots=True)
class Editor:
    """A draft with its past and its future, and the path that it is."""

    draft: Draft = field(default_factory=Draft)
    path: CameraPath | None = None
    _past: list[Draft] = field(default_factory=list)
    _future: list[Draft] = field(default_factory=list)
    _gesture: object = None

    def do(self, draft: Draft, gesture: object = None) -> None:
        """Make an edit. Edits of one gesture, such as dragging one slider, are one step back.

        Raises ValueError, one line, for what would be no path; nothing has changed then.
        """
        if _contents(draft) == _contents(self.draft):
            self.draft = draft
            return
        path = draft.path
        if gesture is None or gesture != self._gesture:
            self._past.append(self.draft)
            del self._past[:-MAX_UNDO]
        self._future.clear()
        self.draft, self.path, self._gesture = draft, path, gesture

    def release(self) -> None:
        """The gesture is over: the next edit is a step of its own."""
        self._gesture = None

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def undo(self) -> None:
        """One step back; nothing where there is none."""
        self._step(self._past, self._future)

    def redo(self) -> None:
        """One step forward again."""
        self._step(self._future, self._past)

    def _step(self, here: list[Draft], there: list[Draft]) -> None:
        if here:
            there.append(self.draft)
            self.draft, self._gesture = here.pop(), None
            self.path = self.draft.path


def _contents(draft: Draft) -> Draft:
    return replace(draft, chosen=None)  # choosing a key is no edit
