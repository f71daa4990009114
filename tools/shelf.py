"""The viewer's library: worlds by path or URL, and bakes of scenes into the user's cache folder."""

import hashlib
from pathlib import Path

import platformdirs

from ..app.library import Baking, Opened, OpenError
from ..streamer.errors import WorldError
from .errors import UserError
from .opening import baked_path, open_chunks
from .shot import framed_pose


class Shelf:
    """See app.library.Library."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or platformdirs.user_cache_path("voxtide", appauthor=False) / "baked"

    def is_world(self, name: str) -> bool:
        """Whether it is a URL, or a folder that says of itself that it is a world."""
        if "://" in name:
            return True
        try:
            baked_path(name)
        except UserError:
            return False
        return True

    def open(self, name: str) -> Opened:
        """Raises OpenError."""
        try:
            source = open_chunks(name)
        except (UserError, WorldError) as error:
            raise OpenError(str(error)) from None
        return Opened(name.rstrip("/"), source, lambda size, fov_deg: framed_pose(source, size, fov_deg))

    def bake(self, name: str, voxel_size_m: float) -> Baking:
        """Raises OpenError where this is no scene that can be read."""
        from .background_bake import BackgroundBake  # all that reads scenes: looking at a world needs none
        from .sources import is_recording, open_source

        path = Path(name)
        try:
            if not path.exists():
                raise UserError(f"{name}: no such world and no such scene")
            if is_recording(path):
                raise UserError(f"{name}: a folder of posed RGB-D has options; bake it with: voxtide bake")
            open_source(path)
        except UserError as error:
            raise OpenError(str(error)) from None
        out = self.folder / _key(path, voxel_size_m)
        out.mkdir(parents=True, exist_ok=True)
        return BackgroundBake(path.resolve(), out, voxel_size_m)


def _key(path: Path, voxel_size_m: float) -> str:
    """A folder's name for a scene as it is now: a file that changes is another scene."""
    seen = path.stat()
    said = f"{path.resolve()}\0{seen.st_size}\0{seen.st_mtime_ns}\0{voxel_size_m!r}"
    return f"{path.stem[:40]}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
