"""glTF files written by the specification, and not by our reader."""

import base64
import io
import json
import struct

import numpy as np
from PIL import Image

TYPES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], "f4")


class Gltf:
    """A file in the making: arrays go in, bytes come out."""

    def __init__(self):
        self.bin = b""
        self.json = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [],
            "accessors": [],
            "bufferViews": [],
        }

    def add(self, name, value):
        self.json.setdefault(name, []).append(value)
        return len(self.json[name]) - 1

    def view(self, data, **more):
        self.bin += bytes(-len(self.bin) % 4)
        at = len(self.bin)
        self.bin += data
        return self.add("bufferViews", {"buffer": 0, "byteOffset": at, "byteLength": len(data), **more})

    def array(self, values, **more):
        values = np.asarray(values)
        width = 1 if values.ndim == 1 else values.shape[1]
        told = {"componentType": TYPES[values.dtype.str[1:]], "count": len(values), "type": WIDTHS[width]}
        return self.add("accessors", {"bufferView": self.view(values.tobytes()), **told, **more})

    def primitive(self, positions=TRIANGLE, indices=None, **more):
        """One more primitive in a mesh of its own; TEXCOORD_0 and the like as arrays."""
        given = {k: more.pop(k) for k in [k for k in more if k.isupper()]}
        attributes = {"POSITION": positions, **given}
        told = {
            "attributes": {k: v if isinstance(v, int) else self.array(v) for k, v in attributes.items()},
            **more,
        }
        if indices is not None:
            told["indices"] = self.array(indices)
        self.add("meshes", {"primitives": [told]})
        return self

    def texture(self, pixels, form="PNG", sampler=None, **more):
        """A texture from pixels [h, w, 3 or 4] -> its number."""
        image = self.add("images", {"bufferView": self.view(encoded(pixels, form)), "mimeType": "image/png"})
        told = (
            {"extensions": {"EXT_texture_webp": {"source": image}}} if form == "WEBP" else {"source": image}
        )
        if sampler:
            told["sampler"] = self.add("samplers", sampler)
        return self.add("textures", {**told, **more})

    def material(self, texture=None, where=None, **more):
        rough = {"baseColorTexture": {"index": texture, **(where or {})}} if texture is not None else {}
        if "factor" in more:
            rough["baseColorFactor"] = more.pop("factor")
        return self.add("materials", {"pbrMetallicRoughness": rough, **more})

    def glb(self):
        self.json["buffers"] = [{"byteLength": len(self.bin)}]
        text = json.dumps(self.json).encode()
        return glb(text + b" " * (-len(text) % 4), self.bin + bytes(-len(self.bin) % 4))

    def write(self, folder, name="scene.glb"):
        path = folder / name
        path.write_bytes(self.glb())
        return path


def glb(text, data=b""):
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if data:
        chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def encoded(pixels, form="PNG"):
    out = io.BytesIO()
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, form, **options)
    return out.getvalue()


def inline(data):
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()
