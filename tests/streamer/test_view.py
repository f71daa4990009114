"""What a view could want: never less than a reference ray goes down into, whatever the projection."""

import cameras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from scenes import dense_levels, pyramid
from voxtide.app.camera import Pose, look
from voxtide.app.sight import sight_of
from voxtide.atlas.address import chunk_id
from voxtide.atlas.layout import CHUNK, PROJECTIONS
from voxtide.atlas.page_table import root_grid
from voxtide.streamer.descent import wanted
from voxtide.streamer.view import Sight, error, has_moved

VOXEL_M = 0.01
SIZE = (24, 12)
N_LEVELS = 4


def scene(seed):
    """Boxes about the origin. -> (root grid, dense levels)"""
    rng = np.random.default_rng(seed)
    cube = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    corners = rng.integers(-120, 120, (60, 3)) // [1, 1, 3]
    voxels = np.unique(np.concatenate([cube * rng.integers(1, 2) + corner for corner in corners]), axis=0)
    root = root_grid(N_LEVELS - 1, voxels.min(0), voxels.max(0) + 1)
    levels = pyramid(voxels, np.full((len(voxels), 4), 255, np.uint8), N_LEVELS)
    return root, dense_levels(levels, root)


def entered(root, dense, view):
    """Ids of the chunks below the root that the rays of a view go down into, by the reference."""
    chunks = set()

    def note(level, voxel):
        chunks.add((level, *(c >> 4 for c in voxel)))
        return True

    origins, directions = (v.reshape(-1, 3) for v in cameras.rays(view))
    axes = np.array([cameras.sent(v) for v in (view.forward, view.right, view.up)])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    kind = PROJECTIONS[view.projection]
    for origin, direction in zip(origins, directions, strict=True):
        # As camera.glsl: a pixel's width at a depth, which is along the axis of its face on a cube.
        along = np.abs(axes @ direction)
        depth = {"equirect": 1.0, "cube": along.max()}.get(kind, along[0])
        reference.march_levels(dense, origin, direction, view.cone * depth, resident=note)
    level, *at = np.array(sorted(chunks), np.int64).reshape(-1, 4).T
    at = np.stack(at, axis=-1)
    return chunk_id(level, at + (root.corner_voxel >> (level[:, None] + 4)))


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("quality", [0.05, 0.3])
def test_no_chunk_is_lost_that_a_ray_goes_down_into(projection, seed, quality):
    rng = np.random.default_rng(seed)
    root, dense = scene(seed)
    n = 0
    for _ in range(2):
        x, y = rng.uniform(-1.5, 1.5, 2)
        yaw = np.degrees(np.arctan2(-y, -x)) + rng.uniform(-30, 30)
        pose = Pose(x, y, rng.uniform(-0.3, 0.6), yaw, rng.uniform(-40, 10))
        size = (6 * SIZE[1], SIZE[1]) if projection == "cube" else SIZE
        view = look(pose, size, 70.0, VOXEL_M, root.corner_voxel, quality, projection)
        ids = entered(root, dense, view)
        kept, pixels = wanted(ids, sight_of(view))
        assert set(kept.tolist()) == set(ids.tolist())
        assert (pixels > 1).all() and (np.diff(pixels) <= 0).all(), "the widest first"
        n += ids.size
    assert n > 15, "the rays go down into something"


def test_what_is_out_of_sight_or_narrow_enough_is_not_wanted():
    view = look(Pose(0, 0, 0, 0, 0), SIZE, 60.0, VOXEL_M, np.zeros(3, np.int64))
    sight = sight_of(view)
    along = np.array([[10, 0, 0], [-10, 0, 0], [10, 30, 0], [10, -30, 0], [10, 0, 30], [10, 0, -30]])
    assert (error(sight, 0, along) > 0).tolist() == [True, False, False, False, False, False]
    where = np.array([[10_000 // CHUNK, 0, 0]])
    # At x the voxels above, two wide, are as wide as a pixel where cone * x = 2.
    edge = np.array([[int(2 / view.cone) // CHUNK, 0, 0]])
    assert error(sight, 0, edge - np.array([2, 0, 0])) > 1 > error(sight, 0, edge + np.array([2, 0, 0]))
    assert error(sight, 0, where) < error(sight, 3, where // 8)


def test_a_chunk_around_the_eye_is_wanted_whatever_the_direction():
    for yaw in (0, 90, 200):
        view = look(Pose(0.05, 0.05, 0.05, yaw, 10), SIZE, 60.0, VOXEL_M, np.zeros(3, np.int64))
        assert error(sight_of(view), np.arange(4), np.zeros((4, 3), np.int64)).min() > 1


def test_the_nearer_of_two_eyes_counts():
    eyes = np.array([[0.0, 0, 0], [500.0, 0, 0]])
    sights = [Sight(e, np.zeros((0, 3)), None, 0.01) for e in (eyes, eyes[:1], eyes[1:])]
    chunks = np.array([[3, 1, 2], [30, 0, 0], [60, 5, 0]])
    both, left, right = (error(s, 1, chunks) for s in sights)
    np.testing.assert_array_equal(both, np.maximum(left, right))


@given(
    st.integers(0, 6),
    st.tuples(*[st.integers(-40, 40)] * 3),
    st.tuples(*[st.floats(-600, 600)] * 3),
    st.floats(1e-3, 0.5),
)
def test_around_the_error_is_that_of_the_nearest_corner(level, chunk, eye, cone):
    """Brute force: the distance to a box, by clamping."""
    chunk, eye = np.array(chunk), np.array(eye)
    lo, hi = chunk * CHUNK << level, (chunk + 1) * CHUNK << level
    distance = np.linalg.norm(np.clip(eye, lo, hi) - eye)
    sight = Sight(eye[None], np.zeros((0, 3)), None, cone)
    np.testing.assert_allclose(
        error(sight, level, chunk[None]), 2 ** (level + 1) / (cone * max(distance, 1.0))
    )


def test_moving_and_turning_are_told_apart_from_staying():
    def sight(x=0.0, yaw=0.0, projection="planar"):
        pose = Pose(x, 0, 0, yaw, 0)
        return sight_of(look(pose, SIZE, 60.0, VOXEL_M, np.zeros(3, np.int64), 1.0, projection))

    here = sight()
    assert has_moved(None, here, 10, 0.2)
    assert not has_moved(here, here, 10, 0.2)
    assert not has_moved(here, sight(x=0.09), 10, 0.2) and has_moved(here, sight(x=0.11), 10, 0.2)
    assert not has_moved(here, sight(yaw=9), 10, 0.2) and has_moved(here, sight(yaw=14), 10, 0.2)
    assert has_moved(here, sight(projection="stereo"), 10, 0.2), "another number of eyes"
    assert has_moved(here, sight(projection="equirect"), 10, 0.2), "another number of planes"
    around = sight(projection="equirect")
    assert not has_moved(around, sight(yaw=90, projection="equirect"), 10, 0.2), "it sees all anyway"
