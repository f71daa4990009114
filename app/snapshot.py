"""A picture file that knows where it was taken: its pose in a text chunk of the PNG, and back.

The chunk is called "voxtide" and holds JSON: {"format": "voxtide-picture", "version": 1, "pose": [x, y, z,
yaw, pitch, roll], "fov": 50, "projection": "planar", "conventions": "..."}; the roll is left out where it is
0. A 360-degree picture also says so in XMP (GPano), which panorama viewers read.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atlas.layout import PROJECTIONS
from .camera import Pose
from .path_file import CONVENTIONS, json_of, number, numbers
from .paths import CameraPath, Key

KEYWORD, FORMAT, VERSION = "voxtide", "voxtide-picture", 1
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS, _MAX_TEXT_BYTES = 1000, 1 << 16
_GPANO = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" \
xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:ProjectionType="equirectangular" \
GPano:UsePanoramaViewer="True" GPano:CroppedAreaImageWidthPixels="{width}" \
GPano:CroppedAreaImageHeightPixels="{height}" GPano:FullPanoWidthPixels="{width}" \
GPano:FullPanoHeightPixels="{height}" GPano:CroppedAreaLeftPixels="0" GPano:CroppedAreaTopPixels="0" \
GPano:PoseHeadingDegrees="{heading:.4f}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Where and how a picture was taken."""

    pose: Pose
    fov_deg: float
    projection: str = PROJECTIONS[0]


def save(path: Path, pixels: NDArray[np.uint8], taken: Taken | None = None) -> None:
    """Write [height, width, 3 or 4] uint8 sRGB as a PNG, or as what the suffix says, which forgets `taken`.

    Raises OSError, or ValueError for a suffix that is no picture's.
    """
    from PIL import Image, PngImagePlugin

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if taken is None or path.suffix.lower() != ".png":
        image.save(path)
        return
    said = PngImagePlugin.PngInfo()
    said.add_text(KEYWORD, text(taken))
    if taken.projection == "equirect":
        heading = (90 - taken.pose.yaw) % 360  # clockwise from north, which is +y here
        xmp = _GPANO.format(width=image.width, height=image.height, heading=heading)
        said.add_itxt("XML:com.adobe.xmp", xmp)
    image.save(path, pnginfo=said)


def text(taken: Taken) -> str:
    """The JSON of where a picture was taken, all ASCII."""
    said = {"format": FORMAT, "version": VERSION, "pose": list(numbers(taken.pose)), "fov": taken.fov_deg}
    return json.dumps(said | {"projection": taken.projection, "conventions": CONVENTIONS})


def read(path: Path) -> tuple[Taken, tuple[int, int]]:
    """Where a PNG was taken, and its width and height. Its pixels are not looked at.

    Raises ValueError, one line, or OSError.
    """
    with path.open("rb") as stream:
        if stream.read(8) != _SIGNATURE:
            raise ValueError("not a PNG")
        size = None
        for _ in range(_MAX_CHUNKS):
            head = stream.read(8)
            if len(head) < 8:
                break
            n_bytes, kind = struct.unpack(">I4s", head)
            if kind in (b"IDAT", b"IEND"):
                break
            if kind not in (b"IHDR", b"tEXt") or n_bytes > _MAX_TEXT_BYTES:
                stream.seek(n_bytes + 4, 1)
                continue
            body = stream.read(n_bytes)
            if stream.read(4) != zlib.crc32(kind + body).to_bytes(4):
                raise ValueError("damaged: a checksum differs")
            if kind == b"IHDR" and n_bytes == 13:
                size = struct.unpack(">II", body[:8])
            elif size and body.startswith(KEYWORD.encode() + b"\0"):
                return parse(body[len(KEYWORD) + 1 :]), (size[0], size[1])
    raise ValueError("this PNG does not say where it was taken: only those that Voxtide made do")


def parse(data: bytes | str) -> Taken:
    """The text chunk -> where the picture was taken, every field checked. Raises ValueError, one line."""
    found = json_of(data)
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (FORMAT, VERSION):
        raise ValueError(f'not the note of a picture: "format" is "{FORMAT}" and "version" is {VERSION}')
    pose, fov = found.get("pose"), number(found.get("fov"), '"fov"')
    if not isinstance(pose, list) or len(pose) not in (5, 6):
        raise ValueError('"pose" is [x, y, z, yaw, pitch], and perhaps roll')
    if found.get("projection") not in PROJECTIONS:
        raise ValueError(f'"projection" is {", ".join(PROJECTIONS)}')
    at = Pose(*(number(v, "each of the pose") for v in pose))
    CameraPath((Key(0.0, at, fov),))  # the same bounds as a path's keys
    return Taken(at, fov, found["projection"])
