"""PSNR, SSIM, distance and coverage, against direct twins and by hand."""

import math

import numpy as np
import pytest
from voxtide.tools.fidelity import figures
from voxtide.tools.fidelity.picture import BACKGROUND, Picture


def picture(rgb, alpha=None, depth=1.0):
    rgb = np.asarray(rgb, np.float32)
    alpha = np.ones(rgb.shape[:2], np.float32) if alpha is None else np.asarray(alpha, np.float32)
    depth = np.where(alpha >= 0.5, np.float32(depth), np.float32(np.inf))
    return Picture(rgb * alpha[..., None], alpha, depth)


def direct_ssim(a, b):
    """Wang et al. 2004, equation 13, window by window: weighted moments about the weighted means."""
    at = np.arange(-5, 6)
    weight = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    found = []
    for channel in range(a.shape[2]):
        for y in range(5, a.shape[0] - 5):
            for x in range(5, a.shape[1] - 5):
                p, q = (img[y - 5 : y + 6, x - 5 : x + 6, channel] for img in (a, b))
                mp, mq = (weight * p).sum(), (weight * q).sum()
                vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
                cov = (weight * (p - mp) * (q - mq)).sum()
                found.append(
                    (2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
                )
    return np.mean(found)


def test_ssim_is_the_papers(rng):
    a = rng.random((16, 19, 3))
    b = np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1)
    assert figures.ssim(a, b) == pytest.approx(direct_ssim(a, b), abs=1e-12)
    assert 0.2 < figures.ssim(a, b) < 0.95
    assert figures.ssim(a, a) == pytest.approx(1)
    assert figures.ssim(a, 1 - a) < 0
    assert figures.ssim(a[:10], b[:10]) is None


def test_psnr_by_hand():
    a = np.zeros((4, 5, 3))
    assert figures.psnr_db(a, a + 0.1) == pytest.approx(20)
    assert figures.psnr_db(a, a) == figures.MAX_PSNR_DB
    half = a.copy()
    half[:2] = 1
    assert figures.psnr_db(a, half) == pytest.approx(-10 * math.log10(0.5))


def test_covered_pixels_are_those_of_both():
    grey = np.full((12, 12, 3), 0.5)
    left, most = np.zeros((12, 12)), np.ones((12, 12))
    left[:, :6], most[:, 9:] = 1, 0
    f = figures.compare(picture(grey, left), picture(grey + 0.1, most, depth=1.03), 0.01)
    assert f.coverage_iou == pytest.approx(6 / 9)
    assert f.source_pixels == 0.5
    assert f.psnr_covered_db == pytest.approx(20, abs=1e-4)  # 0.1 off wherever both are
    assert f.psnr_db == pytest.approx(-10 * math.log10(0.01 * 9 / 12), abs=1e-4)  # grey is the background
    assert f.depth_median_voxels == pytest.approx(3, rel=1e-4)
    assert f.depth_p95_voxels == pytest.approx(3, rel=1e-4)


def test_depth_figures_are_order_statistics():
    one = picture(np.zeros((1, 100, 3)))
    off = Picture(one.rgb, one.alpha, (1 + np.arange(100, dtype=np.float32) / 100)[None])
    f = figures.compare(one, off, 0.01)
    assert f.depth_median_voxels == pytest.approx(49.5, abs=1e-3)
    assert f.depth_p95_voxels == pytest.approx(np.percentile(np.arange(100), 95), abs=1e-3)


def test_nothing_to_measure_is_none_and_equal_emptiness_is_equal():
    nothing = picture(np.zeros((12, 12, 3)), np.zeros((12, 12)))
    f = figures.compare(nothing, nothing, 0.01)
    assert f.psnr_db == figures.MAX_PSNR_DB
    assert f.psnr_covered_db is f.depth_median_voxels is f.coverage_iou is f.translucent_pixels is None


def test_translucency_is_what_opaque_pixels_cannot_show():
    alpha = np.array([[1.0, 0.6, 0.4, 0.05]])
    source = picture(np.ones((1, 4, 3)), alpha)
    f = figures.compare(source, source, 0.01)
    assert f.translucent_pixels == pytest.approx(2 / 3)
    # 0.6 of white becomes white, 0.4 and 0.05 become the background
    errors = [(0.4 * (1 - BACKGROUND)) ** 2, (0.4 * (1 - BACKGROUND)) ** 2, (0.05 * (1 - BACKGROUND)) ** 2]
    assert f.psnr_opaque_db == pytest.approx(-10 * math.log10(sum(errors) / 4), abs=1e-3)


def test_four_rays_become_a_pixel():
    alpha = np.zeros((2, 4), np.float32)
    alpha[0, :2], alpha[1, 2] = 1, 1
    depth = np.where(alpha > 0, np.arange(8, dtype=np.float32).reshape(2, 4) + 1, np.inf).astype(np.float32)
    small = Picture(np.ones((2, 4, 3), np.float32) * alpha[..., None], alpha, depth).coarser(2)
    assert small.alpha.tolist() == [[0.5, 0.25]]
    assert small.rgb[0, :, 1].tolist() == [0.5, 0.25]
    assert small.depth_m[0, 0] == 2 and np.isinf(small.depth_m[0, 1])  # covered exactly where depth is finite
