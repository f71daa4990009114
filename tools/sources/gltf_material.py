"""Materials of glTF: base colour, texture, what its alpha cuts, and which UVs it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import pictures
from .gltf_file import Doc, Json, uri_bytes, view_bytes
from .source import Texture, Wrap

WRAPS: dict[int, Wrap] = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
WHITE = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Material:
    """factor: base colour in linear light, and alpha. cutoff: alpha below which a place is a hole, or 0."""

    factor: tuple[float, float, float, float]
    texture: Texture | None
    cutoff: float
    uv: Json  # the texture's textureInfo, with KHR_texture_transform


@dataclass(slots=True)
class Materials:
    """A file's materials; each picture and texture is decoded once."""

    doc: Doc
    pixels: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    textures: dict[Any, Texture] = field(default_factory=dict)

    def read(self, index: Any) -> Material:
        """materials[index]."""
        material = self.doc.item("materials", index)
        glossy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        if glossy is not None:
            factor, where = glossy.get("diffuseFactor", WHITE), glossy.get("diffuseTexture")
        else:
            rough = material.get("pbrMetallicRoughness", {})
            factor, where = rough.get("baseColorFactor", WHITE), rough.get("baseColorTexture")
        red, green, blue, alpha = (float(value) for value in factor)
        mask = float(material.get("alphaCutoff", 0.5))
        cutoff = {"MASK": mask, "BLEND": 0.5}.get(material.get("alphaMode", "OPAQUE"), 0.0)
        if where is None:
            return Material((red, green, blue, alpha), None, cutoff, {})
        uv = dict(where, **where.get("extensions", {}).get("KHR_texture_transform", {}))
        return Material((red, green, blue, alpha), self._texture(where["index"], cutoff), cutoff, uv)

    def _texture(self, index: Any, cutoff: float) -> Texture:
        texture = self.doc.item("textures", index)
        webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
        image = webp.get("source", texture.get("source"))
        if image is None:
            raise UserError(
                f"{shown(self.doc.path)}: textures[{index}] has no PNG, JPEG or WebP picture: export it so"
            )
        sampler = self.doc.item("samplers", texture["sampler"]) if "sampler" in texture else {}
        wrap = (WRAPS[sampler.get("wrapS", 10497)], WRAPS[sampler.get("wrapT", 10497)])
        key = (image, cutoff, wrap)
        if key not in self.textures:
            pixels = self._pixels(image)
            self.doc.spend(pixels.nbytes // 3)  # the smaller levels
            self.textures[key] = pictures.texture(pixels, cutoff, wrap)
        return self.textures[key]

    def _pixels(self, index: Any) -> NDArray[np.uint8]:
        if index not in self.pixels:
            image = self.doc.item("images", index)
            if "bufferView" in image:
                data = bytes(view_bytes(self.doc, self.doc.item("bufferViews", image["bufferView"])))
            else:
                data = uri_bytes(self.doc, image["uri"])
            self.pixels[index] = pictures.picture(data, f"{shown(self.doc.path)}: images[{index}]")
            self.doc.spend(self.pixels[index].nbytes)
        return self.pixels[index]


def moved(doc: Doc, uv: NDArray[Any], where: Json) -> NDArray[Any]:
    """KHR_texture_transform: scaled, turned counter-clockwise (v points down), moved."""
    su, sv = (float(value) for value in where.get("scale", (1, 1)))
    ou, ov = (float(value) for value in where.get("offset", (0, 0)))
    angle = float(where.get("rotation", 0))
    if (su, sv, ou, ov, angle) == (1, 1, 0, 0, 0):
        return uv
    doc.spend(16 * len(uv))
    u, v, c, sn = uv[:, 0] * su, uv[:, 1] * sv, np.cos(angle), np.sin(angle)
    return np.stack([c * u + sn * v + ou, c * v - sn * u + ov], axis=1)
