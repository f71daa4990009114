"""The frames of a camera path, each of them whole: nothing coarse and nothing missing."""

from collections.abc import Iterator

from ...app.paths import CameraPath, Key
from ..errors import UserError
from ..shot import Shot, Studio
from .reporting import BadChunks

How = tuple[str, float, bool, str, float]  # what Studio.shoot takes after the pose and the field of view


def shots(
    place: Studio, path: CameraPath, how: How, vram_mb: float, bad: BadChunks
) -> Iterator[tuple[Key, Shot]]:
    """Every frame at the path's own fps. Waits for the disk as long as something comes.

    Raises UserError for a frame that cannot be whole, unless damage is why: `bad` heard of it.
    """
    for i, key in enumerate(path.poses()):
        shot = place.shoot(key.pose, key.fov_deg, *how)
        if not (shot.report.is_settled or bad.n):
            raise UserError(f"frame {i} cannot be drawn whole, so none is kept: {why(vram_mb)}")
        yield key, shot


def why(vram_mb: float) -> str:
    """What to do about a picture that is not whole."""
    return f"--vram {vram_mb:g} MB is too little for it (give more, or --quality 2), or nothing came for 30 s"
