"""What a user may ask of a bake, and whether it makes sense."""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ..atlas.layout import MAX_LEVEL
from ..streamer.codec import CODECS, CodecName
from ..streamer.metadata import MAX_VOXEL_SIZE_M, MIN_VOXEL_SIZE_M
from .errors import UserError
from .sources.source import Source
from .voxelise.placement import ROTATION_OF_UP, Metres, Placement, rotation_of

Up = Literal["auto", "z", "y", "-y"]


@dataclass(frozen=True, slots=True)
class BakeOptions:
    """Options of a bake. The last three before overwrite matter to Gaussians only."""

    voxel_size_m: float = 0.01
    up: Up = "auto"  # the source's up axis; auto: the format's convention
    scale: float | None = None  # metres per source unit; None: 1, and for voxel files the voxel size
    at: Metres = (0.0, 0.0, 0.0)  # where the source's origin comes to lie
    rotate: Metres = (0.0, 0.0, 0.0)  # degrees about the world's x, then y, then z axis; after up
    bounds_m: tuple[Metres, Metres] | None = None  # crop, in world metres
    n_levels: int | None = None  # None: as many as the extent needs
    codec: CodecName = "zstd"
    threshold: float = 0.5  # accumulated opacity from which a voxel is solid
    min_opacity: float = 0.1  # fainter Gaussians are floaters
    max_scale_m: float | None = None  # Gaussians with a larger sigma are floaters; None: see survey.limits_of
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
    scale = o.scale
    if scale is None:
        scale = o.voxel_size_m if source.kind == "voxels" else 1.0
    return replace(  # numbers as floats: 1 and 1.0 are the same bake
        options,
        up=source.up if o.up == "auto" else o.up,
        scale=float(scale),
        voxel_size_m=float(o.voxel_size_m),
        at=_floats(o.at),
        rotate=_floats(o.rotate),
        bounds_m=o.bounds_m and (_floats(o.bounds_m[0]), _floats(o.bounds_m[1])),
        threshold=float(o.threshold),
        min_opacity=float(o.min_opacity),
        max_scale_m=o.max_scale_m and float(o.max_scale_m),
    )


def place(options: BakeOptions) -> Placement:
    """Where checked options put a source."""
    assert options.scale is not None and options.up in ROTATION_OF_UP
    return Placement(
        voxel_size_m=float(options.voxel_size_m),
        scale=options.scale,
        rotation=rotation_of(options.up, options.rotate),
        offset_m=options.at,
        bounds_m=options.bounds_m,
    )


def _floats(values: Metres) -> Metres:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _finite(*values: float) -> bool:
    return all(isinstance(v, int | float) and math.isfinite(v) for v in values)


def _need(true: bool, else_say: str) -> None:
    if not true:
        raise UserError(else_say)
