"""Lyra's layout: depth as a zip of EXR images, poses, intrinsics in .npz, pictures as video or images."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..errors import UserError, shown
from . import npz, rgbd_poses
from .rgbd_images import PICTURES, File, Still, zip_members
from .rgbd_poses import Pose
from .rgbd_recording import Convention, Intrinsics, Recording, View, numbered
from .rgbd_video import Video, VideoFrame

_POSES = ("pose", "poses", "trajectory", "cameras")
_PICTURES = ("rgb", "images", "image", "color", "video")


def lyra(folder: Path) -> Recording | None:
    """depth.zip of %05d.exr (channel Z, metres), pose.npz, intrinsics.npz, rgb.mp4 or rgb/%05d.png; or, as
    Lyra's data sets have it, depth/ID.zip, pose/ID.npz, intrinsics/ID.npz, rgb/ID.mp4 of one ID.

    pose {inds, data}: camera to world; trajectory or cameras {w2c | c2w, intrinsics}. The sky in estimated
    depth lies at one distance (DA3's 99th percentile of the rest), and is left out.
    """
    archives = [p for p in (folder / "depth.zip", *sorted((folder / "depth").glob("*.zip"))) if p.is_file()]
    if not archives:
        return None
    if len(archives) > 1:
        raise UserError(
            f"{shown(folder)} holds {len(archives)} recordings: put one of them into a folder of its own"
        )
    name = "" if archives[0].parent == folder else archives[0].stem
    depths = {}
    for file in zip_members(archives[0], (".exr",)):
        match = re.fullmatch(r"\d{1,9}", Path(file.member or "").stem)
        if match:
            depths[int(match[0])] = file
    path = _one(folder, name, _POSES, ".npz")
    if path is None:
        raise UserError(
            f"{shown(folder)}: no poses beside {archives[0].name}: expected pose.npz or trajectory.npz"
        )
    poses, convention = npz_poses(path)
    cameras, files = _cameras(_one(folder, name, ("intrinsics",), ".npz"), path)
    colours = _colours(folder, name, sorted(set(depths) & set(poses)))
    views = [
        View(colours[n], depths[n], poses[n], picture_intrinsics=cameras.get(n))
        for n in sorted(set(colours) & set(depths) & set(poses))
    ]
    return Recording(
        "lyra",
        views,
        convention,
        "-y",
        picture_size=_size(path),
        sky=True,
        files=[archives[0], *files],
    )


def _one(folder: Path, name: str, stems: tuple[str, ...], suffix: str) -> Path | None:
    """stem.suffix, or stem/name.suffix where recordings have names."""
    paths = [folder / stem / (name + suffix) if name else folder / (stem + suffix) for stem in stems]
    return next((path for path in paths if path.is_file()), None)


def _colours(folder: Path, name: str, wanted: list[int]) -> dict[int, Still]:
    """The pictures by number: a folder of images, else frames of a video."""
    for stem in _PICTURES:
        images = folder / stem / name if name else folder / stem
        found = numbered(images, PICTURES, r"\D*(\d{1,9})") if images.is_dir() else {}
        if found:
            return {n: File(path) for n, path in found.items()}
    path = _one(folder, name, _PICTURES, ".mp4")
    if path is None:
        raise UserError(f"{shown(folder)}: no pictures: expected rgb.mp4, or images in rgb/")
    video = Video(path)
    return {n: VideoFrame(video, n) for n in wanted}


def npz_poses(path: Path) -> tuple[dict[int, Pose | None], Convention | None]:
    """Poses by frame number, and what they mean where their name says so."""
    names = npz.names(path)
    for name, convention in (
        ("w2c", "w2c"),
        ("c2w", "c2w"),
        ("data", "c2w"),
        ("poses", None),
        ("pose", None),
    ):
        if name in names:
            found = rgbd_poses.stack(path, name)
            numbers = npz.load(path, "inds", 1) if "inds" in names else np.arange(len(found))
            if len(numbers) != len(found) or numbers.dtype.kind not in "iu":
                raise UserError(f"{shown(path)}: inds and {name} must be equally many")
            return dict(zip((int(n) for n in numbers), found, strict=True)), convention  # type: ignore[return-value]
    raise UserError(f"{shown(path)} holds {shown(', '.join(names))}: expected w2c, c2w, or inds and data")


def _size(path: Path) -> tuple[int, int] | None:
    """image_width, image_height, where the poses' file has them: its intrinsics are for that size."""
    if not {"image_width", "image_height"} <= set(npz.names(path)):
        return None
    width, height = (int(npz.load(path, name, 0)) for name in ("image_width", "image_height"))
    if not (0 < width <= 1 << 16 and 0 < height <= 1 << 16):
        raise UserError(f"{shown(path)}: image_width x image_height is {width} x {height}")
    return width, height


def _cameras(own: Path | None, poses: Path) -> tuple[dict[int, Intrinsics], list[Path]]:
    """Intrinsics by frame number, in pixels of the picture: [N, 3, 3], or [N, 4] of fx, fy, cx, cy."""
    path, name = (own, "data") if own else (poses, "intrinsics")
    names = npz.names(path)
    if name not in names:
        return {}, [poses]
    try:
        values = npz.load(path, name, 3)
        values = np.stack([values[:, 0, 0], values[:, 1, 1], values[:, 0, 2], values[:, 1, 2]], axis=1)
    except (UserError, IndexError):
        values = npz.load(path, name, 2)
    numbers = npz.load(path, "inds", 1) if "inds" in names else np.arange(len(values))
    if values.shape[1:] != (4,) or len(numbers) != len(values):
        raise UserError(f"{shown(path)}: {name} is {values.shape}: expected N x 3 x 3 or N x 4")
    cameras = {int(n): tuple(float(x) for x in v) for n, v in zip(numbers, values, strict=True)}
    return cameras, sorted({poses, path})  # type: ignore[return-value]
