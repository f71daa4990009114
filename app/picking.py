"""The voxel under a pixel: one ray, and what it met in every word the project has for a place.

A voxel's identity needs no table: its bytes are its coordinates. Region, UVW, chunk and texel all follow from
the voxel and its level (`identity`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas import address, layout
from ..atlas.uvw import voxel_to_atlas
from ..streamer.chunk_source import ChunkSource
from ..streamer.errors import WorldError
from ..streamer.world import World
from . import frame
from .camera import View
from .pixels import rays_of
from .render.rays import Rays
from .scene import Scene
from .session import Picked, Triple


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a voxel is, in every word: all of its own level."""

    region: Triple
    uvw: Triple  # its bytes in the region: the colour of the pass `uvw`
    texel: tuple[int, int]  # column and row in the region's 4096 x 4096 picture
    chunk: Triple


def identity(voxel: Triple, level: int) -> Identity:
    """What the coordinates of a voxel say. ValueError for one outside the world."""
    at = np.array(voxel, np.int64)
    address.check_in_world(at, level)
    uvw = address.uvw_of(at)
    column, row = (int(v) for v in voxel_to_atlas(*uvw.tolist()))
    region, chunk = address.region_of(at), address.chunk_of(at)
    return Identity(_triple(region), _triple(uvw), (column, row), _triple(chunk))


def pick(
    rays: Rays, scene: Scene, view: View, pixel: tuple[int, int], source: ChunkSource | None = None
) -> Picked | None:
    """What a pixel (column, row from the top) of a view shows. None for the sky, or a pixel outside.

    It is the voxel that the picture shows now: `is_coarse` says that a finer one was wanted and is not
    resident. The ray asks for it, so a later pick tells more. Waits for the GPU, for one ray.
    source  the world, to name the voxel's entity too, where it has entities: that reads a file
    """
    if not (0 <= pixel[0] < view.size[0] and 0 <= pixel[1] < view.size[1]):
        return None
    ray = rays_of(view, np.array([pixel]))
    hit = rays.fire(scene.pool, ray)[0]
    if not frame.is_hit(hit):
        return None
    level = int(frame.level(hit))
    place = voxel_of(hit, scene.root.corner_voxel)
    voxel = _triple(place)
    away = float(hit["t"])
    start = view.corner_voxel + ray[0]["voxel"].astype(np.float64) + ray[0]["frac"]
    x, y, z = ((start + ray[0]["direction"].astype(np.float64) * away) * scene.voxel_size_m).tolist()
    return Picked(
        voxel=voxel,
        level=level,
        rgba=rays.colour(scene.pool, hit),
        distance_m=away * scene.voxel_size_m,
        position_m=(x, y, z),
        face=int(hit["info"]) >> layout.HIT_FACE_SHIFT & 7,
        is_coarse=bool(frame.status(hit) == layout.HIT_COARSE),
        entity=entity_of(source, level, voxel),
    )


def voxel_of(hits: NDArray[np.void], corner_voxel: NDArray[np.int64]) -> NDArray[np.int64]:
    """[...] layout.HIT -> [..., 3] int64 voxels of the world, at each hit's own level"""
    level = frame.level(hits)[..., None]
    found: NDArray[np.int64] = np.stack([hits[a].astype(np.int64) for a in "xyz"], -1) + (
        corner_voxel >> level
    )
    return found


def entity_of(source: ChunkSource | None, level: int, voxel: Triple) -> str:
    """What the world says that a voxel belongs to, "" for nothing. Reads a file; any thread may."""
    if not isinstance(source, World) or "semantic" not in source.meta.planes:
        return ""
    try:
        value = int(source.read_plane("semantic", level, np.array([voxel]))[0])
    except WorldError:
        return "cannot be read"
    return f"{source.meta.entities[value]} ({value})" if value in source.meta.entities else str(value or "")


def _triple(v: NDArray[np.int64]) -> Triple:
    x, y, z = (int(c) for c in v)
    return x, y, z
