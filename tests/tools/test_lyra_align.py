"""Lyra 2's reconstruction laid over the way: the similarity is found, and what does not fit is refused."""

import numpy as np
import pytest
from lyra_scene import plan
from splat_ply import written
from voxtide.tools.lyra import reconstruction
from voxtide.tools.lyra.problems import Code, GeneratorError
from voxtide.tools.lyra.protocol import inverse
from voxtide.tools.lyra.sim3 import fitted
from voxtide.tools.lyra.trajectory import Trajectory


def turned(rng):
    u, _, v = np.linalg.svd(rng.normal(size=(3, 3)))
    return u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v


def elsewhere(w2c, scale, turn, shift):
    """The same cameras in a frame whose points p are `scale turn p + shift` in this one."""
    c2w = inverse(w2c)
    out = c2w.copy()
    out[:, :3, :3] = turn.T @ c2w[:, :3, :3]
    out[:, :3, 3] = (c2w[:, :3, 3] - shift) @ turn / scale
    return inverse(out)


@pytest.mark.parametrize("way", ["orbit", "straight"])
def test_the_similarity_is_found_also_on_a_straight_walk(way, rng):
    w2c = plan("orbit", 1).w2c
    if way == "straight":
        w2c = np.repeat(np.eye(4)[None], 81, 0)
        w2c[:, 2, 3] = -np.linspace(0, 1, 81)
    turn, shift = turned(rng), np.array([1.0, -2, 3])
    found = fitted(elsewhere(w2c, 2.5, turn, shift), w2c)
    assert np.isclose(found.scale, 2.5) and np.allclose(found.turn, turn) and np.allclose(found.shift, shift)
    assert found.residual < 1e-9 and found.turn_deg < 1e-3


def test_what_drifts_is_refused(rng):
    w2c = plan("orbit", 1).w2c
    bent = w2c.copy()
    bent[:, 0, 3] += np.linspace(0, 1, 81) ** 2
    with pytest.raises(GeneratorError, match="% of the way") as caught:
        fitted(bent, w2c)
    assert caught.value.code is Code.ALIGNMENT
    with pytest.raises(GeneratorError, match="stands still"):
        fitted(np.repeat(np.eye(4)[None], 9, 0), np.repeat(np.eye(4)[None], 9, 0))


def test_splats_move_with_it(tmp_path, rng):
    w2c = plan("orbit", 1).w2c
    turn, shift = turned(rng), np.array([1.0, -2, 3])
    np.savez(tmp_path / "cameras.npz", w2c_render=elsewhere(w2c, 2.0, turn, shift))
    at, axis = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    written(tmp_path / "scene.ply", at, axis, log_scale=-2.0)
    source = reconstruction.open_reconstruction(
        tmp_path / "scene.ply", tmp_path / "cameras.npz", Trajectory(w2c, None, None, "way")
    )
    (batch,) = source.batches(100)
    assert np.allclose(batch.positions, 2 * at @ turn.T + shift, atol=1e-5)
    assert np.allclose(batch.scales, 2 * np.exp(-2), rtol=1e-5)
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    for q, p in zip(batch.rotations, unit, strict=True):
        assert np.allclose(matrix(q), turn @ matrix(p), atol=1e-5)


def matrix(q):
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


NO_GAUSSIANS = {
    "torch": b"PK\x03\x04torch",  # what Lyra 1 writes under this name
    "empty": b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n",
}


@pytest.mark.parametrize("name", NO_GAUSSIANS)
def test_what_is_no_reconstruction_is_refused(tmp_path, name):
    (tmp_path / "scene.ply").write_bytes(NO_GAUSSIANS[name])
    w2c = plan("orbit", 1).w2c
    np.savez(tmp_path / "cameras.npz", w2c_render=w2c)
    with pytest.raises(GeneratorError) as caught:
        reconstruction.open_reconstruction(
            tmp_path / "scene.ply", tmp_path / "cameras.npz", Trajectory(w2c, None, None, "way")
        )
    assert caught.value.code is Code.PLY_BAD
