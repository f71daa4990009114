"""The surface as a binary glTF 2.0: one mesh per region, greedy, its colours at its vertices.

A vertex is shared by the triangles of one colour that meet there; COLOR_0 is linear, as glTF says, in 16
bits, so that every sRGB byte comes back. There are no normals: glTF then shades each triangle flat. Positions
are whole voxels (a fan's middle: half ones) from the region's corner, exact in float32 however far the region
is; nodes move and scale them to metres, y up. Across regions and colours positions are equal to the last bit,
so merged by position the surface is closed: every edge is as often used in one direction as in the other.
Where two voxels touch in an edge alone, four triangles share it; else two do, and the mesh is watertight.

The binary chunk is spooled to a file beside the output: memory is one region's mesh.
"""

import json
import shutil
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...atlas import address
from ...atlas.layout import REGION
from ...atlas.lod import LINEAR_OF_SRGB
from ..errors import UserError
from .greedy import mesh
from .options import Made, Progress
from .selection import Selection
from .surface import blocks

MAX_BYTES = (1 << 32) - 1  # a GLB tells its size in 32 bits
_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963


def write_glb(selection: Selection, path: Path, progress: Progress) -> Made:
    """Write `path`, which does not exist yet. UserError if a GLB cannot hold so much; OSError."""
    gltf = _empty(selection)
    n_voxels = n_faces = n_vertices = n_triangles = 0
    spool = path.with_name(path.name + ".bin")
    try:
        with spool.open("x+b") as body:
            for done, total, block in blocks(selection):
                progress("regions", done, total)
                if block is None:
                    continue
                n_voxels += int(np.count_nonzero(block.rgba[1:-1, 1:-1, 1:-1, 3]))
                made = mesh(block)
                if not len(made.triangles):
                    continue
                n_faces += made.n_faces
                n_vertices += len(made.corners)
                n_triangles += len(made.triangles)
                colours = np.full((len(made.rgb), 4), 65535, "<u2")
                colours[:, :3] = LINEAR_OF_SRGB[made.rgb]
                primitive = {
                    "attributes": {
                        "POSITION": _add(gltf, body, made.corners.astype("<f4"), _FLOAT, "VEC3", _VERTICES),
                        "COLOR_0": _add(gltf, body, colours, _USHORT, "VEC4", _VERTICES),
                    },
                    "indices": _add(
                        gltf, body, made.triangles.astype("<u4").reshape(-1), _UINT, "SCALAR", _INDICES
                    ),
                    "material": 0,
                }
                region = address.region_of(block.low)
                _add_node(gltf, primitive, region.tolist())
                if body.tell() > MAX_BYTES:
                    raise UserError(
                        "a .glb holds at most 4 GiB: crop with --bounds, or use a coarser --level"
                    )
            _write(path, gltf, body)
    finally:
        spool.unlink(missing_ok=True)
    return Made(n_voxels, {"faces": n_faces, "vertices": n_vertices, "triangles": n_triangles})


def _empty(selection: Selection) -> dict[str, Any]:
    size = selection.voxel_size_m
    low, high = selection.corners
    # z up to y up, exactly: x, y, z -> x, z, -y; columns first
    matrix = [size, 0, 0, 0, 0, 0, -size, 0, 0, size, 0, 0, 0, 0, 0, 1]
    return {
        "asset": {"version": "2.0", "generator": "voxtide"},
        "extras": {"level": selection.level, "voxel_size_m": size, "bounds_voxels": [low, high]},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "world", "matrix": matrix, "children": []}],
        "meshes": [],
        "materials": [
            {"name": "voxels", "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 1}}
        ],
        "accessors": [],
        "bufferViews": [],
    }


def _add(
    gltf: dict[str, Any], body: BinaryIO, data: NDArray[np.generic], component: int, kind: str, target: int
) -> int:
    """Append an array -> its accessor. All of them are whole multiples of 4 bytes."""
    view = {"buffer": 0, "byteOffset": body.tell(), "byteLength": data.nbytes, "target": target}
    gltf["bufferViews"].append(view)
    accessor = {
        "bufferView": len(gltf["bufferViews"]) - 1,
        "componentType": component,
        "count": len(data),
        "type": kind,
    }
    if component == _FLOAT:
        accessor |= {"min": data.min(axis=0).tolist(), "max": data.max(axis=0).tolist()}
    if component == _USHORT:
        accessor["normalized"] = True
    gltf["accessors"].append(accessor)
    body.write(data.tobytes())
    return len(gltf["accessors"]) - 1


def _add_node(gltf: dict[str, Any], primitive: dict[str, Any], region: list[int]) -> None:
    name = "region " + " ".join(map(str, region))
    gltf["meshes"].append({"name": name, "primitives": [primitive]})
    corner = [c * REGION for c in region]
    gltf["nodes"].append({"name": name, "mesh": len(gltf["meshes"]) - 1, "translation": corner})
    gltf["nodes"][0]["children"].append(len(gltf["nodes"]) - 1)


def _write(path: Path, gltf: dict[str, Any], body: BinaryIO) -> None:
    n_body = body.tell()
    gltf["buffers"] = [{"byteLength": n_body}]
    text = json.dumps(gltf, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + n_body
    if total > MAX_BYTES:
        raise UserError("a .glb holds at most 4 GiB: crop with --bounds, or use a coarser --level")
    with path.open("xb") as file:
        file.write(b"glTF" + struct.pack("<II", 2, total))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", n_body, b"BIN\0"))
        body.seek(0)
        shutil.copyfileobj(body, file, 1 << 20)
