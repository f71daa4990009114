"""The source's side of a comparison: each kind of source drawn exactly. One row per kind in REFERENCES."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError, shown
from ..sources.source import Source
from ..voxelise.placement import Placement
from . import boxes, frames, splats, triangles
from .cameras import Camera
from .picture import Picture

BATCH = 1 << 17
MAX_ITEMS = 20_000_000  # all are held while pictures are drawn: 76 bytes a Gaussian


@dataclass(frozen=True, slots=True)
class Reference:
    """A source, ready to be drawn.

    cameras: the only ones it can be drawn from, in order; empty: any
    rays: rays per pixel edge that its draw wants (1: its pictures are smooth by themselves)
    facts: what a report says of the source, as numbers
    """

    draw: Callable[[int, Camera], Picture]  # the view's number, its camera
    rays: int = 1
    cameras: tuple[Camera, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def open_reference(source: Source, placement: Placement, n_views: int) -> Reference:
    """UserError for a source that cannot be drawn."""
    check(source)
    return REFERENCES[source.kind](source, placement, n_views)


def check(source: Source) -> None:
    """UserError for a kind that cannot be drawn, or for too many items."""
    if source.kind not in REFERENCES:
        raise UserError(
            f"{shown(source.path)}: {source.kind} cannot be compared yet; {', '.join(sorted(REFERENCES))} can"
        )
    if source.n_items > MAX_ITEMS:
        raise UserError(
            f"{shown(source.path)} holds {source.n_items:,} items, and a comparison holds all of them: "
            f"{MAX_ITEMS:,} is the limit"
        )


def _gaussians(source: Source, placement: Placement, n_views: int) -> Reference:
    scene = splats.gather(source.batches(BATCH), placement)  # type: ignore[arg-type]
    return Reference(lambda i, camera: splats.draw(scene, camera), facts=splats.facts(scene, placement))


def _boxes(source: Source, placement: Placement, n_views: int) -> Reference:
    scene = boxes.gather(source.batches(BATCH), placement)  # type: ignore[arg-type]
    return Reference(lambda i, camera: boxes.draw(scene, camera), rays=2)


def _triangles(source: Source, placement: Placement, n_views: int) -> Reference:
    scene = triangles.gather(source.batches(BATCH), placement)  # type: ignore[arg-type]
    return Reference(lambda i, camera: triangles.draw(scene, camera), rays=2)


def _frames(source: Source, placement: Placement, n_views: int) -> Reference:
    seen = frames.gather(source.batches(1), placement, source.n_items, n_views)  # type: ignore[arg-type]
    if not seen:
        raise UserError(f"{shown(source.path)} has no frame to compare with")
    return Reference(lambda i, camera: seen[i][1], cameras=tuple(camera for camera, _ in seen))


REFERENCES: dict[str, Callable[[Source, Placement, int], Reference]] = {
    "gaussians": _gaussians,
    "frames": _frames,
    "points": _boxes,
    "triangles": _triangles,
    "voxels": _boxes,
}
