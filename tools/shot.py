"""One headless picture of a world: what `render`, `demo` and the tests share."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..app import frame, framing, snapshot
from ..app.camera import IPD_M, Pose, View, look
from ..app.render.context import describe, open_headless
from ..app.render.renderer import Renderer, light_of
from ..app.scene import Scene, load, slots_in, stream
from ..app.snapshot import Taken
from ..atlas.page_table import root_grid
from ..atlas.streams import masks
from ..streamer.chunk_source import ChunkSource, OnBad
from ..streamer.descent import children, octants, present
from ..streamer.errors import WorldError
from ..streamer.world import World
from .coarse import voxels_of
from .errors import UserError

DEFAULT_VRAM_MB = 1024
DEFAULT_RAM_MB = 1024
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

    source: ChunkSource
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
        return Shot(pose, *self.draw(view, name, shadows))

    def draw(
        self, view: View, name: str = "colour", shadows: bool = True
    ) -> tuple[NDArray[np.uint8], NDArray[np.void], frame.FrameReport]:
        """Draw one pass of any view of the world. -> what a Shot holds, after the pose"""
        light = light_of(self.scene.extent_voxels, shadows)
        settled = frame.draw if self.scene.streamer is None else frame.settle
        report = settled(self.renderer, self.scene, view, light, name)
        return self.renderer.read_picture(), self.renderer.read_hits(view), report


@contextmanager
def studio(
    source: ChunkSource,
    size: tuple[int, int],
    vram_mb: float = DEFAULT_VRAM_MB,
    on_bad: OnBad = lambda error: None,
    ram_mb: float = DEFAULT_RAM_MB,
) -> Iterator[Studio]:
    """Open a headless context and a world in it, and free everything at the end.

    A baked world that fits the budget is brought in whole; any other is streamed, and each picture waits
    until nothing is missing.
    """
    with ExitStack() as open_things:
        ctx = open_headless()
        open_things.callback(ctx.release)
        vram_bytes = int(vram_mb * 2**20)
        if isinstance(source, World) and sum(r.n_chunks for r in source.regions) <= slots_in(vram_bytes):
            scene = load(ctx, source, vram_bytes, on_bad)
        else:
            scene = stream(ctx, source, vram_bytes, int(ram_mb * 2**20), on_bad)
        open_things.callback(scene.release)
        renderer = Renderer(ctx, size)
        open_things.callback(renderer.release)
        yield Studio(source, scene, renderer, describe(ctx))


def framed_pose(source: ChunkSource, size: tuple[int, int], fov_deg: float, turn: float = 0.0) -> Pose:
    """A pose that frames the world well, from `turn` of a full turn around it, counter-clockwise."""
    points, weights = body(source)
    yaw = (framing.DEFAULT_YAW + 360.0 * turn) % 360.0
    return framing.frame(framing.main_body(points, weights), size, fov_deg, yaw, framing.DEFAULT_PITCH)


def body(source: ChunkSource) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a world's voxels are, coarsely: their low and high corners in metres, and how much each holds.

    -> ([2 N, 3] float64 metres, [2 N] float64 coverage), from the finest level of at most MAX_FRAMING_VOXELS
    """
    meta = source.meta
    lo, hi = (np.array(corner, np.int64) for corner in meta.bounds_voxels)
    ids = root_grid(meta.n_levels - 1, lo, hi).ids
    width_m, voxels, weights = 0.0, np.empty((0, 3), np.int64), np.empty(0)
    for level in range(meta.n_levels - 1, -1, -1):
        there, streams = present(source.read_many(ids, lambda _: None))
        if voxels.size and np.bitwise_count(masks(streams)).sum() > MAX_FRAMING_VOXELS:
            break
        if not streams:
            raise WorldError(".", "no chunk of the coarse levels can be read")
        voxels, weights = voxels_of(ids[there], streams)
        width_m = 2**level * meta.voxel_size_m
        ids = children(ids[there], octants(streams))
    return np.concatenate([voxels, voxels + 1]) * width_m, np.concatenate([weights, weights])


def save_picture(path: Path, rgba: NDArray[np.uint8], with_alpha: bool, taken: Taken | None = None) -> None:
    """Write a PNG that knows where it was taken, or what the suffix says. Raises UserError."""
    try:
        snapshot.save(path, rgba if with_alpha else rgba[..., :3], taken)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot write this picture ({error})") from None
