"""Seeded teleports and walks on a small world, for as long as asked: does anything grow?

    python tests/bench/soak.py [--frames N] [--seed S]

Prints one JSON object: the slope of the resident set per 10,000 frames after the first fifth, how many
threads, file descriptors and GL objects there are, and by how much a budget was exceeded at most.
"""

import argparse
import ctypes
import gc
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from small_worlds import VOXEL_M, noise
from voxtide.app import frame
from voxtide.app.camera import Pose, look
from voxtide.app.render.context import open_headless
from voxtide.app.render.native import _function
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.resolution import scaled_size
from voxtide.app.scene import stream
from voxtide.atlas import layout
from voxtide.streamer.world import open_world
from worlds import make_world

SIZE = (64, 36)
KIND_FRAMES = 60  # with one projection, then the next
N_SLOTS = 220
RAM_BYTES = 200 << 10  # less than the world, so that chunks leave this tier too
WARM_UP = 0.2  # of the frames
SAMPLE_EVERY = 100
WALK_FRAMES = 40  # between teleports
STEP_M = 0.02
MIB = 1 << 20


def n_gl_objects(most=4096):
    """Buffers, textures, programs and framebuffers that exist, asked by name."""
    kinds = ("glIsBuffer", "glIsTexture", "glIsProgram", "glIsFramebuffer")
    asks = [_function(kind, ctypes.c_ubyte, ctypes.c_uint) for kind in kinds]
    return sum(bool(ask(name)) for ask in asks for name in range(1, most))


def poses(rng):
    """Teleports, each followed by a walk straight on."""
    while True:
        at, yaw = rng.uniform((-2.2, -2.0, -0.9), (1.2, 1.4, 0.8)), rng.uniform(0, 360)
        pitch, turn = rng.uniform(-40, 30), rng.uniform(-3, 3)
        for i in range(int(rng.integers(1, WALK_FRAMES))):
            direction = np.array([np.cos(np.radians(yaw)), np.sin(np.radians(yaw)), 0])
            yield Pose(*(at + direction * STEP_M * i), yaw + turn * i, pitch)


def counts(process):
    return {"threads": threading.active_count(), "fds": process.num_fds(), "gl_objects": n_gl_objects()}


def soak(ctx, world, n_frames, seed=0):
    """-> the figures"""
    process, rng = psutil.Process(), np.random.default_rng(seed)
    told = []
    scene = stream(ctx, world, N_SLOTS * BYTES_PER_SLOT, RAM_BYTES, told.append)
    renderer, light = Renderer(ctx, SIZE), light_of(scene.extent_voxels)
    rss, samples, n_unresolved, over = [], [], 0, {"slots": 0, "ram_bytes": 0, "upload_bytes": 0}
    start_s = time.perf_counter()
    for i, pose in zip(range(n_frames), poses(rng), strict=False):
        kind = layout.PROJECTIONS[i // KIND_FRAMES % len(layout.PROJECTIONS)]
        size = scaled_size(SIZE, 1.0, kind)
        view = look(pose, size, 65.0, VOXEL_M, scene.root.corner_voxel, 1.0, kind)
        report = frame.draw_streamed(renderer, scene, view, light)
        streamer, budgets = scene.streamer, scene.streamer.budgets
        n_unresolved += report.feedback.n_unresolved
        excess = (
            scene.n_resident - budgets.n_slots,
            streamer.ram.counts().n_bytes - budgets.ram_bytes,
            report.update.n_bytes - budgets.upload_bytes_per_frame,
        )
        over = {name: max(most, now) for (name, most), now in zip(over.items(), excess, strict=True)}
        if i % SAMPLE_EVERY == 0:
            rss.append((i, process.memory_info().rss))
            samples.append(counts(process))
    seconds = time.perf_counter() - start_s
    figures = {"chunks_loaded": streamer.n_loaded, "chunks_evicted": streamer.n_evicted}
    scene.release()
    renderer.release()
    at, sizes = np.array([(i, size) for i, size in rss if i >= n_frames * WARM_UP], np.float64).T
    slope = np.polyfit(at, sizes, 1)[0] * 10_000 / MIB if at.size > 1 else 0.0
    return figures | {
        "frames": n_frames,
        "seconds": round(seconds, 1),
        "rss_slope_mib_per_10k_frames": round(float(slope), 3),
        "rss_mib": {"first": round(rss[0][1] / MIB, 1), "last": round(rss[-1][1] / MIB, 1)},
        "at_start": samples[0],
        "at_most": {name: max(s[name] for s in samples) for name in samples[0]},
        "at_end": samples[-1],
        "over_budget": over,
        "unresolved_pixels": n_unresolved,
        "told": len(told),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_world(Path(folder) / "noise.vxt", *noise(), voxel_size_m=VOXEL_M)
        gc.collect()
        ctx = open_headless()
        figures = soak(ctx, open_world(Path(folder) / "noise.vxt"), options.frames, options.seed)
        ctx.release()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
