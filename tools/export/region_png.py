"""One region as the 4096 x 4096 image of the UVW bijection, and its occupancy as a bitmap beside it.

`NAME.png`: RGBA, the texel of voxel (u, v, w) at x = (w & 15) << 8 | u, y = (w >> 4) << 8 | v (`atlas.uvw`).
A is coverage, 0 is empty. `NAME.bitmap`: `atlas.bitmap.OccupancyBitmap`, one bit a voxel, 2 MiB. The text
chunk `voxtide` of the image says which region of which level it is, as JSON. `sources/region_png.py` reads it
back.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...atlas.bitmap import OccupancyBitmap
from ...atlas.layout import REGION
from ...atlas.uvw import region_to_image
from ..errors import UserError
from .options import Made, Progress
from .selection import Selection, read_box

KEY = "voxtide"
FORMAT = 1


def check_region(selection: Selection) -> None:
    """UserError, naming the choices, unless the selection lies in one region."""
    records = selection.records()
    if len(records) > 1:
        some = " ".join(",".join(map(str, r.region)) for r in records[:4])
        more = "" if len(records) <= 4 else f" and {len(records) - 4} more"
        raise UserError(f"a .png holds one region: say --region X,Y,Z, one of {some}{more}")


def write_region(selection: Selection, png: Path, bitmap: Path, progress: Progress) -> Made:
    """Write both files, which do not exist yet. OSError as the system gives it."""
    (record,) = selection.records()
    corner = np.array(record.region, np.int64) * REGION
    progress("image", 0, 1)
    dense = read_box(selection, corner, corner + REGION)
    occupied = OccupancyBitmap.from_dense(dense[..., 3] != 0, 1)
    n_voxels = occupied.count_occupied()
    if not n_voxels:
        raise UserError("nothing of the world lies there: `voxtide info` tells its bounds")
    says = {
        "format": FORMAT,
        "level": selection.level,
        "region": list(record.region),
        "voxel_size_m": selection.voxel_size_m,
    }
    text = PngInfo()
    text.add_text(KEY, json.dumps(says))
    Image.fromarray(region_to_image(dense)).save(png, format="PNG", pnginfo=text)
    bitmap.write_bytes(occupied.to_bytes())
    progress("image", 1, 1)
    return Made(n_voxels, {"region": list(record.region)})
