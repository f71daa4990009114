"""What a world of a given size costs: bytes at rest, bytes in view, bytes per second of walking.

Decimal units (1 GB = 1e9 bytes); 4 bytes a voxel; a chunk in VRAM is 16,384 bytes. Nothing here is
measured: it is the arithmetic that a plan must survive before anything is built. Two shapes of
content exist, and they shrink differently with level: a volume to 1/8, a surface to 1/4.
"""

import math
from dataclasses import dataclass

from .layout import CHUNK, CHUNK_VOXELS, MASK_BYTES, MAX_LEVEL

VOXEL_BYTES = 4  # RGBA8
CHUNK_BYTES = CHUNK_VOXELS * VOXEL_BYTES  # in an atlas slot: 16,384
CHUNK_FACE_VOXELS = CHUNK * CHUNK


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. ValueError if a figure is not finite and positive, or occupancy is above 1."""

    area_km2: float = 1.0
    height_m: float = 50.0
    voxel_size_m: float = 0.01
    surface_layers: float = 1.0  # flat layers of voxels that the surface is worth
    occupancy: float | None = None  # fraction of the volume instead: then it shrinks as a volume does
    n_levels: int = 6
    speed_m_s: float = 5.0
    radius_m: float = 30.0  # how far the finest level reaches around the walker
    frames_per_s: float = 60.0
    screen_width_px: int = 1920
    screen_height_px: int = 1080
    fov_y_deg: float = 60.0
    vram_bytes: float = 6e9

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive number, not {value}")
        if self.occupancy is not None and self.occupancy > 1:
            raise ValueError(f"occupancy is a fraction, not {self.occupancy}")
        if self.n_levels > MAX_LEVEL + 1:
            raise ValueError(f"n_levels is at most {MAX_LEVEL + 1}, not {self.n_levels}")
        if self.fov_y_deg >= 180:
            raise ValueError(f"fov_y_deg is below 180, not {self.fov_y_deg}")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the pyramid, if the content shrinks exactly as a surface or a volume does."""

    level: int
    voxel_size_m: float
    n_voxels: float
    n_bytes: float  # colours only
    n_chunks_min: float  # as few chunks as could hold them
    packed_bytes_min: float  # colours and the masks of those chunks, before compression
    pixel_wide_at_m: float  # nearer than this, a voxel is wider than a pixel


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. Rates and chunk counts are lower bounds: nothing overlaps, nothing is wasted."""

    dense_voxels: float
    dense_bytes: float
    levels: tuple[Level, ...]
    pyramid_bytes: float  # colours of all levels
    view_chunks: int  # one voxel a pixel, 256 a chunk
    view_bytes: int
    near_chunks: float  # one chunk layer inside the radius
    near_bytes: float
    walk_chunks_per_s: float  # entering that layer's front at the given speed
    walk_chunks_per_frame: float
    walk_bytes_per_s: float
    sphere_chunks_per_s: float  # the same if everything were dense
    sphere_bytes_per_s: float
    vram_chunks: int  # whole chunks that the budget holds


def plan(q: Question) -> Plan:
    """Answer a question. Each formula is with its function below."""
    n_dense = dense_voxels(q.area_km2, q.height_m, q.voxel_size_m)
    levels = pyramid(q)
    n_view = view_chunks(q.screen_width_px, q.screen_height_px)
    edge_m = CHUNK * q.voxel_size_m
    n_near = math.pi * q.radius_m**2 / edge_m**2
    walk = 2 * q.radius_m * q.speed_m_s / edge_m**2
    sphere = math.pi * q.radius_m**2 * q.speed_m_s / edge_m**3
    return Plan(
        dense_voxels=n_dense,
        dense_bytes=n_dense * VOXEL_BYTES,
        levels=levels,
        pyramid_bytes=sum(level.n_bytes for level in levels),
        view_chunks=n_view,
        view_bytes=n_view * CHUNK_BYTES,
        near_chunks=n_near,
        near_bytes=n_near * CHUNK_BYTES,
        walk_chunks_per_s=walk,
        walk_chunks_per_frame=walk / q.frames_per_s,
        walk_bytes_per_s=walk * CHUNK_BYTES,
        sphere_chunks_per_s=sphere,
        sphere_bytes_per_s=sphere * CHUNK_BYTES,
        vram_chunks=chunks_in(q.vram_bytes),
    )


def dense_voxels(area_km2: float, height_m: float, voxel_size_m: float) -> float:
    """Voxels of a full box: 1 km2 x 50 m at 1 cm is 5e13. (1 m3 holds 1e6 voxels of 1 cm.)"""
    return area_km2 * 1e6 * height_m / voxel_size_m**3


def pyramid(q: Question) -> tuple[Level, ...]:
    """Voxels and bytes of each level: a surface keeps 1/4 of its voxels per level, a volume 1/8."""
    if q.occupancy is None:
        n_finest = q.area_km2 * 1e6 / q.voxel_size_m**2 * q.surface_layers
    else:
        n_finest = dense_voxels(q.area_km2, q.height_m, q.voxel_size_m) * q.occupancy
    levels = []
    for k in range(q.n_levels):
        n = n_finest / (4 if q.occupancy is None else 8) ** k
        n_chunks = n / CHUNK_VOXELS
        if q.occupancy is None:  # a layer thinner than a chunk still needs a chunk per 16 x 16 columns
            n_chunks = max(n_chunks, n / (CHUNK_FACE_VOXELS * q.surface_layers))
        size_m = q.voxel_size_m * 2**k
        levels.append(
            Level(
                level=k,
                voxel_size_m=size_m,
                n_voxels=n,
                n_bytes=n * VOXEL_BYTES,
                n_chunks_min=n_chunks,
                packed_bytes_min=n * VOXEL_BYTES + n_chunks * MASK_BYTES,
                pixel_wide_at_m=size_m / pixel_angle_rad(q.screen_height_px, q.fov_y_deg),
            )
        )
    return tuple(levels)


def pixel_angle_rad(screen_height_px: int, fov_y_deg: float) -> float:
    """Angle of a pixel at the screen's centre: 2 tan(fov / 2) / rows; 1.069 mrad at 60 deg, 1080 rows."""
    return 2 * math.tan(math.radians(fov_y_deg) / 2) / screen_height_px


def view_chunks(screen_width_px: int, screen_height_px: int) -> int:
    """Chunks of a view with one voxel a pixel, nothing hidden, each seen face on: pixels / 256."""
    return math.ceil(screen_width_px * screen_height_px / CHUNK_FACE_VOXELS)


def chunks_in(n_bytes: float) -> int:
    """Whole chunks that fit. Bit planes and page entries come on top: about 6 % more."""
    return int(n_bytes // CHUNK_BYTES)
