"""What streaming costs the main thread: `Streamer.update` with 100,000 resident chunks tracked, without GL.

A walk with jumps over a plane of chunks (crowd.py). Each frame 3,000 to 8,000 slots are touched and up to 300
chunks asked for, as a 1080p view does. Frames are paced, so that the loader threads run between them as they
do while a GPU marches. The same walk with a source that answers at once, one that takes 100 ms a call, and
one that fails. Goal: p50 <= 1 ms, p99.9 <= 2 ms, and the slow and the failing source within 0.5 ms of it.
Beside the wall's clock the thread's own: what it had to compute, without waiting for a core that others use.
"""

import cProfile
import json
import pstats
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.crowd import EDGE_CHUNKS, N_LEVELS, Crowd
from voxtide.atlas import layout
from voxtide.atlas.address import chunk_id, chunk_of_id
from voxtide.atlas.id_map import NOWHERE
from voxtide.streamer.descent import children, octants
from voxtide.streamer.streamer import Streamer
from voxtide.streamer.upload_budget import Budgets
from voxtide.streamer.view import Sight

N_RESIDENT = 100_000
N_FRAMES = 1000
WARM_UP = 60
PACE_S = 0.006
JUMP_EVERY = 125
QUIET_EVERY = 3  # frames of which one asks for nothing


def crowded(source, n_resident=N_RESIDENT, clock=time.monotonic):
    """A streamer whose slots are all taken: coarse levels whole, of the finest as much as there is room."""
    streamer = Streamer(source, Budgets(n_resident, 1 << 28), clock=clock)
    streamer.pin()
    bits = octants([source.stream])[0]
    for k in range(N_LEVELS - 1, -1, -1):
        x, y = np.meshgrid(*[np.arange(EDGE_CHUNKS >> k)] * 2)
        ids = chunk_id(k, np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3))
        ids = ids[streamer.residency.table.chunks.find(ids) == NOWHERE][: streamer.residency.slots.n_free]
        full = np.full(ids.size, bits, np.uint8)
        streamer.residency.admit(ids, full, np.ones(ids.size, bool), frame=0)
    assert streamer.residency.slots.n_free == 0
    return streamer


class Walk:
    """What rays would say on a walk over the plane: touched slots and requests of each frame."""

    def __init__(self, streamer, seed=0):
        self.streamer, self.rng = streamer, np.random.default_rng(seed)
        self.eye = np.array([256.0, 256.0])  # chunks

    def step(self, frame):
        """-> touched slots, requests, sight"""
        rng, residency = self.rng, self.streamer.residency
        if frame % JUMP_EVERY == 0:
            self.eye = rng.uniform(60, EDGE_CHUNKS - 60, 2)
        self.eye = np.clip(self.eye + np.array([0.15, 0.06]), 60, EDGE_CHUNKS - 60)
        ids = self.around()
        slots = residency.table.chunks.find(ids)
        touched = slots[slots != NOWHERE]
        requests = self.missing(ids[slots != NOWHERE], int(rng.integers(0, 300)) * (frame % QUIET_EVERY > 0))
        eye = np.array([[*(self.eye * layout.CHUNK), 40.0]])
        return touched.astype(np.uint32), requests, Sight(eye, np.zeros((0, 3)), None, 1e-2)

    def around(self):
        """Chunks in use: a disc of each level, as wide in chunks as the finest's."""
        n = int(self.rng.integers(13, 22))
        side = np.stack(np.meshgrid(*[np.arange(-n, n)] * 2), -1).reshape(-1, 2)
        parts = []
        for k in range(N_LEVELS):
            at = (self.eye.astype(np.int64) >> k) + side
            at = at[((at >= 0) & (at < EDGE_CHUNKS >> k)).all(1)]
            parts.append(chunk_id(k, np.column_stack([at, np.zeros(len(at), np.int64)])))
        return np.concatenate(parts)

    def missing(self, ids, n):
        residency = self.streamer.residency
        below = children(ids, residency.octants[residency.table.chunks.find(ids)])
        below = below[residency.table.chunks.find(below) == NOWHERE][:n]
        level, at = chunk_of_id(below)
        slots = residency.table.chunks.find(chunk_id(level + 1, at >> 1))
        requests = np.zeros(below.size, layout.REQUEST)
        requests["slot"], requests["wanted_level"] = slots, level
        requests["octant"] = (at & 1) @ [1, 2, 4]
        requests["error"] = self.rng.uniform(1, 9, below.size)
        return requests


def run(streamer, n_frames, pace_s, profile=None):
    """-> [n_frames, 2] milliseconds of `update` in each frame, wall and CPU, and chunks that came in"""
    walk, ms = Walk(streamer), []
    waiting = walk.step(1)
    for frame in range(2, n_frames + 2):
        touched, requests, sight = waiting
        if profile:
            profile.enable()
        start, cpu = time.perf_counter(), time.thread_time()
        update = streamer.update(touched, requests, frame - 1, sight, frame)
        ms.append(((time.perf_counter() - start) * 1e3, (time.thread_time() - cpu) * 1e3))
        if profile:
            profile.disable()
        streamer.spent(update, ms[-1][1])
        waiting = walk.step(frame)
        time.sleep(pace_s)
    return np.array(ms), streamer.n_loaded


def spread(ms):
    p50, p99, p999 = np.percentile(ms, (50, 99, 99.9))
    found = {"p50": p50, "p99": p99, "p999": p999, "max": ms.max()}
    return {name: round(float(v), 3) for name, v in found.items()}


def measure(source):
    streamer = crowded(source)
    n_pinned = streamer.n_loaded
    ms, n_loaded = run(streamer, N_FRAMES + WARM_UP, PACE_S)
    streamer.close()
    wall_ms, cpu_ms = ms[WARM_UP:].T
    return {
        "stream_main_ms": spread(wall_ms),
        "stream_main_cpu_ms": spread(cpu_ms),
        "resident": streamer.residency.n_resident,
        "chunks_loaded": n_loaded - n_pinned,
        "chunks_evicted": streamer.n_evicted,
    }


def main():
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        streamer = crowded(Crowd())
        run(streamer, N_FRAMES, PACE_S, profile)
        streamer.close()
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)
        return
    sources = {"fast": Crowd(), "slow_100_ms": Crowd(delay_s=0.1), "failing": Crowd(fails=True)}
    result = {"resident": N_RESIDENT, "frames": N_FRAMES}
    print(json.dumps(result | {name: measure(source) for name, source in sources.items()}))


if __name__ == "__main__":
    main()
