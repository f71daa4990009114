"""Readers of foreign formats: `open_source(path)` gives a Source, or a UserError of one line."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import UserError, shown
from . import registry
from .compressed_ply import is_compressed_ply, open_compressed_ply
from .dem import open_dem
from .gaussian_ply import is_gaussian_ply, open_gaussian_ply
from .geotiff import open_geotiff
from .gltf import open_gltf
from .las import open_las
from .mesh_files import open_mesh
from .numpy_arrays import open_npy, open_npz
from .pcd import open_pcd
from .ply import read_header
from .points import has_faces, open_point_ply
from .region_png import open_region_png
from .rgbd import open_recording
from .sog import open_sog, open_sog_meta
from .sog_lod import open_sog_lod
from .source import Frames, Gaussians, Heights, Points, Source, Triangles, Voxels, file_bytes
from .splat import open_splat
from .spz import open_spz
from .vdb import open_vdb
from .vox import open_vox
from .zarr_arrays import open_zarr

__all__ = [
    "Frames",
    "Gaussians",
    "Heights",
    "Points",
    "Source",
    "Triangles",
    "Voxels",
    "is_recording",
    "open_source",
]


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


READERS: dict[str, registry.Reader] = {
    ".ply": open_ply,
    ".splat": open_splat,
    ".spz": open_spz,
    ".sog": open_sog,
    ".vox": open_vox,
    ".pcd": open_pcd,
    ".las": open_las,
    ".laz": open_las,
    ".dem": open_dem,
    ".tif": open_geotiff,
    ".tiff": open_geotiff,
    ".npy": open_npy,
    ".npz": open_npz,
    ".vdb": open_vdb,
    ".png": open_region_png,
    ".glb": open_gltf,
    ".gltf": open_gltf,
    ".obj": open_mesh,
    ".stl": open_mesh,
    ".off": open_mesh,
}
NAMES: dict[str, registry.Reader] = {"lod-meta.json": open_sog_lod, "meta.json": open_sog_meta}

# Folders: the first file of these that lies in one says what it is, and what to open.
FOLDERS: tuple[tuple[str, registry.Reader, bool], ...] = (  # marker, reader, does it take the folder itself
    ("lod-meta.json", open_sog_lod, False),
    ("meta.json", open_sog_meta, False),
    ("zarr.json", open_zarr, True),
    (".zgroup", open_zarr, True),
    (".zarray", open_zarr, True),
)


def open_source(path: Path, asked: Mapping[str, str] | None = None) -> Source:
    """Open a scene by its name and content; raises UserError for whatever cannot be read.

    Opening reads as far as the first valid record, so a file without any is refused here; damage behind it is
    told by `batches`. `?name=value` after the path gives a reader's options, like `lod-meta.json?lod=2`;
    so does `asked`.
    """
    path, options = registry.split_options(Path(path))
    path, reader = _reader(path)
    options = {**(asked or {}), **options}
    source = registry.call(reader, path, options)
    source = replace(source, asked=source.asked or options)
    if next(iter(source.batches(1 << 16)), None) is None:
        what = f"{source.n_items:,} {source.kind}"
        raise UserError(f"{shown(path)}: not one of {what} is valid: expected finite positions")
    return source


def _reader(path: Path) -> tuple[Path, registry.Reader]:
    """What to open, and with what."""
    if is_folder(path):
        for marker, reader, whole in FOLDERS:
            if (path / marker).is_file():
                return (path if whole else path / marker), reader
        return path, open_recording
    file_bytes(path)
    suffix = path.suffix.lower()
    known = NAMES.get(path.name.lower()) or READERS.get(suffix)
    if known is not None:
        return path, known
    others = registry.plugins()
    if suffix in others:
        return path, registry.loaded(others[suffix])
    ends = ", ".join([*READERS, *sorted(others)])
    raise UserError(f"cannot read {shown(path)}: expected a file that ends in {ends}")


def is_recording(path: Path) -> bool:
    """Whether this can only be a folder of posed RGB-D."""
    return is_folder(path) and not any((path / marker).is_file() for marker, _, _ in FOLDERS)


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that the system refuses; file_bytes says which
        return False
