"""The room from its 211 posed depth images, as JSON: python tests/bench/bench_rgbd.py [FOLDER]

What issue 4 asks of it: seconds to bake at 1 cm; how much of Open3D's own fusion of the last frames
(fragment_002.ply) lies within 2 voxels of an occupied voxel; PSNR of the 5 mm world drawn from the frames'
own poses against the frames, without shading (a ray per third pixel through `tests/reference.py`, the voxel's
colour); and how many voxels it gains when every frame is fed twice.
"""

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import reference
from data import SHARED
from voxtide.atlas.address import local_of_mask_index
from voxtide.atlas.chunk import split
from voxtide.atlas.layout import CHUNK
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.bake_options import checked, place
from voxtide.tools.sources import open_source
from voxtide.tools.voxelise.frames import camera_of
from voxtide.tools.voxelise.placement import to_voxels

FIRST_OF_FRAGMENT = 200  # fragment_002 is in the axes of the camera of frame 200, and holds frames 200 to 210
EVERY_PIXEL, EVERY_FRAME = 3, 14
WITHIN = 2  # voxels


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def baked(source, voxel_size_m, out):
    """-> (facts, world, placement)"""
    began, cpu = time.perf_counter(), cpu_s()
    options = BakeOptions(voxel_size_m=voxel_size_m)
    report = bake(source, out, options)
    facts = {
        "voxel_size_m": voxel_size_m,
        "frames": source.n_items,
        "seconds": time.perf_counter() - began,
        "cpu_s": cpu_s() - cpu,
        "voxels": report.voxels,
        "bytes": report.bytes,
        "peak_rss_bytes": report.peak_rss_bytes,
    }
    return facts, open_world(out), place(checked(options, source))


def dense(world):
    """Level 0 as ([z, y, x] bool, [z, y, x, 3] uint8, corner [3])."""
    lo, hi = (np.array(corner) // CHUNK * CHUNK for corner in world.meta.bounds_voxels)
    size = (hi + CHUNK - lo)[::-1]
    solid, rgb = np.zeros(size, bool), np.zeros((*size, 3), np.uint8)
    for record in world.regions:
        if record.level == 0:
            found = world.read_region(record)
            for chunk, packed in zip(found.chunks, found.packed, strict=True):
                occupied, rgba = split(packed)
                x, y, z = (local_of_mask_index(np.flatnonzero(occupied)) + chunk * CHUNK - lo).T
                solid[z, y, x], rgb[z, y, x] = True, rgba[:, :3]
    return solid, rgb, lo


def near_share(world, fragment, view, placement):
    """Share of a fragment's points that are at most WITHIN voxels away from an occupied voxel (its box)."""
    points = np.concatenate([batch.positions for batch in fragment.batches(1 << 20)])
    pose = view.camera_to_world[0]
    exact = to_voxels(points @ pose[:3, :3].T + pose[:3, 3], placement)
    solid, _, lo = dense(world)
    near = np.zeros(len(exact), bool)
    for step in np.ndindex((2 * WITHIN + 1,) * 3):
        voxels = np.floor(exact).astype(np.int64) + step - WITHIN
        away = np.linalg.norm(np.maximum(np.maximum(voxels - exact, exact - voxels - 1), 0), axis=1)
        inside = ((voxels >= lo) & (voxels < lo + solid.shape[::-1])).all(1) & (away <= WITHIN)
        x, y, z = (voxels[inside] - lo).T
        near[inside] |= solid[z, y, x]
    return float(near.mean())


def pictured(world, source, placement):
    """PSNR of the unshaded world from the frames' own poses. -> figures"""
    solid, rgb, lo = dense(world)
    squares, squares_seen, n_rays, n_hit, n_measured = [], [], 0, 0, 0
    for number, view in enumerate(source.batches(1)):
        if number % EVERY_FRAME:
            continue
        camera = camera_of(view.camera_to_world[0], placement)
        fx, fy, cx, cy = view.intrinsics
        rows, columns = (a.ravel() for a in np.mgrid[1:480:EVERY_PIXEL, 1:640:EVERY_PIXEL])
        rays = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones(len(rows))], axis=1) @ camera.turn.T
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        eye = camera.own + camera.rest - lo
        found, _ = reference.march(solid, np.broadcast_to(eye, rays.shape), rays)
        hit = found[:, 0] >= 0
        x, y, z = found[hit].T
        seen = view.rgb[0, rows, columns][hit].astype(float)
        error = ((rgb[z, y, x] - seen) ** 2).mean(1)
        measured = view.depth[0, rows, columns][hit] > 0
        squares.append(error)
        squares_seen.append(error[measured])
        n_rays, n_hit = n_rays + len(rays), n_hit + int(hit.sum())
        n_measured += int((view.depth[0, rows, columns] > 0).sum())
    psnr = [10 * np.log10(255**2 / np.concatenate(e).mean()) for e in (squares, squares_seen)]
    each = [10 * np.log10(255**2 / e.mean()) for e in squares]
    return {
        "psnr_db": psnr[0],
        "psnr_where_measured_db": psnr[1],
        "worst_frame_db": min(each),
        "best_frame_db": max(each),
        "frames_drawn": len(each),
        "covered": n_hit / n_rays,
        "measured": n_measured / n_rays,
        "covered_of_measured": sum(map(len, squares_seen)) / n_measured,
    }


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "rgbd" / "icl_livingroom1_micro"
    source = open_source(folder)
    twice = replace(
        source,
        n_items=2 * source.n_items,
        batches=lambda n: (b for _ in range(2) for b in source.batches(n)),
        part=None,
    )
    with tempfile.TemporaryDirectory() as out:
        room, world, placement = baked(source, 0.01, Path(out) / "1cm")
        view = list(source.batches(1))[FIRST_OF_FRAGMENT]
        fragment = open_source(folder / "test_fragments" / "fragment_002.ply")
        room["fragment_within_2_voxels"] = near_share(world, fragment, view, placement)
        again, _, _ = baked(twice, 0.01, Path(out) / "twice")
        fine, world, placement = baked(source, 0.005, Path(out) / "5mm")
        fine |= pictured(world, source, placement)
    print(
        json.dumps(
            {
                "room_1cm": room,
                "fed_twice": again | {"voxels_gained": again["voxels"] / room["voxels"] - 1},
                "room_5mm": fine,
                "cpus": os.cpu_count(),
                "load_1min": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
