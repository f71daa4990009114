"""Decoding a packed chunk against the same chunk dense, with the same compressor at the same setting.

Three sets of chunks: a rough shell whose surface and colours are noise, a smooth shell with noisy colours
(both about 15 % occupied), and the level-0 chunks of the shipped scan at 1 cm (solid inside). What is timed
is the decompression alone, of every chunk in turn, one at a time; the crc is the same for both and left
out. Medians of RUNS, in one process, in seconds of the thread's own time. lz4 is set as Voxtide sets it, and
so is zstd but for the length of its matches; "zstd fast" is zstd at a level without entropy coding.

A packed chunk is in its stream (`atlas.streams`), which is what a world stores and the GPU undoes; "plain" is
mask and colours as they are. "reader" is the time for the same chunks through `decode_chunks`, all at once,
with crc and checks, and "unfold" what a CPU takes to undo the streams.
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

from voxtide import assets
from voxtide.atlas.chunk import MAX_PACKED_BYTES, pack, unpack
from voxtide.atlas.streams import encode
from voxtide.streamer.codec import LEVELS, decode_chunks, encode_chunks, unfold
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.sources import open_source

RUNS = 7
N_CHUNKS = 600
ZSTD_FAST_LEVEL = -5
_zstd = zstandard.ZstdDecompressor()


def unzstd(data):
    return _zstd.decompress(data, max_output_size=MAX_PACKED_BYTES)


CODECS = {
    "zstd": (zstandard.ZstdCompressor(level=LEVELS["zstd"]).compress, unzstd),
    "zstd fast": (zstandard.ZstdCompressor(level=ZSTD_FAST_LEVEL).compress, unzstd),
    "lz4": (
        lambda data: lz4.block.compress(data, mode="fast", acceleration=LEVELS["lz4"]),
        lz4.block.decompress,
    ),
}


def shell_chunks(rough_voxels):
    """Tilted planes about two and a half voxels thick, each column displaced at random; colours ±8."""
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[0:16, 0:16, 0:16]
    chunks = []
    for _ in range(N_CHUNKS):
        slope = rng.normal(size=2) * 0.4
        height = 8 + slope[0] * (x - 8) + slope[1] * (y - 8) + rng.normal(size=(16, 16)) * rough_voxels
        rgba = np.clip(120 + rng.integers(-8, 9, (16, 16, 16, 4)), 0, 255).astype(np.uint8)
        rgba[..., 3] = 255
        rgba[np.abs(z - height) >= 1.3] = 0
        chunks.append(pack(rgba))
    return chunks


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
        start = time.thread_time()
        for frame in frames:
            decode(frame)
        times.append((time.thread_time() - start) / len(frames) * 1e6)
    return median(times)


def reader_us(packed):
    """Median microseconds per chunk as it is stored with zstd, its bytes, and what undoing it takes."""
    stored = encode_chunks(packed, "zstd")
    n_bytes = np.array([len(one) for one in stored])
    data, offsets = b"".join(stored), np.cumsum(n_bytes) - n_bytes
    times, undoing = [], []
    for _ in range(RUNS):
        start = time.thread_time()
        chunks, _ = decode_chunks(data, offsets, n_bytes, "zstd")
        read = time.thread_time()
        unfold(chunks)
        times.append((read - start) / len(packed) * 1e6)
        undoing.append((time.thread_time() - read) / len(packed) * 1e6)
    return {"us": median(times), "bytes": float(n_bytes.mean()), "unfold_us": median(undoing)}


def measure(packed):
    dense = [unpack(p).tobytes() for p in packed]
    result = {"chunks": len(packed), "occupied": float(np.mean([(len(p) - 512) / 4 / 4096 for p in packed]))}
    for name, (compress, decode) in CODECS.items():
        small, large = [compress(encode(p)) for p in packed], [compress(d) for d in dense]
        packed_us, dense_us = decode_us(decode, small), decode_us(decode, large)
        plain_us = decode_us(decode, [compress(p) for p in packed])
        result[name] = {
            "packed_us": packed_us,
            "plain_us": plain_us,
            "dense_us": dense_us,
            "dense_over_packed": dense_us / packed_us,
            "dense_over_plain": dense_us / plain_us,
            "packed_bytes": float(np.mean([len(s) for s in small])),
            "dense_bytes": float(np.mean([len(s) for s in large])),
        }
    result["reader"] = reader_us(packed)
    return result


def main():
    sets = {"rough shell": shell_chunks(2.0), "smooth shell": shell_chunks(0.0), "scan": scan_chunks()}
    print(json.dumps({name: measure(chunks[:N_CHUNKS]) for name, chunks in sets.items()}))


if __name__ == "__main__":
    main()
