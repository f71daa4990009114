"""What an export is asked for, and what it made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Corner = tuple[int, int, int]
Metres = tuple[float, float, float]
Progress = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported of a world."""

    level: int = 0
    bounds_m: tuple[Metres, Metres] | None = None  # crop: voxels whose centre lies in it, world metres
    region: Corner | None = None  # only this region of the level
    gaussians: bool = False  # a .ply of Gaussians instead of points
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What a format's writer tells of its work."""

    n_voxels: int  # occupied voxels of the exported level that are in it
    facts: dict[str, object] = field(default_factory=dict)  # of this format alone


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What `export` made. bytes are those of all files."""

    out: str
    format: str
    level: int
    bounds_voxels: tuple[Corner, Corner]  # of that level; high exclusive
    voxels: int
    bytes: int
    seconds: float
    peak_rss_bytes: int  # of the whole process
    files: list[Path]
    facts: dict[str, object]
