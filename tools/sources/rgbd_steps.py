"""What `voxtide generate` writes, as a recording: every frame of a whole step that has depth."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError, shown
from . import npz, rgbd_poses
from .rgbd_images import File
from .rgbd_recording import MAX_FRAMES, Recording, View, json_object

FORMAT = "voxtide-steps"


def steps(folder: Path) -> Recording | None:
    """manifest.json of that format; seed/ and step_%04d/ with frames/%05d.png, cams.npz, depth.npz."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    found = json_object(manifest)
    if found.get("format") != FORMAT:
        return None
    views: list[View] = []
    files = [manifest]
    whole = [folder / "seed", *sorted(folder.glob("step_[0-9][0-9][0-9][0-9]"))]
    for step in (step for step in whole if (step / "meta.json").is_file()):
        views += _views(step)
        files += [file for name in ("cams.npz", "depth.npz") if (file := step / name).is_file()]
        if len(views) > MAX_FRAMES:
            raise UserError(f"{shown(folder)} holds more than {MAX_FRAMES:,} frames: bake it in parts")
    if not views:
        raise UserError(f"{shown(folder)}: no step is whole and has depth yet")
    weights = found.get("weights") if isinstance(found.get("weights"), dict) else {}
    assert isinstance(weights, dict)
    notes: dict[str, str | int] = {
        "generator": str(found.get("backend", "")),
        "weights": str(weights.get("id", "")),
        "weights_license": str(weights.get("license", "")),
        "steps": str(found.get("word", "")),
    }
    return Recording(
        "steps",
        views,
        "w2c",
        "-y",
        sky=found.get("sky") is True,
        files=list(dict.fromkeys(files)),
        notes=notes,
    )


def _views(step: Path) -> list[View]:
    cams = step / "cams.npz"
    if not (step / "depth.npz").is_file():
        if step.name == "seed":
            return []
        raise UserError(f"{shown(step)} has no depth: a step without depth is not baked")
    depths = {int(n): n for n in npz.names(step / "depth.npz") if n.isdecimal() and len(n) < 10}
    poses = rgbd_poses.stack(cams, "w2c")
    k, ids = npz.load(cams, "intrinsics", 3), npz.load(cams, "frame_ids", 1)
    if not len(poses) == len(k) == len(ids) or k.shape[1:] != (3, 3) or ids.dtype.kind not in "iu":
        raise UserError(f"{shown(cams)}: expected as many poses, intrinsics and frame_ids")
    views = []
    for pose, camera, number in zip(poses, k, ids, strict=True):
        if int(number) in depths:
            colour = File(step / "frames" / f"{int(number):05d}.png")
            depth = File(step / "depth.npz", depths[int(number)] + ".npy")
            fx, fy, cx, cy = (float(camera[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
            views.append(View(colour, depth, pose, intrinsics=(fx, fy, cx, cy)))
    return views
