"""Meshes that trimesh reads: `.obj`, `.stl`, `.off` and `.ply` with faces.

Up axis: obj y, as modelling programs write it; stl, off and ply z. No file says it, hence `--up`. A unit is a
metre, hence `--scale`. Polygons become triangles. Colour: an OBJ's map_Kd, else its Kd (taken as sRGB, as
viewers do; Kd does not tint a map_Kd: exporters write one that nobody sees); else vertex or face colours;
else light grey. An OBJ without any material but with UVs takes the picture beside it whose name begins with
the same word, if there is just one (spot_triangulated.obj, spot_texture.png). Alpha is ignored. A .mtl or a
picture that is missing is noted, and the mesh is grey there.
"""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import mesh, pictures
from . import source as s
from .mesh import Part
from .source import Texture, Up

UPS: dict[str, Up] = {".obj": "y", ".stl": "z", ".off": "z", ".ply": "z"}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tga", ".tif", ".tiff")
MAX_MTL_BYTES = 1 << 24
MTL_OPTION = re.compile(
    r"\s*-[a-zA-Z]+((\s+[-+0-9.eE]+)+|\s+(on|off|[rgbmlz]))\s+"
)  # before a map's file name
WHITE = (1.0, 1.0, 1.0, 1.0)


class Beside:
    """What trimesh asks for files by name: gives those beside the scene, and remembers what was missing."""

    def __init__(self, scene: Path) -> None:
        self.scene = scene
        self.file_name = scene.name
        self.read: dict[str, bytes] = {}
        self.missing: list[str] = []

    def get(self, name: str) -> bytes:
        """Bytes of a .mtl or a picture; KeyError, and a note, if it is not there or not allowed."""
        if name not in self.read:
            most = pictures.MAX_PICTURE_BYTES if name.lower().endswith(PICTURES) else MAX_MTL_BYTES
            try:
                self.read[name] = pictures.read_beside(self.scene, here(name), most)
            except UserError:
                self.missing.append(here(name))
                raise KeyError(name) from None
        return self.read[name]

    __getitem__ = get


def here(name: str) -> str:
    """A name from an OBJ or MTL as a path below its folder: of an absolute one, the last part is tried."""
    while found := MTL_OPTION.match(name):
        name = name[found.end() :]
    name = name.strip().strip('"').replace("\\", "/")
    if name.startswith("/") or ":" in name or ".." in name.split("/"):
        name = name.split("/")[-1]
    return name


def trimesh_module() -> ModuleType:
    try:
        import trimesh
    except ImportError:
        raise UserError(
            "meshes in .obj, .stl, .off and .ply need trimesh: pip install 'voxtide[bake]'"
        ) from None
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # what it stumbles on is told by us, in one line
    return trimesh


def open_mesh(path: Path) -> s.Source:
    n_bytes = mesh.check_bytes(path)
    kind = path.suffix.lower()
    data = s.read_bytes(path, 0, n_bytes)
    if kind == ".stl":
        check_stl(path, data)
    trimesh = trimesh_module()
    files = Beside(path)
    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type=kind[1:], resolver=files, process=False)
        found = [scene.geometry[name] for name in sorted(scene.geometry)]
        found = [g for g in found if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    except UserError:
        raise
    except Exception as error:  # whatever a foreign parser stumbles on in foreign bytes
        raise s.wrong_magic(path, data, f"a {kind} mesh ({type(error).__name__}: {shown(error)})") from None
    if not found:
        raise UserError(f"{shown(path)} holds no triangles: expected a {kind} mesh with faces")
    textures: dict[str, Texture] = {}
    notes: dict[str, str | int] = {"format": f"{kind[1:]} mesh", "n_parts": len(found)}
    guess = guessed_picture(path) if kind == ".obj" and not has_material(found, files) else None
    if guess:
        notes["texture"] = shown(guess)
        files.read[guess] = pictures.read_beside(path, guess)
    parts = [part_of(g, path, files, textures, guess) for g in found]
    if files.missing:
        notes["missing"] = shown(", ".join(sorted(set(files.missing))))
    return mesh.mesh_source(path, parts, UPS[kind], notes)


def check_stl(path: Path, data: bytes) -> None:
    """Refuse a binary STL that is shorter than it declares; a text one begins with `solid`."""
    if data[:5].lower() == b"solid" and b"facet" in data[:1024]:
        return
    declared = 84 + 50 * int.from_bytes(data[80:84], "little")
    if len(data) < 84 or declared > len(data):
        raise UserError(f"{shown(path)} is cut short: expected an .stl file of {declared:,} bytes")


def has_material(found: list[Any], files: Beside) -> bool:
    """Does any part of an OBJ have a picture or a diffuse colour of its own?"""
    return any(picture_name(g, files) or diffuse_of(g) for g in found)


def material_of(geometry: Any) -> Any:
    return getattr(geometry.visual, "material", None)


def picture_name(geometry: Any, files: Beside) -> str | None:
    """What the file calls the picture on a mesh."""
    image = getattr(material_of(geometry), "image", None)  # opened by trimesh, not decoded
    if image is None:
        return None
    if files.scene.suffix.lower() == ".ply":  # it has one, and trimesh does not keep its name
        return next((name for name in files.read if name.lower().endswith(PICTURES)), None)
    found = image.info.get("file_path")
    return str(found) if found else None


def diffuse_of(geometry: Any) -> tuple[float, ...] | None:
    """Kd as it was written: three numbers 0..1."""
    kwargs = getattr(material_of(geometry), "kwargs", None) or {}
    value = kwargs.get("kd")
    if not isinstance(value, list | tuple) or len(value) < 3:
        return None
    return tuple(float(v) for v in value[:3])


def guessed_picture(path: Path) -> str | None:
    """The only picture beside a mesh whose name begins with the same word."""
    word = re.split(r"[^A-Za-z0-9]", path.stem)[0].lower()
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix.lower() in PICTURES and p.is_file()]
    except OSError:  # a folder that may be entered but not listed
        return None
    fitting = [n for n in names if re.split(r"[^A-Za-z0-9]", Path(n).stem)[0].lower() == word]
    return fitting[0] if len(fitting) == 1 else None


def part_of(
    geometry: Any, path: Path, files: Beside, textures: dict[str, Texture], guess: str | None
) -> Part:
    """A Trimesh as a part, coloured by the first of: picture, diffuse colour, vertex or face colours."""
    positions, faces = np.asarray(geometry.vertices), np.asarray(geometry.faces)
    uv = getattr(geometry.visual, "uv", None)
    name = picture_name(geometry, files) or guess
    if name is not None and uv is not None and len(uv) == len(positions):
        if name not in textures:
            where = f"{shown(path)}: {shown(here(name))}"
            textures[name] = pictures.texture(pictures.picture(files.get(name), where))
        from_top = np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)
        return Part(positions, faces, from_top, WHITE, texture=textures[name])
    diffuse = diffuse_of(geometry)
    if diffuse is not None:
        srgb = np.rint(np.clip(np.nan_to_num(diffuse), 0, 1) * 255).astype(np.uint8)
        red, green, blue = mesh.LINEAR[srgb].tolist()
        return Part(positions, faces, factor=(red, green, blue, 1.0))
    kind = getattr(geometry.visual, "kind", None)
    if kind == "vertex":
        colours = mesh.linear(_bytes(geometry.visual.vertex_colors, len(positions)))
        return Part(positions, faces, factor=WHITE, colours=colours)
    if kind == "face":
        colours = mesh.linear(_bytes(geometry.visual.face_colors, len(faces)))
        return Part(positions, faces, factor=WHITE, face_colours=colours)
    return Part(positions, faces)


def _bytes(colours: Any, n: int) -> NDArray[np.uint8]:
    found = np.asarray(colours)
    if found.dtype != np.uint8 or found.shape != (n, 4):
        raise UserError(
            f"a mesh of {n:,} has colours of shape {found.shape}: expected one of four bytes each"
        )
    return found
