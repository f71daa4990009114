"""The same view in islands of 0.1, 1 and 10 km edge: what a frame costs follows the screen, not the world.

Each island is opened in a process of its own, so that memory is its own. A view over the middle, where
all three are the same voxel by voxel, is drawn until nothing is missing, then RUNS times. Ratios are to
the median of the three.
"""

import json
import multiprocessing
import os
from statistics import median

SIZES_KM = (0.1, 1, 10)
PICTURE = (320, 180)
RUNS = 60
VRAM_MB, RAM_MB = 192, 64


def one_island(size_km: float) -> dict:
    """Open, settle, measure. Imports here: the process is fresh."""
    import psutil
    from voxtide.app import frame
    from voxtide.app.camera import Pose, look
    from voxtide.app.render.context import describe, open_headless
    from voxtide.app.render.pool import BYTES_PER_SLOT
    from voxtide.app.render.renderer import Renderer, light_of
    from voxtide.app.scene import stream
    from voxtide.streamer.opening import open_source_of_chunks

    source = open_source_of_chunks(f"procedural://island?seed=1&size_km={size_km}")
    ctx = open_headless()
    scene = stream(ctx, source, VRAM_MB << 20, RAM_MB << 20)
    renderer = Renderer(ctx, PICTURE)
    x, y, z = (c * source.meta.voxel_size_m for c in source.meta.sources[0]["middle_voxel"])
    pose = Pose(x - 12.03, y - 9.07, z + 9.02, 38.3, -42.0)
    view = look(pose, PICTURE, 50.0, source.meta.voxel_size_m, scene.root.corner_voxel)
    light = light_of(1e5, shadows=False)
    frame.settle(renderer, scene, view, light, timeout_s=120.0)
    reports = [frame.draw_streamed(renderer, scene, view, light) for _ in range(RUNS)]
    depth = frame.depth_m(renderer.read_hits(view), source.meta.voxel_size_m)
    result = {
        "size_km": size_km,
        "levels": source.meta.n_levels,
        "march_ms": median(r.march_ms for r in reports),
        "touched_chunks": median(len(r.feedback.touched_slots) for r in reports if r.feedback.frame),
        "coarse_pixels": int((frame.status(renderer.read_hits(view)) == 2).sum()),
        "farthest_m": float(depth[depth < 1e9].max()),
        "resident_bytes": scene.n_resident * BYTES_PER_SLOT,
        "rss_bytes": psutil.Process(os.getpid()).memory_info().rss,
        "gl_renderer": describe(ctx),
    }
    scene.release()
    renderer.release()
    ctx.release()
    return result


def main() -> None:
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        islands = [pool.apply(one_island, (size,)) for size in SIZES_KM]
    ratios = {}
    for name in ("march_ms", "touched_chunks", "resident_bytes", "rss_bytes"):
        values = [island[name] for island in islands]
        ratios[name] = [round(v / median(values), 3) for v in values]
    print(json.dumps({"islands": islands, "ratios": ratios}))


if __name__ == "__main__":
    main()
