"""Small sources made in memory, and a world read back whole."""

import numpy as np
from voxtide.atlas import address, chunk
from voxtide.streamer.world import open_world
from voxtide.tools.sources import Gaussians, Points, Source, Triangles, Voxels
from voxtide.tools.voxelise.semantic import rows_of


def gaussians(means, sigmas, opacities=0.9, rotations=(1, 0, 0, 0), rgb=(128, 128, 128)):
    """Splats from anything that broadcasts to the arrays of a batch."""
    means = np.atleast_2d(np.asarray(means, np.float32))
    n = len(means)
    rotations = np.broadcast_to(np.asarray(rotations, np.float64), (n, 4))
    return Gaussians(
        positions=means,
        scales=np.broadcast_to(np.asarray(sigmas, np.float32), (n, 3)).copy(),
        rotations=(rotations / np.linalg.norm(rotations, axis=1, keepdims=True)).astype(np.float32),
        opacities=np.broadcast_to(np.float32(opacities), n).copy(),
        rgb=np.broadcast_to(np.asarray(rgb, np.uint8), (n, 3)).copy(),
    )


def points(positions, rgb=(128, 128, 128)):
    positions = np.atleast_2d(np.asarray(positions, np.float64))
    return Points(positions, np.broadcast_to(np.asarray(rgb, np.uint8), (len(positions), 3)).copy())


def cells(voxels, rgba=(128, 128, 128, 255)):
    voxels = np.atleast_2d(np.asarray(voxels, np.int64))
    return Voxels(voxels, np.broadcast_to(np.asarray(rgba, np.uint8), (len(voxels), 4)).copy())


KINDS = {Gaussians: "gaussians", Points: "points", Voxels: "voxels", Triangles: "triangles"}


def part(batch, rows):
    """Some items of a batch."""
    return rows_of(batch, rows)


def source(tmp_path, batch, up="z", name="scene.bin", entities=None):
    """A Source of one batch, in memory; its file exists, because provenance hashes it."""
    path = tmp_path / name
    path.write_bytes(b"made in memory")

    def batches(n):
        for start in range(0, len(batch), n):
            yield part(batch, slice(start, start + n))

    return Source(
        path, KINDS[type(batch)], len(batch), up, batches, {"format": "memory"}, entities=entities or {}
    )


def world_voxels(path, level=0):
    """Every voxel of a level -> (voxels [N, 3], rgba [N, 4]) sorted by (z, y, x)."""
    world = open_world(path)
    found, colours = [np.empty((0, 3), np.int64)], [np.empty((0, 4), np.uint8)]
    for record in world.regions:
        if record.level == level:
            region = world.read_region(record)
            for corner, packed in zip(region.chunks, region.packed, strict=True):
                occupied, rgba = chunk.split(packed)
                found.append(corner * 16 + address.local_of_mask_index(np.flatnonzero(occupied)))
                colours.append(rgba)
    voxels, rgba = np.concatenate(found), np.concatenate(colours)
    order = np.lexsort(voxels.T)
    return voxels[order], rgba[order]


def file_bytes(folder):
    """Every file of a folder: relative path -> bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
