"""Meshes in .obj, .stl, .off and .ply: shapes, colours, and files beside them."""

import sys

import foreign
import gltf_files
import meshes
import numpy as np
import pytest
from data import needs
from mesh_bytes import OBJ, TRIANGLE, mesh_ply, stl
from voxtide.tools.errors import UserError
from voxtide.tools.sources import mesh_files, open_source
from voxtide.tools.voxelise import sums

RED = np.full((2, 2, 3), (200, 10, 20), np.uint8)


def read(path):
    return list(open_source(path).batches(1 << 17))


def srgb(batch):
    """The one colour of a batch."""
    found = sums.mean_srgb(meshes.voxelised(batch))
    assert (found == found[0]).all()
    return found[0].tolist()


def obj(folder, text, **files):
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    path = folder / "thing.obj"
    path.write_text(text)
    return path


def test_obj_polygons_become_triangles(tmp_path):
    path = obj(tmp_path, "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    source = open_source(path)
    assert (source.kind, source.up, source.n_items) == ("triangles", "y", 2)
    (batch,) = read(path)
    assert np.cross(*(batch.positions[:, k] - batch.positions[:, 0] for k in (1, 2)))[:, 2].sum() == 2
    assert srgb(batch) == [200, 200, 200]


@pytest.mark.parametrize(
    "map_kd",
    [
        "a.png",
        "-s 1 1 1 -o 0 0 0 a.png",
        "-clamp on a.png",
        '"a.png"',
        "C:\\art\\a.png",
        "../../a.png",
        "/x/a.png",
    ],
)
def test_obj_pictures_are_found_beside_it(tmp_path, map_kd):
    mtl = f"newmtl m\nKd 0.5 0.5 0.5\nmap_Kd {map_kd}\n".encode()
    path = obj(tmp_path, OBJ, a__mtl=mtl, a__png=gltf_files.encoded(RED))
    assert srgb(read(path)[0]) == [200, 10, 20]
    assert "missing" not in open_source(path).notes


def test_obj_parts_keep_their_own_materials(tmp_path):
    mtl = b"newmtl m\nmap_Kd a.png\nnewmtl k\nKd 0 0 1\n"
    path = obj(tmp_path, OBJ + "usemtl k\nf 1/1 3/3 2/2\n", a__mtl=mtl, a__png=gltf_files.encoded(RED))
    assert sorted(map(srgb, read(path))) == [[0, 0, 255], [200, 10, 20]]


def test_obj_texture_coordinates_start_at_the_bottom(tmp_path):
    pixels = np.zeros((2, 1, 3), np.uint8)
    pixels[1] = (0, 255, 0)
    at_bottom = OBJ.replace("vt 1 0", "vt 0 0").replace("vt 0 1", "vt 0 0.1")
    path = obj(tmp_path, at_bottom, a__mtl=b"newmtl m\nmap_Kd a.png\n", a__png=gltf_files.encoded(pixels))
    (batch,) = read(path)
    assert batch.uv[..., 1].min() == pytest.approx(0.9) and batch.uv[..., 1].max() == 1


def test_obj_diffuse_colours_are_srgb(tmp_path):
    path = obj(tmp_path, OBJ, a__mtl=b"newmtl m\nKd 0.2 0.4 1.0\n")
    assert srgb(read(path)[0]) == [51, 102, 255]


def test_obj_vertex_colours(tmp_path):
    path = obj(tmp_path, "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 2 0 1 0 0\nf 1 2 3\n")
    assert srgb(read(path)[0]) == [255, 0, 0]


def test_what_an_obj_misses_is_noted_and_nothing_elsewhere_is_read(tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    (tmp_path / "a.mtl").write_bytes(b"newmtl m\nKd 1 0 0\n")
    for name in ("../a.mtl", "http://127.0.0.1:9/a.mtl", str(tmp_path / "a.mtl"), "a.mtl"):
        path = obj(folder, OBJ.replace("a.mtl", name))
        assert open_source(path).notes["missing"] == "a.mtl"
        assert srgb(read(path)[0]) == [200, 200, 200]
    (folder / "a.mtl").symlink_to(tmp_path / "a.mtl")
    assert open_source(path).notes["missing"] == "a.mtl"


def test_an_obj_without_a_material_takes_the_picture_of_its_name(tmp_path):
    text = OBJ.replace("mtllib a.mtl\n", "").replace("usemtl m\n", "")
    path = obj(tmp_path, text, thing_skin__png=gltf_files.encoded(RED), other__png=b"")
    assert srgb(read(path)[0]) == [200, 10, 20]
    assert open_source(path).notes["texture"] == "thing_skin.png"
    (tmp_path / "thing-2.png").write_bytes(gltf_files.encoded(RED))
    assert "texture" not in open_source(path).notes  # which of two?


def test_stl_binary_and_text(tmp_path):
    path = tmp_path / "thing.stl"
    path.write_bytes(stl([TRIANGLE]))
    assert open_source(path).up == "z"
    assert np.array_equal(read(path)[0].positions, [TRIANGLE])
    corners = "".join(f"vertex {x} {y} {z}\n" for x, y, z in TRIANGLE)
    path.write_text(f"solid a\nfacet normal 0 0 1\nouter loop\n{corners}endloop\nendfacet\nendsolid a\n")
    assert np.array_equal(read(path)[0].positions, [TRIANGLE])


def test_off(tmp_path):
    path = tmp_path / "thing.off"
    path.write_text("OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n")
    assert len(read(path)[0]) == 2


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("per", ["vertex", "face", "nothing"])
def test_ply_with_faces(tmp_path, per, encoding):
    path = tmp_path / "thing.ply"
    path.write_bytes(mesh_ply(per, encoding))
    assert (open_source(path).kind, open_source(path).up) == ("triangles", "z")
    (batch,) = read(path)
    assert np.array_equal(batch.positions, [TRIANGLE])
    assert srgb(batch) == ([200, 200, 200] if per == "nothing" else [9, 80, 250])


def test_ply_with_a_texture(tmp_path):
    (tmp_path / "a.png").write_bytes(gltf_files.encoded(RED))
    head = "ply\nformat ascii 1.0\ncomment TextureFile a.png\nelement vertex 3\n"
    head += "".join(f"property float {a}\n" for a in "xyzst")
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    path = tmp_path / "thing.ply"
    path.write_text(head + "0 0 0 0 0\n1 0 0 1 0\n0 2 0 0 1\n3 0 1 2\n")
    assert srgb(read(path)[0]) == [200, 10, 20]


def test_ply_without_faces_stays_what_it_was(tmp_path):
    path = tmp_path / "thing.ply"
    none = {"n": np.empty(0, "u1")}
    path.write_bytes(foreign.ply(("vertex", {a: np.arange(2, dtype="f4") for a in "xyz"}), ("face", none)))
    assert open_source(path).kind == "points"


BAD = [
    ("a.obj", b"v 0 0 0\n", "no triangles"),
    ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", ".obj mesh"),
    ("a.obj", b"\x00\x01\x02", ".obj mesh"),
    ("a.stl", stl([TRIANGLE])[:-4], "cut short"),
    ("a.stl", bytes(80) + b"\xff\xff\xff\xff", "cut short"),
    ("a.stl", bytes(20), "cut short"),
    ("a.stl", stl([]), "triangles"),
    ("a.off", b"OFF\n1000000000000 1 0\n", ".off mesh"),
    ("a.off", b"OFF\n", ".off mesh"),
    ("a.ply", mesh_ply("face", "binary_little_endian")[:-8], ""),
    ("a.ply", mesh_ply("face", "ascii").replace(b"vertex 3", b"vertex 30000"), "cut short"),
]


@pytest.mark.parametrize(("name", "data", "match"), BAD, ids=range(len(BAD)))
def test_damage_is_refused_in_one_line(tmp_path, name, data, match):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError) as told:
        open_source(path)
    assert match in str(told.value) and "\n" not in str(told.value)


def test_without_trimesh_one_line_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "thing.stl"
    path.write_bytes(stl([TRIANGLE]))
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(UserError, match=r"pip install 'voxtide\[bake\]'"):
        open_source(path)


def test_names_with_options_and_drives():
    assert mesh_files.here("-bm 0.5 -mm 0 1 dir\\a b.png") == "dir/a b.png"
    assert mesh_files.here("x/../../y.png") == "y.png"


def test_real_meshes_are_read():
    spot = open_source(needs("mesh", "spot", "spot_triangulated.obj"))
    assert (spot.n_items, spot.notes["texture"]) == (5856, "spot_texture.png")
    crate = read(needs("mesh", "open3d_crate", "crate.obj"))
    assert crate[0].texture.levels[0].shape == (320, 320, 4)
    city = open_source(needs("mesh", "gvdb", "city.obj"))
    assert (city.n_items, city.notes["missing"]) == (8700, "city02.mtl")
    gear = read(needs("mesh", "trimesh", "cycloidal.ply"))
    assert sum(map(len, gear)) == 43368 and (gear[0].colours == 1).all()
