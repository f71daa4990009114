"""Foreign JSON: parsed within bounds, and fields that are what they should be or a UserError of one line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..errors import UserError, shown
from . import source as s

MAX_JSON_BYTES = 16 << 20
Json = dict[str, Any]


def parsed(data: bytes, where: str) -> Json:
    """The JSON object in `data`; `where` names it in the error."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # ValueError: also undecodable text and numbers of 5,000 digits
        raise UserError(f"{where} is not JSON: it is damaged or cut short") from None
    if not isinstance(value, dict):
        raise UserError(f"{where} holds no JSON object: expected {{...}}")
    return value


def read_json(path: Path) -> Json:
    """The JSON object in a file of at most 16 MiB."""
    n_bytes = s.file_bytes(path)
    if n_bytes > MAX_JSON_BYTES:
        raise UserError(f"{shown(path)} has {n_bytes:,} bytes of JSON: the limit is {MAX_JSON_BYTES:,}")
    return parsed(s.read_bytes(path, 0, n_bytes), shown(path))


def part(meta: Json, key: str, where: str) -> Json:
    """The object under `key`."""
    value = meta.get(key)
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected an object {key}")
    return value


def listed(meta: Json, key: str, where: str, kind: type, least: int, most: int) -> list[Any]:
    """The list under `key`: least..most values of one kind."""
    value = meta.get(key)
    right = isinstance(value, list) and least <= len(value) <= most
    if not right or any(not isinstance(v, kind) or isinstance(v, bool) for v in value or []):
        n = f"{least}" if least == most else f"{least} to {most}"
        raise UserError(f"{where}: expected {n} values of kind {kind.__name__} in {key}")
    return list(value or [])


def floats(meta: Json, key: str, where: str, n: int) -> list[float]:
    """The n finite numbers under `key`."""
    value = meta.get(key)
    if not isinstance(value, list) or len(value) != n or not all(is_number(v) for v in value):
        raise UserError(f"{where}: expected {n} finite numbers in {key}")
    return [float(v) for v in value]


def whole(meta: Json, key: str, where: str, most: int = s.MAX_ITEMS) -> int:
    """The whole number 0..most under `key`."""
    value = meta.get(key)
    if type(value) is not int or not 0 <= value <= most:
        raise UserError(
            f"{where}: expected a whole number 0..{most:,} in {key}, got {shown(repr(value)[:40])}"
        )
    return value


def is_number(value: object) -> bool:
    """True for a finite number that a double can hold; booleans are none."""
    if type(value) is int:
        return abs(value) < 1 << 1000
    return type(value) is float and math.isfinite(value)
