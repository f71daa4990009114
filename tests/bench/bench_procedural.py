"""How fast a procedural island makes chunks, and how often a coarse voxel promises what is not there.

Walks down islands of 1 and 10 km from the top to level 0, at most N_CHUNKS chunks a level, all below one
another around one place; times each level's read_packed on a fresh world, in one call. Prints JSON: per level
the chunks per second (with what stands on the ground worked out on the way), and the part of the voxels that
have nothing below them.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from voxtide.atlas import address, chunk
from voxtide.streamer.procedural import ProceduralWorld, Recipe

N_CHUNKS = 200


def voxels_of(chunks, packed):
    parts = [
        address.local_of_mask_index(np.flatnonzero(chunk.split(p)[0])) + c * 16
        for c, p in zip(chunks, packed, strict=True)
        if p is not None
    ]
    return np.concatenate(parts)


def measure(size_km):
    rng = np.random.default_rng(0)
    recipe = Recipe(size_km=size_km)
    world, found = ProceduralWorld(recipe), {}
    level = world.meta.n_levels - 1
    low, high = (np.array(c) >> level + 4 for c in world.meta.bounds_voxels)
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    chunks = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    while level >= 0:
        fresh = ProceduralWorld(recipe)
        ids = address.chunk_id(level, chunks)
        began = time.perf_counter()
        packed = fresh.read_packed(ids)
        rate = len(ids) / (time.perf_counter() - began)
        found[level] = {"chunks": len(ids), "chunks_per_s": round(rate)}
        own = voxels_of(chunks, packed)
        if level:
            below = np.unique(own >> 3, axis=0)
            near = np.argsort(((below - below[rng.integers(len(below))]) ** 2).sum(1), kind="stable")
            chunks = below[near[:N_CHUNKS]]
            finer = voxels_of(chunks, world.read_packed(address.chunk_id(level - 1, chunks)))
            covered = {tuple(c) for c in chunks.tolist()}
            mine = {tuple(v) for v in own.tolist() if tuple(c >> 3 for c in v) in covered}
            lone = mine - {tuple(v) for v in np.unique(finer >> 1, axis=0).tolist()}
            found[level]["nothing_below"] = round(len(lone) / max(len(mine), 1), 4)
        level -= 1
    return found


if __name__ == "__main__":
    print(json.dumps({f"{size} km": measure(size) for size in (1, 10)}))
