"""The scenes whose size on disk is measured, as sources that a bake takes.

Two are stand-ins, so that what is measured does not change with how sources are voxelised: the room is the
frames of an RGB-D sequence put where their poses say (not fused: every pixel is a point), spot is its mesh
sampled at random, eight points to a square of a voxel's size.
"""

import os
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image
from voxtide import assets
from voxtide.tools.bake import BakeOptions
from voxtide.tools.sources import Points, Source, open_source

SHARED = Path(os.environ.get("VOXTIDE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FRAME_STEP, PIXEL_STEP, FAR_M = 4, 2, 5.0


def scenes():
    """-> {name: (source, options)}; those whose files are not here are left out"""
    with as_file(files(assets) / "biker.compressed.ply") as scan:
        found = {"scan 1 cm (shipped)": (open_source(scan), BakeOptions())}
    for name, path, make in (
        ("biker 5 mm", "splat/biker.ply", lambda p: (open_source(p), BakeOptions(voxel_size_m=0.005))),
        ("church.vox", "vox/mmmm/scene_church1.vox", lambda p: (open_source(p), BakeOptions())),
        ("room 1 cm", "rgbd/icl_livingroom1_micro", lambda p: (room(p), BakeOptions(up="-y"))),
        ("spot 2 mm", "mesh/spot", lambda p: (spot(p, 0.002), BakeOptions(voxel_size_m=0.002, up="y"))),
        ("fragment 1 cm", "pointcloud/fragment.pcd", lambda p: (open_source(p), BakeOptions(up="-y"))),
    ):
        if (SHARED / path).exists():
            found[name] = make(SHARED / path)
    return found


def points_source(path, parts):
    """A source of some Points that are in memory."""

    def batches(n):
        for part in parts:
            for i in range(0, len(part), n):
                yield Points(part.positions[i : i + n], part.rgb[i : i + n])

    return Source(path, "points", sum(map(len, parts)), "z", batches, {})


def room(folder):
    """Pixels of every fourth frame, every second row and column, put where the frame's pose says."""
    rows = [line.split() for line in (folder / "test_scene" / "trajectory.log").read_text().splitlines()]
    poses = [np.array(rows[i + 1 : i + 5], np.float64) for i in range(0, len(rows), 5)]
    v, u = np.mgrid[0:480:PIXEL_STEP, 0:640:PIXEL_STEP]
    rays = np.stack([(u - 319.5) / 525, (v - 239.5) / 525, np.ones(u.shape)], axis=-1)
    parts = []
    for i in range(0, len(poses), FRAME_STEP):
        depth = np.asarray(Image.open(folder / f"depth/{i:05}.png"), np.float64)[::PIXEL_STEP, ::PIXEL_STEP]
        colour = np.asarray(Image.open(folder / f"image/{i:05}.jpg"))[::PIXEL_STEP, ::PIXEL_STEP]
        seen = (depth > 0) & (depth < 1000 * FAR_M)
        camera = rays[seen] * depth[seen, None] / 1000
        parts.append(Points(camera @ poses[i][:3, :3].T + poses[i][:3, 3], colour[seen]))
    return points_source(folder / "test_scene" / "trajectory.log", parts)


def spot(folder, voxel_size_m):
    """Random points on the triangles, coloured by the texture's nearest texel."""
    corners, texels, faces = [], [], []
    for line in (folder / "spot_triangulated.obj").read_text().splitlines():
        kind, *rest = line.split()
        if kind == "f":
            faces.append([[int(n) - 1 for n in word.split("/")[:2]] for word in rest])
        elif kind in ("v", "vt"):
            (corners if kind == "v" else texels).append([float(n) for n in rest])
    at, uv = np.array(corners)[np.array(faces)[:, :, 0]], np.array(texels)[np.array(faces)[:, :, 1], :2]
    rng = np.random.default_rng(0)
    area = np.linalg.norm(np.cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]), axis=1) / 2
    face = np.repeat(np.arange(len(area)), rng.poisson(area * 8 / voxel_size_m**2))
    weight = rng.dirichlet([1, 1, 1], face.size)[:, :, None]
    image = np.asarray(Image.open(folder / "spot_texture.png").convert("RGB"))
    place = (weight * uv[face]).sum(axis=1) * [image.shape[1], -image.shape[0]] + [0, image.shape[0]]
    column, row = np.clip(place.astype(int), 0, [image.shape[1] - 1, image.shape[0] - 1]).T
    parts = [Points((weight * at[face]).sum(axis=1), image[row, column])]
    return points_source(folder / "spot_triangulated.obj", parts)
