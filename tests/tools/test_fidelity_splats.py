"""The exact splatter, against a twin that looks at every Gaussian for every pixel, one at a time."""

import math

import bakery
import numpy as np
import pytest
from voxtide.app.camera import Pose
from voxtide.tools.fidelity import cameras, splats
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement

UNIT = Placement(voxel_size_m=1.0)


def camera(size=(24, 16), fov=60.0):  # looks along +y; right is +x, down is -z
    return cameras.posed(Pose(0, 0, 0, 90, 0), size, fov)


def rotation(quaternion):
    w, v = quaternion[0], np.asarray(quaternion[1:], np.float64)
    return np.stack([x + 2 * np.cross(v, np.cross(v, x) + w * x) for x in np.eye(3)], axis=1)


def twin(batch, cam, near=0.2):
    """-> rgb [h, w, 3] times alpha, alpha, depth along the ray [h, w]; the text of the paper, in loops."""
    width, height = cam.size
    flat = []
    for mean, sigma, q, opacity, rgb in zip(
        batch.positions, batch.scales, batch.rotations, batch.opacities, batch.rgb, strict=True
    ):
        x, y, z = cam.axes @ (mean.astype(np.float64) - cam.eye_m)
        if z <= near:
            continue
        r = rotation(q.astype(np.float64))
        covariance = cam.axes @ (r @ np.diag(sigma.astype(np.float64) ** 2) @ r.T) @ cam.axes.T
        (fx, fy), (cx, cy) = cam.focal, cam.centre
        limit_x, limit_y = 1.3 * width / 2 / fx, 1.3 * height / 2 / fy
        tx, ty = z * np.clip(x / z, -limit_x, limit_x), z * np.clip(y / z, -limit_y, limit_y)
        jacobian = np.array([[fx / z, 0, -fx * tx / z**2], [0, fy / z, -fy * ty / z**2]])
        flat_covariance = jacobian @ covariance @ jacobian.T + 0.3 * np.eye(2)
        slope = covariance[2] @ jacobian.T @ np.linalg.inv(flat_covariance)
        at = np.array([fx * x / z + cx, fy * y / z + cy])
        flat.append((z, at, np.linalg.inv(flat_covariance), float(opacity), rgb / 255, slope))
    flat.sort(key=lambda g: g[0])
    out = np.zeros((height, width, 3)), np.zeros((height, width)), np.full((height, width), np.inf)
    for row in range(height):
        for column in range(width):
            light, colour = 1.0, np.zeros(3)
            ray = math.hypot(1, (column + 0.5 - cam.centre[0]) / cam.focal[0],
                             (row + 0.5 - cam.centre[1]) / cam.focal[1])  # fmt: skip
            for z, at, conic, opacity, rgb, slope in flat:
                d = np.array([column + 0.5, row + 0.5]) - at
                alpha = min(0.99, opacity * math.exp(-0.5 * d @ conic @ d))
                if alpha < 1 / 255:
                    continue
                if light * (1 - alpha) < 1e-4:
                    break
                colour += light * alpha * rgb
                if light > 0.5 >= light * (1 - alpha):
                    out[2][row, column] = (z + slope @ d) * ray
                light *= 1 - alpha
            out[0][row, column], out[1][row, column] = colour, 1 - light
    return out


def crowd(rng, n, opacities=(0.02, 1.0), sigma=(-4.5, -0.5)):
    """Splats of all shapes in front of the camera, beside it and behind it."""
    return bakery.gaussians(
        rng.uniform((-3, -1, -2), (3, 6, 2), (n, 3)),
        np.exp(rng.uniform(*sigma, (n, 3))),
        rng.uniform(*opacities, n),
        rng.normal(size=(n, 4)),
        rng.integers(0, 256, (n, 3)),
    )


def check(batch, cam, tolerance=2e-6):
    drawn = splats.draw(splats.gather([batch], UNIT), cam)
    rgb, alpha, depth = twin(batch, cam)
    np.testing.assert_allclose(drawn.rgb, rgb, atol=tolerance)
    np.testing.assert_allclose(drawn.alpha, alpha, atol=tolerance)
    np.testing.assert_array_equal(np.isfinite(drawn.depth_m), np.isfinite(depth))
    there = np.isfinite(depth)
    np.testing.assert_allclose(drawn.depth_m[there], depth[there], rtol=2e-5)
    return alpha


@pytest.mark.parametrize("seed", range(3))
def test_every_pixel_is_the_twins(seed):
    alpha = check(crowd(np.random.default_rng(seed), 60), camera())
    assert (alpha > 0.5).mean() > 0.05
    assert (alpha < 0.1).any()


def test_pixels_end_where_hardly_any_light_is_left():
    """Thick crowds, looked at a few pairs at a time: the end of a pixel falls on every side of a slice."""
    batch = crowd(np.random.default_rng(5), 120, opacities=(0.9, 1.0), sigma=(-1.5, 0.0))
    assert check(batch, camera((12, 8))).max() > 0.9998


@pytest.mark.parametrize("pairs", [1, 7, 100])
def test_slices_and_tiles_change_nothing(monkeypatch, pairs, rng):
    batch = crowd(rng, 40, opacities=(0.3, 1.0))
    scene, cam = splats.gather([batch], UNIT), camera((20, 12))
    whole = splats.draw(scene, cam)
    monkeypatch.setattr(splats, "PAIRS", pairs)
    monkeypatch.setattr(splats, "TILE", 8)
    monkeypatch.setattr(splats, "PROJECTED", 11)
    sliced = splats.draw(scene, cam)
    for name in ("rgb", "alpha", "depth_m"):
        np.testing.assert_allclose(getattr(sliced, name), getattr(whole, name), atol=1e-6)


def test_a_camera_may_have_any_axes_and_any_centre(rng):
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    axes *= np.linalg.det(axes)  # no mirror
    cam = cameras.Camera((18, 14), np.array([0.3, 2.0, -0.2]), axes, (20.0, 23.0), (6.5, 9.25))
    assert check(crowd(rng, 80), cam).max() > 0.3


def test_one_splat_is_a_known_bump():
    """Sigma 0.1 at distance 2 and focal length f: variance (0.1 f / 2)^2 + 0.3 square pixels."""
    cam = camera((33, 33))
    drawn = splats.draw(splats.gather([bakery.gaussians((0, 2, 0), 0.1, 0.8, rgb=(255, 0, 51))], UNIT), cam)
    variance = (0.1 * cam.focal[0] / 2) ** 2 + 0.3
    assert drawn.alpha[16, 16] == pytest.approx(0.8)
    assert drawn.alpha[16, 18] == pytest.approx(0.8 * math.exp(-4 / (2 * variance)))
    assert drawn.rgb[16, 16].tolist() == pytest.approx([0.8, 0, 0.16])
    assert drawn.depth_m[16, 16] == pytest.approx(2.0)


def test_nearer_splats_hide_those_behind():
    near, far = ((0, 2, 0), (0, 3, 0))
    for means, rgb in (((near, far), ((255, 0, 0), (0, 0, 255))), ((far, near), ((0, 0, 255), (255, 0, 0)))):
        drawn = splats.draw(splats.gather([bakery.gaussians(means, 0.3, 0.9, rgb=rgb)], UNIT), camera())
        assert drawn.rgb[8, 12, 0] > 0.8
        assert drawn.rgb[8, 12, 2] < 0.15


def test_a_placement_moves_the_picture_with_the_world():
    """Turned, scaled and moved together with the camera, a scene looks the same: 1.5 m a unit, y down."""
    rng = np.random.default_rng(3)
    batch = crowd(rng, 30)
    cam = camera()
    here = splats.draw(splats.gather([batch], UNIT), cam)
    there = Placement(0.01, 1.5, ROTATION_OF_UP["-y"], (10.0, -4.0, 2.0))
    turn = np.array(ROTATION_OF_UP["-y"], np.float64)
    moved = cameras.Camera(
        cam.size, turn @ cam.eye_m * 1.5 + (10, -4, 2), cam.axes @ turn.T, cam.focal, cam.centre
    )
    seen = splats.draw(splats.gather([batch], there), moved)
    np.testing.assert_allclose(seen.rgb, here.rgb, atol=1e-5)
    found = np.isfinite(here.depth_m)
    np.testing.assert_allclose(seen.depth_m[found], 1.5 * here.depth_m[found], rtol=1e-5)


def test_what_the_bake_cropped_is_not_drawn():
    batch = bakery.gaussians([(0, 2, 0), (0, 4, 0)], 0.2)
    assert len(splats.gather([batch], Placement(0.1, bounds_m=((-1, 3, -1), (1, 5, 1))))) == 1


def test_no_splat_in_view_is_an_empty_picture():
    drawn = splats.draw(splats.gather([bakery.gaussians((0, -2, 0), 0.1)], UNIT), camera())
    assert not drawn.alpha.any()
    assert not drawn.rgb.any()
    assert np.isinf(drawn.depth_m).all()
