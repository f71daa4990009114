"""Readers of foreign formats: `open_source(path)` gives a Source, or a UserError of one line."""

from collections.abc import Callable
from pathlib import Path

from ..errors import UserError, shown
from .compressed_ply import is_compressed_ply, open_compressed_ply
from .gaussian_ply import is_gaussian_ply, open_gaussian_ply
from .gltf import open_gltf
from .mesh_files import open_mesh
from .pcd import open_pcd
from .ply import read_header
from .points import has_faces, open_point_ply
from .source import Gaussians, Points, Source, Triangles, Voxels, file_bytes
from .splat import open_splat
from .spz import open_spz
from .vox import open_vox

__all__ = ["Gaussians", "Points", "Source", "Triangles", "Voxels", "open_source"]


def open_ply(path: Path) -> Source:
    """A .ply by what it carries: compressed splats, splats, a mesh or points."""
    ply = read_header(path)
    if is_compressed_ply(ply):
        return open_compressed_ply(ply)
    if is_gaussian_ply(ply):
        return open_gaussian_ply(ply)
    if has_faces(ply):
        return open_mesh(path)
    return open_point_ply(ply)


READERS: dict[str, Callable[[Path], Source]] = {
    ".ply": open_ply,
    ".splat": open_splat,
    ".spz": open_spz,
    ".vox": open_vox,
    ".pcd": open_pcd,
    ".glb": open_gltf,
    ".gltf": open_gltf,
    ".obj": open_mesh,
    ".stl": open_mesh,
    ".off": open_mesh,
}


def open_source(path: Path) -> Source:
    """Open a scene by its extension and content; raises UserError for whatever cannot be read.

    Opening reads as far as the first valid record, so a file without any is refused here; damage behind it is
    told by `batches`.
    """
    path = Path(path)
    file_bytes(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"cannot read {shown(path)}: expected a file that ends in {', '.join(READERS)}")
    source = reader(path)
    if next(source.batches(1 << 16), None) is None:
        what = f"{source.n_items:,} {source.kind}"
        raise UserError(f"{shown(path)}: not one of {what} is valid: expected finite positions")
    return source
