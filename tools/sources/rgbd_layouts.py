"""The folders in which posed RGB-D is handed around, each found by what lies in it.

A layout is a function folder -> Recording or None (it is not this one). What a layout fixes (the meaning of its
poses, units, the usual camera) is taken from it; what it leaves open is asked for, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import UserError, shown
from . import npz, rgbd_poses
from .rgbd_images import DEPTHS, PICTURES, File, zip_members
from .rgbd_poses import Pose
from .source import Up

Intrinsics = tuple[float, float, float, float]  # fx, fy, cx, cy in pixels
Convention = Literal["c2w", "w2c"]

MAX_FRAMES = 1 << 20
TUM_WITHIN_S = 0.02  # that a picture, a depth image and a pose may be apart: TUM's own tools' value
PRIMESENSE = (525.0, 525.0, 319.5, 239.5)  # the usual camera of 640 x 480
SEVEN_SCENES = (585.0, 585.0, 320.0, 240.0)  # as its authors give it
_PICTURE_FOLDERS = ("image", "color", "colour", "rgb", "images")
_LOGS = ("trajectory.log", "scene/trajectory.log", "test_scene/trajectory.log")


@dataclass(frozen=True, slots=True)
class View:
    """One frame. pose: as the file has it, None if it is not a pose. Intrinsics: None is the recording's."""

    colour: File
    depth: File
    pose: Pose | None
    intrinsics: Intrinsics | None = None
    picture_intrinsics: Intrinsics | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """What a layout found. None of convention, intrinsics: the layout does not say, and the user is asked.

    usual: intrinsics for 640 x 480, where nothing is said. sky: depth holds the sky at one made-up distance.
    """

    layout: str
    views: list[View]
    convention: Convention | None
    up: Up
    intrinsics: Intrinsics | None = None
    picture_intrinsics: Intrinsics | None = None
    usual: Intrinsics | None = None
    units_per_metre: float | None = None  # of depth images; None: 1000 for pictures, 1 for .exr and .npy
    sky: bool = False
    files: list[Path] = field(default_factory=list)  # poses and intrinsics, beside the images


def inside(folder: Path, name: str) -> Path:
    """A path that a file in the folder names; UserError if it leads out of it."""
    path = Path(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise UserError(f"{shown(folder)} names the file {shown(name)}, which is not inside it")
    return folder / path


def numbered(folder: Path, suffixes: tuple[str, ...], pattern: str = r"(\d{1,9})") -> dict[int, Path]:
    """Files in a folder by the number in their stem."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = re.fullmatch(pattern, path.stem)
        if match and path.suffix.lower() in suffixes:
            found[int(match[1])] = path
        if len(found) > MAX_FRAMES:
            raise UserError(f"{shown(folder)} holds more than {MAX_FRAMES:,} images: bake it in parts")
    return found


def picture_folder(folder: Path) -> Path | None:
    return next((folder / name for name in _PICTURE_FOLDERS if (folder / name).is_dir()), None)


def paired(colours: dict[int, Path], depths: dict[int, Path], poses: dict[int, Any]) -> list[View]:
    """Frames of which all three are there, by number."""
    numbers = sorted(set(colours) & set(depths) & set(poses))
    return [View(File(colours[n]), File(depths[n]), poses[n]) for n in numbers]


def redwood(folder: Path) -> Recording | None:
    """Open3D and Redwood: color|image/, depth/ (mm), trajectory.log (camera to world), a camera's .json."""
    log = next((folder / name for name in _LOGS if (folder / name).is_file()), None)
    pictures = picture_folder(folder)
    if log is None or pictures is None:
        return None
    poses = rgbd_poses.log(log)
    colours, depths = numbered(pictures, PICTURES), numbered(folder / "depth", DEPTHS)
    camera = next(
        (folder / n for n in ("intrinsic.json", "camera_intrinsic.json", "intrinsics.json") if (folder / n).is_file()),
        None,
    )
    return Recording(
        "redwood",
        # The n-th pose is the n-th image's, whatever number the images begin with.
        paired(dict(enumerate(colours.values())), dict(enumerate(depths.values())), poses),
        "c2w",
        "-y",
        intrinsics=_open3d_camera(camera) if camera else None,
        usual=PRIMESENSE,
        files=[log, *([camera] if camera else [])],
    )


def _open3d_camera(path: Path) -> Intrinsics:
    """Open3D's PinholeCameraIntrinsic: intrinsic_matrix by columns."""
    k = _json(path).get("intrinsic_matrix")
    if not isinstance(k, list) or len(k) != 9 or not all(isinstance(v, int | float) for v in k):
        raise UserError(f"{shown(path)}: expected an intrinsic_matrix of 9 numbers")
    return float(k[0]), float(k[4]), float(k[6]), float(k[7])


def tum(folder: Path) -> Recording | None:
    """TUM: rgb.txt, depth.txt (time, file), groundtruth.txt (time, tx ty tz qx qy qz qw: camera to world)."""
    truth = folder / "groundtruth.txt"
    lists = [folder / name for name in ("rgb.txt", "depth.txt")]
    pairs = next((folder / n for n in ("associations.txt", "associated.txt", "associate.txt") if (folder / n).is_file()), None)
    if not truth.is_file() or not (pairs or all(path.is_file() for path in lists)):
        return None
    poses = rgbd_poses.stamped(truth)
    pose_stamps = np.array([stamp for stamp, _ in poses])
    views = []
    for stamp, depth, colour in _tum_pairs(lists, pairs):
        at = rgbd_poses.nearest(stamp, pose_stamps, TUM_WITHIN_S)
        if at is not None:
            values = rgbd_poses.numbers(poses[at][1][:7]) or []
            pose = rgbd_poses.of_quaternion(values) if len(values) == 7 else None
            views.append(View(File(inside(folder, colour)), File(inside(folder, depth)), pose))
    files = [truth, pairs] if pairs else [truth, *lists]
    return Recording("tum", views, "c2w", "z", usual=PRIMESENSE, units_per_metre=5000, files=files)


def _tum_pairs(lists: list[Path], pairs: Path | None) -> list[tuple[float, str, str]]:
    """-> (time of the depth image, depth file, picture file)"""
    if pairs:
        found = []
        for stamp, words in rgbd_poses.stamped(pairs):  # time file time file, in either order
            if len(words) != 3:
                raise UserError(f"{shown(pairs)}: expected `time file time file` on every line")
            first, second = words[0], words[2]
            other = rgbd_poses.numbers(words[1:2])
            if "depth" in first or other is None:
                found.append((stamp, first, second))
            else:
                found.append((other[0], second, first))
        return found
    colours, depths = (rgbd_poses.stamped(path) for path in lists)
    stamps = np.array([stamp for stamp, _ in colours])
    near = [(stamp, row[0], rgbd_poses.nearest(stamp, stamps, TUM_WITHIN_S)) for stamp, row in depths]
    return [(stamp, name, colours[at][1][0]) for stamp, name, at in near if at is not None]


def seven_scenes(folder: Path) -> Recording | None:
    """7-Scenes: frame-000000.color.png, .depth.png (mm), .pose.txt (camera to world) in one folder."""
    depths = numbered(folder, (".png",), r"frame-(\d{1,9})\.depth")
    if not depths:
        return None
    colours = numbered(folder, PICTURES, r"frame-(\d{1,9})\.color")
    poses = {n: folder / f"frame-{path.stem[6:-6]}.pose.txt" for n, path in depths.items()}
    poses = {n: path for n, path in poses.items() if path.is_file()}
    views = paired(colours, depths, {n: rgbd_poses.matrix_file(path) for n, path in poses.items()})
    return Recording("7-scenes", views, "c2w", "-y", usual=SEVEN_SCENES, files=list(poses.values()))


def scannet(folder: Path) -> Recording | None:
    """ScanNet's export: color/, depth/ (mm), pose/N.txt (camera to world), intrinsic/intrinsic_depth.txt.

    Without intrinsic/ the same folders may come from anywhere, and what the poses mean is asked for.
    """
    pictures = picture_folder(folder)
    poses = next((p for p in (folder / "pose", folder / "poses") if p.is_dir()), None)
    if pictures is None or poses is None or not (folder / "depth").is_dir():
        return None
    pose_files = numbered(poses, (".txt",), r"\D*(\d{1,9})\D*")
    if not pose_files:
        return None
    own = [folder / "intrinsic" / f"intrinsic_{name}.txt" for name in ("depth", "color")]
    known = [path for path in own if path.is_file()]
    camera = {path.stem: _matrix_camera(path) for path in known}
    number = r"\D*(\d{1,9})\D*"
    views = paired(
        numbered(pictures, PICTURES, number),
        numbered(folder / "depth", DEPTHS, number),
        {n: rgbd_poses.matrix_file(path) for n, path in pose_files.items()},
    )
    return Recording(
        "scannet" if known else "pose files",
        views,
        "c2w" if known else None,
        "z" if known else "-y",
        intrinsics=camera.get("intrinsic_depth"),
        picture_intrinsics=camera.get("intrinsic_color"),
        files=[*known, *pose_files.values()],
    )


def _matrix_camera(path: Path) -> Intrinsics:
    """A file of 3 x 3 or 4 x 4 numbers."""
    values = rgbd_poses.numbers([word for row in rgbd_poses.rows(path) for word in row])
    if values is None or len(values) not in (9, 16):
        raise UserError(f"{shown(path)}: expected a camera matrix of 3 x 3 or 4 x 4 numbers")
    n = 3 if len(values) == 9 else 4
    return values[0], values[n + 1], values[2], values[n + 2]


def nerfstudio(folder: Path) -> Recording | None:
    """nerfstudio: transforms.json whose frames name a depth_file_path; OpenGL axes, camera to world, mm."""
    path = folder / "transforms.json"
    if not path.is_file():
        return None
    meta = _json(path)
    frames = meta.get("frames")
    if not isinstance(frames, list) or len(frames) > MAX_FRAMES:
        raise UserError(f"{shown(path)}: expected a list of frames")
    views = []
    for one in frames:
        if not isinstance(one, dict) or not isinstance(one.get("depth_file_path"), str):
            continue
        try:
            matrix = np.array(one["transform_matrix"], np.float64)
            pose = rgbd_poses.rigid(matrix * [1, -1, -1, 1]) if matrix.shape in ((4, 4), (3, 4)) else None
            colour, depth = inside(folder, str(one["file_path"])), inside(folder, one["depth_file_path"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{shown(path)}: frame {len(views)}: expected file_path and transform_matrix") from None
        k = _fields(path, {**meta, **one})
        views.append(View(File(colour), File(depth), pose, picture_intrinsics=k))
    if not views:
        raise UserError(f"{shown(path)}: no frame has a depth_file_path: depth is needed to bake")
    return Recording("nerfstudio", views, "c2w", "z", files=[path])


def _fields(path: Path, one: dict[str, Any]) -> Intrinsics | None:
    found = [one.get(name) for name in ("fl_x", "fl_y", "cx", "cy")]
    if found[1] is None:
        found[1] = found[0]
    if any(not isinstance(v, int | float) for v in found):
        return None
    if any(one.get(name) for name in ("k1", "k2", "p1", "p2")):
        raise UserError(f"{shown(path)}: lens distortion is not undone: undistort the images first")
    fx, fy, cx, cy = (float(v) for v in found if v is not None)
    return fx, fy, cx - 0.5, cy - 0.5  # nerfstudio counts from a pixel's corner, here from its centre


def lyra(folder: Path) -> Recording | None:
    """Lyra: depth.zip of %05d.exr (channel Z, metres), poses in .npz, pictures in a folder of images.

    pose.npz {inds, data}: camera to world; trajectory.npz or cameras.npz {w2c | c2w, intrinsics}. The sky in
    estimated depth lies at one distance (DA3's 99th percentile), and is left out.
    """
    archive = next((folder / n for n in ("depth.zip", "depths.zip") if (folder / n).is_file()), None)
    if archive is None:
        return None
    depths = {int(Path(f.member or "").stem): f for f in zip_members(archive, (".exr",))
              if re.fullmatch(r"\d{1,9}", Path(f.member or "").stem)}  # fmt: skip
    pictures = picture_folder(folder)
    colours = numbered(pictures, PICTURES, r"\D*(\d{1,9})") if pictures else {}
    if not colours:
        raise UserError(
            f"{shown(folder)}: no pictures beside {archive.name}: unpack the video into rgb/, as in "
            "`ffmpeg -i rgb.mp4 -start_number 0 rgb/%05d.png`"
        )
    path = next((folder / n for n in _LYRA_POSES if (folder / n).is_file()), None)
    if path is None:
        raise UserError(f"{shown(folder)}: no poses beside {archive.name}: expected {' or '.join(_LYRA_POSES)}")
    poses, convention = npz_poses(path)
    cameras, files = _npz_cameras(folder, path)
    views = [View(File(colours[n]), depths[n], poses[n], picture_intrinsics=cameras.get(n))
             for n in sorted(set(colours) & set(depths) & set(poses))]  # fmt: skip
    return Recording("lyra", views, convention, "-y", sky=True, files=[archive, *files])


_LYRA_POSES = ("pose.npz", "poses.npz", "trajectory.npz", "cameras.npz")


def npz_poses(path: Path) -> tuple[dict[int, Pose | None], Convention | None]:
    """Poses by frame number, and what they mean where their name says so."""
    names = npz.names(path)
    for name, convention in (("w2c", "w2c"), ("c2w", "c2w"), ("data", "c2w"), ("poses", None), ("pose", None)):
        if name in names:
            found = rgbd_poses.stack(path, name)
            numbers = npz.load(path, "inds", 1) if "inds" in names else np.arange(len(found))
            if len(numbers) != len(found) or numbers.dtype.kind not in "iu":
                raise UserError(f"{shown(path)}: inds and {name} must be equally many")
            return dict(zip((int(n) for n in numbers), found, strict=True)), convention  # type: ignore[return-value]
    raise UserError(f"{shown(path)} holds {shown(', '.join(names))}: expected w2c, c2w, or inds and data")


def _npz_cameras(folder: Path, poses: Path) -> tuple[dict[int, Intrinsics], list[Path]]:
    """Intrinsics by frame number, in pixels of the picture: [N, 3, 3], or [N, 4] of fx, fy, cx, cy."""
    own = folder / "intrinsics.npz"
    path, name = (own, "data") if own.is_file() else (poses, "intrinsics")
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


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(rgbd_poses.text(path))
    except (ValueError, RecursionError):
        raise UserError(f"{shown(path)} is not JSON that can be read") from None
    if not isinstance(found, dict):
        raise UserError(f"{shown(path)}: expected a JSON object")
    return found


# In this order: the more a layout demands, the earlier.
LAYOUTS: tuple[Callable[[Path], Recording | None], ...] = (lyra, tum, seven_scenes, redwood, scannet, nerfstudio)
