"""What is taken from the window: films of the path, and screenshots. Both wait until nothing is missing.

Both are made a step a frame (`path_desk.begin`), and every PNG says where it was taken (`snapshot.py`).
"""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path, PurePath

import numpy as np
import platformdirs
from numpy.typing import NDArray

from . import path_desk, snapshot
from .light import light_from
from .path_desk import Desk, desk_of
from .paths import CameraPath, Key
from .recording import Put, record
from .resolution import scaled_size
from .session import Session
from .settings import TABLE, fits
from .snapshot import Taken

_MOST = 100_000  # screenshots of one world in one folder
_HOLED = "uvw", "albedo"  # passes in which a hole is told by alpha


def film(session: Session, out: Path) -> None:
    """Record the path to an .mp4, or into a folder; `path_desk.step` goes on with it."""
    desk = desk_of(session)
    path = desk.path
    if path is None:
        return session.say("A path has at least one key: add one first")
    path_desk.begin(session, _film(session, desk, path, out), out, f"{out} is recorded")


def _film(session: Session, desk: Desk, path: CameraPath, out: Path) -> Generator[float, None, None]:
    projection = desk.projection
    with ExitStack() as open_things:
        if out.suffix.lower() == ".mp4":
            add = open_things.enter_context(desk.files.film(out, desk.size, path.fps, projection))

            def put(i: int, key: Key, pixels: NDArray[np.uint8]) -> None:
                add(pixels)
        else:
            out.mkdir(exist_ok=True)

            def put(i: int, key: Key, pixels: NDArray[np.uint8]) -> None:
                taken = Taken(key.pose, key.fov_deg, projection)
                snapshot.save(out / f"frame_{i:05d}.png", pixels[..., :3], taken)

        yield from _recorded(session, path, desk.size, put, projection)


def screenshot(session: Session) -> None:
    """What the window shows, without the panel and with all pixels, as a PNG in `pictures_folder`."""
    size = scaled_size(session.size, 1.0, session.projection)
    if path_desk.is_busy(session) or min(size) < 2:
        return session.say("Not while a path is played or recorded")
    try:
        file = free_name(pictures_folder(), PurePath(session.name).stem)
    except OSError as error:
        return session.say(f"No screenshot: {error}")
    path_desk.begin(session, _screenshot(session, size, file), file, f"Screenshot: {file}")


def _screenshot(session: Session, size: tuple[int, int], file: Path) -> Generator[float, None, None]:
    here = Key(0.0, session.pose, session.settings.fov_deg)
    projection, n_channels = session.projection, 4 if session.pass_name in _HOLED else 3

    def put(i: int, key: Key, pixels: NDArray[np.uint8]) -> None:
        snapshot.save(file, pixels[..., :n_channels], Taken(key.pose, key.fov_deg, projection))

    yield from _recorded(session, CameraPath((here,)), size, put, projection)


def _recorded(
    session: Session, path: CameraPath, size: tuple[int, int], put: Put, projection: str
) -> Generator[float, None, None]:
    light = light_from(session.settings, session.scene.extent_voxels)
    how = session.pass_name, projection, session.settings.ipd_m
    yield from record(session.scene, path, size, light, put, *how)


def pictures_folder() -> Path:
    """Where screenshots go: the folder "voxtide" in that which the system has for pictures."""
    return platformdirs.user_pictures_path() / "voxtide"


def free_name(folder: Path, stem: str) -> Path:
    """The first of STEM-0001.png, STEM-0002.png ... that is not there. The folder is made. OSError"""
    folder.mkdir(parents=True, exist_ok=True)
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in stem).strip("-")[:60] or "world"
    taken = {p.name for p in folder.iterdir()}
    for i in range(1, _MOST):
        if (name := f"{plain}-{i:04d}.png") not in taken:
            return folder / name
    raise OSError(f"{folder} is full of them")


def go_to_picture(session: Session, file: Path) -> bool:
    """Look from where a PNG was taken. -> False if it does not say where"""
    try:
        taken, _ = snapshot.read(file)
    except (OSError, ValueError):
        return False
    path_desk.stop(session)
    session.pose, session.projection = taken.pose, taken.projection
    (fov,) = (said for said in TABLE if said.field == "fov_deg")
    if fits(fov, taken.fov_deg):
        session.settings.fov_deg = taken.fov_deg
    session.say(f"Where {file.name} was taken")
    return True
