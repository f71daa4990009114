"""The camera's way, from a file or a preset: Lyra's .npz, Voxtide's own path .json, nerfstudio's .json.

A way is poses and cameras with the size of the picture that the cameras are for. Files in world axes with z
up come out in OpenCV's (y down), so that a bake puts them back to where the file says.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...app import path_file
from ..errors import UserError, shown
from ..sources import npz, rgbd_poses
from ..sources.rgbd_recording import json_object
from .problems import Code, GeneratorError
from .protocol import F64, STEP_FRAMES, inverse

MAX_POSES = 1 << 16
FOV_DEG = 60.0  # across, where neither file nor user says
# World axes with z up -> the same with y down: (x, y, z) -> (x, -z, y)
_DOWN = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """w2c [N, 4, 4], K [N, 3, 3] in pixels of a picture of `size` (width, height); None: size as wanted."""

    w2c: F64
    k: F64 | None
    size: tuple[int, int] | None
    name: str

    def cameras(self, size: tuple[int, int]) -> F64:
        """K [N, 3, 3] for pictures of another size: stretched, as Lyra does."""
        if self.k is None or self.size is None:
            return np.repeat(pinhole(size, FOV_DEG)[None], len(self.w2c), 0)
        k = self.k.copy()
        k[:, 0] *= size[0] / self.size[0]
        k[:, 1] *= size[1] / self.size[1]
        return k

    def cut(self, n_steps: int | None) -> "Trajectory":
        """Its first 1 + 80 n poses; None: as many as there are. GeneratorError: too short."""
        most = (len(self.w2c) - 1) // STEP_FRAMES
        if most < (n_steps or 1):
            raise GeneratorError(
                Code.BAD_LENGTH,
                f"{self.name} has {len(self.w2c):,} poses, and {n_steps or 1} steps need "
                f"{1 + STEP_FRAMES * (n_steps or 1):,}",
            )
        n = 1 + STEP_FRAMES * (n_steps or most)
        return replace(self, w2c=self.w2c[:n], k=None if self.k is None else self.k[:n])

    def scaled(self, factor: float) -> "Trajectory":
        """The same way, longer by a factor."""
        w2c = self.w2c.copy()
        w2c[:, :3, 3] *= factor
        return replace(self, w2c=w2c)


def pinhole(size: tuple[int, int], fov_deg: float) -> F64:
    """K [3, 3] of a camera with square pixels that sees so many degrees across."""
    focal = size[0] / 2 / np.tan(np.radians(fov_deg) / 2)
    return np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])


def open_trajectory(path: Path, fps: float) -> Trajectory:
    """A file of any kind. fps: at which Voxtide's own paths are sampled. UserError, GeneratorError."""
    if path.suffix.lower() == ".npz":
        return _lyra(path)
    if path.suffix.lower() != ".json":
        raise UserError(f"{shown(path)}: a trajectory is an .npz of w2c and intrinsics, or a path's .json")
    found = json_object(path)
    if found.get("format") == path_file.FORMAT:
        return _own(path, fps)
    if "camera_path" in found:
        return _nerfstudio_path(path, found)
    if "frames" in found:
        return _transforms(path, found)
    raise UserError(f"{shown(path)}: expected a {path_file.FORMAT}, a camera_path or frames")


def _rigid(path: Path, poses: list[Any]) -> F64:
    """Matrices -> [N, 4, 4]. UserError names the first that is no pose."""
    if not 2 <= len(poses) <= MAX_POSES:
        raise UserError(f"{shown(path)} has {len(poses):,} poses: 2 to {MAX_POSES:,} make a way")
    for i, pose in enumerate(poses):
        if pose is None:
            raise GeneratorError(Code.BAD_TRAJECTORY, f"{shown(path)}: pose {i} is not a rigid one")
    return np.stack(poses)


def _lyra(path: Path) -> Trajectory:
    names = npz.names(path)
    if "w2c" not in names or "intrinsics" not in names:
        raise UserError(f"{shown(path)} holds {shown(', '.join(names))}: expected w2c and intrinsics")
    w2c = _rigid(path, rgbd_poses.stack(path, "w2c"))
    k = npz.load(path, "intrinsics", 3).astype(np.float64)
    if k.shape != (len(w2c), 3, 3):
        raise UserError(
            f"{shown(path)}: intrinsics are {k.shape}: expected one 3 x 3 for each of {len(w2c)} poses"
        )
    if {"image_height", "image_width"} <= set(names):
        width, height = (int(npz.load(path, f"image_{name}", 0)) for name in ("width", "height"))
    else:
        width, height = round(2 * float(k[0, 0, 2])), round(2 * float(k[0, 1, 2]))
    if not (0 < width <= 1 << 16 and 0 < height <= 1 << 16):
        raise UserError(f"{shown(path)}: its pictures are {width} x {height}")
    return Trajectory(w2c, k, (width, height), path.name)


def _own(path: Path, fps: float) -> Trajectory:
    try:
        keys = list(path_file.load(path).poses(fps))
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(path)}: {shown(error)}") from None
    poses, cameras = [], []
    for key in keys[:MAX_POSES]:
        right, forward = np.array(key.pose.right), np.array(key.pose.forward)
        c2w = np.eye(4)
        c2w[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
        c2w[:3, 3] = key.pose.x, key.pose.y, key.pose.z
        poses.append(rgbd_poses.rigid(_DOWN @ c2w))
        focal = 360 / np.tan(np.radians(key.fov_deg) / 2)
        cameras.append([[focal, 0, 640], [0, focal, 360], [0, 0, 1]])
    return Trajectory(inverse(_rigid(path, poses)), np.array(cameras, np.float64), (1280, 720), path.name)


def _opengl(matrix: Any) -> Any:
    """nerfstudio's camera to world (axes right, up, back; z up) -> OpenCV's, y down; None: not a pose."""
    try:
        pose = np.array(matrix, np.float64).reshape(-1, 4)
    except (TypeError, ValueError):
        return None
    if pose.shape not in ((3, 4), (4, 4)):
        return None
    whole = np.eye(4)
    whole[:3] = pose[:3]
    return rgbd_poses.rigid(_DOWN @ (whole * [1, -1, -1, 1]))


def _nerfstudio_path(path: Path, found: dict[str, Any]) -> Trajectory:
    entries = found["camera_path"]
    width, height = found.get("render_width", 1280), found.get("render_height", 720)
    fields = isinstance(entries, list) and all(isinstance(e, dict) for e in entries)
    if not fields or not all(isinstance(v, int) and 0 < v <= 1 << 16 for v in (width, height)):
        raise UserError(
            f"{shown(path)}: expected camera_path, a list, and render_width, render_height in pixels"
        )
    poses = [_opengl(entry.get("camera_to_world")) for entry in entries[: MAX_POSES + 1]]
    cameras = []
    for entry in entries[: MAX_POSES + 1]:
        fov = entry.get("fov", 50.0)
        if not isinstance(fov, int | float) or not 1 <= fov < 170:
            raise UserError(f"{shown(path)}: fov {shown(fov)} is not an angle of 1 to 170 degrees")
        focal = height / 2 / np.tan(np.radians(fov) / 2)
        cameras.append([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Trajectory(inverse(_rigid(path, poses)), np.array(cameras, np.float64), (width, height), path.name)


def _transforms(path: Path, found: dict[str, Any]) -> Trajectory:
    entries = found["frames"]
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise UserError(f"{shown(path)}: expected a list of frames")
    poses = _rigid(path, [_opengl(e.get("transform_matrix")) for e in entries[: MAX_POSES + 1]])
    values = [found.get(name) for name in ("fl_x", "cx", "cy", "w", "h")]
    if not all(isinstance(v, int | float) and v > 0 for v in values):
        raise UserError(f"{shown(path)}: expected fl_x, cx, cy, w and h, in pixels")
    fx, cx, cy, width, height = (float(v) for v in values if v is not None)
    fy = found.get("fl_y", fx)
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    return Trajectory(inverse(poses), np.repeat(k[None], len(poses), 0), (int(width), int(height)), path.name)


# Presets: ways that fit any picture, given how far away most of it is ---------------------------------


def _turned(yaw_rad: F64) -> F64:
    """Camera to world [N, 4, 4] turned about the vertical; to the right where positive."""
    c2w = np.repeat(np.eye(4)[None], len(yaw_rad), 0)
    c2w[:, 0, 0] = c2w[:, 2, 2] = np.cos(yaw_rad)
    c2w[:, 0, 2], c2w[:, 2, 0] = np.sin(yaw_rad), -np.sin(yaw_rad)
    return c2w


def _walk(t: F64, distance: float) -> F64:
    c2w = _turned(0.08 * np.sin(2 * np.pi * t))
    c2w[:, 2, 3] = 0.5 * distance * t
    return c2w


def _orbit(t: F64, distance: float) -> F64:
    angle = np.radians(25) * np.sin(2 * np.pi * t)
    c2w = _turned(-angle)
    c2w[:, 0, 3] = distance * np.sin(angle)
    c2w[:, 2, 3] = distance * (1 - np.cos(angle))
    return c2w


def _look_around(t: F64, distance: float) -> F64:
    return _turned(2 * np.pi * t)


def _out_and_back(t: F64, distance: float) -> F64:
    way = 1 - np.abs(1 - 2 * t)
    c2w = _turned(0.15 * np.sin(np.pi * way))
    c2w[:, 2, 3] = 0.4 * distance * way
    return c2w


PRESETS: dict[str, Callable[[F64, float], F64]] = {
    "walk": _walk,
    "orbit": _orbit,
    "look-around": _look_around,
    "out-and-back": _out_and_back,
}


def preset(name: str, n_steps: int, distance: float) -> Trajectory:
    """A way of 1 + 80 n poses from the picture's eye. distance: of what is seen, in the depth's unit."""
    t = np.linspace(0, 1, 1 + STEP_FRAMES * n_steps)
    return Trajectory(inverse(PRESETS[name](t, distance)), None, None, name)


def prompts_of(prompt: str, captions: Path | None, n_steps: int) -> tuple[str, ...]:
    """One prompt for each step: of a captions file, that of the largest key up to the step's first frame.

    The file is Lyra's: a JSON object from frame numbers to texts. UserError.
    """
    if captions is None:
        return (prompt,) * n_steps
    found = json_object(captions)
    if not found or not all(k.isdecimal() and len(k) < 9 and isinstance(v, str) for k, v in found.items()):
        raise UserError(f"{shown(captions)}: expected an object from frame numbers to texts")
    keys = sorted((int(k), v) for k, v in found.items())
    firsts = [1 + STEP_FRAMES * i for i in range(n_steps)]
    return tuple(next((text for key, text in reversed(keys) if key <= first), keys[0][1]) for first in firsts)


def captions_json(prompts: tuple[str, ...]) -> str:
    """Lyra's captions file of one prompt per step: keys 0 and 80 k + 1."""
    keys = {"0": prompts[0]} | {str(1 + STEP_FRAMES * i): text for i, text in enumerate(prompts)}
    return json.dumps(keys, indent=1)
