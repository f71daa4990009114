"""The system's own file dialogs. On Linux a helper program shows them, where there is one."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgui_bundle import portable_file_dialogs

from .. import path_desk
from ..session import Session

_HELPERS = ("zenity", "kdialog", "matedialog", "qarma")
_PATHS = ["Camera paths", "*.json *.npz", "All files", "*"]
_FILMS = ["Films", "*.mp4", "All files", "*"]
Then = Callable[[str], None]  # what is done with the name that was chosen
_open: list[tuple[Any, Then]] = []  # the dialog that is shown, at most one


def ask_for_world(session: Session) -> None:
    """A folder, to be opened."""
    _ask(
        session, lambda: portable_file_dialogs.select_folder("A baked world (.vxt)"), session.open_next.append
    )


def ask_for_scene(session: Session) -> None:
    """A file, to be baked."""
    _ask(session, lambda: portable_file_dialogs.open_file("A scene to bake"), session.open_next.append)


def ask_for_path(session: Session) -> None:
    """A camera path, to be edited."""
    desk = path_desk.desk_of(session)

    def load(name: str) -> None:
        desk.file = name
        path_desk.load(session, Path(name))

    here = _folder_of(desk.file)
    _ask(session, lambda: portable_file_dialogs.open_file("A camera path", here, _PATHS), load)


def ask_where_to_save(session: Session) -> None:
    """Where the camera path is to be written; the suffix says as what."""
    desk = path_desk.desk_of(session)

    def save(name: str) -> None:
        desk.file = name if Path(name).suffix else f"{name}.json"
        path_desk.save(session, Path(desk.file))

    here = str(Path(desk.file).absolute())
    _ask(session, lambda: portable_file_dialogs.save_file("Save the camera path as", here, _PATHS), save)


def ask_for_film(session: Session) -> None:
    """Which file is recorded to next."""
    desk = path_desk.desk_of(session)

    def take(name: str) -> None:
        desk.out = name if Path(name).suffix else f"{name}.mp4"

    here = str(Path(desk.out).absolute())
    _ask(session, lambda: portable_file_dialogs.save_file("Record to", here, _FILMS), take)


def hear(session: Session) -> None:
    """Once a frame: do what was asked for with what was chosen. Never waits."""
    if _open and _open[0][0].ready(timeout=0):
        dialog, then = _open.pop()
        chosen = dialog.result()
        for name in [chosen] if isinstance(chosen, str) else chosen:
            if name:
                then(name)


def _folder_of(name: str) -> str:
    return str(Path(name).absolute().parent)


def _ask(session: Session, show: Callable[[], Any], then: Then) -> None:
    if sys.platform == "linux" and not any(shutil.which(name) for name in _HELPERS):
        session.say("No file dialog here (zenity or kdialog would show one): type the name, or drop the file")
    elif not _open:
        _open.append((show(), then))
