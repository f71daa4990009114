"""Decoding a packed chunk against the same chunk dense, with the same compressor at the same setting.

Two sets of chunks: a noisy terrain shell (about 15 % of the voxels of a chunk occupied) and the level-0
chunks of the shipped scan at 1 cm (solid inside). What is timed is the decompression alone, of every chunk
in turn, one at a time; the crc is the same for both and left out. Medians of RUNS, in one process.
"""

import json
import sys
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path
from statistics import median

import lz4.block
import numpy as np
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.bench_march import terrain
from scenes import pack_level
from voxtide import assets
from voxtide.atlas.chunk import MAX_PACKED_BYTES, unpack
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.sources import open_source

RUNS = 7
N_CHUNKS = 1500
CODECS = {
    "zstd": (
        zstandard.ZstdCompressor(level=3).compress,
        lambda data, d=zstandard.ZstdDecompressor(): d.decompress(data, max_output_size=MAX_PACKED_BYTES),
    ),
    "lz4": (lambda data: lz4.block.compress(data, mode="high_compression"), lz4.block.decompress),
}


def shell_chunks():
    """A terrain shell four voxels thick with noisy colours."""
    rng = np.random.default_rng(0)
    top = terrain()
    voxels = np.unique(np.concatenate([top - (0, 0, i) for i in range(3)]), axis=0)
    base = 90 + 100 * voxels[:, 2] // voxels[:, 2].max()
    rgba = np.clip(base[:, None] + rng.integers(-8, 9, (len(voxels), 4)), 0, 255).astype(np.uint8)
    rgba[:, 3] = 255
    return pack_level(0, voxels, rgba)[1]


def scan_chunks():
    """Level 0 of the shipped scan at 1 cm."""
    with as_file(files(assets) / "biker.compressed.ply") as scan, tempfile.TemporaryDirectory() as folder:
        bake(open_source(scan), Path(folder) / "scan.vxt", BakeOptions())
        world = open_world(Path(folder) / "scan.vxt")
        regions = [world.read_region(r) for r in world.regions if r.level == 0]
        return [bytes(packed) for region in regions for packed in region.packed]


def decode_us(decode, frames):
    """Median microseconds per chunk."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for frame in frames:
            decode(frame)
        times.append((time.perf_counter() - start) / len(frames) * 1e6)
    return median(times)


def measure(packed):
    dense = [unpack(p).tobytes() for p in packed]
    result = {"chunks": len(packed), "occupied": float(np.mean([(len(p) - 512) / 4 / 4096 for p in packed]))}
    for name, (compress, decode) in CODECS.items():
        small, large = [compress(p) for p in packed], [compress(d) for d in dense]
        packed_us, dense_us = decode_us(decode, small), decode_us(decode, large)
        result[name] = {
            "packed_us": packed_us,
            "dense_us": dense_us,
            "dense_over_packed": dense_us / packed_us,
            "packed_bytes": float(np.mean([len(s) for s in small])),
            "dense_bytes": float(np.mean([len(s) for s in large])),
        }
    return result


def main():
    print(json.dumps({"shell": measure(shell_chunks()[:N_CHUNKS]), "scan": measure(scan_chunks()[:N_CHUNKS])}))


if __name__ == "__main__":
    main()
