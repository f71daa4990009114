"""The folders in which posed RGB-D is handed around, each found by what lies in it (Lyra's: rgbd_lyra.py).

A layout is a function folder -> Recording or None (it is not this one). What a layout fixes (what its
poses mean, units, the usual camera) is taken from it; what it leaves open is asked for, never guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError, shown
from . import rgbd_poses
from .rgbd_images import DEPTHS, PICTURES, File
from .rgbd_recording import (
    MAX_FRAMES,
    Intrinsics,
    Recording,
    View,
    inside,
    json_object,
    numbered,
    paired,
    picture_folder,
)

TUM_WITHIN_S = 0.02  # that a picture, a depth image and a pose may be apart: TUM's own tools' value
PRIMESENSE = (525.0, 525.0, 319.5, 239.5)  # the usual camera of 640 x 480
SEVEN_SCENES = (585.0, 585.0, 320.0, 240.0)  # as its authors give it
_LOGS = ("trajectory.log", "scene/trajectory.log", "test_scene/trajectory.log")


def redwood(folder: Path) -> Recording | None:
    """Open3D and Redwood: color|image/, depth/ (mm), trajectory.log (camera to world), a camera's .json."""
    log = next((folder / name for name in _LOGS if (folder / name).is_file()), None)
    pictures = picture_folder(folder)
    if log is None or pictures is None:
        return None
    poses = rgbd_poses.log(log)
    colours, depths = numbered(pictures, PICTURES), numbered(folder / "depth", DEPTHS)
    camera = next(
        (
            folder / n
            for n in ("intrinsic.json", "camera_intrinsic.json", "intrinsics.json")
            if (folder / n).is_file()
        ),
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
    k = json_object(path).get("intrinsic_matrix")
    if not isinstance(k, list) or len(k) != 9 or not all(isinstance(v, int | float) for v in k):
        raise UserError(f"{shown(path)}: expected an intrinsic_matrix of 9 numbers")
    return float(k[0]), float(k[4]), float(k[6]), float(k[7])


def tum(folder: Path) -> Recording | None:
    """TUM: rgb.txt, depth.txt (time, file), groundtruth.txt (time, tx ty tz qx qy qz qw: camera to world)."""
    truth = folder / "groundtruth.txt"
    lists = [folder / name for name in ("rgb.txt", "depth.txt")]
    pairs = next(
        (
            folder / n
            for n in ("associations.txt", "associated.txt", "associate.txt")
            if (folder / n).is_file()
        ),
        None,
    )
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
    meta = json_object(path)
    frames = meta.get("frames")
    if not isinstance(frames, list) or len(frames) > MAX_FRAMES:
        raise UserError(f"{shown(path)}: expected a list of frames")
    views: list[View] = []
    for one in frames:
        if not isinstance(one, dict) or not isinstance(one.get("depth_file_path"), str):
            continue
        try:
            matrix = np.array(one["transform_matrix"], np.float64)
            pose = rgbd_poses.rigid(matrix * [1, -1, -1, 1]) if matrix.shape in ((4, 4), (3, 4)) else None
            colour, depth = inside(folder, str(one["file_path"])), inside(folder, one["depth_file_path"])
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{shown(path)}: frame {len(views)}: expected file_path and transform_matrix"
            ) from None
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
