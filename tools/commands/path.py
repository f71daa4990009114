"""Convert a camera path: Voxtide's, nerfstudio's and Lyra's formats, into each other.

IN is told by what is in it; OUT is Lyra's trajectory for .npz, nerfstudio's for .nerfstudio.json, else
Voxtide's. --scale and --at do to a path what the same options of `voxtide bake` do to its scene.
docs/paths.md says which axes and units each format has.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ...app.camera import Pose
from ...app.paths import CameraPath
from .. import paths
from ..errors import UserError
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="IN", help="a camera path (.json, .npz)")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", help="what to write; default: only tell")
    parser.add_argument(
        "--keyframes", action="store_true", help="of a nerfstudio path its keyframes, not every frame"
    )
    parser.add_argument(
        "--scale", type=arguments.positive, default=1.0, metavar="S", help="metres per unit (1)"
    )
    parser.add_argument(
        "--at", type=arguments.triple, default=(0.0, 0.0, 0.0), metavar="X,Y,Z", help="then move by so much"
    )
    parser.add_argument("--fps", type=arguments.fps, metavar="F", help="frames a second (default: its own)")
    parser.add_argument("--even", action="store_true", help="walk the whole way at one speed")
    parser.add_argument("--json", action="store_true", help="print one JSON object about the path")


def run(args: argparse.Namespace) -> int:
    path = paths.load(args.path, keyframes=args.keyframes)
    try:
        path = placed(path, args.scale, args.at)
        path = replace(path, fps=args.fps or path.fps, pace="even" if args.even else path.pace)
    except ValueError as error:
        raise UserError(f"{args.path}: {error}") from None
    if args.out:
        paths.save(args.out, path)
    facts = {"keys": len(path.keys), "frames": path.n_frames, "seconds": path.seconds, "fps": path.fps}
    facts |= {"loop": path.loop, "is_level": path.is_level}
    if args.json:
        print(json.dumps(facts))
    else:
        print(
            f"{args.out or args.path}: {len(path.keys):,} keys, {path.n_frames:,} frames at {path.fps:g} fps"
            + (", a loop" if path.loop else "")
            + ("" if path.is_level else "; the camera leans")
        )
    return 0


def placed(path: CameraPath, scale: float, at: tuple[float, float, float]) -> CameraPath:
    """A path in the world of a bake with this scale and offset, metres. Raises ValueError if too far."""

    def moved(pose: Pose) -> Pose:
        x, y, z = (v * scale + d for v, d in zip((pose.x, pose.y, pose.z), at, strict=True))
        return replace(pose, x=x, y=y, z=z)

    return replace(path, keys=tuple(replace(key, pose=moved(key.pose)) for key in path.keys))
