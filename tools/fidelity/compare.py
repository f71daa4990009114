"""Compare a world with its source: the same cameras, both drawn, figures per view and over all."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ...streamer.chunk_source import OnBad
from ...streamer.world import World
from ..shot import body, studio
from ..sources.source import Source
from . import figures, world_picture
from .cameras import Camera, around
from .figures import Figures
from .picture import Picture
from .provenance import placed
from .references import Reference, open_reference

Progress = Callable[[str, int, int], None]  # stage, done, total

RAYS = (
    2  # rays per pixel edge, of the world: its voxels are hard cubes, and no camera sees with one ray a pixel
)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One camera and what was found there. The pictures are kept for the sheet."""

    camera: Camera
    source: Picture
    world: Picture
    figures: Figures
    voxel_pixels: float | None  # how wide a voxel is, in pixels: the median over what was hit


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What `compare` found."""

    views: tuple[View, ...]
    told: dict[str, Any]  # of world, source and cameras: for the report


def compare(
    world: World,
    source: Source,
    n_views: int,
    size: tuple[int, int],
    seed: int = 0,
    cameras: tuple[Camera, ...] = (),
    on_bad: OnBad = lambda error: None,
    progress: Progress = lambda stage, done, total: None,
) -> Comparison:
    """Draw a world and its source from n cameras around the world, or from those given, all of one size.

    UserError: the source is not the world's, or is too large.
    """
    placement, options, baked_from = placed(world.meta, source)
    progress("read", 0, source.n_items)
    reference = open_reference(source, placement, n_views)
    cameras = reference.cameras or cameras or tuple(around(*body(world), n_views, size, seed))
    size = cameras[0].size
    views = []
    with studio(world, (size[0] * RAYS, size[1] * RAYS), on_bad=on_bad) as place:
        for i, camera in enumerate(cameras):
            seen = world_picture.draw(place, camera.finer(RAYS)).coarser(RAYS)
            views.append(_view(i, camera, reference, seen, world.meta.voxel_size_m))
            progress("views", i + 1, len(cameras))
        gl_renderer = place.gl_renderer
    told = {
        "source": source.path.name,
        "baked_from": baked_from,
        "kind": source.kind,
        "n_items": source.n_items,
        "n_sources_of_world": len(world.meta.sources),
        "notes": dict(source.notes),
        "facts": reference.facts,
        "voxel_size_m": world.meta.voxel_size_m,
        "threshold": options.threshold,
        "min_opacity": options.min_opacity,
        "size": list(size),
        "rays_per_pixel": RAYS**2,
        "seed": seed,
        "own_cameras": bool(reference.cameras),
        "gl_renderer": gl_renderer,
    }
    return Comparison(tuple(views), told)


def _view(i: int, camera: Camera, reference: Reference, seen: Picture, voxel_size_m: float) -> View:
    drawn = reference.draw(i, camera.finer(reference.rays)).coarser(reference.rays)
    depth = (seen.depth_m / camera.ray_lengths())[seen.covered]
    width = float(np.median(voxel_size_m * camera.focal[1] / depth)) if depth.size else None
    return View(camera, drawn, seen, figures.compare(drawn, seen, voxel_size_m), width)


def overall(comparison: Comparison) -> dict[str, float | None]:
    """The mean of each figure over the views that have it. Of PSNR that is the mean of the decibels."""
    out: dict[str, float | None] = {}
    for name in (f.name for f in fields(Figures)):
        out[name] = _mean([getattr(view.figures, name) for view in comparison.views])
    out["voxel_pixels"] = _mean([view.voxel_pixels for view in comparison.views])
    return out


def facts(comparison: Comparison) -> dict[str, Any]:
    """All of it as one JSON object."""
    views = [
        {
            "eye_m": [round(float(v), 6) for v in view.camera.eye_m],
            "forward": [round(float(v), 6) for v in view.camera.axes[2]],
            "voxel_pixels": view.voxel_pixels,
            **asdict(view.figures),
        }
        for view in comparison.views
    ]
    return {**comparison.told, "n_views": len(views), "overall": overall(comparison), "views": views}


def _mean(values: list[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return float(np.mean(there)) if there else None
