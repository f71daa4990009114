"""nerfstudio's camera path: what its viewer saves and `ns-render camera-path` draws; nerfview writes it too.

camera_to_world and matrix are 16 numbers, row by row. The camera's axes are OpenGL's: x right, y up, it looks
along -z; the world's z is up, as Voxtide's. fov is vertical, degrees. camera_path has every frame, which is
what nerfstudio draws; keyframes are what a person set, each with the seconds that lead to it.
"""

import json
from itertools import pairwise
from typing import Any

import numpy as np

from ...app import turns
from ...app.camera import Pose
from ...app.path_file import number
from ...app.paths import DEFAULT_FOV_DEG, DEFAULT_FPS, MAX_KEYS, CameraPath, Key, frames

DEFAULT_SIZE = 1920, 1080
CONVENTIONS = (
    "matrices are camera to world, row by row; camera axes are OpenGL's: x right, y up, z back; the world's "
    "z is up; fov is vertical, degrees"
)
_CAMERAS = ("perspective", "equirectangular")
_DEFAULT_TRANSITION_S = 2.0
_SAME = 1e-6


def is_one(found: Any) -> bool:
    """Whether a JSON file is one of these, by its fields."""
    return (
        isinstance(found, dict)
        and "format" not in found
        and not {"camera_path", "keyframes"}.isdisjoint(found)
    )


def path_of(found: dict[str, Any], *, keyframes: bool = False) -> CameraPath:
    """JSON -> CameraPath, every field that is used checked. Raises ValueError, one line.

    Its frames become keys, so that every frame is as nerfstudio draws it; keyframes: those become keys.
    """
    camera = found.get("camera_type", "perspective")
    if camera not in _CAMERAS:
        raise ValueError(f'"camera_type" is {" or ".join(_CAMERAS)} here, not {camera!r}')
    fps = number(found.get("fps", DEFAULT_FPS), '"fps"')
    if not fps > 0:
        raise ValueError(f"fps is above 0, not {fps:g}")
    loop = found.get("is_cycle", False)
    if not isinstance(loop, bool):
        raise ValueError('"is_cycle" is true or false')
    name = (
        "keyframes" if "camera_path" not in found or (keyframes and found.get("keyframes")) else "camera_path"
    )
    cameras = found[name]
    if not isinstance(cameras, list) or not 1 <= len(cameras) < MAX_KEYS:
        raise ValueError(f'"{name}" is a list of 1 to {MAX_KEYS - 1} cameras')
    gaps = [1 / fps] * len(cameras) if name == "camera_path" else _gaps(found, cameras)
    matrix = "camera_to_world" if name == "camera_path" else "matrix"
    keys, t = [], 0.0
    for i, camera in enumerate(cameras):
        t = i / fps if name == "camera_path" else t + gaps[i] if i else 0.0
        keys.append(_key(f"{name} {i}", camera, matrix, t))
    if loop and len(keys) > 1:
        keys.append(
            Key(len(keys) / fps if name == "camera_path" else t + gaps[0], keys[0].pose, keys[0].fov_deg)
        )
    return CameraPath(tuple(keys), fps, loop and len(keys) > 1, size=_size(found))


def _gaps(found: dict[str, Any], cameras: list[Any]) -> list[float]:
    """The seconds that lead to each keyframe; to the first they are those that close a loop."""
    usual = number(found.get("default_transition_sec", _DEFAULT_TRANSITION_S), '"default_transition_sec"')
    out = []
    for i, camera in enumerate(cameras):
        own = camera.get("override_transition_sec") if isinstance(camera, dict) else None
        use = own is not None and camera.get("override_transition_enabled")
        out.append(number(own, f'keyframes {i}: "override_transition_sec"') if use else usual)
    return out


def _key(what: str, found: Any, matrix: str, t: float) -> Key:
    if not isinstance(found, dict) or matrix not in found:
        raise ValueError(f'{what}: an object with "{matrix}" and "fov"')
    values = found[matrix]
    if isinstance(values, list) and len(values) in (3, 4) and all(isinstance(row, list) for row in values):
        values = [v for row in values for v in row]
    if not isinstance(values, list) or len(values) not in (12, 16):
        raise ValueError(f'{what}: "{matrix}" is 16 numbers, row by row')
    numbers = np.array([number(v, f"{what}: each of its {matrix}") for v in values]).reshape(-1, 4)
    try:
        pose = turns.pose_of(numbers)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return Key(t, pose, number(found.get("fov", DEFAULT_FOV_DEG), f'{what}: "fov"'))


def _size(found: dict[str, Any]) -> tuple[int, int] | None:
    sides = [found.get("render_width"), found.get("render_height")]
    if sides == [None, None]:
        return None
    width, height = (number(side, '"render_width" and "render_height"') for side in sides)
    return int(width), int(height)


def text(path: CameraPath) -> str:
    """The JSON of a path: keys as keyframes, and every frame at its own fps. Raises ValueError if many."""
    width, height = path.size or DEFAULT_SIZE
    aspect = width / height
    keys = path.keys[:-1] if path.loop else path.keys
    first = path.seconds - (keys[-1].t - keys[0].t) if path.loop else _DEFAULT_TRANSITION_S
    gaps = [first, *(b.t - a.t for a, b in pairwise(keys))]
    found = {
        "conventions": CONVENTIONS,
        "default_fov": path.keys[0].fov_deg,
        "default_transition_sec": _DEFAULT_TRANSITION_S,
        "keyframes": [
            {"matrix": _matrix(key.pose), "fov": key.fov_deg, "aspect": aspect}
            | {"override_transition_enabled": True, "override_transition_sec": gap}
            for key, gap in zip(keys, gaps, strict=True)
        ],
        "camera_type": "perspective",
        "render_height": height,
        "render_width": width,
        "fps": path.fps,
        "seconds": path.n_frames / path.fps,
        "is_cycle": path.loop,
        "smoothness_value": 0.0,
        "camera_path": [
            {"camera_to_world": _matrix(key.pose), "fov": key.fov_deg, "aspect": aspect}
            for key in frames(path)
        ],
    }
    return json.dumps(found, indent=1) + "\n"


def _matrix(pose: Pose) -> list[float]:
    return [float(v) for v in turns.matrix_of(pose).ravel()]
