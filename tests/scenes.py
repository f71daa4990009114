"""Voxels straight to the GPU, with no world on disk between: what the march tests look at."""

from dataclasses import dataclass

import numpy as np
from voxtide.app.render.programs import compile_compute, set_uniforms
from voxtide.app.scene import Scene, make_scene
from voxtide.atlas import address, chunk, layout, lod
from voxtide.atlas.page_table import root_grid
from voxtide.atlas.streams import encode


@dataclass
class Probe:
    """A scene, and the same voxels as dense arrays for the reference."""

    ctx: object
    scene: Scene
    levels: list  # [(voxels [N, 3], rgba [N, 4])], level 0 first
    dense: list  # [z, y, x] bool per level, from the root grid's corner
    resident: set  # (level, x, y, z) of resident chunks, relative to the corner

    @property
    def corner(self):
        return self.scene.root.corner_voxel

    def march(self, rays, defines=None):
        """Fire layout.RAY records -> [N] layout.HIT."""
        n = len(rays)
        program = compile_compute(self.ctx, "probe.comp", defines)
        rays_buffer, hits = self.ctx.buffer(rays.tobytes()), self.ctx.buffer(reserve=n * layout.HIT.itemsize)
        self.scene.pool.bind()
        rays_buffer.bind_to_storage_buffer(2)
        hits.bind_to_storage_buffer(3)
        set_uniforms(program, n_rays=n, **self.scene.pool.uniforms())
        program.run(-(-n // 64))
        self.ctx.memory_barrier()
        out = np.frombuffer(hits.read(), layout.HIT)
        for thing in (program, rays_buffer, hits):
            thing.release()
        return out


def pyramid(voxels, rgba, n_levels):
    """-> [(voxels, rgba)] per level, level 0 first."""
    out = [(voxels, rgba)]
    while len(out) < n_levels:
        out.append(lod.reduce_sparse(*out[-1]))
    return out


def pack_level(level, voxels, rgba):
    """-> (chunk ids [C] uint64, C packed chunks)"""
    ids, rank = np.unique(address.chunk_id(level, address.chunk_of(voxels)), return_inverse=True)
    key = rank.astype(np.int64) << 12 | address.mask_index(voxels & (layout.CHUNK - 1))
    order = np.argsort(key)
    _, packed = chunk.pack_sorted(key[order], rgba[order])
    return ids, packed


def dense_levels(levels, root):
    """Each level as a dense array that spans the root grid."""
    out = []
    for k, (voxels, _) in enumerate(levels):
        size = root.size * layout.CHUNK << (root.level - k)
        at = voxels - (root.corner_voxel >> k)
        solid = np.zeros(size[::-1], bool)
        solid[at[:, 2], at[:, 1], at[:, 0]] = True
        out.append(solid)
    return out


def make_probe(ctx, voxels, rgba=None, n_levels=6, keep=None, spare_slots=0):
    """Bring voxels to the GPU.

    keep  (ids [C] uint64) -> [C] bool: which chunks may be resident; children of missing ones go too
    """
    if rgba is None:
        rgba = np.full((len(voxels), 4), 255, np.uint8)
    levels = pyramid(voxels, rgba, n_levels)
    root = root_grid(n_levels - 1, voxels.min(0), voxels.max(0) + 1)
    parts = [pack_level(k, *level) for k, level in enumerate(levels)]
    scene = make_scene(ctx, root, 0.01, 100.0, sum(len(ids) for ids, _ in parts) + spare_slots)
    empty = np.setdiff1d(root.ids, parts[-1][0])
    scene.pool.publish(scene.residency.publish_empty(empty))
    resident = set()
    for ids, packed in reversed(parts):
        good = scene.residency.table.is_reachable(ids)
        if keep is not None:
            good &= keep(ids)
        scene.add(ids[good], [encode(packed[i]) for i in np.flatnonzero(good)])
        k, chunks = address.chunk_of_id(ids[good])
        relative = chunks - (root.corner_voxel >> (k[:, None] + 4))
        resident |= {(int(a), *map(int, b)) for a, b in zip(k, relative, strict=True)}
    return Probe(ctx, scene, levels, dense_levels(levels, root), resident)


def rays_from(origins, directions, corner, cone=0.0, level_min=0):
    """World-space float64 rays -> layout.RAY, rounded to what the GPU gets.

    origins [N, 3] voxels, world; directions [N, 3]
    """
    rays = np.zeros(len(origins), layout.RAY)
    voxel = np.floor(origins).astype(np.int64)
    rays["voxel"] = voxel - corner
    rays["frac"] = np.minimum((origins - voxel).astype(np.float32), np.float32(1 - 2**-24))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    rays["direction"] = unit.astype(np.float32)
    rays["cone"], rays["level_min"] = cone, level_min
    return rays


def exact(rays):
    """What the GPU was given, as float64: -> (origins from the corner, directions)."""
    return rays["voxel"].astype(np.float64) + rays["frac"], rays["direction"].astype(np.float64)
