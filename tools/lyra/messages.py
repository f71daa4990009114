"""Messages of Lyra 2's HTTP interface: JSON with arrays, bytes and enums in it. Our own codec of its format.

    {"type": NAME, "fields": {...}}
    an array   {"__lyra2_type__": "ndarray", "dtype": "<f4", "shape": [...], "value": base64}
    bytes      {"__lyra2_type__": "bytes", "value": base64}
    an enum    {"__lyra2_type__": "enum", "enum": "CompressionFormat", "value": "mp4"}

What a server sends is foreign: sizes are checked before anything is unpacked, and only numbers come out.
"""

import base64
import binascii
import json
import math
from typing import Any

import numpy as np

MEDIA_TYPE = "application/vnd.lyra2.api+json"
MAX_BYTES = 1 << 29  # of one message
MAX_DEPTH = 8  # lists in lists
_TYPE = "__lyra2_type__"


class MessageError(ValueError):
    """Bytes that are not such a message; one line."""


def dumps(name: str, fields: dict[str, Any]) -> bytes:
    """A message of a type, ready to be sent."""
    message = {"type": name, "fields": {key: _packed(value) for key, value in fields.items()}}
    return json.dumps(message, separators=(",", ":")).encode()


def loads(data: bytes, name: str) -> dict[str, Any]:
    """The fields of a message of this type. MessageError."""
    if len(data) > MAX_BYTES:
        raise MessageError(f"a message of {len(data):,} bytes: {MAX_BYTES:,} at most")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise MessageError("not JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("fields"), dict):
        raise MessageError("no object of type and fields")
    if found.get("type") != name:
        raise MessageError(f"a {str(found.get('type'))[:40]!r} where a {name} was due")
    return {key: _unpacked(value) for key, value in found["fields"].items()}


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        assert value.dtype.kind in "fiub", value.dtype
        raw = np.ascontiguousarray(value)
        body = base64.b64encode(raw.tobytes()).decode()
        return {_TYPE: "ndarray", "dtype": raw.dtype.str, "shape": list(raw.shape), "value": body}
    if isinstance(value, bytes):
        return {_TYPE: "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [_packed(item) for item in value]
    assert value is None or isinstance(value, str | int | float | bool), type(value)
    return value


def _unpacked(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise MessageError("lists in lists in lists")
    if isinstance(value, list):
        return [_unpacked(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_TYPE)
    if kind == "ndarray":
        return _array(value)
    if kind == "bytes":
        return _bytes(value.get("value"))
    if kind == "enum" and isinstance(value.get("value"), str):
        return value["value"]
    raise MessageError(f"an object of kind {str(kind)[:40]!r}")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise MessageError("base64 that is no text")
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise MessageError("base64 that is damaged") from None


def _array(value: dict[str, Any]) -> Any:
    name, shape = value.get("dtype"), value.get("shape")
    if not isinstance(name, str) or len(name) > 8 or not isinstance(shape, list) or len(shape) > 8:
        raise MessageError("an array without dtype and shape")
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError):
        raise MessageError(f"an array of {name!r}") from None
    sides = [n for n in shape if isinstance(n, int) and not isinstance(n, bool) and n >= 0]
    if dtype.kind not in "fiub" or len(sides) != len(shape):
        raise MessageError(f"an array of {name!r}, shape {str(shape)[:60]}")
    raw = _bytes(value.get("value"))
    if len(raw) != math.prod(sides) * dtype.itemsize:
        raise MessageError(f"an array of {len(raw):,} bytes declares {str(shape)[:60]} of {name}")
    return np.frombuffer(raw, dtype).reshape(sides)
