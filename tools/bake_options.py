"""What a user may ask of a bake, and whether it makes sense."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from ..atlas.layout import MAX_LEVEL
from ..streamer.codec import CODECS, CodecName
from ..streamer.metadata import MAX_VOXEL_SIZE_M, MIN_VOXEL_SIZE_M
from .errors import UserError
from .sources.source import Source
from .voxelise.placement import ROTATION_OF_UP, Metres, Placement, rotation_of, turn

Up = Literal["auto", "z", "y", "-y"]


@dataclass(frozen=True, slots=True)
class BakeOptions:
    """Options of a bake. From threshold on they matter to one kind of source only."""

    voxel_size_m: float = 0.01
    up: Up = "auto"  # the source's up axis; auto: the format's convention
    scale: float | None = (
        None  # metres per source unit; None: the file's unit, else 1 (voxels: the voxel size)
    )
    at: Metres = (0.0, 0.0, 0.0)  # where the source's origin comes to lie
    origin: Metres | None = None  # that origin, in source units; None: the source's own, see Source.origin
    rotate: Metres = (0.0, 0.0, 0.0)  # degrees about the world's x, then y, then z axis; after up
    bounds_m: tuple[Metres, Metres] | None = None  # crop, in world metres
    n_levels: int | None = None  # None: as many as the extent needs
    codec: CodecName = "zstd"
    threshold: float = 0.5  # accumulated opacity from which a voxel is solid
    min_opacity: float = 0.1  # fainter Gaussians are floaters
    max_scale_m: float | None = None  # Gaussians with a larger sigma are floaters; None: see survey.limits_of
    max_depth_m: float | None = None  # frames: what is farther from its camera is left out
    carve: bool = True  # frames: take out what other frames saw through
    overwrite: bool = False


def checked(options: BakeOptions, source: Source) -> BakeOptions:
    """The options, with up and scale resolved by the source; UserError if one is out of range."""
    o = options
    _need(
        _finite(o.voxel_size_m) and MIN_VOXEL_SIZE_M <= o.voxel_size_m <= MAX_VOXEL_SIZE_M,
        f"--voxel-size {o.voxel_size_m} must be metres from {MIN_VOXEL_SIZE_M:g} to {MAX_VOXEL_SIZE_M:g}",
    )
    _need(o.up in get_args(Up), f"--up {o.up} must be one of {', '.join(get_args(Up))}")
    _need(o.scale is None or (_finite(o.scale) and o.scale > 0), f"--scale {o.scale} must be above 0")
    _need(len(o.at) == 3 and _finite(*o.at), f"--at {o.at} must be three numbers x,y,z in metres")
    _need(
        o.origin is None or (len(o.origin) == 3 and _finite(*o.origin)),
        f"--origin {o.origin} must be three numbers x,y,z in the source's units",
    )
    _need(len(o.rotate) == 3 and _finite(*o.rotate), f"--rotate {o.rotate} must be three angles in degrees")
    if o.bounds_m is not None:
        low, high = o.bounds_m
        _need(
            len(low) == len(high) == 3
            and _finite(*low, *high)
            and all(a < b for a, b in zip(low, high, strict=True)),
            f"--bounds {low} {high} must be two corners in metres, the lower one first",
        )
    _need(
        o.n_levels is None or 1 <= o.n_levels <= MAX_LEVEL + 1,
        f"--levels {o.n_levels} must be 1 to {MAX_LEVEL + 1}",
    )
    _need(o.codec in CODECS, f"--codec {o.codec} must be one of {', '.join(CODECS)}")
    _need(0 < o.threshold < 1, f"--threshold {o.threshold} must lie between 0 and 1")
    _need(0 <= o.min_opacity <= 1, f"--min-opacity {o.min_opacity} must lie in 0..1")
    _need(
        o.max_scale_m is None or (_finite(o.max_scale_m) and o.max_scale_m > 0),
        f"--max-scale {o.max_scale_m} must be metres above 0",
    )
    _need(
        o.max_depth_m is None or (_finite(o.max_depth_m) and o.max_depth_m > 0),
        f"--max-depth {o.max_depth_m} must be metres above 0",
    )
    scale = o.scale
    if scale is None:
        scale = source.unit_m or (o.voxel_size_m if source.kind == "voxels" else 1.0)
    return replace(  # numbers as floats: 1 and 1.0 are the same bake
        options,
        up=source.up if o.up == "auto" else o.up,
        scale=float(scale),
        voxel_size_m=float(o.voxel_size_m),
        at=_floats(o.at),
        origin=_floats(source.origin if o.origin is None else o.origin),
        rotate=_floats(o.rotate),
        bounds_m=o.bounds_m and (_floats(o.bounds_m[0]), _floats(o.bounds_m[1])),
        threshold=float(o.threshold),
        min_opacity=float(o.min_opacity),
        max_scale_m=o.max_scale_m and float(o.max_scale_m),
        max_depth_m=o.max_depth_m and float(o.max_depth_m),
    )


def in_one_frame(sources: Sequence[tuple[Source, BakeOptions]]) -> list[tuple[Source, BakeOptions]]:
    """Sources of one world: those that lie far away on one map get one origin, the lowest of their own.

    So tiles of a survey stay beside each other, in whatever order they are named; what lies near its own
    origin keeps that. UserError: maps of different units or axes.
    """
    far = [s for s, o in sources if o.origin is None and any(s.origin)]
    if len({(s.unit_m, s.up) for s in far}) > 1:
        raise UserError("the scenes' coordinates are of different systems: pass --origin once for each")
    if not far:
        return list(sources)
    low_x, low_y, low_z = (float(min(s.origin[axis] for s in far)) for axis in range(3))
    return [
        (s, replace(o, origin=(low_x, low_y, low_z)) if o.origin is None and any(s.origin) else o)
        for s, o in sources
    ]


def place(options: BakeOptions) -> Placement:
    """Where checked options put a source: its origin comes to lie at `at`."""
    assert options.scale is not None and options.origin is not None and options.up in ROTATION_OF_UP
    unmoved = Placement(
        voxel_size_m=float(options.voxel_size_m),
        scale=options.scale,
        rotation=rotation_of(options.up, options.rotate),
        offset_m=options.at,
        bounds_m=options.bounds_m,
    )
    x, y, z = options.at - turn(np.asarray(options.origin, np.float64), unmoved) * options.scale
    return replace(unmoved, offset_m=(float(x), float(y), float(z)))


def _floats(values: Metres) -> Metres:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _finite(*values: float) -> bool:
    return all(isinstance(v, int | float) and math.isfinite(v) for v in values)


def _need(true: bool, else_say: str) -> None:
    if not true:
        raise UserError(else_say)
