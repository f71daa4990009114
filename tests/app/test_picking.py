"""Picking: the voxel under a pixel is what the picture shows there, and what the reference finds."""

import cameras
import numpy as np
import pytest
import reference
from attributes import make_attributed
from scenes import make_probe
from voxtide.app import frame, picking
from voxtide.app.camera import Pose, look
from voxtide.app.pixels import rays_of
from voxtide.app.render.rays import Rays
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.scene import load
from voxtide.atlas import layout
from voxtide.atlas.uvw import atlas_to_voxel

N_PIXELS = 1000
SIZES = {"planar": (320, 200), "stereo": (400, 200), "equirect": (400, 200), "cube": (600, 100)}
EDGE = 2e-3  # voxels: float32 may see a ray that passes this close to an edge on its other side
EDGE_CASES = 3  # of 1,000


def hills(rng):
    y, x = np.mgrid[0:192, 0:192]
    h = (12 + 6 * np.sin(x / 13) + 5 * np.cos(y / 9)).astype(np.int64)
    floor = [np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(2)]
    return np.unique(np.concatenate(floor), axis=0) - (90, 70, 30), Pose(0.05, 0.06, 0.11, 33.0, -25.0)


def rooms(rng):
    solid = np.zeros((96, 160, 160), bool)  # z, y, x
    solid[[0, -1]] = solid[:, [0, -1]] = solid[:, :, [0, -1]] = True
    solid[:, 80, :] = solid[:, :, 70] = True
    solid[10:60, 80, 30:50] = solid[10:60, 100:120, 70] = False
    z, y, x = np.nonzero(solid)
    return np.stack([x, y, z], -1) + np.array([-400, 3000, 10]), Pose(-3.6, 30.3, 0.53, 71.0, 4.0)


def specks(rng):
    return np.unique(rng.integers(-60, 60, (16000, 3)), axis=0), Pose(0.0113, -0.0231, 0.0417, 280.0, 11.0)


@pytest.fixture(scope="module", params=[hills, rooms, specks], ids=lambda make: make.__name__)
def world(request, gl_context):
    rng = np.random.default_rng(11)
    voxels, pose = request.param(rng)
    rgba = rng.integers(1, 256, (len(voxels), 4)).astype(np.uint8)
    made = make_probe(gl_context, voxels, rgba)
    yield made, pose
    made.scene.release()


@pytest.fixture(scope="module")
def rays(gl_context):
    made = Rays(gl_context)
    yield made
    made.release()


def some_pixels(rng, view):
    return np.stack([rng.integers(0, n, N_PIXELS) for n in view.size], axis=1)


def view_of(probe, pose, projection, quality):
    return look(pose, SIZES[projection], 70.0, 0.01, probe.corner, quality, projection)


@pytest.mark.parametrize("projection", layout.PROJECTIONS)
def test_it_is_the_voxel_that_the_reference_finds(rays, world, rng, projection):
    probe, pose = world
    view = view_of(probe, pose, projection, 1e-6)
    pixels = some_pixels(rng, view)
    hits = np.concatenate([rays.fire(probe.scene.pool, rays_of(view, pixels[i::2])) for i in range(2)])
    pixels = np.concatenate([pixels[i::2] for i in range(2)])
    origins, directions = (v[pixels[:, 1], pixels[:, 0]] for v in cameras.rays(view))
    found, t = reference.march(probe.dense[0], origins, directions)
    assert (found >= 0).all(axis=1).sum() > N_PIXELS // 4, "the view shows something"
    got = picking.voxel_of(hits, probe.corner) - probe.corner
    got[~frame.is_hit(hits)] = -1
    different = np.flatnonzero((got != found).any(axis=1))
    for i in different:
        for voxel in (got[i], found[i]):
            box = np.array([voxel - EDGE, voxel + 1 + EDGE])
            assert (voxel < 0).all() or reference.passes(origins[i], directions[i], box)
    assert len(different) <= EDGE_CASES
    same = np.setdiff1d(np.flatnonzero(found[:, 0] >= 0), different)
    np.testing.assert_allclose(hits["t"][same], t[same], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("projection", layout.PROJECTIONS)
def test_it_is_the_voxel_that_the_picture_shows(gl, rays, world, rng, projection):
    """With pixels as wide as they are: coarse levels far away, and each pixel's own cone."""
    probe, pose = world
    view = view_of(probe, pose, projection, 8.0)
    renderer = Renderer(gl, view.size)
    frame.draw(renderer, probe.scene, view, light_of(300.0))
    drawn = renderer.read_hits(view)
    renderer.release()
    pixels = some_pixels(rng, view)
    hits = rays.fire(probe.scene.pool, rays_of(view, pixels))
    shown = drawn[pixels[:, 1], pixels[:, 0]]
    same = np.ones(N_PIXELS, bool)
    for name in "xyz":
        same &= hits[name] == shown[name]
    same &= (hits["info"] & 0xFFF) == (shown["info"] & 0xFFF)  # status, level, face
    assert frame.is_hit(shown).sum() > N_PIXELS // 4
    assert (~same).sum() <= EDGE_CASES
    assert len(np.unique(frame.level(shown[frame.is_hit(shown)]))) > 1, "levels differ, or the test is weak"


def test_a_pick_names_the_voxel_in_every_word(gl, rays, world, rng):
    probe, pose = world
    view = view_of(probe, pose, "planar", 1e-6)
    voxels, rgba = probe.levels[0]
    colour_of = dict(zip(map(tuple, voxels.tolist()), rgba.tolist(), strict=True))
    n_picked = 0
    for pixel in some_pixels(rng, view)[:25].tolist():
        picked = picking.pick(rays, probe.scene, view, tuple(pixel))
        if picked is None:
            continue
        n_picked += 1
        assert picked.level == 0 and not picked.is_coarse
        assert list(picked.rgba) == colour_of[picked.voxel]
        inside = np.array(picked.position_m) / 0.01 - picked.voxel
        assert inside.min() > -2e-2 and inside.max() < 1 + 2e-2
        eye = np.array([pose.x, pose.y, pose.z])
        assert np.linalg.norm(picked.position_m - eye) == pytest.approx(picked.distance_m, abs=1e-4)
        said = picking.identity(picked.voxel, picked.level)
        np.testing.assert_array_equal(np.array(said.region) * 256 + said.uvw, picked.voxel)
        assert atlas_to_voxel(*said.texel) == said.uvw
        np.testing.assert_array_equal(np.array(picked.voxel) // 16, said.chunk)
    assert n_picked > 5


def test_sky_and_pixels_outside_are_nothing(rays, world):
    probe, pose = world
    view = view_of(probe, pose, "planar", 1.0)
    assert picking.pick(rays, probe.scene, view, (-1, 0)) is None
    assert picking.pick(rays, probe.scene, view, view.size) is None
    away = look(Pose(1e3, 1e3, 1e3, 0.0, 80.0), (64, 32), 60.0, 0.01, probe.corner)
    assert picking.pick(rays, probe.scene, away, (32, 16)) is None


def test_a_missing_chunk_is_told_and_asked_for(gl, rays, rng):
    voxels, pose = hills(rng)
    cut = make_probe(gl, voxels, keep=lambda ids: ids >> np.uint64(60) >= 3)
    view = view_of(cut, pose, "planar", 1e-6)
    picked = picking.pick(rays, cut.scene, view, (160, 150))
    assert picked.is_coarse and picked.level == 3
    assert len(cut.scene.pool.read_feedback().requests) == 1
    cut.scene.release()


def test_the_entity_of_a_voxel_is_named(gl, rays, tmp_path, rng):
    voxels, pose = hills(rng)
    ids = np.where(voxels[:, 0] < 0, 7, 300).astype(np.uint32)
    rgba = np.full((len(voxels), 4), 255, np.uint8)
    made = make_attributed(tmp_path / "w", voxels, rgba, {"semantic": (voxels, ids)}, entities={7: "meadow"})
    scene = load(gl, made, 64 << 20)
    named = set()
    for yaw in (0.0, 180.0):
        at = Pose(pose.x - 0.05, pose.y, pose.z, yaw, -25.0)
        view = look(at, (64, 32), 60.0, 0.01, scene.root.corner_voxel, 1e-6)
        picked = picking.pick(rays, scene, view, (32, 20), made)
        named.add((picked.voxel[0] < 0, picked.entity))
        assert picking.pick(rays, scene, view, (32, 20)).entity == ""
    assert named == {(True, "meadow (7)"), (False, "300")}
    scene.release()
