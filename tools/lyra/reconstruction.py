"""The Gaussians that Lyra 2 reconstructs from its film, put into the frame of the way they were made on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import UserError, shown
from ..sources import npz, rgbd_poses
from ..sources.gaussian_ply import is_gaussian_ply, open_gaussian_ply
from ..sources.ply import read_header
from ..sources.source import Batch, Gaussians, Source
from .problems import Code, GeneratorError
from .protocol import F64
from .sim3 import Similarity, fitted
from .trajectory import Trajectory


def open_reconstruction(ply: Path, cameras: Path, way: Trajectory) -> Source:
    """reconstructed_scene.ply and cameras.npz of `vipe_da3_gs_recon` -> splats in the way's unit and axes.

    GeneratorError: not Gaussians (PLY_BAD), or the cameras do not lie as the way does (ALIGNMENT).
    """
    try:
        header = read_header(ply)
        if not is_gaussian_ply(header):
            raise UserError(f"{shown(ply)} holds no Gaussians")
        source = open_gaussian_ply(header)
    except UserError as error:
        raise GeneratorError(Code.PLY_BAD, str(error)) from None
    found = similarity(cameras, way)

    def batches(n: int) -> Iterator[Batch]:
        for batch in source.batches(n):
            assert isinstance(batch, Gaussians)
            yield moved(batch, found)

    aligned = f"{found.residual:.4%} of the way, {found.turn_deg:.3f} degrees"
    return replace(source, batches=batches, notes={**source.notes, "aligned_within": aligned})


def similarity(cameras: Path, way: Trajectory) -> Similarity:
    """From the reconstruction's frame to the way's. UserError, GeneratorError."""
    poses = rgbd_poses.stack(cameras, "w2c_render")
    names = npz.names(cameras)
    at = np.arange(len(poses))
    if len(poses) != len(way.w2c) and "indices_da3" in names:
        at = npz.load(cameras, "indices_da3", 1).astype(np.int64)
    if len(at) != len(poses) or (at < 0).any() or (at >= len(way.w2c)).any():
        raise GeneratorError(
            Code.ALIGNMENT, f"{shown(cameras)} has {len(poses)} cameras and the way {len(way.w2c)} poses"
        )
    good = [i for i, pose in enumerate(poses) if pose is not None]
    return fitted(np.stack([pose for pose in poses if pose is not None]), way.w2c[at[good]])


def moved(batch: Gaussians, by: Similarity) -> Gaussians:
    """Splats under a similarity: places, sizes and turns; what is no number any more was none before."""
    return Gaussians(
        by.of(batch.positions.astype(np.float64)).astype(np.float32),
        (batch.scales * np.float32(by.scale)).astype(np.float32),
        product(quaternion(by.turn), batch.rotations.astype(np.float64)).astype(np.float32),
        batch.opacities,
        batch.rgb,
    )


def quaternion(turn: F64) -> F64:
    """w, x, y, z of a rotation [3, 3]: the eigenvector that Bar-Itzhack (2000) names."""
    (a, b, c), (d, e, f), (g, h, i) = turn
    k = np.array([
        [a + e + i, h - f, c - g, d - b],
        [h - f, a - e - i, b + d, c + g],
        [c - g, b + d, e - a - i, f + h],
        [d - b, c + g, f + h, i - a - e],
    ])  # fmt: skip
    q: F64 = np.linalg.eigh(k)[1][:, -1]
    return q if q[0] >= 0 else -q


def product(p: F64, q: F64) -> F64:
    """Quaternions [4] times [N, 4]: first q, then p."""
    w, x, y, z = p
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    turned: F64 = q @ matrix.T
    return turned
