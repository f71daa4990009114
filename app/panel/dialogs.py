"""The system's own file dialogs. On Linux a helper program shows them, where there is one."""

import shutil
import sys
from collections.abc import Callable
from typing import Any

from imgui_bundle import portable_file_dialogs

from ..session import Session

_HELPERS = ("zenity", "kdialog", "matedialog", "qarma")
_open: list[Any] = []  # the dialog that is shown, at most one


def ask_for_world(session: Session) -> None:
    """A folder, to be opened."""
    _ask(session, lambda: portable_file_dialogs.select_folder("A baked world (.vxt)"))


def ask_for_scene(session: Session) -> None:
    """A file, to be baked."""
    _ask(session, lambda: portable_file_dialogs.open_file("A scene to bake"))


def hear(session: Session) -> None:
    """Once a frame: what was chosen is opened next. Never waits."""
    if _open and _open[0].ready(timeout=0):
        chosen = _open.pop().result()
        session.open_next += [name for name in ([chosen] if isinstance(chosen, str) else chosen) if name]


def _ask(session: Session, show: Callable[[], Any]) -> None:
    if sys.platform == "linux" and not any(shutil.which(name) for name in _HELPERS):
        session.say("No file dialog here (zenity or kdialog would show one): drop the file on the window")
    elif not _open:
        _open.append(show())
