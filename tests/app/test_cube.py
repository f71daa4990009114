"""The cube camera, frusta that are not even, and how the streamer takes both."""

import math

import cameras
import numpy as np
import pytest
from scenes import make_probe
from voxtide.app import frame
from voxtide.app.camera import Pose, look, through
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.sight import sight_of
from voxtide.atlas import layout
from voxtide.streamer.view import error

SIZE = (240, 40)
NOWHERE = np.zeros(3, np.int64)
HERE = Pose(0.0013, 0.0021, 0.0017, 90.0, 25.0)


def cube(pose=HERE, size=SIZE, corner=NOWHERE, quality=1.0):
    return look(pose, size, 60.0, 0.01, corner, quality, "cube")


def box(n):
    side = np.arange(-n, n)
    u, v = (a.ravel() for a in np.meshgrid(side, side))
    walls = [np.insert(np.stack([u, v], -1), axis, at, axis=1) for axis in range(3) for at in (-n, n - 1)]
    return np.unique(np.concatenate(walls), axis=0)


def test_each_face_sees_its_wall_the_right_way_round(gl):
    """Yaw 90 looks along +y, so right is +x. What an engine takes: +x -x +y -y +z -z with y up, z ahead."""
    room = make_probe(gl, box(24))
    renderer = Renderer(gl, SIZE)
    view = cube(corner=room.corner)
    frame.draw(renderer, room.scene, view, light_of(300.0))
    hits = renderer.read_hits(view)
    voxel = np.stack([hits["x"], hits["y"], hits["z"]], axis=-1) + room.corner
    n = SIZE[1]
    faces = [voxel[:, i * n : (i + 1) * n] for i in range(6)]
    walls = [
        (0, 23),
        (0, -24),
        (2, 23),
        (2, -24),
        (1, 23),
        (1, -24),
    ]  # world axes: right left up down ahead back
    for face, (axis, wall) in zip(faces, walls, strict=True):
        assert (face[..., axis] == wall).mean() > 0.9, (axis, wall)
    # Where each face's right and lower edges lead, as one who turned there sees it.
    edges = [
        ((1, -1), (2, -1)), ((1, 1), (2, -1)),  # turned right, the back is at the right; left, it is ahead
        ((0, 1), (1, 1)), ((0, 1), (1, -1)),  # looking up, what was ahead is below; down, it is above
        ((0, 1), (2, -1)), ((0, -1), (2, -1)),
    ]  # fmt: skip
    for face, ((x_axis, x_sign), (y_axis, y_sign)) in zip(faces, edges, strict=True):
        across = face[n // 2, -2, x_axis] - face[n // 2, 1, x_axis]
        down = face[-2, n // 2, y_axis] - face[1, n // 2, y_axis]
        assert np.sign(across) == x_sign
        assert np.sign(down) == y_sign
    renderer.release()
    room.scene.release()


def test_a_cube_is_level_and_covers_every_direction_once():
    assert cube() == cube(Pose(HERE.x, HERE.y, HERE.z, HERE.yaw, -80.0))
    _, d = cameras.rays(cube())
    weight = (
        1 / np.abs(d).max(axis=-1) ** -3
    )  # a texel's solid angle is its depth cubed, in units of the middle's
    assert weight.sum() * (2 / SIZE[1]) ** 2 == pytest.approx(4 * math.pi, rel=1e-3)
    assert np.linalg.norm((d * weight[..., None]).sum(axis=(0, 1))) < 1e-6


def test_faces_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="square"):
        cube(size=(240, 41))


def test_no_ray_wants_more_than_the_sight_says():
    """cone * t along any ray is at least what the streamer thinks of a chunk there."""
    view = cube(corner=NOWHERE)
    sight = sight_of(view)
    _, d = cameras.rays(view)
    d = d.reshape(-1, 3)[::37]
    t = 300.0
    depth = np.abs(d @ np.stack([view.right, view.up, view.forward]).T).max(axis=1)
    at = np.floor(view.eyes_voxels[0] + d * t).astype(np.int64)
    pixels = error(sight, 0, at >> 4)
    wants = 2.0 / (view.cone * depth * t)  # width of the level above, in pixels of that ray
    assert (pixels >= wants).all()


@pytest.mark.parametrize("tangents", [(-1.2, 0.9, -1.0, 1.1), (-0.2, 1.4, 0.1, 0.6)])
def test_an_uneven_frustum_holds_its_rays_and_no_more(tangents):
    axes = rolled(0.3)
    view = through((0.1, 0.2, 0.3), axes, tangents, (64, 48), 0.01, NOWHERE)
    _, d = cameras.rays(view)
    inside = d @ view.planes.T
    assert inside.min() > 0
    for k, (edge, next_) in enumerate(
        [(d[:, 0], d[:, 1]), (d[:, -1], d[:, -2]), (d[-1], d[-2]), (d[0], d[1])]
    ):
        assert ((2 * edge - next_) @ view.planes[k] < 0).all(), "one pixel further is outside"
    np.testing.assert_allclose(view.axis, axes[2], atol=1e-6)
    corner = d[0, -1] / (d[0, -1] @ axes[2])  # right, top: at depth 1 it is half a pixel inside the tangents
    assert corner @ axes[0] == pytest.approx(tangents[1], abs=(tangents[1] - tangents[0]) / 64)
    assert corner @ axes[1] == pytest.approx(tangents[3], abs=(tangents[3] - tangents[2]) / 48)


def rolled(angle):
    """A head that is tilted to the side: rows right, up, ahead, with ahead = up x right."""
    c, s = math.cos(angle), math.sin(angle)
    right, up = np.array([0.0, -c, s]), np.array([0.0, s, c])
    return np.stack([right, up, np.cross(up, right)])


def test_an_even_frustum_is_the_planar_camera():
    pose = Pose(0.4, -0.3, 0.2, 33.0, -12.0)
    plain = look(pose, (96, 48), 50.0, 0.01, NOWHERE)
    tan = math.tan(math.radians(25))
    axes = np.array([pose.right, np.cross(pose.right, pose.forward), pose.forward])
    made = through((pose.x, pose.y, pose.z), axes, (-2 * tan, 2 * tan, -tan, tan), (96, 48), 0.01, NOWHERE)
    for name in ("right", "up", "forward", "eye_frac"):
        np.testing.assert_allclose(getattr(made, name), getattr(plain, name), atol=1e-12)
    assert (made.eye, made.size, made.projection) == (plain.eye, plain.size, plain.projection)
    assert made.cone == pytest.approx(plain.cone)
    assert layout.PROJECTIONS[made.projection] == "planar"


def test_a_frustum_without_area_is_refused():
    with pytest.raises(ValueError, match="field of view"):
        through((0, 0, 0), np.eye(3), (1, 1, -1, 1), (8, 8), 0.01, NOWHERE)
