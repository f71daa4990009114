"""WarpFill: what it warps agrees with the truth, what it makes up stays, and it is as fast as promised."""

import time
from dataclasses import replace

import numpy as np
import pytest
from lyra_scene import SIZE, K, plan, psnr, seed
from posed_room import seen
from voxtide.tools.lyra.inpaint import filled
from voxtide.tools.lyra.problems import Code, GeneratorError
from voxtide.tools.lyra.protocol import Plan, check_result, inverse
from voxtide.tools.lyra.warpfill import WarpFill

FAST = (208, 120), np.array([[160.0, 0, 103.5], [0, 160, 59.5], [0, 0, 1]])


def session(first, tmp_path, way):
    return WarpFill().open(first, tmp_path, way)


def test_a_static_camera_returns_the_seed(tmp_path):
    way = plan(n_steps=1)
    still = Plan(np.repeat(np.eye(4)[None], 81, 0), way.k, way.prompts)
    result = session(seed(), tmp_path, still).step(still.request(0, 1))
    assert min(psnr(frame, seed().rgb) for frame in result.frames) > 40
    assert result.coverage == 1


def test_a_static_camera_returns_a_seed_with_gaps_and_mixed_edges(tmp_path, rng):
    first = seed()
    depth = first.depth.copy()
    depth[rng.random(depth.shape) < 0.05] = 0
    depth[:, 40] = depth[:, 40] * 0.5 + depth[:, 42] * 0.7  # a sensor's flying pixels
    way = plan(n_steps=1)
    still = Plan(np.repeat(np.eye(4)[None], 81, 0), way.k, way.prompts)
    result = session(replace(first, depth=depth), tmp_path, still).step(still.request(0, 1))
    assert psnr(result.frames[0], first.rgb) > 40


@pytest.mark.slow
def test_out_and_back_returns_in_time(tmp_path):
    size, k = FAST
    first = seed(size, k)
    way = plan("out-and-back", 2, k, 2.0)
    run = session(first, tmp_path, way)
    took, results = [], []
    for index in range(2):
        began = time.process_time()  # of one thread: wall time where nothing else runs
        results.append(run.step(way.request(index, 1)))
        took.append(time.process_time() - began)
        check_result(results[-1], way.request(index, 1), size)
    back = results[1]
    covered = ~back.made[-1]
    assert covered.mean() > 0.95
    assert psnr(back.frames[-1][covered], first.rgb[covered]) >= 25
    assert max(took) <= 20


def test_depth_is_right_where_the_seed_saw(tmp_path):
    way = plan("walk", 1)
    result = session(seed(), tmp_path, way).step(way.request(0, 1))
    camera = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    _, truth = seen(inverse(way.w2c[41]), SIZE, camera)
    off = np.abs(result.depth[40] - truth)[~result.made[40]]
    assert np.median(off) < 0.005 and (off < 0.05).mean() > 0.95


@pytest.mark.slow
def test_what_is_made_up_stays_as_it_was(tmp_path):
    way = plan("look-around", 3)  # the first view again after 240 frames, seen through what was made up
    run = session(seed(), tmp_path, way)
    first, *_, last = [run.step(way.request(i, 1)) for i in range(3)]
    assert last.made[-1].mean() < 0.02 < first.made[30].mean()
    again = run.step(replace(first_request(way), index=3))
    assert again.made.mean() < 0.01
    assert psnr(again.frames[30], first.frames[30]) > 25


def first_request(way):
    return way.request(0, 1)


def test_a_hole_is_filled_from_the_farther_side():
    depth = np.full((20, 30), 2, np.float32)
    depth[:, 15:] = 3
    rgb = np.where(depth[..., None] == 2, np.float32([200, 0, 0]), np.float32([0, 0, 200]))
    covered = np.ones(depth.shape, bool)
    covered[5:15, 12:18] = False
    normal = np.broadcast_to(np.float32([0, 0, -1]), (20, 30, 3)).copy()
    colours, z, _ = filled(rgb, depth, normal, covered, K, 9.0)
    assert np.allclose(z[7:13, 12:18], 3) and np.all(colours[7:13, 12:18, 2] > 190)
    assert np.array_equal(colours[covered], rgb[covered])


def test_a_plane_goes_on_through_a_hole():
    rows = np.arange(64, dtype=np.float32)[:, None] - 31.5
    floor = np.broadcast_to(np.where(rows > 5, 80 / np.maximum(rows, 1), 0), (64, 96)).astype(np.float32)
    normal = np.broadcast_to(np.float32([0, -1, 0]), (64, 96, 3)).copy()
    covered = floor > 0
    covered[:, 60:] = False
    covered[:37] = False
    _, z, _ = filled(np.zeros((64, 96, 3), np.float32), floor * covered, normal, covered, K, 20.0)
    assert np.allclose(z[45:, 62:70], floor[45:, 62:70], rtol=1e-3)


def test_revert_forgets_one_step(tmp_path):
    way = plan("orbit", 2)
    run = session(seed(), tmp_path, way)
    run.step(way.request(0, 1))
    second = run.step(way.request(1, 1))
    run.revert()
    again = run.step(way.request(1, 1))
    assert np.array_equal(second.frames, again.frames) and np.array_equal(second.depth, again.depth)
    run.revert()
    with pytest.raises(GeneratorError):
        run.revert()


def test_no_depth_is_a_problem_that_says_what_to_do(tmp_path):
    with pytest.raises(GeneratorError, match="--depth") as caught:
        session(seed(depth=False), tmp_path, plan())
    assert caught.value.code is Code.DEPTH_MISSING
