"""glTF: what a node shows and of which colour; what is damaged or leads elsewhere is refused in one line."""

import io
import json
import struct
import zlib

import gltf_files
import meshes
import numpy as np
import pytest
from data import needs
from gltf_files import TRIANGLE, Gltf
from PIL import Image
from voxtide.tools.errors import UserError
from voxtide.tools.sources import gltf_file, mesh, open_source, pictures
from voxtide.tools.voxelise import sums

UV = np.array([[0, 0], [1, 0], [0, 1]], "f4")
CHECKS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def read(path, n=1 << 17):
    return list(open_source(path).batches(n))


def only(path):
    (batch,) = read(path)
    return batch


def test_one_triangle(tmp_path):
    path = Gltf().primitive(indices=np.array([0, 1, 2], "u2")).write(tmp_path)
    source = open_source(path)
    assert (source.kind, source.up, source.n_items, source.notes["format"]) == ("triangles", "y", 1, "glb")
    batch = only(path)
    assert np.array_equal(batch.positions, [TRIANGLE]) and batch.positions.dtype == np.float64
    assert batch.texture is None and np.allclose(batch.colours[0, 0], mesh.PLAIN)


@pytest.mark.parametrize("code", ["u1", "u2", "u4"])
def test_strips_and_fans(tmp_path, code):
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "f4")
    strip = Gltf().primitive(square, np.array([0, 1, 3, 2], code), mode=5).write(tmp_path, "strip.glb")
    fan = Gltf().primitive(square, mode=6).write(tmp_path, "fan.glb")
    area = lambda c: np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0])[:, 2].sum() / 2  # noqa: E731
    assert len(only(strip)) == len(only(fan)) == 2
    assert area(only(fan).positions) == 1
    assert sorted(np.ptp(only(strip).positions, axis=1).sum(1)) == [2, 2]


def test_quantised_and_interleaved_positions(tmp_path):
    made = Gltf()
    rows = np.zeros(3, [("p", "<i2", 3), ("pad", "<i2")])
    rows["p"] = [[0, 0, 0], [32767, 0, 0], [0, -32767, 0]]
    view = made.view(rows.tobytes(), byteStride=8)
    told = {"bufferView": view, "componentType": 5122, "count": 3, "type": "VEC3", "normalized": True}
    path = made.primitive(made.add("accessors", told)).write(tmp_path)
    assert np.array_equal(only(path).positions, [[[0, 0, 0], [1, 0, 0], [0, -1, 0]]])


def test_nodes_are_placed_and_a_mesh_may_be_shown_twice(tmp_path):
    made = Gltf().primitive()
    half = 0.5**0.5
    made.json["scenes"] = [{"nodes": [0]}]
    made.json["nodes"] = [
        {"children": [1, 2], "translation": [10, 0, 0], "rotation": [0, 0, half, half], "scale": [2, 3, 4]},
        {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]},
        {"mesh": 0},
        {"mesh": 0, "translation": [99, 99, 99]},  # in no scene
    ]
    source = open_source(made.write(tmp_path))
    assert source.n_items == 2
    corners = np.concatenate([b.positions for b in source.batches(1)])
    turned = lambda p: np.stack([10 - 3 * p[:, 1], 2 * p[:, 0], 4 * p[:, 2]], axis=1)  # noqa: E731
    assert np.allclose(corners, [turned(TRIANGLE + np.array([5, 6, 7])), turned(TRIANGLE)])


def test_colour_factors_are_linear_light_and_keep_their_precision(tmp_path):
    made = Gltf()
    made.primitive(
        material=made.material(factor=[0.0406, 0.5, 1, 0.25]), COLOR_0=np.full((3, 4), [0.5, 1, 1, 1], "f4")
    )
    batch = only(made.write(tmp_path))
    assert np.allclose(batch.colours, [0.0203, 0.5, 1, 0.25], atol=1e-7)
    found = meshes.voxelised(meshes.soup(batch.positions, batch.colours))
    assert sums.mean_srgb(found)[0].tolist() == [39, 188, 255]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_texture_is_sampled_where_its_coordinates_say(tmp_path, form):
    made = Gltf()
    at = np.array([[0.375, 0.125], [0.375, 0.125], [0.375, 0.125]], "f4")  # the centre of texel (1, 0)
    made.primitive(TEXCOORD_0=at, material=made.material(made.texture(CHECKS, form)))
    path = made.write(tmp_path)
    found = meshes.voxelised(only(path))
    assert (sums.mean_srgb(found) == CHECKS[0, 1]).all()
    other = Gltf()
    turned = {"offset": [0.5, 0.25], "rotation": np.pi / 2, "scale": [0.5, 1], "texCoord": 1}
    where = {"extensions": {"KHR_texture_transform": turned}}
    source = np.array([[0.5, 0.125]] * 3, "f4")  # -> (0.25, 0.125) -> (0.125, -0.25) -> (0.625, 0)
    other.primitive(
        TEXCOORD_0=UV, TEXCOORD_1=source, material=other.material(other.texture(CHECKS, form), where)
    )
    assert np.allclose(only(other.write(tmp_path)).uv, (0.625, 0), atol=1e-6)


def test_wrap_modes(tmp_path):
    made = Gltf()
    sampler = {"wrapS": 33071, "wrapT": 33648}
    at = np.array([[7.3, 1.125]] * 3, "f4")  # clamped to the last column; mirrored to 0.875, the last row
    made.primitive(TEXCOORD_0=at, material=made.material(made.texture(CHECKS, sampler=sampler)))
    assert (sums.mean_srgb(meshes.voxelised(only(made.write(tmp_path)))) == CHECKS[3, 3]).all()


def test_alpha_cuts_holes_only_where_the_material_says(tmp_path):
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[:, :4, 3] = 0  # the left half is see-through
    square = np.array([[0, 0, 0], [64, 0, 0], [64, 64, 0], [0, 64, 0]], "f4")
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "f4")
    n = {}
    for mode in ("OPAQUE", "MASK", "BLEND"):
        made = Gltf()
        made.primitive(
            square,
            mode=6,
            TEXCOORD_0=uv,
            material=made.material(made.texture(pixels, sampler={"wrapS": 33071}), alphaMode=mode),
        )
        voxels = meshes.voxelised(only(made.write(tmp_path))).voxels
        n[mode] = len(voxels)
        assert mode == "OPAQUE" or voxels[:, 0].min() >= 31
    assert n["OPAQUE"] == 65 * 65 and 0.48 * 65**2 < n["MASK"] == n["BLEND"] < 0.52 * 65**2


def test_parts_of_one_material_share_batches_of_the_size_asked_for(tmp_path):
    made = Gltf()
    one, two = made.material(factor=[1, 0, 0, 1]), made.material(made.texture(CHECKS))
    for k in range(5):
        made.primitive(TRIANGLE + np.float32(k), TEXCOORD_0=UV, material=(one, two)[k % 2])
    made.json["nodes"] = [{"mesh": k} for k in range(5)]
    made.json["scenes"] = [{"nodes": list(range(5))}]
    path = made.write(tmp_path)
    assert sorted(len(b) for b in read(path)) == [2, 3]
    assert sorted(len(b) for b in read(path, 2)) == [1, 2, 2]


def test_damaged_triangles_are_left_out(tmp_path):
    positions = np.concatenate([TRIANGLE, [[np.nan, 0, 0]]]).astype("f4")
    path = Gltf().primitive(positions, np.array([0, 1, 2, 0, 1, 3, 0, 1, 77], "u1")).write(tmp_path)
    assert open_source(path).n_items == 3 and len(only(path)) == 1


def separate(folder, uri):
    made = Gltf().primitive()
    (folder / "scene.bin").write_bytes(made.bin)
    made.json["buffers"] = [{"byteLength": len(made.bin), "uri": uri or gltf_files.inline(made.bin)}]
    path = folder / "scene.gltf"
    path.write_text(json.dumps(made.json))
    return path


@pytest.mark.parametrize("uri", ["scene.bin", "./scene.bin", "%73cene.bin", ""])
def test_buffers_beside_the_file_and_in_it(tmp_path, uri):
    assert np.array_equal(only(separate(tmp_path, uri)).positions, [TRIANGLE])


@pytest.mark.parametrize(
    "uri",
    ["../secret.bin", "a/../../secret.bin", "%2e%2e/secret.bin", "..%5Csecret.bin", "/etc/passwd", "link.bin",
     "http://127.0.0.1:9/x.bin", "file:///etc/passwd", "C:/x.bin", "missing.bin", ".", "a\0b"],
)  # fmt: skip
def test_nothing_outside_the_folder_is_read(tmp_path, uri):
    folder = tmp_path / "scene"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(TRIANGLE.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(UserError) as told:
        open_source(separate(folder, uri))
    assert "\n" not in str(told.value)


def changed(change):
    made = Gltf().primitive(indices=np.array([0, 1, 2], "u2"))
    change(made.json)
    return made.glb()


def png_header(width, height):
    head = struct.pack(">II5B", width, height, 8, 6, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def large_png():
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    return out.getvalue()


def with_picture(data):
    made = Gltf()
    image = made.add("images", {"bufferView": made.view(data)})
    made.primitive(TEXCOORD_0=UV, material=made.material(made.add("textures", {"source": image})))
    return made.glb()


WHOLE = changed(lambda j: None)
BAD = [
    (b"glTF" + bytes(8), "cut short"),
    (b"glTF" + struct.pack("<I", 1) + WHOLE[8:], "version 1"),
    (WHOLE[:-10], "cut short"),
    (b"no json", "expected a glTF"),
    (b"[" * 100_000, "expected a glTF"),
    (b"[]", "glTF"),
    (b'{"asset": {"version": "1.0"}}', "version 2.0"),
    (changed(lambda j: j.update(extensionsRequired=["KHR_draco_mesh_compression"])), "KHR_draco"),
    (changed(lambda j: j["accessors"][0].update(count=1 << 40)), "cut short"),
    (changed(lambda j: j["accessors"][0].update(count=-1)), "not a size"),
    (changed(lambda j: j["accessors"][0].update(count=1.5)), "not a size"),
    (changed(lambda j: j["accessors"][0].update(byteOffset=30)), "cut short"),
    (changed(lambda j: j["accessors"][0].pop("bufferView")), "in a buffer"),
    (changed(lambda j: j["accessors"][0].update(sparse={})), "not sparse"),
    (changed(lambda j: j["accessors"][0].update(type="MAT4")), "VEC3"),
    (changed(lambda j: j["accessors"][0].update(componentType=7)), "KeyError"),
    (changed(lambda j: j["bufferViews"][0].update(byteLength=1 << 33)), "outside"),
    (changed(lambda j: j["bufferViews"][0].update(byteStride=1)), "not a size"),
    (changed(lambda j: j["nodes"][0].update(children=[0])), "two parents"),
    (changed(lambda j: j["nodes"][0].update(children=[5])), "nodes[5]"),
    (changed(lambda j: j["nodes"][0].update(mesh=True)), "meshes[True]"),
    (changed(lambda j: j["nodes"][0].update(matrix=[1, 2])), "ValueError"),
    (changed(lambda j: j["meshes"][0]["primitives"][0].update(mode=1)), "no triangles"),
    (changed(lambda j: j.update(scenes=[{"nodes": []}])), "no triangles"),
    (changed(lambda j: j["meshes"][0]["primitives"][0].update(material=3)), "materials[3]"),
    (with_picture(b"not a picture"), "cannot be decoded"),
    (with_picture(png_header(60_000, 60_000)), "images[0]"),
    (with_picture(large_png()), "make it smaller"),
    (with_picture(b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(80)), "KTX2"),
]


@pytest.mark.parametrize(("data", "match"), BAD, ids=range(len(BAD)))
def test_damage_is_refused_in_one_line(tmp_path, data, match):
    path = tmp_path / "scene.glb"
    path.write_bytes(data)
    with pytest.raises(UserError) as told:
        open_source(path)
    assert match in str(told.value) and "\n" not in str(told.value)


def test_instances_are_counted_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh, "MAX_TRIANGLES", 5)
    made = Gltf().primitive()
    made.json["nodes"] = [{"mesh": 0}] * 6
    made.json["scenes"] = [{"nodes": list(range(6))}]
    with pytest.raises(UserError, match="split it"):
        open_source(made.write(tmp_path))


def test_naming_few_bytes_often_does_not_fill_the_memory(tmp_path, monkeypatch):
    made = Gltf()
    pixels = made.texture(np.zeros((64, 64, 3), np.uint8))
    materials = [made.material(pixels, alphaMode="MASK", alphaCutoff=k / 100) for k in range(1, 50)]
    told = {"attributes": {"POSITION": made.array(TRIANGLE), "TEXCOORD_0": made.array(UV)}}
    made.add("meshes", {"primitives": [{**told, "material": m} for m in materials]})
    path = made.write(tmp_path)
    assert open_source(path).n_items == 49
    monkeypatch.setattr(gltf_file, "MAX_MADE_BYTES", 1 << 17)
    with pytest.raises(UserError, match="bytes of memory"):
        open_source(path)


def test_the_cat_has_its_webp_texture():
    path = needs("mesh", "playcanvas", "cat.glb")
    (batch,) = read(path)
    assert len(batch) == 4622 and batch.texture.levels[0].shape == (1024, 1024, 4)
    assert batch.texture.levels[-1].shape == (1, 1, 4)
    rgb = sums.mean_srgb(
        meshes.voxelised(meshes.soup(batch.positions * 60, uv=batch.uv, texture=batch.texture))
    )
    gold = (rgb[:, 0] > 120) & (rgb[:, 2] < 110)
    dark = rgb.max(1) < 90
    assert gold.mean() > 0.03 and dark.mean() > 0.3


def test_the_house_has_leaves_with_holes():
    batches = read(needs("mesh", "playcanvas", "house.glb"))
    (leaves,) = (b for b in batches if b.texture)
    corners = leaves.positions / 0.001
    cut = len(meshes.voxelised(meshes.soup(corners, uv=leaves.uv, texture=leaves.texture)).n)
    whole = len(meshes.voxelised(meshes.soup(corners)).n)
    assert 0.1 * whole < cut < 0.9 * whole


def test_the_truck_shows_both_axles():
    batches = read(needs("mesh", "trimesh", "CesiumMilkTruck.glb"))
    corners = np.concatenate([b.positions for b in batches])
    low, high = corners.min((0, 1)), corners.max((0, 1))
    assert np.allclose(high - low, (4.87, 2.58, 2.79), atol=0.01)
    wheels = corners[corners[:, :, 1].max(1) < 0.3].mean(1)[:, 0]
    assert (wheels < -1).any() and (wheels > 1).any()


def test_levels_are_averaged_in_linear_light_and_by_what_is_seen():
    checks = np.zeros((4, 4, 4), np.uint8)
    checks[::2, ::2], checks[1::2, 1::2] = 255, 255
    checks[..., 3] = 255
    levels = pictures.texture(checks).levels
    assert [x.shape[:2] for x in levels] == [(4, 4), (2, 2), (1, 1)]
    assert (levels[1] == (188, 188, 188, 255)).all()
    leaf = np.zeros((3, 2, 4), np.uint8)
    leaf[0, 0] = (10, 200, 30, 255)
    cut = pictures.texture(leaf, cutoff=0.5)
    assert [x.shape[:2] for x in cut.levels] == [(3, 2), (2, 1), (1, 1)]
    assert cut.levels[1][0, 0].tolist() == [10, 200, 30, 64]


def test_leaves_keep_their_share_at_every_level(rng):
    leaf = np.full((128, 128, 4), 200, np.uint8)
    leaf[..., 3] = np.where(rng.random((128, 128)) < 0.3, 255, 0)
    texture = pictures.texture(leaf, cutoff=0.5)
    for level, cutoff in list(zip(texture.levels, texture.cutoffs, strict=True))[:4]:
        assert abs((level[..., 3] >= cutoff * 255).mean() - 0.3) < 0.05


def test_a_fine_texture_does_not_sparkle():
    checks = np.zeros((512, 512, 4), np.uint8)
    checks[..., 3] = 255
    checks[::2, ::2, :3], checks[1::2, 1::2, :3] = 255, 255
    square = np.array(
        [[[0, 0, 0.5], [40, 0, 0.5], [40, 40, 0.5]], [[0, 0, 0.5], [40, 40, 0.5], [0, 40, 0.5]]]
    )
    uv = square[..., :2] / 40
    found = meshes.voxelised(meshes.soup(square, uv=uv, texture=pictures.texture(checks)))
    assert np.ptp(sums.mean_srgb(found).astype(int)) == 0
    assert gltf_files.encoded(checks)[:4] == b"\x89PNG"
