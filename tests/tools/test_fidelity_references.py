"""Meshes by rays, and recordings by their own frames."""

import meshes
import numpy as np
import pytest
from voxtide.tools.fidelity import cameras, frames, triangles
from voxtide.tools.sources.source import Frames, Texture, Triangles
from voxtide.tools.voxelise.placement import ROTATION_OF_UP, Placement

UNIT = Placement(voxel_size_m=1.0)


def looking_up(size=(14, 12)):
    return cameras.Camera(size, np.array([0.05, 0.1, -3.0]), np.eye(3), (11.0, 10.0), (6.6, 6.3))


def twin(corners, cam):
    """Every ray against every triangle: where it meets the plane, and is that inside all edges?"""
    depth = np.full(cam.size[::-1], np.inf)
    for row, line in enumerate(cam.directions()):
        for column, way in enumerate(line):
            for abc in corners:
                normal = np.cross(abc[1] - abc[0], abc[2] - abc[0])
                t = normal @ (abc[0] - cam.eye_m) / (normal @ way)
                at = cam.eye_m + t * way
                sides = [normal @ np.cross(abc[(k + 1) % 3] - abc[k], at - abc[k]) for k in range(3)]
                if t > 0 and min(sides) >= 0:
                    depth[row, column] = min(depth[row, column], t * np.linalg.norm(way))
    return depth


@pytest.mark.parametrize("pairs", [50, 1 << 19])
def test_triangles_are_met_by_every_ray(rng, pairs, monkeypatch):
    monkeypatch.setattr(triangles, "PAIRS", pairs)
    corners = rng.uniform(-2, 2, (12, 3, 3)) + rng.uniform(-1, 1, (12, 1, 3))
    cam = looking_up()
    drawn = triangles.draw(triangles.gather([meshes.soup(corners)], UNIT), cam)
    np.testing.assert_allclose(drawn.depth_m, twin(corners, cam), rtol=1e-5)
    assert 0.2 < drawn.alpha.mean() < 1


SQUARE = np.array([[(-4, -4, 2), (4, -4, 2), (4, 4, 2)], [(-4, -4, 2), (4, 4, 2), (-4, 4, 2)]], float)


def test_the_texture_is_where_it_belongs_and_its_holes_are_seen_through():
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[..., 3] = 255
    picture[:, :4, 0] = 255  # left half red
    picture[:, 4:, 3] = 0  # right half a hole
    batch = Triangles(
        SQUARE,
        np.ones((2, 3, 4), np.float32),
        (SQUARE[..., :2] + 4) / 8,
        Texture((picture,), (0.5,)),
    )
    behind = meshes.soup(SQUARE + np.array((0, 0, 1)))
    drawn = triangles.draw(triangles.gather([batch, behind], UNIT), looking_up())
    assert drawn.alpha.all()
    assert drawn.rgb[6, 2].tolist() == [1, 0, 0]
    assert len(set(drawn.rgb[6, 11].tolist())) == 1, "the one behind is white or grey"
    assert drawn.depth_m[6, 2] / drawn.depth_m[6, 11] == pytest.approx(5 / 6, rel=0.06)


def recording(n=5):
    depth = np.full((n, 3, 4), 2.0, np.float32)
    depth[:, 0, 0] = 0
    poses = np.tile(np.eye(4), (n, 1, 1))
    poses[:, 0, 3] = np.arange(n)
    rgb = np.full((n, 3, 4, 3), 51, np.uint8)
    return Frames(rgb, depth, (4.0, 5.0, 1.5, 1.0), poses)


def test_frames_are_chosen_evenly_and_placed():
    placement = Placement(0.1, 0.5, ROTATION_OF_UP["-y"], (1.0, 2.0, 3.0))
    found = frames.gather([recording()], placement, 5, 3)
    eyes = [camera.eye_m.tolist() for camera, _ in found]
    np.testing.assert_allclose(eyes, [(1, 2, 3), (2, 2, 3), (3, 2, 3)])
    camera, picture = found[0]
    np.testing.assert_allclose(
        camera.axes[2], (0, 1, 0), atol=1e-12
    )  # source z is world y where y points down
    np.testing.assert_allclose(camera.directions()[1, 1] @ camera.axes[0], -0.5 / 4)  # pixel 1 of centre 1.5
    assert picture.depth_m[1, 1] == pytest.approx(1.0 * np.hypot(1, 0.5 / 4))
    assert np.isinf(picture.depth_m[0, 0]) and picture.alpha[0, 0] == 0 and not picture.rgb[0, 0].any()
    assert picture.rgb[1, 1].tolist() == pytest.approx([0.2] * 3)
    assert len(frames.gather([recording()], placement, 5, 9)) == 5
