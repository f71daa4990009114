"""A jump that needs 500 chunks, without GL: what the streamer itself has to do, warm and cold, and on what.

Each jump's chunks are the first 500, coarse ones first, of the cut that the view should want below the pinned
levels of a baked island. Two threads read, check and decode half of them each (`World.read_many`); the main
thread then decides on slots and lays the upload out. Wall and CPU milliseconds over all jumps; cold: the
kernel was asked to forget the world's files. Then the life of one chunk: microseconds of CPU in each stage,
on one thread. Goal: 16.7 ms warm, 60 ms cold.
"""

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from voxtide.app.camera import look
from voxtide.app.sight import sight_of
from voxtide.atlas import layout, streams
from voxtide.atlas.page_table import root_grid
from voxtide.streamer import codec
from voxtide.streamer.descent import children, octants, present, wanted
from voxtide.streamer.pins import read_known
from voxtide.streamer.procedural import ProceduralWorld, Recipe
from voxtide.streamer.residency import Residency
from voxtide.tools.bake_regions import bake_regions
from voxtide.tools.measure.opening import open_measured
from voxtide.tools.measure.places import jumps, outline

N_CHUNKS, N_JUMPS, N_THREADS, N_SLOTS = 500, 60, 2, 4000
READING = READ, CRC, UNZSTD, LYING = "read (open, pread, close)", "crc32c", "zstd", "masks against lengths"
SIZE, FOV_DEG = (320, 180), 60.0


def cut_of(world, sight, pinned):
    """The chunks below the pinned ones that the view should want, coarse first."""
    ids, bits = pinned
    cut = []
    while ids.size:
        below, _ = wanted(children(ids, bits), sight)
        there, held = present(world.read_many(below))
        ids, bits = below[there], octants(held)
        cut.append(ids)
    return np.concatenate(cut)


def pin(world, residency):
    """Bring the levels that never go into the slots. -> ids, octants of the finest of them"""
    ids = residency.table.root.ids
    while True:
        known = read_known(world, ids, print)
        bits = octants(known.streams)
        residency.admit(known.ids, bits, np.ones(known.ids.size, bool), 0, pin=True)
        if int(known.ids[0] >> np.uint64(60)) <= layout.MIN_PINNED_LEVEL:
            return known.ids, bits
        ids = children(known.ids, bits)


def lay_out(slots, chunks):
    """What Pool does for the upload before it calls GL."""
    sizes = np.array([len(one) for one in chunks], np.int64)
    arrivals = np.zeros(len(chunks), layout.ARRIVAL)
    arrivals["slot"], arrivals["n_bytes"], arrivals["offset_bytes"] = slots, sizes, np.cumsum(sizes) - sizes
    return b"".join(chunks), arrivals.tobytes()


def jump(world, residency, ids, frame, pool):
    """-> (wall ms, CPU ms of all threads)"""

    def read(part):
        began = time.thread_time()
        chunks = world.read_many(part)
        return chunks, octants(chunks), time.thread_time() - began

    start, cpu = time.perf_counter(), time.thread_time()
    parts = list(pool.map(read, (ids[i::N_THREADS] for i in range(N_THREADS))))
    chunks = [one for part in parts for one in part[0]]
    all_ids = np.concatenate([ids[i::N_THREADS] for i in range(N_THREADS)])
    bits = np.concatenate([part[1] for part in parts])
    change = residency.admit(all_ids, bits, np.ones(ids.size, bool), frame)
    lay_out(change.slots, [chunks[i] for i in change.taken.tolist()])
    cpu_s = time.thread_time() - cpu + sum(part[2] for part in parts)
    assert change.taken.size == ids.size
    return (time.perf_counter() - start) * 1e3, cpu_s * 1e3


def evict_all(residency, frame):
    """Make all go that may: each jump starts from the pinned chunks. -> a later frame"""
    residency.forget_view(frame + 1)
    residency._make_room(residency.slots.n_slots, frame + 1)
    return frame + 2


def spread(values):
    return {f"p{p}": round(float(np.percentile(values, p)), 2) for p in (50, 90, 99)}


def runs(opened, cuts, cold):
    residency, frame, told = with_pinned(opened.world), 0, []
    with ThreadPoolExecutor(N_THREADS) as pool:
        for ids in cuts:
            frame = evict_all(residency, frame)
            if cold:
                opened.drop_caches()
            told.append(jump(opened.world, residency, ids, frame, pool))
    wall_ms, cpu_ms = np.array(told).T
    return {"wall_ms": spread(wall_ms), "cpu_ms": spread(cpu_ms)}


def with_pinned(world):
    residency = Residency(root_of(world), N_SLOTS)
    pin(world, residency)
    return residency


def root_of(world):
    lo, hi = (np.array(corner) for corner in world.meta.bounds_voxels)
    return root_grid(world.meta.n_levels - 1, lo, hi)


def life(world, cuts):
    """Microseconds of CPU per chunk and stage, on one thread, warm: medians over the jumps."""
    taken, spent = {}, {}

    def timed(name, work):
        def run(*args, **kw):
            began = time.thread_time()
            try:
                return work(*args, **kw)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - began

        return run

    real = codec._wrong_crcs, codec._unzstd, streams.lying, world.store.get_ranges
    codec._wrong_crcs, codec._unzstd = timed(CRC, real[0]), timed(UNZSTD, real[1])
    streams.lying = timed(LYING, real[2])
    world.store.get_ranges = timed(READ, real[3])
    residency, frame = with_pinned(world), 0
    for ids in cuts:
        frame = evict_all(residency, frame)
        spent.clear()
        chunks = timed("all of read_many", world.read_many)(ids)
        bits = timed("which children exist", octants)(chunks)
        change = timed("slots and page entries", residency.admit)(ids, bits, np.ones(ids.size, bool), frame)
        timed("layout for the upload", lay_out)(change.slots, [chunks[i] for i in change.taken.tolist()])
        inside = sum(spent[stage] for stage in READING)
        spent["find, sort, merge spans"] = spent.pop("all of read_many") - inside
        for name, s in spent.items():
            taken.setdefault(name, []).append(s / ids.size * 1e6)
    codec._wrong_crcs, codec._unzstd, streams.lying, world.store.get_ranges = real
    return {name: round(float(np.median(us)), 2) for name, us in taken.items()}


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "island.vxt"
        bake_regions(ProceduralWorld(Recipe("island", 1, 0.2, 0.05)), path)
        opened = open_measured(str(path))
        world = opened.world
        top = pin(world, Residency(root_of(world), N_SLOTS))
        corner = root_of(world).corner_voxel
        cuts = []
        for pose in jumps(outline(world), 4 * N_JUMPS, 0):
            view = look(pose, SIZE, FOV_DEG, world.meta.voxel_size_m, corner)
            cut = cut_of(world, sight_of(view), top)
            if cut.size >= N_CHUNKS and len(cuts) < N_JUMPS:
                cuts.append(cut[:N_CHUNKS])
        result = {"jumps": len(cuts), "chunks": N_CHUNKS, "threads": N_THREADS}
        runs(opened, cuts[:5], cold=False)
        result |= {"warm": runs(opened, cuts, cold=False), "cold": runs(opened, cuts, cold=True)}
        print(json.dumps(result | {"us_per_chunk": life(world, cuts)}))


if __name__ == "__main__":
    main()
