"""Where on Earth: the units of coordinate systems, and what to take off coordinates that are far away.

Only what a bake needs of a coordinate system: is it metres, feet or degrees, across and upwards. WKT (OGC
01-009 and 18-010) is read as a tree; GeoTIFF keys (OGC 19-008) by their numbers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

FOOT_M = 0.3048
US_FOOT_M = 1200 / 3937
DEGREE_M = 111_319.49  # along the equator, WGS 84; along a meridian 0.6 % too long
FAR = 10_000.0  # units from the origin: beyond, coordinates are a map's and not a scene's
_GRID = 1000.0
_UNIT_OF_CODE = {9001: 1.0, 9002: FOOT_M, 9003: US_FOOT_M, 9036: 1000.0}  # EPSG units of measure

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Units:
    """Of a coordinate system. across_m and up_m: metres per unit, None where nothing says so."""

    name: str = ""
    across_m: float | None = None
    up_m: float | None = None
    degrees: bool = False  # x is a longitude, y a latitude

    @property
    def z_per_xy(self) -> float:
        """A unit of height in units across. Where heights have no unit of their own, they are alike."""
        return self.up_m / self.across_m if self.up_m and self.across_m else 1.0


def far_origin(low: Point, high: Point) -> Point:
    """What to take off so that a scene far from 0 comes to it: whole thousands, or 0 where it is near.

    Whole thousands, so that tiles of one survey often share it, and a reader can undo it by heart.
    """
    return tuple(  # type: ignore[return-value]
        math.floor(a / _GRID) * _GRID if math.isfinite(a) and max(abs(a), abs(b)) > FAR else 0.0
        for a, b in zip(low, high, strict=True)
    )


def described(units: Units) -> dict[str, str | int]:
    """Notes of a coordinate system."""
    notes: dict[str, str | int] = {"crs": units.name} if units.name else {}
    if units.degrees:
        return {**notes, "crs_unit": "degree"}
    if units.across_m:
        notes["crs_unit_m"] = f"{units.across_m:.12g}"
    if units.up_m and units.up_m != units.across_m:
        notes["crs_height_unit_m"] = f"{units.up_m:.12g}"
    return notes


# GeoTIFF keys --------------------------------------------------------------------------------------

_MODEL, _CITATION, _PROJECTED_UNIT, _VERTICAL_UNIT, _PROJECTED, _GEOGRAPHIC = (
    1024,
    1026,
    3076,
    4099,
    3072,
    2048,
)


def units_of_keys(keys: list[int]) -> Units:
    """From a GeoKeyDirectory, a flat list: 4 of header, then key, place, count, value."""
    value = {keys[i]: keys[i + 3] for i in range(4, len(keys) - 3, 4) if keys[i + 1] == 0}
    degrees = value.get(_MODEL) == 2 or (
        _MODEL not in value and _GEOGRAPHIC in value and _PROJECTED not in value
    )
    epsg = value.get(_GEOGRAPHIC if degrees else _PROJECTED, 0)
    across = None if degrees else _UNIT_OF_CODE.get(value.get(_PROJECTED_UNIT, 0))
    up = _UNIT_OF_CODE.get(value.get(_VERTICAL_UNIT, 0))
    return Units(f"EPSG:{epsg}" if 0 < epsg < 32767 else "", across, up, degrees)


# Well-known text -----------------------------------------------------------------------------------

_PROJECTED_NAMES = ("PROJCS", "PROJCRS", "PROJECTEDCRS", "LOCAL_CS", "ENGCRS")
_GEOGRAPHIC_NAMES = ("GEOGCS", "GEOGCRS", "GEOGRAPHICCRS", "GEODCRS")
_VERTICAL_NAMES = ("VERT_CS", "VERTCRS", "VERTICALCRS")
_MAX_DEPTH, _MAX_TOKENS = 64, 1 << 16

Node = tuple[str, list[Any]]  # keyword, children: nodes, strings and numbers


def units_of_wkt(text: str) -> Units:
    """Units of a coordinate system in WKT 1 or 2; none where the text is not understood."""
    root = _tree(text)
    if root is None:
        return Units()
    projected, geographic, vertical = (
        _find(root, names) for names in (_PROJECTED_NAMES, _GEOGRAPHIC_NAMES, _VERTICAL_NAMES)
    )
    named = next((c for c in root[1] if isinstance(c, str)), "")
    degrees = projected is None and geographic is not None
    across = _length(projected) if projected else None
    up = _length(vertical) if vertical else across
    return Units(named[:80], across, up, degrees)


def _tree(text: str) -> Node | None:
    """The outermost KEYWORD[...], or None."""
    stack: list[Node] = [("", [])]
    waiting: str | None = None
    tokens = re.finditer(r'"((?:[^"]|"")*)"|([A-Za-z_][A-Za-z_0-9]*)|([-+0-9.][-+0-9.eE]*)|([\[\](),])', text)
    for k, token in enumerate(tokens):
        quoted, word, number, sign = token.groups()
        if k > _MAX_TOKENS or len(stack) > _MAX_DEPTH:
            return None
        if quoted is not None:
            stack[-1][1].append(quoted)
        elif word:
            waiting = word.upper()
        elif number:
            try:
                stack[-1][1].append(float(number))
            except ValueError:
                return None
        elif sign in "[(" and waiting:
            node: Node = (waiting, [])
            stack[-1][1].append(node)
            stack.append(node)
            waiting = None
        elif sign in "])" and len(stack) > 1:
            stack.pop()
    first = next((c for c in stack[0][1] if isinstance(c, tuple)), None)
    return first


def _find(node: Node, names: tuple[str, ...]) -> Node | None:
    todo = [node]
    while todo:
        here = todo.pop(0)
        if here[0] in names:
            return here
        todo += [c for c in here[1] if isinstance(c, tuple)]
    return None


def _length(node: Node) -> float | None:
    """Metres of the UNIT that belongs to this coordinate system itself, or to its axes."""
    for child in node[1]:
        if isinstance(child, tuple) and child[0] in ("UNIT", "LENGTHUNIT"):
            return _factor(child)
    for axis in node[1]:
        if isinstance(axis, tuple) and axis[0] == "AXIS" and (found := _length(axis)):
            return found
    return None


def _factor(unit: Node) -> float | None:
    value = next((c for c in unit[1] if isinstance(c, float)), None)
    return value if value is not None and math.isfinite(value) and 1e-6 < value < 1e6 else None
