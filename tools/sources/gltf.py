"""glTF 2.0, `.gltf` and `.glb`: the scene's nodes with their transforms, as triangles (Khronos, glTF 2.0).

Read: triangles, strips and fans; positions and UVs of every type (KHR_mesh_quantization); vertex colours;
base colour factor and texture (also of KHR_materials_pbrSpecularGlossiness) in PNG, JPEG and WebP
(EXT_texture_webp); wrap modes, both UV sets, KHR_texture_transform; alphaMode MASK by its cutoff, BLEND by one
half. Not read: skins and morphs (the mesh stands as it was modelled), lights, everything else of a material.
A file that requires another extension, and a sparse accessor, are refused. y points up, units are metres.

Not through trimesh: that rounds colour factors to bytes before they are turned from linear light to sRGB,
leaves wrap modes, UV sets and transforms aside, and allocates what an accessor declares.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import mesh, pictures
from . import source as s
from .mesh import Part
from .source import Texture, Wrap

Json = dict[str, Any]

MAX_JSON_BYTES = 1 << 26
MAX_NODES = 1 << 20
CAN = {
    "EXT_texture_webp", "KHR_mesh_quantization", "KHR_texture_transform", "KHR_materials_unlit",
    "KHR_materials_pbrSpecularGlossiness", "KHR_materials_emissive_strength", "KHR_lights_punctual",
    "KHR_materials_specular", "KHR_materials_ior", "KHR_materials_clearcoat", "KHR_materials_sheen",
    "KHR_materials_transmission", "KHR_materials_volume", "KHR_materials_iridescence",
    "KHR_materials_anisotropy", "KHR_materials_dispersion", "KHR_materials_variants", "KHR_xmp_json_ld",
}  # fmt: skip
TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
WRAPS: dict[int, Wrap] = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
WHITE = (1.0, 1.0, 1.0, 1.0)
DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(slots=True)
class _Doc:
    """A parsed file; buffers, pictures and textures as they come to be needed."""

    path: Path
    json: Json
    glb: bytes
    buffers: dict[int, bytes] = field(default_factory=dict)
    pixels: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    textures: dict[Any, Texture] = field(default_factory=dict)
    geometry: dict[tuple[int, int], Part | None] = field(default_factory=dict)
    n_texels: int = 0

    def item(self, name: str, index: Any) -> Json:
        """json[name][index], which is an object; UserError if there is none."""
        rows = self.json.get(name)
        if type(index) is int and isinstance(rows, list) and 0 <= index < len(rows):
            if isinstance(found := rows[index], dict):
                return found
        raise self.bad(f"{name}[{shown(index)}] is not there")

    def bad(self, why: str) -> UserError:
        return UserError(f"{shown(self.path)} is a damaged glTF file: {why}")


def open_gltf(path: Path) -> s.Source:
    n_bytes = mesh.check_bytes(path)
    data = s.read_bytes(path, 0, n_bytes)
    text, glb = _chunks(path, data) if data.startswith(b"glTF") else (data, b"")
    if len(text) > MAX_JSON_BYTES:
        raise UserError(f"{shown(path)} has {len(text):,} bytes of JSON: the limit is {MAX_JSON_BYTES:,}")
    try:
        doc = _Doc(path, json.loads(text), glb)
    except (ValueError, RecursionError):
        raise s.wrong_magic(path, data, "a glTF 2.0 file, .gltf or .glb") from None
    try:
        _check(doc)
        parts = list(_parts(doc))
    except DAMAGE as error:
        raise doc.bad(f"{type(error).__name__}: {shown(error)}") from None
    if not parts:
        raise UserError(f"{shown(path)} shows no triangles in its scene: points and lines are not read")
    notes: dict[str, str | int] = {"format": "glb" if glb else "gltf", "n_parts": len(parts)}
    asset = doc.json["asset"]
    extras = asset.get("extras") if isinstance(asset.get("extras"), dict) else {}
    said = {"generator": asset.get("generator"), "copyright": asset.get("copyright")} | {
        name: extras.get(name) for name in ("title", "author", "license", "source")
    }
    notes |= {name: shown(value) for name, value in said.items() if isinstance(value, str)}
    return mesh.mesh_source(path, parts, "y", notes)


def _chunks(path: Path, data: bytes) -> tuple[bytes, bytes]:
    """A .glb -> (its JSON, its binary chunk)."""
    if len(data) < 20:
        raise UserError(f"{shown(path)} is cut short: a .glb file begins with 20 bytes")
    version, total, length, kind = struct.unpack_from("<4xIII4s", data)
    if version != 2:
        raise UserError(f"{shown(path)} is glTF version {version}: version 2 is read")
    if kind != b"JSON" or 20 + length > len(data) or total > len(data):
        declared = max(total, 20 + length)
        raise UserError(f"{shown(path)} is cut short: it declares {declared:,} bytes, it has {len(data):,}")
    at = 20 + length
    if len(data) < at + 8:
        return data[20:at], b""
    n_bytes, kind = struct.unpack_from("<I4s", data, at)
    if kind != b"BIN\0":
        return data[20:at], b""
    if at + 8 + n_bytes > len(data):
        raise UserError(f"{shown(path)} is cut short: its binary chunk declares {n_bytes:,} bytes")
    return data[20:at], data[at + 8 : at + 8 + n_bytes]


def _check(doc: _Doc) -> None:
    if not isinstance(doc.json, dict) or not str(doc.json["asset"]["version"]).startswith("2."):
        raise UserError(f"{shown(doc.path)}: expected glTF version 2.0")
    other = sorted(set(map(str, doc.json.get("extensionsRequired", []))) - CAN)
    if other:
        raise UserError(
            f"{shown(doc.path)} needs {shown(', '.join(other))}, which is not read: export without it"
        )


# The scene ------------------------------------------------------------------------------------------


def _parts(doc: _Doc) -> Iterator[Part]:
    """Every primitive of every node of the scene."""
    n_triangles = 0
    for n_parts, (index, matrix) in enumerate(_instances(doc)):
        for k in range(len(doc.item("meshes", index)["primitives"])):
            part = _primitive(doc, index, k)
            if part is None:
                continue
            n_triangles += len(part.faces)
            if n_triangles > mesh.MAX_TRIANGLES or n_parts > mesh.MAX_PARTS:
                raise UserError(f"{shown(doc.path)} shows over {n_triangles:,} triangles: split it")
            names = ("positions", "faces", "uv", "factor", "colours", "face_colours", "texture", "cutoff")
            yield Part(*(getattr(part, name) for name in names), matrix)


def _instances(doc: _Doc) -> Iterator[tuple[Any, NDArray[np.float64]]]:
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


def _primitive(doc: _Doc, index: int, k: int) -> Part | None:
    """One primitive, read once however many nodes show it; None if it is not made of triangles."""
    if (index, k) not in doc.geometry:
        doc.geometry[index, k] = _read_primitive(doc, doc.item("meshes", index)["primitives"][k])
    return doc.geometry[index, k]


def _read_primitive(doc: _Doc, primitive: Json) -> Part | None:
    mode, attributes = primitive.get("mode", 4), primitive["attributes"]
    if mode not in (4, 5, 6) or "POSITION" not in attributes:
        return None
    positions = _accessor(doc, attributes["POSITION"], ("VEC3",))
    if "indices" in primitive:
        order = _accessor(doc, primitive["indices"], ("SCALAR",))[:, 0].astype(np.int64)
    else:
        order = np.arange(len(positions))
    colours = None
    if "COLOR_0" in attributes:
        found = _accessor(doc, attributes["COLOR_0"], ("VEC3", "VEC4")).astype(np.float32)
        colours = np.ones((len(found), 4), np.float32)
        colours[:, : found.shape[1]] = found
        _same_length(doc, positions, colours)
    faces = _faces(order, mode)
    if "material" not in primitive:
        return Part(positions, faces, factor=mesh.PLAIN if colours is None else WHITE, colours=colours)
    factor, texture, cutoff, where = _material(doc, primitive["material"])
    uv = None
    if texture is not None:
        name = f"TEXCOORD_{where.get('texCoord', 0)}"
        if name in attributes:
            uv = _moved(_accessor(doc, attributes[name], ("VEC2",)), where)
            _same_length(doc, positions, uv)
        else:
            uv = np.zeros((len(positions), 2))
    return Part(positions, faces, uv, factor, colours, None, texture, cutoff)


def _same_length(doc: _Doc, positions: NDArray[Any], other: NDArray[Any]) -> None:
    if len(positions) != len(other):
        raise doc.bad(f"{len(positions):,} positions, but {len(other):,} of another attribute")


def _faces(order: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """Vertex numbers in drawing order -> triangles [F, 3]; winding does not matter to voxels."""
    if mode == 4:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    if len(order) < 3:
        return np.empty((0, 3), np.int64)
    first = order[:-2] if mode == 5 else np.full(len(order) - 2, order[0])
    return np.stack([first, order[1:-1], order[2:]], axis=1)


# Numbers --------------------------------------------------------------------------------------------


def _accessor(doc: _Doc, index: Any, kinds: tuple[str, ...]) -> NDArray[Any]:
    """Numbers [count, width]: floats as they are, normalised integers as 0..1 or -1..1, others as integers."""
    accessor = doc.item("accessors", index)
    where = f"accessors[{index}]"
    if accessor["type"] not in kinds or "sparse" in accessor or "bufferView" not in accessor:
        raise doc.bad(f"{where}: expected {' or '.join(kinds)} in a buffer, not sparse")
    dtype, width = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
    view, count = doc.item("bufferViews", accessor["bufferView"]), accessor["count"]
    data = _view(doc, view)
    row = dtype.itemsize * width
    start, stride = accessor.get("byteOffset", 0), view.get("byteStride", row)
    if not all(type(n) is int and n >= 0 for n in (start, stride, count)) or stride < row:
        raise doc.bad(f"{where}: byteOffset, byteStride or count is not a size")
    if count and start + (count - 1) * stride + row > len(data):
        raise doc.bad(f"{where} is cut short: {count:,} numbers do not fit its bufferView")
    values = np.ndarray((count, width), dtype, data, start, (stride, dtype.itemsize))
    if accessor.get("normalized") and dtype.kind in "iu":
        return np.maximum(values / np.float64(np.iinfo(dtype).max), -1)
    return values.copy()


def _view(doc: _Doc, view: Json) -> memoryview:
    """The bytes of a buffer view."""
    buffer = _buffer(doc, view["buffer"])
    start, length = view.get("byteOffset", 0), view["byteLength"]
    if not all(type(n) is int and n >= 0 for n in (start, length)) or start + length > len(buffer):
        raise doc.bad(f"a bufferView lies outside buffers[{view['buffer']}]")
    return memoryview(buffer)[start : start + length]


def _buffer(doc: _Doc, index: Any) -> bytes:
    if index not in doc.buffers:
        buffer = doc.item("buffers", index)
        doc.buffers[index] = _uri(doc, buffer["uri"]) if "uri" in buffer else doc.glb
    return doc.buffers[index]


def _uri(doc: _Doc, uri: str) -> bytes:
    """The bytes behind a URI: base64 in the file, or a file beside it."""
    if not uri.startswith("data:"):
        return pictures.read_beside(doc.path, uri, mesh.MAX_MESH_BYTES)
    head, _, body = uri.partition(",")
    if not head.endswith(";base64"):
        raise doc.bad("a data URI is not base64")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise doc.bad("a data URI is not base64") from None


# Materials ------------------------------------------------------------------------------------------


def _material(doc: _Doc, index: Any) -> tuple[tuple[float, float, float, float], Texture | None, float, Json]:
    """(base colour in linear light, texture, cutoff, the JSON that says which UVs the texture takes)."""
    material = doc.item("materials", index)
    glossy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if glossy is not None:
        factor, where = glossy.get("diffuseFactor", WHITE), glossy.get("diffuseTexture")
    else:
        rough = material.get("pbrMetallicRoughness", {})
        factor, where = rough.get("baseColorFactor", WHITE), rough.get("baseColorTexture")
    red, green, blue, alpha = (float(value) for value in factor)
    mode: Literal["OPAQUE", "MASK", "BLEND"] = material.get("alphaMode", "OPAQUE")
    cutoff = {"MASK": float(material.get("alphaCutoff", 0.5)), "BLEND": 0.5}.get(mode, 0.0)
    if where is None:
        return (red, green, blue, alpha), None, cutoff, {}
    uv = dict(where, **where.get("extensions", {}).get("KHR_texture_transform", {}))
    return (red, green, blue, alpha), _texture(doc, where["index"], cutoff), cutoff, uv


def _texture(doc: _Doc, index: Any, cutoff: float) -> Texture:
    texture = doc.item("textures", index)
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    image = webp.get("source", texture.get("source"))
    if image is None:
        raise UserError(f"{shown(doc.path)}: textures[{index}] has no PNG, JPEG or WebP picture: export it so")
    sampler = doc.item("samplers", texture["sampler"]) if "sampler" in texture else {}
    wrap = (WRAPS[sampler.get("wrapS", 10497)], WRAPS[sampler.get("wrapT", 10497)])
    key = (image, cutoff, wrap)
    if key not in doc.textures:
        doc.textures[key] = pictures.texture(_pixels(doc, image), cutoff, wrap)
    return doc.textures[key]


def _pixels(doc: _Doc, index: Any) -> NDArray[np.uint8]:
    if index not in doc.pixels:
        image = doc.item("images", index)
        if "bufferView" in image:
            data = bytes(_view(doc, doc.item("bufferViews", image["bufferView"])))
        else:
            data = _uri(doc, image["uri"])
        doc.pixels[index] = pictures.picture(data, f"{shown(doc.path)}: images[{index}]")
        doc.n_texels += doc.pixels[index].size // 4
        if doc.n_texels > 4 * pictures.MAX_TEXELS:
            raise UserError(f"{shown(doc.path)} has over {doc.n_texels:,} texels: use smaller textures")
    return doc.pixels[index]


def _moved(uv: NDArray[Any], where: Json) -> NDArray[np.float64]:
    """KHR_texture_transform: scaled, turned counter-clockwise (v points down), moved."""
    su, sv = (float(value) for value in where.get("scale", (1, 1)))
    ou, ov = (float(value) for value in where.get("offset", (0, 0)))
    angle = float(where.get("rotation", 0))
    if (su, sv, ou, ov, angle) == (1, 1, 0, 0, 0):
        return uv.astype(np.float64)
    u, v, c, sn = uv[:, 0] * su, uv[:, 1] * sv, np.cos(angle), np.sin(angle)
    return np.stack([c * u + sn * v + ou, c * v - sn * u + ov], axis=1)
