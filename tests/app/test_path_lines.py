"""The path over the picture: a point is drawn at the pixel whose ray meets it, in every projection."""

from itertools import pairwise

import numpy as np
import pytest
from cameras import rays
from voxtide.app import moves, path_lines
from voxtide.app.camera import Pose, look
from voxtide.app.paths import CameraPath, Key
from voxtide.atlas.layout import PROJECTIONS

SIZE, VOXEL_M = (64, 36), 0.05
NOWHERE = np.zeros(3, np.int64)


LEANING = Pose(1, 2, 3, 40, -15, 20)


def see(projection, pose=LEANING):
    size = (6 * SIZE[1], SIZE[1]) if projection == "cube" else SIZE
    return look(pose, size, 65, VOXEL_M, NOWHERE, 1.0, projection)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_point_on_a_pixels_ray_is_drawn_at_that_pixel(projection):
    view = see(projection)
    origins, directions = rays(view)[:2]
    width = SIZE[0] // 2 if projection == "stereo" else view.size[0]
    points = (origins + 37.0 * directions).reshape(SIZE[1], view.size[0], 3)[:, :width]
    at = path_lines.project(view, points.reshape(-1, 3)).reshape(SIZE[1], width, 2)
    np.testing.assert_allclose(at[..., 0], np.arange(width) + 0.5 + np.zeros((SIZE[1], 1)), atol=1e-3)
    np.testing.assert_allclose(at[..., 1], np.arange(SIZE[1])[:, None] + 0.5 + np.zeros(width), atol=1e-3)


def test_what_lies_behind_is_not_drawn_but_all_around_is():
    behind = np.array([[-10.0, 0, 0], [10, 0, 0]])
    flat = path_lines.project(look(Pose(0, 0, 0, 0, 0), SIZE, 65, 1.0, NOWHERE), behind)
    assert np.isnan(flat[0]).all()
    np.testing.assert_allclose(flat[1], (32, 18))
    around = look(Pose(0, 0, 0, 0, 0), SIZE, 65, 1.0, NOWHERE, 1.0, "equirect")
    np.testing.assert_allclose(path_lines.project(around, behind)[1], (32, 18))
    assert path_lines.project(around, behind)[0, 0] in (0, 64)


def lines_of(path, view, **options):
    return path_lines.lines(path_lines.shape_of(path, **options), view, VOXEL_M)


def test_a_line_that_goes_behind_is_cut():
    path = CameraPath((Key(0, Pose(-5, 1, 0, 0, 0)), Key(1, Pose(5, 1, 0, 0, 0))))
    found = lines_of(path, see("planar", Pose(0, 0, 0, 0, 0)))
    assert len(found.way) == 1 and len(found.way[0]) > 3
    assert found.keys[0] is None and found.keys[1] is not None
    assert not any(np.isnan(piece).any() for piece in found.way)


def test_an_orbit_around_the_eye_is_one_ring_cut_at_the_seam():
    path = moves.orbit(Pose(4, 0, 1, 180, 0), (0, 0), 360, 9)
    found = lines_of(path, see("equirect", Pose(0, 0, 1, 0, 0)))
    assert 1 <= len(found.way) <= 2
    assert max(np.abs(np.diff(piece[:, 0])).max() for piece in found.way) < SIZE[0] / 2, "no line across"
    assert len(found.keys) == 36, "a loop's last key is its first"
    assert sum(len(piece) for piece in found.way) > 500


def test_the_key_under_the_cursor():
    path = CameraPath((Key(0, Pose(5, 1, 0, 0, 0)), Key(1, Pose(5, -1, 0, 0, 0))))
    found = lines_of(path, see("planar", Pose(0, 0, 0, 0, 0)))
    x, y = found.keys[1]
    assert path_lines.nearest(found, (x + 3, y), 5) == 1
    assert path_lines.nearest(found, (x + 6, y), 5) is None
    assert path_lines.nearest(lines_of(path, see("planar", Pose(9, 0, 0, 0, 0))), (x, y)) is None


def test_a_key_sees_what_its_pyramid_spans():
    key = Key(0, Pose(1, 2, 3, 40, 10, 5), 50)
    line = path_lines.cone(key, 2.0, SIZE[0] / SIZE[1])
    view = look(key.pose, SIZE, 50, VOXEL_M, NOWHERE)
    corners = path_lines.project(view, line[[0, 2, 6, 4]] / VOXEL_M)
    np.testing.assert_allclose(corners, [(0, 36), (64, 36), (64, 0), (0, 0)], atol=1e-2)
    edges = {frozenset(map(tuple, np.round(pair, 6).tolist())) for pair in pairwise(line)}
    assert len(edges) == len(line) - 1 == 10, "four to the corners, four around, two of the roof; none twice"


def test_of_many_keys_some_have_pyramids_and_the_chosen_one_has():
    path = CameraPath(tuple(Key(i, Pose(i, 0, 0, 0, 0)) for i in range(500)))
    shape = path_lines.shape_of(path, chosen=123)
    assert len(shape.coned) <= 41 and {0, 123, 499} <= set(shape.coned)
    assert len(shape.way) <= 2000 and len(shape.keys) == 500
    one = path_lines.shape_of(CameraPath((Key(0, Pose(1, 2, 3, 0, 0)),)))
    assert one.way.shape == (0, 3) and one.coned == (0,)
