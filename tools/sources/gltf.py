"""glTF 2.0, `.gltf` and `.glb`: the scene's nodes with their transforms, as triangles (Khronos, glTF 2.0).

Read: triangles, strips and fans; positions and UVs of every type (KHR_mesh_quantization); vertex colours;
base colour factor and texture (also of KHR_materials_pbrSpecularGlossiness) in PNG, JPEG and WebP
(EXT_texture_webp); wrap modes, both UV sets, KHR_texture_transform; alphaMode MASK by its cutoff, BLEND by
one half. Not read: skins and morphs (the mesh stands as it was modelled), lights, the rest of a material. A
file that requires another extension, and a sparse accessor, are refused. y points up, units are metres.

Not through trimesh: that rounds colour factors to bytes before they are turned from linear light to sRGB,
leaves wrap modes, UV sets and transforms aside, and allocates what an accessor declares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import mesh
from . import source as s
from .gltf_file import DAMAGE, Doc, Json, accessor, read_doc
from .gltf_material import WHITE, Materials, moved
from .mesh import Part

MAX_NODES = 1 << 20
CAN = {
    "EXT_texture_webp", "KHR_mesh_quantization", "KHR_texture_transform", "KHR_materials_unlit",
    "KHR_materials_pbrSpecularGlossiness", "KHR_materials_emissive_strength", "KHR_lights_punctual",
    "KHR_materials_specular", "KHR_materials_ior", "KHR_materials_clearcoat", "KHR_materials_sheen",
    "KHR_materials_transmission", "KHR_materials_volume", "KHR_materials_iridescence",
    "KHR_materials_anisotropy", "KHR_materials_dispersion", "KHR_materials_variants", "KHR_xmp_json_ld",
}  # fmt: skip


def open_gltf(path: Path) -> s.Source:
    doc = read_doc(path)
    try:
        _check(doc)
        parts = list(_parts(doc))
    except DAMAGE as error:
        raise doc.bad(f"{type(error).__name__}: {shown(error)}") from None
    if not parts:
        raise UserError(f"{shown(path)} shows no triangles in its scene: points and lines are not read")
    notes: dict[str, str | int] = {"format": "glb" if doc.glb else "gltf", "n_parts": len(parts)}
    asset = doc.json["asset"]
    extras = asset.get("extras") if isinstance(asset.get("extras"), dict) else {}
    said = {"generator": asset.get("generator"), "copyright": asset.get("copyright")} | {
        name: extras.get(name) for name in ("title", "author", "license", "source")
    }
    notes |= {name: shown(value) for name, value in said.items() if isinstance(value, str)}
    return mesh.mesh_source(path, parts, "y", notes)


def _check(doc: Doc) -> None:
    if not isinstance(doc.json, dict) or not str(doc.json["asset"]["version"]).startswith("2."):
        raise UserError(f"{shown(doc.path)}: expected glTF version 2.0")
    other = sorted(set(map(str, doc.json.get("extensionsRequired", []))) - CAN)
    if other:
        raise UserError(
            f"{shown(doc.path)} needs {shown(', '.join(other))}, which is not read: export without it"
        )


@dataclass(slots=True)
class _Shapes:
    """What has been read: each primitive once, however many nodes show it."""

    doc: Doc
    materials: Materials
    parts: dict[tuple[int, int], Part | None] = field(default_factory=dict)


def _parts(doc: Doc) -> Iterator[Part]:
    """Every primitive of every node of the scene."""
    read = _Shapes(doc, Materials(doc))
    n_triangles = 0
    for n_parts, (index, matrix) in enumerate(_instances(doc)):
        for k in range(len(doc.item("meshes", index)["primitives"])):
            part = _primitive(read, index, k)
            if part is None:
                continue
            n_triangles += len(part.faces)
            if n_triangles > mesh.MAX_TRIANGLES or n_parts > mesh.MAX_PARTS:
                raise UserError(f"{shown(doc.path)} shows over {n_triangles:,} triangles: split it")
            yield replace(part, matrix=matrix)


def _instances(doc: Doc) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """(mesh index, matrix to the scene) of every node of the scene; a node is seen once."""
    if doc.json.get("scenes"):
        roots = doc.item("scenes", doc.json.get("scene", 0)).get("nodes", [])
    else:
        nodes = doc.json.get("nodes", [])
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [i for i in range(len(nodes)) if i not in children]
    stack = [(root, np.eye(4)) for root in reversed(roots)]
    seen: set[int] = set()
    while stack:
        index, above = stack.pop()
        node = doc.item("nodes", index)
        if index in seen or len(seen) >= MAX_NODES:
            raise doc.bad(f"node {index} has two parents, or there are more than {MAX_NODES:,}")
        seen.add(index)
        matrix = above @ _local(node)
        stack += [(child, matrix) for child in reversed(node.get("children", []))]
        if "mesh" in node:
            yield node["mesh"], matrix


def _local(node: Json) -> NDArray[np.float64]:
    """A node's own matrix [4, 4]: given, or translation * rotation * scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    norm = x * x + y * y + z * z + w * w
    t = 2 / norm if norm > 0 else 0.0
    out = np.eye(4)
    out[:3, :3] = (
        (1 - t * (y * y + z * z), t * (x * y - w * z), t * (x * z + w * y)),
        (t * (x * y + w * z), 1 - t * (x * x + z * z), t * (y * z - w * x)),
        (t * (x * z - w * y), t * (y * z + w * x), 1 - t * (x * x + y * y)),
    )
    out[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(1, 3)
    out[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    return out


def _primitive(read: _Shapes, index: int, k: int) -> Part | None:
    """One primitive; None if it is not made of triangles."""
    if (index, k) not in read.parts:
        primitive = read.doc.item("meshes", index)["primitives"][k]
        read.parts[index, k] = _read_primitive(read.doc, read.materials, primitive)
    return read.parts[index, k]


def _read_primitive(doc: Doc, materials: Materials, primitive: Json) -> Part | None:
    mode, attributes = primitive.get("mode", 4), primitive["attributes"]
    if mode not in (4, 5, 6) or "POSITION" not in attributes:
        return None
    positions = accessor(doc, attributes["POSITION"], ("VEC3",))
    if "indices" in primitive:
        order = accessor(doc, primitive["indices"], ("SCALAR",))[:, 0]
    else:
        order = np.arange(len(positions))
    colours = None
    if "COLOR_0" in attributes:
        found = accessor(doc, attributes["COLOR_0"], ("VEC3", "VEC4"))
        doc.spend(16 * len(found))
        colours = np.ones((len(found), 4), np.float32)
        colours[:, : found.shape[1]] = found
        _same_length(doc, positions, colours)
    doc.spend(0 if mode == 4 else 3 * order.nbytes)
    faces = _faces(order, mode)
    if "material" not in primitive:
        return Part(positions, faces, factor=mesh.PLAIN if colours is None else WHITE, colours=colours)
    material = materials.read(primitive["material"])
    uv = None
    if material.texture is not None:
        uv = np.broadcast_to(np.zeros(2), (len(positions), 2))
        name = f"TEXCOORD_{material.uv.get('texCoord', 0)}"
        if name in attributes:
            uv = moved(doc, accessor(doc, attributes[name], ("VEC2",)), material.uv)
            _same_length(doc, positions, uv)
    return Part(
        positions, faces, uv, material.factor, colours, texture=material.texture, cutoff=material.cutoff
    )


def _same_length(doc: Doc, positions: NDArray[Any], other: NDArray[Any]) -> None:
    if len(positions) != len(other):
        raise doc.bad(f"{len(positions):,} positions, but {len(other):,} of another attribute")


def _faces(order: NDArray[np.integer], mode: int) -> NDArray[np.integer]:
    """Vertex numbers in drawing order -> triangles [F, 3]; winding does not matter to voxels."""
    if mode == 4:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    if len(order) < 3:
        return np.empty((0, 3), np.int64)
    first = order[:-2] if mode == 5 else np.full(len(order) - 2, order[0])
    return np.stack([first, order[1:-1], order[2:]], axis=1)
