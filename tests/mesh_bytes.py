"""Small mesh files as bytes, by the formats' descriptions and not by our readers."""

import json
import struct

import gltf_files
import numpy as np

TRIANGLE = [[0, 0, 0], [1, 0, 0], [0, 2, 0]]
OBJ = "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 2 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"


def stl(triangles):
    rows = b"".join(struct.pack("<12fH", 0, 0, 1, *np.ravel(t), 0) for t in triangles)
    return bytes(80) + struct.pack("<I", len(triangles)) + rows


def mesh_ply(per, encoding):
    """One triangle, coloured per "vertex" or per "face"."""
    colour = "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    head = f"ply\nformat {encoding} 1.0\nelement vertex 3\n" + "".join(f"property float {a}\n" for a in "xyz")
    head += colour * (per == "vertex") + "element face 1\nproperty list uchar int vertex_indices\n"
    head += colour * (per == "face") + "end_header\n"
    if encoding == "ascii":
        tail = " 9 80 250\n"
        rows = "".join(" ".join(map(str, p)) + (tail if per == "vertex" else "\n") for p in TRIANGLE)
        return (head + rows + "3 0 1 2" + (tail if per == "face" else "\n")).encode()
    tail = bytes((9, 80, 250))
    rows = b"".join(struct.pack("<3f", *p) + tail * (per == "vertex") for p in TRIANGLE)
    return head.encode() + rows + struct.pack("<B3i", 3, 0, 1, 2) + tail * (per == "face")


def seeds():
    """(name, bytes) of one small file of every kind, to be mutated."""
    made = gltf_files.Gltf()
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    texture = made.texture(pixels, sampler={"wrapS": 33071})
    uv = np.array([[0, 0], [1, 0], [0, 1]], "f4")
    made.primitive(
        indices=np.array([0, 1, 2], "u2"), TEXCOORD_0=uv, material=made.material(texture, alphaMode="MASK")
    )
    glb = made.glb()
    made.json["buffers"] = [{"byteLength": len(made.bin), "uri": gltf_files.inline(made.bin)}]
    return [
        ("a.glb", glb),
        ("a.gltf", json.dumps(made.json).encode()),
        ("a.obj", OBJ.encode()),
        ("a.stl", stl([TRIANGLE] * 3)),
        ("a.off", b"OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n"),
        ("mesh.ply", mesh_ply("face", "binary_little_endian")),
        ("text mesh.ply", mesh_ply("vertex", "ascii")),
    ]
