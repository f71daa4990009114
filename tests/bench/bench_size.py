"""Bits per occupied voxel of level 0, and how fast one thread decodes it. Scenes: `size_scenes.py`.

    bits             of the region files, chunks and indices
    bits_chunks      of the stored chunks alone
    bits_npz         of np.savez_compressed of the dense RGBA grid between the level's bounds
    bits_zarr        of the same regions as Zarr shards of plain codecs: dense 16³ x 4 chunks, zstd at
                     our level, crc32c; with zarr's own index, and without (bits_zarr_chunks)
    bits_world       of the whole world, every level and file
    decode           chunks/s of `decode_chunks` on one thread: crc, zstd or lz4, streams, checks

how many chunks a level has, and how many different ones are stored (n_stored); the median of `bits` over the
four scenes that the design names, and which scenes are larger than their .npz or Zarr. Decoding takes turns
between scenes, and each is given its best of RUNS, in seconds of the thread's own time.
"""

import io
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from size_scenes import scenes
from voxtide.atlas.chunk import unpack
from voxtide.atlas.layout import CHUNK, MASK_BYTES
from voxtide.streamer.codec import CODECS, CRC_BYTES, LEVELS, decode_chunks, encode_chunks
from voxtide.streamer.region_file import N_ENTRIES, index_bytes
from voxtide.streamer.world import open_world
from voxtide.tools.bake import bake

NAMED = ("biker 5 mm", "room 1 cm", "church.vox", "spot 2 mm")
ZARR_INDEX_BYTES = 16 * N_ENTRIES + CRC_BYTES
RUNS, N_DECODED = 15, 1024


def level_0(source, options, folder):
    """Bake a scene -> (its regions' contents [R], bytes of the world)"""
    bake(source, folder, options)
    world = open_world(folder)
    n_bytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return [(r, world.read_region(r)) for r in world.regions if r.level == 0], n_bytes


def npz_bytes(regions):
    """np.savez_compressed of the grid between the bounds of what is occupied."""
    chunks = np.concatenate([content.chunks for _, content in regions])
    low = chunks.min(axis=0)
    grid = np.zeros([*((chunks.max(axis=0) - low + 1) * CHUNK)[::-1], 4], np.uint8)
    packed = [one for _, content in regions for one in content.packed]
    for (x, y, z), one in zip(((chunks - low) * CHUNK).tolist(), packed, strict=True):
        grid[z : z + CHUNK, y : y + CHUNK, x : x + CHUNK] = unpack(one)
    held = grid[..., 3] > 0
    spans = [np.flatnonzero(held.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    file = io.BytesIO()
    np.savez_compressed(file, grid[tuple(slice(s[0], s[-1] + 1) for s in spans)])
    return file.tell()


def sizes(regions, world_bytes):
    """-> figures in bits per voxel"""
    compress = zstandard.ZstdCompressor(level=LEVELS["zstd"]).compress
    packed = [one for _, content in regions for one in content.packed]
    n_voxels = sum((len(one) - MASK_BYTES) // 4 for one in packed)
    ours = sum(record.n_bytes for record, _ in regions)
    dense = sum(len(compress(unpack(one).tobytes())) + CRC_BYTES for one in packed)
    found = {
        "bits": ours,
        "bits_chunks": ours - sum(index_bytes(record.n_chunks) for record, _ in regions),
        "bits_npz": npz_bytes(regions),
        "bits_zarr": dense + len(regions) * ZARR_INDEX_BYTES,
        "bits_zarr_chunks": dense,
        "bits_world": world_bytes,
    }
    bits = {name: round(8 * n_bytes / n_voxels, 2) for name, n_bytes in found.items()}
    n_stored = sum(len(set(content.packed)) for _, content in regions)
    counts = {"n_voxels": n_voxels, "n_chunks": len(packed), "n_stored": n_stored, "n_regions": len(regions)}
    return {**counts, "bytes": ours, "bytes_npz": found["bits_npz"], **bits}


def stored(packed, codec):
    """Chunks as they lie in a file -> what `decode_chunks` takes"""
    parts = encode_chunks(packed, codec)
    n_bytes = np.array([len(part) for part in parts])
    return b"".join(parts), np.cumsum(n_bytes) - n_bytes, n_bytes, codec


def main():
    figures, jobs = {}, {}
    for name, (source, options) in scenes().items():
        with tempfile.TemporaryDirectory() as folder:
            regions, world_bytes = level_0(source, options, Path(folder) / "w.vxt")
        figures[name] = sizes(regions, world_bytes)
        packed = [one for _, content in regions for one in content.packed]
        packed = [packed[i] for i in np.random.default_rng(0).permutation(len(packed))[:N_DECODED]]
        jobs |= {(name, codec): stored(packed, codec) for codec in CODECS}
        for codec in CODECS:
            part = jobs[name, codec]
            voxels = sum((len(one) - MASK_BYTES) // 4 for one in packed)
            figures[name][f"bits_chunks_{codec}_sample"] = round(8 * len(part[0]) / voxels, 2)
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(RUNS):
        for key, job in jobs.items():
            start = time.thread_time()
            decode_chunks(*job)
            best[key] = min(best[key], (time.thread_time() - start) / len(job[1]))
    for (name, codec), seconds in best.items():
        figures[name][f"decode_{codec}_chunks_per_s"] = round(1 / seconds)
    named = [figures[name]["bits"] for name in NAMED if name in figures]
    larger = [name for name, f in figures.items() if f["bits"] >= min(f["bits_npz"], f["bits_zarr"])]
    print(
        json.dumps(
            {
                "scenes": figures,
                "median_bits_of_named": median(named) if named else None,
                "larger_than_npz_or_zarr": larger,
            }
        )
    )


if __name__ == "__main__":
    main()
