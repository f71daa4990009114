"""The state with which neuroglancer shows an exported world in colour.

By itself neuroglancer shows one channel of an OME-Zarr at a time. Renamed to `c^`, the channels reach the
shader together; it draws the colour, and nothing where coverage is 0.
"""

from typing import Any

from .selection import Selection

LOCAL_URL = "http://localhost:8000"  # where the folder that holds the export is served
SHADER = """#uicontrol float fog slider(min=0, max=1, default=1)
void main() {
  float coverage = toNormalized(getDataValue(3));
  vec3 colour;
  colour.r = toNormalized(getDataValue(0));
  colour.g = toNormalized(getDataValue(1));
  colour.b = toNormalized(getDataValue(2));
  if (coverage > 0.0) emitRGBA(vec4(colour, VOLUME_RENDERING ? fog : 1.0));
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
        "blend": "default",
        "volumeRendering": "on",
    }
    return {
        "dimensions": space,
        "position": [float(c) + 0.5 for c in ((finest.low + finest.high) // 2).tolist()],
        "crossSectionScale": max(extent) / 400,
        "projectionScale": max(extent) * 1.5,
        "projectionOrientation": [0.5, 0.5, 0.5, 0.5],
        "layers": [layer],
        "showSlices": False,
        "layout": "4panel",
    }
