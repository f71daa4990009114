"""Planar, stereo and 360: the rays of the shader are those of its twin, and meet what the reference meets."""

from dataclasses import replace

import cameras
import numpy as np
import pytest
import reference
from scenes import make_probe
from voxtide import shaders
from voxtide.app import frame
from voxtide.app.camera import Pose, eye_poses, look, through
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.atlas import layout

SIZE = (128, 64)
CUBE_SIZE = (240, 40)
FOV_DEG = 70.0
VOXEL_M = 0.01
IPD_M = 0.063
SHIFT = (1 << 20, -(1 << 20), 1 << 20)
LIGHT = light_of(300.0)
NOWHERE = np.zeros(3, np.int64)
# Off the corners of voxels and the diagonals: rays along edges belong to test_march.
POSES = [Pose(0.0133, 0.0217, 0.3149, 203.7, -8.2), Pose(-0.2041, -0.4027, 0.2013, 47.3, -30.1)]
EDGE = 2e-3  # voxels: float32 may see a ray that passes this close to an edge on its other side
EDGE_CASES = 4  # of the 8,192 or 9,600 rays of a picture


def look_at(pose, size, corner=NOWHERE, quality=1e-6, projection="planar"):
    return look(pose, size, FOV_DEG, VOXEL_M, corner, quality, projection, IPD_M)


def size_of(projection):
    return CUBE_SIZE if projection == "cube" else SIZE


def moved(pose, voxels):
    x, y, z = (c + n * VOXEL_M for c, n in zip((pose.x, pose.y, pose.z), voxels, strict=True))
    return replace(pose, x=x, y=y, z=z)


@pytest.fixture(scope="module")
def world():
    """A bumpy floor with boxes on and above it, about the origin."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:160, 0:160]
    h = (12 + 6 * np.sin(x / 13) + 5 * np.cos(y / 9)).astype(np.int64)
    floor = [np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(2)]
    cube = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), -1).reshape(-1, 3)
    boxes = [cube + corner for corner in rng.integers((10, 10, 20), (140, 140, 90), (30, 3))]
    voxels = np.unique(np.concatenate([*floor, *boxes]), axis=0) - (70, 90, 10)
    rgba = rng.integers(0, 256, (len(voxels), 4)).astype(np.uint8)
    rgba[:, 3] = 255
    return voxels, rgba


@pytest.fixture(scope="module")
def probe(gl_context, world):
    made = make_probe(gl_context, *world)
    yield made
    made.scene.release()


@pytest.fixture
def renderer(gl):
    made = Renderer(gl, SIZE)
    yield made
    made.release()


def draw(renderer, probe, view, name="colour"):
    """-> picture, hits"""
    renderer.resize(view.size)
    report = frame.draw(renderer, probe.scene, view, LIGHT, name)
    assert report.feedback.n_unresolved == 0
    return renderer.read_picture(), renderer.read_hits(view)


def differing(probe, view, hits):
    """Rays whose voxel is not the reference's, after the one that passes an edge closely is let go.

    -> (n_different, n_wrong): a wrong one names a voxel that its ray does not even pass closely
    """
    o, d = (v.reshape(-1, 3) for v in cameras.rays(view))
    hits = hits.reshape(-1)
    found, _ = reference.march(probe.dense[0], o, d)
    got = np.stack([hits["x"], hits["y"], hits["z"]], axis=-1)
    got[~frame.is_hit(hits)] = -1
    different = np.flatnonzero((got != found).any(axis=1))
    wrong = 0
    for i in different:
        for voxel in (got[i], found[i]):
            box = np.array([voxel - EDGE, voxel + 1 + EDGE])
            wrong += bool((voxel >= 0).all()) and not reference.passes(o[i], d[i], box)
    return len(different), wrong


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("projection", layout.PROJECTIONS)
def test_every_pixel_shows_the_voxel_that_the_reference_finds(renderer, probe, pose, projection):
    view = look_at(pose, size_of(projection), probe.corner, projection=projection)
    picture, hits = draw(renderer, probe, view, "uvw")
    n_hit = frame.is_hit(hits).sum()
    assert n_hit > 2000
    n_different, n_wrong = differing(probe, view, hits)
    assert n_wrong == 0
    assert n_different <= EDGE_CASES
    np.testing.assert_array_equal(picture, frame.uvw_rgba(hits, probe.corner))


@pytest.mark.parametrize(
    ("projection", "right", "wrong"),
    [
        ("equirect", "cos_sin_pi(-0.5 * s.y)", "cos_sin_pi(0.5 * s.y)"),
        ("equirect", "vec2(-s, c)", "vec2(s, c)"),
        ("equirect", "-1.0 / 720.0", "-1.0 / 360.0"),
        ("stereo", "frac = u_right_eye_frac;", "frac = u_eye_frac;"),
        ("stereo", "size.x /= 2;", ""),
        ("cube", "size.x /= CUBE_FACES;", "size.x /= CUBE_FACES + 1;"),
        ("cube", "s.x : -s.x", "s.x : s.x"),
        ("cube", "+ s.y * ahead", "- s.y * ahead"),
    ],
)
def test_a_changed_camera_is_noticed(gl, probe, monkeypatch, projection, right, wrong):
    """The comparison has teeth: one sign, or a late term of the series doubled, fails it."""
    name = "include/camera.glsl"
    assert right in shaders.read(name)
    monkeypatch.setattr(
        shaders,
        "read",
        lambda n, read=shaders.read: read(n).replace(right, wrong) if n == name else read(n),
    )
    broken = Renderer(gl, SIZE)
    view = look_at(POSES[0], size_of(projection), probe.corner, projection=projection)
    _, hits = draw(broken, probe, view)
    broken.release()
    n_different, n_wrong = differing(probe, view, hits)
    assert n_different > EDGE_CASES or n_wrong


@pytest.mark.parametrize("projection", layout.PROJECTIONS)
def test_a_world_moved_far_away_draws_the_same_picture(gl, world, probe, renderer, projection):
    voxels, rgba = world
    there = make_probe(gl, voxels + SHIFT, rgba)
    for pose in POSES:
        here_view = look_at(pose, size_of(projection), probe.corner, 1.0, projection)
        there_view = look_at(moved(pose, SHIFT), size_of(projection), there.corner, 1.0, projection)
        assert here_view == there_view
        np.testing.assert_allclose(there_view.eyes_voxels - here_view.eyes_voxels - SHIFT, 0, atol=1e-9)
        here_picture, here_hits = draw(renderer, probe, here_view)
        there_picture, there_hits = draw(renderer, there, there_view)
        assert len(np.unique(here_picture.reshape(-1, 4), axis=0)) > 50, "the picture shows something"
        np.testing.assert_array_equal(here_picture, there_picture)
        np.testing.assert_array_equal(here_hits, there_hits)
    there.scene.release()


@pytest.mark.parametrize("name", ["colour", "depth"])
def test_each_half_of_stereo_is_what_that_eye_sees_alone(probe, renderer, name):
    pose, width = POSES[0], SIZE[0] // 2
    view = look_at(pose, SIZE, probe.corner, 1.0, "stereo")
    both, both_hits = draw(renderer, probe, view, name)
    for i, eye in enumerate(eye_poses(pose, IPD_M)):
        one, one_hits = draw(renderer, probe, look_at(eye, (width, SIZE[1]), probe.corner, 1.0), name)
        half = slice(i * width, (i + 1) * width)
        np.testing.assert_array_equal(both[:, half], one)
        np.testing.assert_array_equal(both_hits[:, half], one_hits)
    assert (both[:, :width] != both[:, width:]).any(), "the eyes see different things"


def test_what_is_near_shifts_by_the_parallax_of_the_eyes():
    """A point z in front of the head lies further right for the left eye, by ipd / z in tangents."""
    pose = Pose(1.0, 2.0, 3.0, 30.0, 12.0)
    view = look_at(pose, (400, 100), projection="stereo")
    distance_m = 2.0
    ahead = np.array(pose.forward) * distance_m + (pose.x, pose.y, pose.z)
    right = np.array(view.right)
    across = [(ahead / VOXEL_M - eye) @ right / (right @ right) for eye in view.eyes_voxels]
    pixels = np.array(across) / (distance_m / VOXEL_M) * 100  # half an eye's width is 100 pixels
    assert pixels[0] - pixels[1] == pytest.approx(IPD_M / distance_m / np.linalg.norm(right) * 100, abs=1e-3)
    assert pixels[0] > 0 > pixels[1]


def test_both_eyes_ask_in_one_list(gl, world, renderer):
    """One dispatch, one request set: the missing child that both eyes see is named once."""
    cut = make_probe(gl, *world, keep=lambda ids: ids >> np.uint64(60) >= 4)
    view = look_at(POSES[0], SIZE, cut.corner, 1.0, "stereo")
    renderer.march(cut.scene.pool, view, cut.scene.start_of(view))
    hits = renderer.read_hits(view)
    requests = cut.scene.pool.read_feedback().requests
    asked = [(int(r["slot"]), int(r["octant"])) for r in requests]
    assert len(asked) == len(set(asked))
    wanted = []
    for half in (hits[:, : SIZE[0] // 2], hits[:, SIZE[0] // 2 :]):
        missed = half[frame.status(half) == layout.HIT_COARSE]
        octant = sum((missed[axis] >> 3 & 1) << i for i, axis in enumerate("xyz"))
        wanted.append(set(zip(missed["slot"].tolist(), octant.tolist(), strict=True)))
    assert wanted[0] & wanted[1]
    assert set(asked) == wanted[0] | wanted[1]
    cut.scene.release()


def room(n):
    """The six walls of an empty box [-n, n)^3."""
    side = np.arange(-n, n)
    u, v = (a.ravel() for a in np.meshgrid(side, side))
    walls = []
    for axis in range(3):
        for at in (-n, n - 1):
            wall = np.insert(np.stack([u, v], -1), axis, at, axis=1)
            walls.append(wall)
    return np.unique(np.concatenate(walls), axis=0)


def test_a_panorama_sees_all_six_walls_where_they_are(gl, renderer):
    """Yaw 90 looks along +y: the columns left to right are -y, -x, +y, +x, -y; row 0 is +z."""
    box = make_probe(gl, room(24))
    view = look_at(Pose(0.0013, 0.0021, 0.0017, 90.0, 0.0), SIZE, box.corner, projection="equirect")
    _, hits = draw(renderer, box, view)
    assert (frame.status(hits) == layout.HIT_VOXEL).all(), "no way out of a closed room"
    voxel = np.stack([hits["x"], hits["y"], hits["z"]], axis=-1) + box.corner
    width, height = SIZE
    middle = height // 2
    seen = {
        "+y": voxel[middle, width // 2],
        "+x": voxel[middle, width * 3 // 4],
        "-x": voxel[middle, width // 4],
        "-y": voxel[middle, 0],
        "+z": voxel[0, width // 2],
        "-z": voxel[height - 1, width // 2],
    }
    for name, at in seen.items():
        axis, wall = "xyz".index(name[1]), 23 if name[0] == "+" else -24
        assert at[axis] == wall, (name, at)
        assert np.abs(np.delete(at, axis)).max() <= 3, (name, at)
    np.testing.assert_array_equal(voxel[middle, -1, 1], -24)
    # Every direction is covered evenly: a pixel's share of the sphere adds up to each wall's sixth.
    share = np.cos((np.arange(height) + 0.5 - middle) / height * np.pi)[:, None] * np.ones(width)
    for axis in range(3):
        for wall in (-24, 23):
            part = share[(voxel[..., axis] == wall)].sum() / share.sum()
            assert part == pytest.approx(1 / 6, abs=0.02)
    box.scene.release()


def test_a_panorama_is_level_and_its_pixel_is_as_tall_everywhere():
    level, tilted = (
        look_at(Pose(0, 0, 0, 20, pitch), SIZE, projection="equirect", quality=2.0) for pitch in (0, 60)
    )
    assert level == tilted
    assert level.cone == pytest.approx(2 * np.pi / SIZE[1])


@pytest.mark.parametrize("pitch", [-90.0, -33.0, 0.0, 71.0])
@pytest.mark.parametrize("projection", ["planar", "stereo"])
def test_the_planes_hold_the_rays_and_no_more(projection, pitch):
    view = look_at(Pose(0.2, -0.3, 0.4, 111.0, pitch), SIZE, projection=projection)
    planes = view.planes
    assert planes.shape == (4, 3)
    np.testing.assert_allclose(np.linalg.norm(planes, axis=1), 1)
    _, d = cameras.rays(view)
    inside = d @ planes.T
    assert inside.min() > 0
    # A ray of the outermost pixels is half a pixel inside; one pixel further out it is outside.
    eye = d[:, : SIZE[0] // 2] if projection == "stereo" else d
    for k, (edge, next_) in enumerate(
        [(eye[:, 0], eye[:, 1]), (eye[:, -1], eye[:, -2]), (eye[-1], eye[-2]), (eye[0], eye[1])]
    ):
        assert (edge @ planes[k] < 0.04).all(), "left, right, bottom, top"
        assert ((2 * edge - next_) @ planes[k] < 0).all()
    behind = -d.reshape(-1, 3)
    assert ((behind @ planes.T) < 0).any(axis=1).all()


def test_planes_and_axis_are_what_the_inverse_says(rng):
    for _ in range(20):
        turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        right, up, ahead = turned if np.linalg.det(turned) < 0 else -turned  # right x up looks back
        view = through(
            (1, 2, 3), np.stack([right, up, ahead]), (-1.2, 0.7, -0.4, 0.9), SIZE, VOXEL_M, NOWHERE
        )
        across, along, depth = np.linalg.inv(np.array([view.right, view.up, view.forward]).T)
        sides = np.stack([depth + across, depth - across, depth + along, depth - along])
        sides /= np.linalg.norm(sides, axis=1, keepdims=True)
        np.testing.assert_allclose(view.planes, sides, rtol=0, atol=1e-12)
        np.testing.assert_allclose(view.axis, ahead, rtol=0, atol=1e-12)


def test_a_panorama_has_no_planes_and_one_eye():
    view = look_at(POSES[0], SIZE, projection="equirect")
    assert view.planes.shape == (0, 3)
    assert view.eyes_voxels.shape == (1, 3)
    np.testing.assert_allclose(view.eyes_voxels[0] * VOXEL_M, (POSES[0].x, POSES[0].y, POSES[0].z), atol=1e-6)


def test_the_eyes_are_a_pupil_distance_apart():
    view = look_at(Pose(1, 2, 3, 90, -40), SIZE, projection="stereo")
    left, right = view.eyes_voxels * VOXEL_M
    np.testing.assert_allclose(right - left, (IPD_M, 0, 0), atol=1e-6)
    np.testing.assert_allclose((left + right) / 2, (1, 2, 3), atol=1e-6)


def test_an_odd_width_has_no_halves():
    with pytest.raises(ValueError, match="halves"):
        look_at(POSES[0], (127, 64), projection="stereo")
