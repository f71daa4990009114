"""The state with which neuroglancer shows an exported world in colour.

By itself neuroglancer shows one channel of an OME-Zarr at a time. Renamed to `c^`, the channels reach the
shader together; it draws the colour, and nothing where coverage is 0.
"""

from typing import Any

from .selection import Selection

LOCAL_URL = "http://localhost:8000"  # where the folder that holds the export is served
FROM_ABOVE = [-0.7948, 0.3292, -0.1951, 0.471]  # x, y, z, w: looking along (1, 1, -0.77), z up
SHADER = """void main() {
  float coverage = toNormalized(getDataValue(3));
  vec3 colour;
  colour.r = toNormalized(getDataValue(0));
  colour.g = toNormalized(getDataValue(1));
  colour.b = toNormalized(getDataValue(2));
  if (coverage > 0.0) emitRGBA(vec4(colour, 1.0));
  else emitTransparent();
}
"""


def state(levels: list[Selection], name: str, url: str = LOCAL_URL) -> dict[str, Any]:
    """A viewer state (https://neuroglancer-docs.web.app) of an export that is served at url/name."""
    finest = levels[0]
    size = finest.voxel_size_m
    extent = (finest.high - finest.low).tolist()
    space = {axis: [size, "m"] for axis in "xyz"}
    channel = {"c^": [1, ""]}
    layer = {
        "type": "image",
        "name": "colour",
        "source": {
            "url": f"{url}/{name}/|zarr3:",
            "transform": {"outputDimensions": {**channel, **{axis: space[axis] for axis in "zyx"}}},
        },
        "shader": SHADER,
        "opacity": 1,
        "volumeRendering": "on",
    }
    return {
        "dimensions": space,
        "position": [float(c) + 0.5 for c in ((finest.low + finest.high) // 2).tolist()],
        "crossSectionScale": max(extent) / 300,  # voxels per pixel
        "crossSectionOrientation": [1, 0, 0, 0],  # z up; by itself neuroglancer has it downwards
        "projectionScale": max(extent) * 1.2,
        "projectionOrientation": FROM_ABOVE,
        "layers": [layer],
        "showSlices": False,
        "layout": "4panel",
    }
