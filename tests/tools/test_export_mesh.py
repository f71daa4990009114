"""The .glb: read with nothing but NumPy, and opened by trimesh where that is there."""

import json
import struct

import numpy as np
import pytest
import small_worlds
from data import needs
from voxtide.atlas.lod import SRGB_OF_LINEAR
from voxtide.streamer.world import open_world
from voxtide.tools import export as exports
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.export import ExportOptions
from voxtide.tools.sources import open_source
from worlds import make_world

SIZE = 0.25


def export(world, out, **options):
    return exports.export(world, out, ExportOptions(**options), lambda *_: None)


def ball(radius=30, centre=(3, -2, 251)):
    """A solid ball over eight regions; coloured in thick slanted stripes."""
    at = np.argwhere(np.ones([2 * radius + 1] * 3)) - radius
    at = at[(at**2).sum(1) <= radius**2]
    return at + np.array(centre)


def striped(voxels):
    code = (voxels @ np.array([1, 2, 3])) // 20 % 12
    return np.stack([code * 20, 250 - code * 20, code % 3 * 100, np.full(len(code), 255)], -1).astype(
        np.uint8
    )


def read_glb(path):
    """(corners [V, 3] in voxels, world axes; rgb [V, 3]; triangles [T, 3]; the JSON), every mesh of it."""
    data = path.read_bytes()
    magic, version, n_bytes, n_json, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, n_bytes, kind) == (b"glTF", 2, len(data), b"JSON")
    gltf = json.loads(data[20 : 20 + n_json])
    n_body, kind = struct.unpack_from("<I4s", data, 20 + n_json)
    assert kind == b"BIN\0"
    body = data[28 + n_json :]
    assert len(body) == n_body == gltf["buffers"][0]["byteLength"]
    dtypes = {5126: "<f4", 5123: "<u2", 5125: "<u4"}

    def array(index):
        accessor = gltf["accessors"][index]
        view = gltf["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        assert view["byteOffset"] % 4 == 0
        values = np.frombuffer(
            body, dtypes[accessor["componentType"]], accessor["count"] * width, view["byteOffset"]
        )
        return values.reshape(-1, width)

    corners, rgb, triangles, n = [], [], [], 0
    for node in gltf["nodes"][1:]:
        (primitive,) = gltf["meshes"][node["mesh"]]["primitives"]
        position = array(primitive["attributes"]["POSITION"])
        accessor = gltf["accessors"][primitive["attributes"]["POSITION"]]
        np.testing.assert_array_equal(accessor["min"], position.min(0))
        np.testing.assert_array_equal(accessor["max"], position.max(0))
        corners.append(position.astype(np.float64) + node["translation"])
        rgb.append(SRGB_OF_LINEAR[array(primitive["attributes"]["COLOR_0"])[:, :3]])
        triangles.append(array(primitive["indices"]).reshape(-1, 3).astype(np.int64) + n)
        n += len(position)
    return np.concatenate(corners), np.concatenate(rgb), np.concatenate(triangles), gltf


def edges_of(corners, triangles):
    """How often each edge is used forwards and backwards, corners merged by place: two arrays [E]."""
    _, at = np.unique(corners, axis=0, return_inverse=True)
    joined = at.reshape(-1)[triangles]
    assert (joined[:, 0] != joined[:, 1]).all()
    start, end = joined.reshape(-1), np.roll(joined, -1, axis=1).reshape(-1)
    low, high = np.minimum(start, end), np.maximum(start, end)
    _, edge = np.unique(low * (at.max() + 1) + high, return_inverse=True)
    forwards = np.bincount(edge, start < end)
    return forwards, np.bincount(edge) - forwards


def scenes():
    noise = small_worlds.noise()[0]
    return {
        "ball": (ball(), None),
        "building": (small_worlds.building()[0], None),
        "noise": (noise, None),
        "garish": (noise[(np.abs(noise) < 60).all(1)], np.random.default_rng(0)),
        "one": (np.array([[255, -1, 0]]), None),
    }


@pytest.fixture(scope="module", params=list(scenes()))
def scene(request, tmp_path_factory):
    """(name, world, voxels, path of its .glb, report)"""
    voxels, rng = scenes()[request.param]
    rgba = striped(voxels)
    if rng is not None:
        rgba[:, :3] = rng.integers(0, 256, (len(voxels), 3))
    folder = tmp_path_factory.mktemp(request.param)
    world = make_world(folder / "w.vxt", voxels, rgba, voxel_size_m=SIZE)
    return request.param, world, voxels, folder / "m.glb", export(world, folder / "m.glb")


def test_the_surface_is_closed_and_encloses_the_voxels(scene):
    """Every edge as often forwards as backwards; the volume is the voxels', the area is their faces'."""
    name, _, voxels, path, report = scene
    corners, _, triangles, _ = read_glb(path)
    forwards, backwards = edges_of(corners, triangles)
    np.testing.assert_array_equal(forwards, backwards)
    if name in ("ball", "one"):
        assert (forwards == 1).all(), "no voxels touch in an edge alone: two triangles to an edge"
    a, b, c = (corners[triangles[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    assert (np.abs(cross).max(1) > 0).all(), "no triangle without area"
    assert round((a * cross).sum() / 6, 3) == len(voxels)
    assert np.linalg.norm(cross, axis=1).sum() / 2 == pytest.approx(report.facts["faces"])
    assert report.voxels == len(voxels)
    if name not in ("garish", "one"):
        assert len(triangles) < 2 * report.facts["faces"]


def test_each_triangle_has_the_colour_of_its_voxels(scene):
    _, world, _, path, _ = scene
    corners, rgb, triangles, _ = read_glb(path)
    a, b, c = (corners[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert (rgb[triangles[:, 0]] == rgb[triangles[:, 1]]).all()
    for weights in ((1, 1, 1), (8, 1, 1), (1, 8, 1), (1, 1, 8)):
        middle = sum(w * p for w, p in zip(weights, (a, b, c), strict=True)) / sum(weights)
        inside = np.floor(middle - 0.25 * normal).astype(np.int64)
        outside = np.floor(middle + 0.25 * normal).astype(np.int64)
        found = world.read_voxels(0, inside)
        assert found[:, 3].all(), "a voxel is behind each triangle"
        np.testing.assert_array_equal(found[:, :3], rgb[triangles[:, 0]])
        assert not world.read_voxels(0, outside)[:, 3].any(), "and none before it"


def test_corners_are_shared_within_a_colour(scene):
    _, _, _, path, _ = scene
    _, _, _, gltf = read_glb(path)
    corners, rgb, _, _ = read_glb(path)
    n_regions = len(gltf["meshes"])
    rows = np.concatenate([corners, rgb], axis=1)
    assert len(np.unique(rows, axis=0)) <= len(rows) <= len(np.unique(rows, axis=0)) * max(1, n_regions)
    if n_regions == 1:
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_a_box_is_twelve_triangles(tmp_path):
    at = np.argwhere(np.ones((20, 30, 40))) + np.array((10, 20, 30))
    rgba = np.tile(np.array([9, 8, 7, 255], np.uint8), (len(at), 1))
    world = make_world(tmp_path / "w.vxt", at, rgba, voxel_size_m=SIZE)
    report = export(world, tmp_path / "m.glb")
    assert report.facts == {"faces": 2 * (600 + 800 + 1200), "vertices": 8, "triangles": 12}


def test_a_crop_is_closed_by_its_cut(tmp_path):
    voxels = ball()
    world = make_world(tmp_path / "w.vxt", voxels, striped(voxels), voxel_size_m=SIZE)
    report = export(world, tmp_path / "m.glb", bounds_m=((-4, -4, 60), (2, 3, 66)))
    corners, _, triangles, _ = read_glb(tmp_path / "m.glb")
    forwards, backwards = edges_of(corners, triangles)
    assert (forwards == 1).all()
    assert (backwards == 1).all()
    a, b, c = (corners[triangles[:, i]] for i in range(3))
    assert round((a * np.cross(b, c)).sum() / 6, 3) == report.voxels
    assert 0 < report.voxels < len(voxels)


@pytest.fixture
def trimesh():
    return pytest.importorskip("trimesh", reason="needs trimesh (pip install trimesh)")


def test_trimesh_finds_it_watertight(tmp_path, trimesh):
    voxels = ball()
    world = make_world(tmp_path / "w.vxt", voxels, striped(voxels), voxel_size_m=SIZE)
    export(world, tmp_path / "m.glb")
    loaded = trimesh.load_scene(tmp_path / "m.glb")
    assert len(loaded.geometry) == 8
    mesh = loaded.to_mesh()
    mesh.merge_vertices()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(len(voxels) * SIZE**3)
    low, high = voxels.min(0) * SIZE, (voxels.max(0) + 1) * SIZE
    np.testing.assert_allclose(mesh.bounds[:, 0], (low[0], high[0]))
    np.testing.assert_allclose(mesh.bounds[:, 1], (low[2], high[2]))  # y is up there
    np.testing.assert_allclose(mesh.bounds[:, 2], (-high[1], -low[1]))


def test_a_real_scene_opens_in_trimesh(tmp_path, trimesh):
    source = open_source(needs("vox", "mmmm", "scene_church1.vox"))
    bake(source, tmp_path / "w.vxt", BakeOptions(voxel_size_m=0.1))
    report = export(open_world(tmp_path / "w.vxt"), tmp_path / "m.glb")
    loaded = trimesh.load_scene(tmp_path / "m.glb")
    colours = [SRGB_OF_LINEAR[g.visual.vertex_attributes["color"][:, :3]] for g in loaded.geometry.values()]
    wanted = np.concatenate([b.rgba for b in source.batches(1 << 20)])[:, :3]
    assert set(map(tuple, np.concatenate(colours))) <= set(map(tuple, np.unique(wanted, axis=0)))
    mesh = loaded.to_mesh()
    assert len(mesh.faces) == report.facts["triangles"] < report.facts["faces"]
    assert mesh.volume == pytest.approx(report.voxels * 0.1**3)
    assert len(np.unique(np.concatenate(colours), axis=0)) > 10
