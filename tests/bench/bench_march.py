"""The march on a terrain of 512² columns at 320x180, against a flat page table, and what each part brings.

The baseline is naive.comp: per-voxel DDA over a flat page table that knows only level 0; "sketch" is the
same, leaving empty chunks in one step. All programs draw the same rays, in turns, in one run; figures are
medians of RUNS. Ratios are baseline time / march time: above 1 is faster than the baseline. What rays of the
frame before reported is cleared before each run. What feedback costs is told on a software rasteriser in CPU
time of the process, which other processes hardly change; on a GPU by the clock.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.march_variants import VARIANTS, compile_variant
from scenes import make_probe
from voxtide.app.camera import Pose, look
from voxtide.app.render.context import describe, open_headless
from voxtide.app.render.programs import set_uniforms
from voxtide.atlas import address, layout

SIZE = (320, 180)
RUNS = 25
NAIVE = (Path(__file__).parent / "naive.comp").read_text()
BEAM_SHARE = 0.98  # of the nearest hit in a tile: where the free beam starts its rays


def terrain(n=512, seed=0):
    """Fractal hills, closed downwards so that no ray passes between columns. -> [N, 3] int64"""
    rng = np.random.default_rng(seed)
    h = np.zeros((n, n))
    x = np.arange(n)
    for octave in range(2, 8):
        cells = 2**octave
        grid = rng.normal(size=(cells + 1, cells + 1))
        i, f = divmod(x * cells / n, 1.0)
        i, f = i.astype(int), f * f * (3 - 2 * f)
        rows = grid[i] * (1 - f)[:, None] + grid[i + 1] * f[:, None]
        h += (rows[:, i] * (1 - f) + rows[:, i + 1] * f) * 120 / cells
    h = (h - h.min()).astype(np.int64)
    lowest = np.minimum.reduce([np.roll(h, s, a) for s in (1, -1) for a in (0, 1)])
    depth = np.clip(h - lowest, 1, 40)
    columns = np.stack([*np.meshgrid(x, x), h], axis=-1)
    parts = [columns[depth > i] - (0, 0, i) for i in range(40)]
    voxels = np.concatenate(parts)
    return voxels - (0, 0, voxels[:, 2].min())


def poses(voxels, n=512):
    """Four views, in metres at 1 cm: over the hills, on the ground, from high above, along the slopes."""
    top = voxels[:, 2].max()
    middle = voxels[(voxels[:, 0] == n // 2) & (voxels[:, 1] == n // 2), 2].max()
    return {
        "over": Pose(0.51, 0.51, (top + 20) / 100, 45.3, -25),
        "ground": Pose(2.56, 2.56, (middle + 12) / 100, 30.1, -5),
        "above": Pose(2.56, 2.56, 3.5, 0.2, -80),
        "grazing": Pose(0.05, 2.5, (top - 50) / 100, 5.1, -6),
    }


def flat_table(ctx, probe):
    """naive.comp's page table: slot + 1 of every level-0 chunk. -> (buffer, chunks along x, y, z)"""
    chunks = probe.levels[0][0].max(0) // layout.CHUNK + 1
    table = np.zeros(chunks[::-1], np.uint32)
    resident = probe.scene.residency.table.chunks
    ids, slots = resident.ids, resident.slots
    level, chunk = address.chunk_of_id(ids)
    x, y, z = chunk[level == 0].T
    table[z, y, x] = slots[level == 0] + 1
    return ctx.buffer(table.tobytes()), tuple(map(int, chunks))


def beam_starts(hits):
    """The least t of each 8x8 tile, a little nearer: what a perfect pre-pass would know. -> float32"""
    t = np.where(hits["t"] < 0, 0.0, hits["t"])
    h, w = (-(-n // 8) * 8 for n in t.shape)
    padded = np.full((h, w), np.inf, np.float32)
    padded[: t.shape[0], : t.shape[1]] = t
    return (padded.reshape(h // 8, 8, w // 8, 8).min(axis=(1, 3)) * BEAM_SHARE).astype(np.float32)


class Bench:
    """The programs, the scene and one buffer of hits."""

    def __init__(self):
        self.ctx = ctx = open_headless()
        self.voxels = terrain()
        self.probe = make_probe(ctx, self.voxels)
        self.hits = ctx.buffer(reserve=SIZE[0] * SIZE[1] * layout.HIT.itemsize)
        self.flat, self.chunks = flat_table(ctx, self.probe)
        self.beams = ctx.buffer(reserve=-(-SIZE[0] // 8) * -(-SIZE[1] // 8) * 4)
        skipping = NAIVE.replace("#version 450\n", "#version 450\n#define SKIP_CHUNKS 1\n")
        self.baselines = {"naive": ctx.compute_shader(NAIVE), "sketch": ctx.compute_shader(skipping)}
        self.variants = {name: compile_variant(ctx, patches) for name, patches in VARIANTS.items()}

    def run(self, name, view):
        """-> milliseconds of one dispatch, waited for: of the clock, and of this process's CPU"""
        scene = self.probe.scene
        scene.pool.clear_feedback()
        scene.pool.bind()
        self.hits.bind_to_storage_buffer(3)
        self.beams.bind_to_storage_buffer(9)
        program = self.baselines.get(name) or self.variants[name]
        if name in self.baselines:
            self.flat.bind_to_storage_buffer(0)
            set_uniforms(program, chunks=self.chunks)
        set_uniforms(program, **asdict(view), **scene.pool.uniforms(), **scene.start_of(view))
        self.ctx.finish()
        start, cpu = time.perf_counter(), time.process_time()
        program.run(-(-SIZE[0] // 8), -(-SIZE[1] // 8))
        self.ctx.finish()
        return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3

    def read(self, name, view):
        self.run(name, view)
        if name in self.baselines:
            return np.frombuffer(self.hits.read(SIZE[0] * SIZE[1] * 16), "<i4").reshape(SIZE[1], SIZE[0], 4)
        return np.frombuffer(self.hits.read(), layout.HIT).reshape(SIZE[1], SIZE[0])

    def view(self, pose, quality):
        return look(pose, SIZE, 60.0, 0.01, self.probe.corner, quality)

    def agreement(self, view):
        """Share of pixels at which the march and the baseline name the same voxel."""
        a, b = self.read("sketch", view), self.read("march", view)
        same = np.all([a[..., i] == b[c] for i, c in enumerate("xyz")], axis=0)
        return float(np.where(a[..., 0] < 0, b["info"] & 3 == layout.HIT_NONE, same).mean())


def measure(bench, pose):
    exact = bench.view(pose, quality=1e-9)  # level 0 everywhere: the baseline knows no other
    hits = bench.read("march", exact)
    bench.beams.write(beam_starts(hits).tobytes())
    names = [*bench.baselines, *bench.variants]
    times = {name: [] for name in names} | {"march, pixel-exact levels": []}
    detail = bench.view(pose, quality=1.0)
    for _ in range(RUNS):
        for name in names:
            times[name].append(bench.run(name, exact)[0])
        times["march, pixel-exact levels"].append(bench.run("march", detail)[0])
    ms = {name: median(t) for name, t in times.items()}
    return {
        "ms": ms,
        "mrays_per_s": SIZE[0] * SIZE[1] / ms["march"] / 1e3,
        "times_the_naive_baseline": ms["naive"] / ms["march"],
        "times_the_sketch": ms["sketch"] / ms["march"],
        "what_each_brings": {n: ms[n] / ms["march"] for n in VARIANTS if n != "march"},
        "hit_fraction": float((hits["info"] & 3 != 0).mean()),
        "steps_per_ray": float((hits["info"] >> layout.HIT_STEPS_SHIFT).mean()),
        "agreement_with_the_sketch": bench.agreement(exact),
    }


def feedback_ms(bench, view):
    """-> medians of the march with and without feedback, taken in turns"""
    software = "llvmpipe" in describe(bench.ctx)
    names, taken = ("march", "without feedback"), ([], [])
    for _ in range(2 * RUNS):
        for name, some in zip(names, taken, strict=True):
            some.append(bench.run(name, view)[software])
    return [median(some) for some in taken]


def feedback_percent(bench, views):
    """What feedback adds to the march at pixel-exact levels, per view and over all. Goal: 5"""
    ms = {name: feedback_ms(bench, bench.view(pose, quality=1.0)) for name, pose in views.items()}
    ms["all"] = [sum(m[i] for m in ms.values()) for i in range(2)]
    return {name: round(100 * (on / off - 1), 1) for name, (on, off) in ms.items()}


def main():
    bench = Bench()
    views = {name: measure(bench, pose) for name, pose in poses(bench.voxels).items()}
    ratios = [view["times_the_sketch"] for view in views.values()]
    result = {
        "gl_renderer": describe(bench.ctx),
        "terrain_columns": "512x512",
        "size": list(SIZE),
        "voxels": len(bench.voxels),
        "chunks": bench.probe.scene.n_resident,
        "times_the_sketch_median": median(ratios),
        "times_the_naive_baseline_median": median(v["times_the_naive_baseline"] for v in views.values()),
        "feedback_percent": feedback_percent(bench, poses(bench.voxels)),
        "views": views,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
