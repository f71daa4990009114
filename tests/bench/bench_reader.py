"""The reader alone: 50,000 random chunks of a world whose files are in the page cache, on two threads.

The world is level 0 of a rough terrain two voxels deep: about 62,000 chunks in 340 regions, 1.8 kB packed and
0.7 kB stored each. Each thread takes half of the ids in batches, sorted by region, as the loader does.
What is timed is `World.read_many`: reading, crc32c, zstd, checks of mask and length. It gives streams, which
go to the GPU as they are.

The same chunks are then read by tensorstore and zarr-python, where they are installed, out of a twin of the
world with a codec chain that every zarr reader has (bytes, zstd, crc32c; the same shards and indices). They
read fewer, because it would take minutes: whole batches of the same ids, taken at regular steps, so that a
shard is asked for as many chunks at a time. Each gives dense chunks, where the reader gives streams; "dense"
is the reader with each stream undone and unpacked, on one thread.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import numpy as np
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from voxtide.atlas import address
from voxtide.atlas.chunk import pack_sorted, unpack
from voxtide.atlas.layout import CHUNK, REGION, REGION_CHUNKS
from voxtide.streamer.region_file import N_ENTRIES, region_offset
from voxtide.streamer.world import open_world
from voxtide.streamer.writer import WorldWriter

EDGE_VOXELS = 3100
N_IDS, N_THREADS, RUNS = 50_000, 2, 9
BATCHES = (256, 1024, 2048)
N_TENSORSTORE, N_ZARR, BATCH_OF_OTHERS, OTHER_RUNS = 5_000, 500, 250, 3
ZSTD_LEVEL = 5


def heights(x, y):
    """The terrain: hills, ripples, and a voxel of noise. [N], [N] int -> [N] int64"""
    smooth = 60 * np.sin(x / 170) + 50 * np.cos(y / 130) + 6 * np.sin(x / 11) * np.cos(y / 13)
    return np.floor(smooth + noise(x, y) / 200).astype(np.int64)


def noise(x, y):
    """0..255 out of two coordinates."""
    h = (x.astype(np.uint32) * np.uint32(0x9E3779B1)) ^ (y.astype(np.uint32) * np.uint32(0x85EBCA6B))
    return ((h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D) >> np.uint32(24)).astype(np.int64)


def column(rx, ry):
    """Voxels of the terrain above one region's square, (x, y, z) [N, 3], and their colours [N, 4]."""
    edge = np.arange(REGION)
    x, y = (a.ravel() for a in np.meshgrid(rx * REGION + edge, ry * REGION + edge))
    inside = (abs(x) < EDGE_VOXELS // 2) & (abs(y) < EDGE_VOXELS // 2)
    x, y = x[inside], y[inside]
    z = heights(x, y)
    voxels = np.concatenate([np.stack([x, y, z - depth], 1) for depth in (0, 1)])
    grain = noise(voxels[:, 0] * 3 + voxels[:, 2], voxels[:, 1] * 7)[:, None] % [17, 15, 13, 1]
    strata = np.array([96, 80, 60, 255]) + (voxels[:, 2:] >> 3 & 3) * [12, 14, 6, 0]
    return voxels, (strata + grain).astype(np.uint8)


def make_world(path):
    """-> (the world, its chunks' ids [C] uint64)"""
    half = -(-EDGE_VOXELS // 2 // REGION)
    with WorldWriter(path, voxel_size_m=0.01) as writer:
        for rx in range(-half, half):
            for ry in range(-half, half):
                write_column(writer, *column(rx, ry))
        top = EDGE_VOXELS // 2
        writer.finish(bounds_voxels=((-top, -top, -200), (top, top, 200)), n_levels=1, sources=[])
    world = open_world(path)
    ids = [address.chunk_id(0, world.read_region(record).chunks) for record in world.regions]
    return world, np.concatenate(ids)


def write_column(writer, voxels, rgba):
    region = address.region_of(voxels)[:, 2]
    for rz in np.unique(region):
        at, colours = voxels[region == rz], rgba[region == rz]
        key = address.morton_of_chunk(address.chunk_of(at)) << 12 | address.mask_index(at & (CHUNK - 1))
        order = np.argsort(key)
        morton, packed = pack_sorted(key[order], colours[order])
        writer.write_region(0, tuple(address.region_of(at[0]).tolist()), morton, packed)


def by_region(ids):
    """Ids in the order of their regions, as the loader sorts what it takes."""
    level, chunks = address.chunk_of_id(ids)
    regions = address.chunk_id(level, address.region_of_chunk(chunks))
    return ids[np.argsort(regions, kind="stable")]


def batches_of(ids, n):
    return [ids[i : i + n] for i in range(0, len(ids), n)]


def seconds(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def reader_rates(world, ids, n_batch, n_threads, runs=RUNS):
    """Chunks/s of read_many over all the ids, each run."""
    shares = [batches_of(share, n_batch) for share in np.array_split(by_region(ids), n_threads)]

    def work(share):
        return sum(sum(map(len, world.read_many(batch))) for batch in share)

    with ThreadPoolExecutor(n_threads) as pool:
        return [len(ids) / seconds(lambda: list(pool.map(work, shares))) for _ in range(runs)]


def dense_rate(world, batches):
    def work():
        for batch in batches:
            for packed in world.read_packed(batch):
                unpack(packed)

    return sum(map(len, batches)) / min(seconds(work) for _ in range(2))


def write_twin(world, folder, batches):
    """A zarr array of the regions of these chunks, without Voxtide's codec. -> its folder"""
    array = folder / "color" / "0"
    document = json.loads((world.path / "color" / "0" / "zarr.json").read_text())
    little, crc = {"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}
    document["codecs"][0]["configuration"]["codecs"][0] = little
    document["codecs"][0]["configuration"]["index_codecs"] = [little, crc]
    array.mkdir(parents=True)
    (array / "zarr.json").write_text(json.dumps(document))
    chunks = address.chunk_of_id(np.concatenate(batches))[1]
    wanted = set(map(tuple, address.region_of_chunk(chunks).tolist()))
    compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress
    for record in world.regions:
        if record.region in wanted:
            write_shard(array, record.region, world.read_region(record), compress)
    return array


def write_shard(array, region, content, compress):
    entries, parts, end = np.full((N_ENTRIES, 2), (1 << 64) - 1, "<u8"), [], 0
    places = (content.chunks & (REGION_CHUNKS - 1)) @ [1, REGION_CHUNKS, REGION_CHUNKS**2]
    for place, packed in zip(places, content.packed, strict=True):
        body = compress(unpack(packed).tobytes())
        parts.append(body + google_crc32c.value(body).to_bytes(4, "little"))
        entries[place] = end, len(parts[-1])
        end += len(parts[-1])
    index = entries.tobytes()
    x, y, z = (c + region_offset(0) for c in region)
    shard = array / f"c/{z}/{y}/{x}/0"
    shard.parent.mkdir(parents=True, exist_ok=True)
    shard.write_bytes(b"".join([*parts, index, google_crc32c.value(index).to_bytes(4, "little")]))


def corners(ids):
    """Array indices (z, y, x) of chunks' first voxels. [N] -> N triples"""
    voxels = address.chunk_of_id(ids)[1] * CHUNK + region_offset(0) * REGION
    return voxels[:, ::-1].tolist()


def boxes(ids):
    return [tuple(slice(c, c + CHUNK) for c in corner) for corner in corners(ids)]


def tensorstore_reads(twin):
    """-> {name: read(ids) -> dense chunks}: a batch of chunks in flight at a time, and one after another"""
    import tensorstore

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(twin)}}
    array = tensorstore.open(spec).result()

    def batched(ids):
        with tensorstore.Batch() as together:
            futures = [array[box].read(batch=together) for box in boxes(ids)]
        return [future.result() for future in futures]

    return {
        "tensorstore_batched": batched,
        "tensorstore": lambda ids: [array[box].read().result() for box in boxes(ids)],
    }


def zarr_reads(twin):
    """As `tensorstore_reads`."""
    import zarr

    array = zarr.open_array(twin, mode="r")

    async def together(ids):
        return await asyncio.gather(*[array._async_array.getitem(box) for box in boxes(ids)])

    return {
        "zarr_batched": lambda ids: asyncio.run(together(ids)),
        "zarr": lambda ids: [array[box] for box in boxes(ids)],
    }


def rate(read, batches):
    return sum(map(len, batches)) / seconds(lambda: [read(batch) for batch in batches])


def others(world, ids, folder, n_batch):
    """Us and the others in turn, so that what else the machine does meets all of them -> figures.

    Each is given its best of OTHER_RUNS. A reader that is not installed is said to be so.
    """
    batches = batches_of(by_region(ids), BATCH_OF_OTHERS)
    figures, reads = {}, {}
    twin = write_twin(world, folder, batches[:: N_IDS // N_TENSORSTORE])
    for name, of, n in (("tensorstore", tensorstore_reads, N_TENSORSTORE), ("zarr", zarr_reads, N_ZARR)):
        try:
            reads |= {key: (read, batches[:: N_IDS // n]) for key, read in of(twin).items()}
        except ImportError:
            figures[name] = "not installed"
    best = dict.fromkeys(["ours", *reads], 0.0)
    for _ in range(OTHER_RUNS):
        best["ours"] = max(best["ours"], *reader_rates(world, ids, n_batch, N_THREADS, 2))
        for name, (read, share) in reads.items():
            best[name] = max(best[name], rate(read, share))
    for name, (read, share) in reads.items():
        same = zip(map(unpack, world.read_packed(share[-1])), read(share[-1]), strict=True)
        assert all(np.array_equal(a, b) for a, b in same), name
        figures |= {
            f"{name}_chunks_per_s": round(best[name]),
            f"times_{name}": round(best["ours"] / best[name], 1),
        }
    figures["dense_chunks_per_s_1_thread"] = round(dense_rate(world, batches[:: N_IDS // N_TENSORSTORE]))
    return figures


def main():
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        world, ids = make_world(Path(folder) / "terrain.vxt")
        figures = {"n_chunks": len(ids), "make_s": round(time.perf_counter() - start, 1)}
        ids = np.random.default_rng(0).choice(ids, N_IDS, replace=False)
        reader_rates(world, ids, max(BATCHES), N_THREADS, 1)
        best = {}
        for n_threads in (1, N_THREADS):
            for n_batch in BATCHES:
                rates = reader_rates(world, ids, n_batch, n_threads)
                name = f"{n_threads}_threads_of_{n_batch}"
                figures[name] = {"best": round(max(rates)), "median": round(statistics.median(rates))}
                best[n_batch] = max(rates)
        figures["chunks_per_s"] = round(max(best.values()))
        figures |= others(world, ids, Path(folder) / "twin", max(best, key=best.get))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
