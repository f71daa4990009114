"""The glTF container: JSON, buffers and accessors, every offset and count checked before it is used.

A damaged value that no check names ends as one of DAMAGE, which `gltf.open_gltf` turns into one line.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import mesh, pictures
from . import source as s

Json = dict[str, Any]

MAX_JSON_BYTES = 1 << 26
MAX_MADE_BYTES = 1 << 31
TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(slots=True)
class Doc:
    """A parsed file; its buffers as they come to be needed."""

    path: Path
    json: Json
    glb: bytes
    buffers: dict[int, bytes] = field(default_factory=dict)
    made_bytes: int = 0  # of arrays that are not views of a buffer

    def item(self, name: str, index: Any) -> Json:
        """json[name][index], which is an object; UserError if there is none."""
        rows = self.json.get(name)
        if type(index) is int and isinstance(rows, list) and 0 <= index < len(rows):
            found = rows[index]
            if isinstance(found, dict):
                return found
        raise self.bad(f"{name}[{shown(index)}] is not there")

    def spend(self, n_bytes: int) -> None:
        """Before making an array: UserError if a file makes too many of few bytes, by naming them again."""
        self.made_bytes += n_bytes
        if self.made_bytes > MAX_MADE_BYTES:
            raise UserError(f"{shown(self.path)} needs over {self.made_bytes:,} bytes of memory: split it")

    def bad(self, why: str) -> UserError:
        return UserError(f"{shown(self.path)} is a damaged glTF file: {why}")


def read_doc(path: Path) -> Doc:
    """The container of a .glb or .gltf. Raises UserError."""
    data = s.read_bytes(path, 0, mesh.check_bytes(path))
    text, glb = _chunks(path, data) if data.startswith(b"glTF") else (data, b"")
    if len(text) > MAX_JSON_BYTES:
        raise UserError(f"{shown(path)} has {len(text):,} bytes of JSON: the limit is {MAX_JSON_BYTES:,}")
    try:
        return Doc(path, json.loads(text), glb)
    except (ValueError, RecursionError):
        raise s.wrong_magic(path, data, "a glTF 2.0 file, .gltf or .glb") from None


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


def accessor(doc: Doc, index: Any, kinds: tuple[str, ...]) -> NDArray[Any]:
    """Numbers [count, width]: a view of floats or integers; normalised ones, made into 0..1 or -1..1."""
    told = doc.item("accessors", index)
    where = f"accessors[{index}]"
    if told["type"] not in kinds or "sparse" in told or "bufferView" not in told:
        raise doc.bad(f"{where}: expected {' or '.join(kinds)} in a buffer, not sparse")
    dtype, width = np.dtype(TYPES[told["componentType"]]), WIDTHS[told["type"]]
    view, count = doc.item("bufferViews", told["bufferView"]), told["count"]
    data = view_bytes(doc, view)
    row = dtype.itemsize * width
    start, stride = told.get("byteOffset", 0), view.get("byteStride", row)
    if not all(type(n) is int and n >= 0 for n in (start, stride, count)) or stride < row:
        raise doc.bad(f"{where}: byteOffset, byteStride or count is not a size")
    if count and start + (count - 1) * stride + row > len(data):
        raise doc.bad(f"{where} is cut short: {count:,} numbers do not fit its bufferView")
    values = np.ndarray((count, width), dtype, data, start, (stride, dtype.itemsize))
    if told.get("normalized") and dtype.kind in "iu":
        doc.spend(8 * values.size)
        return np.maximum(values / np.float64(np.iinfo(dtype).max), -1)
    return values


def view_bytes(doc: Doc, view: Json) -> memoryview:
    """The bytes of a buffer view."""
    buffer = buffer_bytes(doc, view["buffer"])
    start, length = view.get("byteOffset", 0), view["byteLength"]
    if not all(type(n) is int and n >= 0 for n in (start, length)) or start + length > len(buffer):
        raise doc.bad(f"a bufferView lies outside buffers[{view['buffer']}]")
    return memoryview(buffer)[start : start + length]


def buffer_bytes(doc: Doc, index: Any) -> bytes:
    if index not in doc.buffers:
        buffer = doc.item("buffers", index)
        doc.buffers[index] = uri_bytes(doc, buffer["uri"]) if "uri" in buffer else doc.glb
    return doc.buffers[index]


def uri_bytes(doc: Doc, uri: str) -> bytes:
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
