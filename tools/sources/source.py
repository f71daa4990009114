"""What every reader gives: a Source, whose batches are all Gaussians, Points, Voxels, Heights ... (`Batch`).

Every byte is untrusted. The rules that all readers share stand here: limits, the check of a path before it
is opened, reads that are as long as they were meant to be, and which records are dropped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import UserError, shown

MAX_FILE_BYTES = 8 << 30
MAX_ITEMS = 1 << 31  # of any count that a file declares
MAX_HEADER_BYTES = 1 << 20  # of a text header, and of one line of text
READ_BYTES = 32 << 20  # most bytes that one batch reads from a file


@dataclass(frozen=True, slots=True, eq=False)
class Gaussians:
    """N splats that passed `gaussians.assemble`: every number is finite, every sigma at least 1e-9."""

    positions: NDArray[np.float32]  # [N, 3] source units, source axes
    scales: NDArray[np.float32]  # [N, 3] sigma (linear) along the rotated axes, source units
    rotations: NDArray[np.float32]  # [N, 4] unit quaternion w, x, y, z
    opacities: NDArray[np.float32]  # [N] 0..1
    rgb: NDArray[np.uint8]  # [N, 3] sRGB

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """N coloured points, every coordinate finite."""

    positions: NDArray[np.float64]  # [N, 3] source units, source axes
    rgb: NDArray[np.uint8]  # [N, 3] sRGB
    semantic: NDArray[np.uint32] | None = None  # [N] entity of each, 0: none; named in Source.entities

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """N unit cells; no cell comes twice from one source."""

    voxels: NDArray[np.int64]  # [N, 3] source axes
    rgba: NDArray[np.uint8]  # [N, 4] sRGB and coverage, coverage at least 1
    semantic: NDArray[np.uint32] | None = None  # [N] entity of each, 0: none; named in Source.entities

    def __len__(self) -> int:
        return len(self.voxels)


@dataclass(frozen=True, slots=True, eq=False)
class Heights:
    """A rectangle of a height field: samples [R, C], between them (R - 1) x (C - 1) bilinear patches.

    Sample [r, c] stands at x = corner[0] + (first[1] + c) step[0], y = corner[1] + (first[0] + r) step[1].
    Corner and step are the same in all batches of a source, so a sample that two batches share stands at
    exactly one place. Batches share samples along their edges and no patch.
    """

    heights: NDArray[np.float32]  # [R, C] source units, z; NaN: nothing is known there
    rgb: NDArray[np.uint8]  # [R, C, 3] sRGB
    corner: tuple[float, float]  # x, y of the field's sample [0, 0], source units
    step: tuple[float, float]  # along x, along y; above 0
    first: tuple[int, int]  # row, column of this rectangle's sample [0, 0] in the field

    def __len__(self) -> int:
        """How many patches have all four samples."""
        known = np.isfinite(self.heights)
        return int((known[1:, 1:] & known[:-1, 1:] & known[1:, :-1] & known[:-1, :-1]).sum())


Wrap = Literal["repeat", "mirror", "clamp"]


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """A picture at every size: level 0 as it came, each next one half as wide and high, down to one texel.

    levels: [height, width, 4] uint8, sRGB and alpha, first row on top. cutoffs: per level, the alpha 0..1
    below which a place is a hole (empty: alpha means nothing). wrap: what lies beyond 0..1 along u and v.
    """

    levels: tuple[NDArray[np.uint8], ...]
    cutoffs: tuple[float, ...] = ()
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


@dataclass(frozen=True, slots=True, eq=False)
class Triangles:
    """N triangles of one material, every number finite. What is drawn is colour times texture."""

    positions: NDArray[np.float64]  # [N, 3 corners, 3] source units, source axes
    colours: NDArray[np.float32]  # [N, 3 corners, 4] linear light and alpha, 0..1
    uv: NDArray[np.float64]  # [N, 3 corners, 2], (0, 0) the picture's top left corner
    texture: Texture | None
    cutoff: float = 0.0  # alpha below which an untextured place is a hole

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """N views of one size and one camera, with depth. Camera axes are OpenCV's: x right, y down, z forward.

    The centre of pixel (column i, row j) has image coordinates (i, j); depth is z, not distance.
    """

    rgb: NDArray[np.uint8]  # [N, H, W, 3] sRGB
    depth: NDArray[np.float32]  # [N, H, W] source units; 0 where nothing was measured, never negative
    intrinsics: tuple[float, float, float, float]  # fx, fy, cx, cy in pixels
    camera_to_world: NDArray[np.float64]  # [N, 4, 4] rigid; translation in source units

    def __len__(self) -> int:
        return len(self.depth)


Rows = NDArray[np.void]  # [N] structured records
Batch = Gaussians | Points | Voxels | Heights | Triangles | Frames
Kind = Literal["gaussians", "points", "voxels", "heights", "triangles", "frames"]
Up = Literal["z", "y", "-y"]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An existing scene, opened and checked as far as its header.

    `batches(n)` walks the file once, from the start, each time it is called; a batch holds 1..n items. It may
    raise UserError where a compressed or a text body turns out to be damaged.

    `n_items` is what the file declares, hence the most that `batches` yields in all. Records with NaN or
    infinite numbers, a quaternion without direction or a hidden twin (voxels) are left out, so
    `n_items - (sum of the batches' lengths)` is how many were dropped.

    A batch of frames is one frame whatever n is: frames are large, and are forgotten once fused.
    """

    path: Path
    kind: Kind
    n_items: int
    up: Up  # the format's convention, not this file's content
    batches: Callable[[int], Iterator[Batch]]
    notes: dict[str, str | int]  # provenance: no absolute paths, no timestamps
    # part(n, start, count): as batches(n), of the records start..start+count alone; None where a format
    # can only be read from its beginning. With it, workers share a source.
    part: Callable[[int, int, int], Iterator[Batch]] | None = None
    unit_m: float | None = None  # metres per source unit, where the file says so
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)  # source point that should come to lie at --at
    entities: dict[int, str] = field(default_factory=dict)  # names of what `semantic` numbers
    files: tuple[Path, ...] = ()  # all that the scene is made of; empty: `path` alone
    asked: Mapping[str, str] = field(default_factory=dict)  # `open_source(path, asked)` opens the same again


def file_bytes(path: Path) -> int:
    """Size of a regular, readable file of 1 byte to 8 GiB; UserError says which of these it is not."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UserError(f"cannot open {shown(path)}: {_reason(error)}") from None
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{shown(path)} is a folder: name the file inside it")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{shown(path)} is not a regular file: save it to disk first")
    if status.st_size == 0:
        raise UserError(f"{shown(path)} is empty: download or export it again")
    if status.st_size > MAX_FILE_BYTES:
        raise UserError(
            f"{shown(path)} has {status.st_size:,} bytes: the limit is {MAX_FILE_BYTES:,}; split it"
        )
    if not os.access(path, os.R_OK):
        raise UserError(f"cannot open {shown(path)}: permission denied")
    return status.st_size


def opened(path: Path) -> BinaryIO:
    """The file, open for reading bytes; UserError if the system refuses."""
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"cannot open {shown(path)}: {_reason(error)}") from None


def read_bytes(path: Path, offset: int, n_bytes: int) -> bytes:
    """Exactly n_bytes from offset. The caller has checked that the file is that long."""
    with opened(path) as file:
        try:
            file.seek(offset)
            data = file.read(n_bytes)
        except OSError as error:
            raise UserError(f"cannot read {shown(path)}: {_reason(error)}") from None
    if len(data) != n_bytes:
        raise UserError(f"{shown(path)} ended {n_bytes - len(data):,} bytes early: was it being written?")
    return data


def read_rows(path: Path, offset: int, dtype: DTypeLike, n_rows: int) -> NDArray[Any]:
    """[n_rows] records of `dtype` from offset; not writable."""
    dtype = np.dtype(dtype)
    return np.frombuffer(read_bytes(path, offset, n_rows * dtype.itemsize), dtype)


def spans(n_items: int, n: int, item_bytes: int = 1, first: int = 0) -> Iterator[tuple[int, int]]:
    """(start, count) of consecutive batches of first..n_items: at most n items and READ_BYTES each."""
    assert n >= 1, "a batch holds at least one item"
    step = max(1, min(n, READ_BYTES // item_bytes))
    for start in range(first, n_items, step):
        yield start, min(step, n_items - start)


def check_count(path: Path, n_items: int, what: str) -> None:
    """Refuse a declared count that is zero or beyond 2^31."""
    if n_items < 1:
        raise UserError(f"{shown(path)} holds no {what}: nothing to read")
    if n_items > MAX_ITEMS:
        raise UserError(f"{shown(path)} declares {n_items:,} {what}: the limit is {MAX_ITEMS:,}")


# Files that are often renamed into something else, and what to call them.
_KNOWN = (
    (b"ply", "a .ply file"),
    (b"PK\x03\x04", "a zip file (a torch checkpoint or an archive?)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"(\xb5/\xfd", "a zstd file"),
    (b"glTF", "a binary glTF (.glb)"),
    (b"\x80\x02", "a pickle, which is never loaded"),
    (b"\x80\x03", "a pickle, which is never loaded"),
    (b"\x80\x04", "a pickle, which is never loaded"),
    (b"\x80\x05", "a pickle, which is never loaded"),
    (b"\x89PNG", "a PNG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"VOX ", "a MagicaVoxel .vox file"),
    (b"NGSP", "an .spz file"),
    (b"LASF", "a LAS point cloud"),
    (b"# .PCD", "a .pcd point cloud"),
    (b"{", "a JSON file"),
    (b"<", "a web page or XML"),
    (b"version https://git-lfs", "a git-lfs pointer: run `git lfs pull`"),
)


def known_as(head: bytes) -> str | None:
    """What a file with these first bytes is, in words, where that is recognised."""
    return next((name for magic, name in _KNOWN if head.startswith(magic)), None)


def wrong_magic(path: Path, head: bytes, expected: str) -> UserError:
    """The error for a file that does not begin as its format does."""
    found = known_as(head) or f"of an unknown kind (begins {shown(repr(head[:8]))})"
    return UserError(f"{shown(path)} is {found}: expected {expected}")


def _reason(error: Exception) -> str:
    return shown(getattr(error, "strerror", None) or error)
