"""A world, or a part of one, for other tools: `export` picks the format by the name of what it writes.

Every format is made region by region, so memory does not grow with the world; an export is whole or not
there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...streamer.world import World
from ..bake import peak_rss_bytes
from ..errors import UserError, shown
from .files import check_out, replacing
from .glb import write_glb
from .ome_zarr import write_ome_zarr
from .options import ExportOptions, ExportReport, Made, Progress
from .ply import write_gaussians, write_points
from .region_png import check_region, write_region
from .selection import Selection, select
from .vox import write_vox

__all__ = ["FORMATS", "ExportOptions", "ExportReport", "export"]

Write = Callable[[Selection, list[Path], str, Progress], Made]  # into temporary paths; the final name


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of export."""

    name: str
    write: Write
    check: Callable[[Selection], None] = lambda selection: None  # UserError before anything is written
    folder: bool = False
    beside: str = ""  # suffix of a second file


FORMATS = {
    ".ome.zarr": Format(
        "OME-Zarr 0.5", lambda s, to, name, p: write_ome_zarr(s, to[0], name, p), folder=True
    ),
    ".splat.ply": Format("Gaussians, PLY", lambda s, to, _, p: write_gaussians(s, to[0], p)),
    ".ply": Format("points, PLY", lambda s, to, _, p: write_points(s, to[0], p)),
    ".vox": Format("MagicaVoxel", lambda s, to, _, p: write_vox(s, to[0], p)),
    ".glb": Format("binary glTF", lambda s, to, _, p: write_glb(s, to[0], p)),
    ".png": Format(
        "region image", lambda s, to, _, p: write_region(s, to[0], to[1], p), check_region, beside=".bitmap"
    ),
}


def export(world: World, out: Path, options: ExportOptions, progress: Progress) -> ExportReport:
    """Write what `options` select of `world` to `out`.

    UserError before anything is written: no such format, something is there already, an empty
    selection; later: the disk refuses, or the format cannot hold so much. WorldError: the world is
    damaged there.
    """
    began = time.perf_counter()
    kind = format_of(out, options.gaussians)
    outs = [out, out.with_suffix(kind.beside)] if kind.beside else [out]
    for path in outs:
        check_out(path, options.overwrite, kind.folder)
    if world.path.resolve() in out.resolve().parents:
        raise UserError(f"{shown(out)} lies in the world itself: name another place")
    selection = select(world, options)
    kind.check(selection)
    with replacing(*outs) as temps:
        made = kind.write(selection, temps, out.name, progress)
        if not made.n_voxels:
            raise UserError("nothing of the world lies there: `voxtide info` tells its bounds")
    files = [f for path in outs for f in (sorted(path.rglob("*")) if kind.folder else [path]) if f.is_file()]
    return ExportReport(
        out=str(out),
        format=kind.name,
        level=selection.level,
        bounds_voxels=selection.corners,
        voxels=made.n_voxels,
        bytes=sum(f.stat().st_size for f in files),
        seconds=time.perf_counter() - began,
        peak_rss_bytes=peak_rss_bytes(),
        files=[out.parent / path.name for path in outs],
        facts=made.facts,
    )


def format_of(out: Path, gaussians: bool) -> Format:
    """The format that a name asks for. UserError for any other name."""
    name = out.name.lower()
    suffix = next((s for s in FORMATS if name.endswith(s) and name != s), None)
    if suffix is None:
        raise UserError(f"cannot export to {shown(out)}: its name must end in {', '.join(FORMATS)}")
    if gaussians and not suffix.endswith(".ply"):
        raise UserError(f"--gaussians is for a .ply, and {shown(out)} is none")
    return FORMATS[".splat.ply" if gaussians else suffix]
