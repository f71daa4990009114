"""One headless picture of a world: what `render`, `demo` and the tests share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..app import frame, framing
from ..app.camera import IPD_M, Pose, look
from ..app.render.context import describe, open_headless
from ..app.render.renderer import Renderer, light_of
from ..app.scene import Scene, load
from ..atlas import layout
from ..atlas.address import local_of_mask_index
from ..atlas.chunk import split
from ..streamer.errors import WorldError
from ..streamer.manifest import RegionRecord
from ..streamer.world import World
from .errors import UserError

DEFAULT_VRAM_MB = 1536
MAX_FRAMING_VOXELS = 20_000  # enough to frame by, few enough to be instant


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, what the rays hit, and what they said."""

    pose: Pose
    picture: NDArray[np.uint8]  # [height, width, 4]
    hits: NDArray[np.void]  # [height, width] layout.HIT
    report: frame.FrameReport


@dataclass(slots=True)
class Studio:
    """An open world with a renderer of one size, ready for any number of shots."""

    world: World
    scene: Scene
    renderer: Renderer
    gl_renderer: str

    def shoot(
        self,
        pose: Pose,
        fov_deg: float,
        name: str = "colour",
        quality: float = 1.0,
        shadows: bool = True,
        projection: str = "planar",
        ipd_m: float = IPD_M,
    ) -> Shot:
        """Draw one pass from a pose; projection and ipd_m as in app.camera.look.

        Raises UserError if the pose is outside the addressable world.
        """
        scene, renderer = self.scene, self.renderer
        where = scene.voxel_size_m, scene.root.corner_voxel
        try:
            view = look(pose, renderer.size, fov_deg, *where, quality, projection, ipd_m)
        except ValueError as error:
            raise UserError(str(error)) from None
        report = frame.draw(renderer, scene, view, light_of(scene.extent_voxels, shadows), name)
        return Shot(pose, renderer.read_picture(), renderer.read_hits(view), report)


@contextmanager
def studio(
    world: World,
    size: tuple[int, int],
    vram_mb: float = DEFAULT_VRAM_MB,
    on_bad: Callable[[WorldError], None] | None = None,
) -> Iterator[Studio]:
    """Open a headless context, bring the world in, and free everything at the end."""
    ctx = open_headless()
    try:
        scene = load(ctx, world, int(vram_mb * 2**20), on_bad)
        try:
            renderer = Renderer(ctx, size)
            try:
                yield Studio(world, scene, renderer, describe(ctx))
            finally:
                renderer.release()
        finally:
            scene.release()
    finally:
        ctx.release()


def framed_pose(world: World, size: tuple[int, int], fov_deg: float, turn: float = 0.0) -> Pose:
    """A pose that frames the world well, from `turn` of a full turn around it, counter-clockwise."""
    points, weights = body(world)
    yaw = (framing.DEFAULT_YAW + 360.0 * turn) % 360.0
    return framing.frame(framing.main_body(points, weights), size, fov_deg, yaw, framing.DEFAULT_PITCH)


def body(world: World) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a world's voxels are, coarsely: their low and high corners in metres, and how much each holds.

    -> ([2 N, 3] float64 metres, [2 N] float64 coverage), from the finest level of at most MAX_FRAMING_VOXELS
    """
    for level in range(world.meta.n_levels):
        records = [r for r in world.regions if r.level == level]
        if sum(r.n_voxels for r in records) <= MAX_FRAMING_VOXELS:
            break
    voxels, weights = _voxels_of(world, records)
    width = 2**level * world.meta.voxel_size_m
    return np.concatenate([voxels, voxels + 1]) * width, np.concatenate([weights, weights])


def _voxels_of(world: World, records: list[RegionRecord]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    voxels, weights = [], []
    for record in records:
        region = world.read_region(record, on_bad=lambda _: None)
        for chunk, packed in zip(region.chunks, region.packed, strict=True):
            occupied, rgba = split(packed)
            voxels.append(local_of_mask_index(np.flatnonzero(occupied)) + chunk * layout.CHUNK)
            weights.append(rgba[:, 3])
    if not voxels:
        raise WorldError(".", "no chunk of the coarse levels can be read")
    return np.concatenate(voxels).astype(np.float64), np.concatenate(weights).astype(np.float64)


def save_picture(path: Path, rgba: NDArray[np.uint8], with_alpha: bool) -> None:
    """Write a PNG (or what the suffix says). Raises UserError where it cannot be written."""
    from PIL import Image

    try:
        Image.fromarray(np.ascontiguousarray(rgba if with_alpha else rgba[..., :3])).save(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot write this picture ({error})") from None
