"""What the viewer's window "Path" can read and write: every format of tools/paths, and films."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..app.path_desk import PathError
from ..app.paths import CameraPath
from . import film, paths
from .errors import UserError


class AllFiles:
    """An app.path_desk.PathFiles."""

    def load(self, file: Path) -> CameraPath:
        try:
            return paths.load(file, keyframes=True)
        except UserError as error:
            raise PathError(str(error)) from None

    def save(self, file: Path, path: CameraPath) -> None:
        try:
            paths.save(file, path)
        except UserError as error:
            raise PathError(str(error)) from None

    @contextmanager
    def film(
        self, out: Path, size: tuple[int, int], fps: float, projection: str
    ) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
        try:
            with film.open_mp4(out, size, fps, projection) as add:
                yield add
        except UserError as error:
            raise PathError(str(error)) from None
