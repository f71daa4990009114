"""What a picture shows is what the rays found, wherever the world lies."""

import cameras
import moderngl
import numpy as np
import pytest
import reference
from scenes import make_probe
from voxtide.app import frame
from voxtide.app.camera import Pose, look
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.atlas import layout
from voxtide.atlas.slots import atlas_texel

SIZE = (96, 64)
FOV_DEG = 60.0
VOXEL_M = 0.01


def hills(rng, n=160):
    """A coloured, bumpy floor with boxes on it."""
    y, x = np.mgrid[0:n, 0:n]
    h = (12 + 6 * np.sin(x / 13) + 5 * np.cos(y / 9)).astype(np.int64)
    floor = np.concatenate([np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(2)])
    boxes = [
        np.stack(np.meshgrid(*(c + np.arange(8) for c in corner), indexing="ij"), -1).reshape(-1, 3)
        for corner in rng.integers((10, 10, 14), (140, 140, 40), (12, 3))
    ]
    voxels = np.unique(np.concatenate([floor, *boxes]), axis=0) - (70, 90, 10)
    rgba = rng.integers(0, 256, (len(voxels), 4)).astype(np.uint8)
    rgba[:, 3] = 255
    return voxels, rgba


@pytest.fixture(scope="module")
def world():
    return hills(np.random.default_rng(5))


@pytest.fixture(scope="module")
def renderer(gl_context):
    made = Renderer(gl_context, SIZE)
    yield made
    made.release()


def view_of(probe, pose, quality=1.0, shift_voxels=(0, 0, 0)):
    x, y, z = (c + s * VOXEL_M for c, s in zip((pose.x, pose.y, pose.z), shift_voxels, strict=True))
    moved = Pose(x, y, z, pose.yaw, pose.pitch)
    return look(moved, SIZE, FOV_DEG, VOXEL_M, probe.corner, quality)


# No eye on a voxel's corner and no yaw of 45 degrees: rays that run along edges belong to test_march.
POSES = [
    Pose(-0.9041, -1.1027, 0.9013, 47.3, -30.1),
    Pose(0.0133, 0.0217, 0.2149, 203.7, -8.2),
    Pose(0.3071, -0.4033, 1.5019, 11.9, -86.4),
]


@pytest.mark.parametrize("shift", [(1 << 20, 0, 0), (-(1 << 20), 1 << 20, 1 << 20)])
def test_a_world_moved_far_away_draws_the_same_picture(gl, world, renderer, shift):
    voxels, rgba = world
    here, there = make_probe(gl, voxels, rgba), make_probe(gl, voxels + shift, rgba)
    for pose in POSES:
        pictures, hits = [], []
        for probe, moved in ((here, (0, 0, 0)), (there, shift)):
            view = view_of(probe, pose, shift_voxels=moved)
            frame.draw(renderer, probe.scene, view, light_of(300.0))
            pictures.append(renderer.read_picture())
            hits.append(renderer.read_hits(view))
        assert len(np.unique(pictures[0].reshape(-1, 4), axis=0)) > 50, "the picture shows something"
        np.testing.assert_array_equal(pictures[0], pictures[1])
        np.testing.assert_array_equal(hits[0], hits[1])
    here.scene.release()
    there.scene.release()


def camera_rays(view):
    return tuple(v.reshape(-1, 3) for v in cameras.rays(view))


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("shift", [(0, 0, 0), (-5000, 70_001, 1 << 20)])
def test_the_canonical_pass_names_the_voxel_the_reference_finds(gl, world, renderer, pose, shift):
    voxels, rgba = world
    probe = make_probe(gl, voxels + shift, rgba)
    view = view_of(probe, pose, quality=1e-6, shift_voxels=shift)
    frame.draw(renderer, probe.scene, view, light_of(300.0), "uvw")
    picture = renderer.read_picture().reshape(-1, 4)
    array = frame.uvw_rgba(renderer.read_hits(view), probe.corner).reshape(-1, 4)
    np.testing.assert_array_equal(picture, array)
    found, _ = reference.march(probe.dense[0], *camera_rays(view))
    hit = found[:, 0] >= 0
    assert hit.mean() > 0.2
    np.testing.assert_array_equal(picture[:, 3] == 255, hit)
    np.testing.assert_array_equal(picture[hit, :3], (found[hit] + probe.corner) & 255)
    assert not picture[~hit].any(), "a hole is all zero"
    probe.scene.release()


def test_colours_are_those_of_the_voxels(gl, world, renderer):
    """Without sun, haze and ambient the picture would be the atlas: check through the atlas itself."""
    voxels, rgba = world
    probe = make_probe(gl, voxels, rgba)
    view = view_of(probe, POSES[0], quality=1e-6)
    renderer.march(probe.scene.pool, view, probe.scene.start_of(view))
    hits = renderer.read_hits(view)
    hits = hits[frame.status(hits) == layout.HIT_VOXEL]
    local = np.stack([hits["x"], hits["y"], hits["z"]], axis=-1) & 15
    layer, x, y = atlas_texel(hits["slot"].astype(np.int64), local)
    atlas = np.frombuffer(probe.scene.pool.atlas.read(), np.uint8).reshape(-1, layout.ATLAS, layout.ATLAS, 4)
    colour_of = {tuple(v): c for v, c in zip(voxels.tolist(), rgba.tolist(), strict=True)}
    at = np.stack([hits["x"], hits["y"], hits["z"]], axis=-1) + probe.corner
    want = np.array([colour_of[tuple(v)] for v in at.tolist()])
    np.testing.assert_array_equal(atlas[layer, y, x], want)
    probe.scene.release()


def test_albedo_is_the_voxels_own_colour_and_sky_is_told_by_alpha(gl, world, renderer):
    voxels, rgba = world
    probe = make_probe(gl, voxels, rgba)
    view = view_of(probe, POSES[0], quality=1e-6)
    frame.draw(renderer, probe.scene, view, light_of(300.0), "albedo")
    hits, picture = renderer.read_hits(view), renderer.read_picture()
    found = frame.status(hits) == layout.HIT_VOXEL
    at = np.stack([hits["x"], hits["y"], hits["z"]], axis=-1)[found] + probe.corner
    colour_of = {tuple(v): c for v, c in zip(voxels.tolist(), rgba.tolist(), strict=True)}
    want = np.array([colour_of[tuple(v)] for v in at.tolist()])
    np.testing.assert_array_equal(picture[found, :3], want[:, :3])
    assert (picture[found, 3] == 255).all() and (picture[~found] == 0).all() and (~found).any()
    probe.scene.release()


def test_depth_is_the_distance_along_the_ray(gl, world, renderer):
    voxels, rgba = world
    probe = make_probe(gl, voxels, rgba)
    view = view_of(probe, POSES[0], quality=1e-6)
    renderer.march(probe.scene.pool, view, probe.scene.start_of(view))
    depth = frame.depth_m(renderer.read_hits(view), VOXEL_M).ravel()
    _, t = reference.march(probe.dense[0], *camera_rays(view))
    np.testing.assert_allclose(depth, t * VOXEL_M, rtol=1e-4)
    assert np.isinf(depth).any()
    assert depth.dtype == np.float32
    probe.scene.release()


@pytest.mark.parametrize("name", layout.PASSES)
def test_every_pass_draws(gl, world, renderer, name):
    voxels, rgba = world
    rng = np.random.default_rng(1)
    keep = lambda ids: (rng.random(len(ids)) < 0.8) | (ids >> np.uint64(60) >= 5)  # noqa: E731
    probe = make_probe(gl, voxels, rgba, keep=keep)
    view = view_of(probe, POSES[0])
    report = frame.draw(renderer, probe.scene, view, light_of(300.0), name)
    picture = renderer.read_picture()
    n_colours = {"level": 2, "residency": 3, "normal": 4, "semantic": 4}.get(name, 6)
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) >= n_colours
    assert report.feedback.n_unresolved == 0
    probe.scene.release()


def gl_objects(owner):
    """Every moderngl object that an object of ours holds."""
    held = [
        item
        for value in vars(owner).values()
        for item in (value.values() if isinstance(value, dict) else [value])
    ]
    return [item for item in held if hasattr(item, "mglo") and not isinstance(item, moderngl.Context)]


def test_everything_made_is_released(gl, world):
    voxels, rgba = world
    probe, renderer = make_probe(gl, voxels, rgba), Renderer(gl, SIZE)
    renderer.resize((40, 30))
    held = gl_objects(probe.scene.pool) + gl_objects(renderer)
    assert len(held) >= 16
    assert not any(isinstance(thing.mglo, moderngl.InvalidObject) for thing in held)
    renderer.release()
    probe.scene.release()
    assert all(isinstance(thing.mglo, moderngl.InvalidObject) for thing in held)
