"""How the frames of an .mp4 are to be shown: Google's Spherical Video V2 metadata, the boxes st3d and sv3d.

https://github.com/google/spatial-media/blob/master/docs/spherical-video-v2-rfc.md. They go into the video's
sample entry, behind the codec's own configuration. Players read them: YouTube, VLC, headsets.
"""

import struct
from pathlib import Path
from typing import BinaryIO

_MONO, _LEFT_RIGHT = 0, 2  # stereo_mode
_TO_ENTRY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_BEFORE_CHILDREN = {b"stsd": 8, b"entry": 78}  # bytes of fields before a box's children: ISO/IEC 14496-12
_MAX_MOOV_BYTES = 1 << 28


def boxes_for(projection: str) -> bytes:
    """What to say of one of layout.PROJECTIONS; nothing for planar."""
    if projection == "stereo":
        return _full_box(b"st3d", bytes([_LEFT_RIGHT]))
    if projection != "equirect":
        return b""
    heading = _full_box(b"prhd", struct.pack(">3i", 0, 0, 0))  # the first view: the middle of the picture
    bounds = _full_box(b"equi", struct.pack(">4I", 0, 0, 0, 0))  # nothing is cropped
    projected = _box(b"proj", heading + bounds)
    made_by = _full_box(b"svhd", b"Voxtide\0")
    return _full_box(b"st3d", bytes([_MONO])) + _box(b"sv3d", made_by + projected)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, body: bytes) -> bytes:
    return _box(kind, bytes(4) + body)  # version 0, no flags


def mark(file: Path, projection: str) -> None:
    """Add the boxes to an .mp4 that was just written here: one video, its index (moov) at the end.

    Raises ValueError for any other file.
    """
    added = boxes_for(projection)
    if not added:
        return
    with file.open("r+b") as stream:
        start, moov = _last_box(stream)
        stream.seek(start)
        stream.write(_with(moov, added))


def _last_box(stream: BinaryIO) -> tuple[int, bytearray]:
    """-> where the last box of a file begins, and its bytes; it must be moov"""
    end = stream.seek(0, 2)
    at = 0
    while at + 8 <= end:
        stream.seek(at)
        size, kind = struct.unpack(">I4s", stream.read(8))
        if size == 1:
            (size,) = struct.unpack(">Q", stream.read(8))
        if size < 8 or at + size > end:
            break
        if at + size == end and kind == b"moov" and size <= _MAX_MOOV_BYTES:
            stream.seek(at)
            return at, bytearray(stream.read(size))
        at += size
    raise ValueError("no .mp4 with its index at the end")


def _with(moov: bytearray, added: bytes) -> bytes:
    """A moov with boxes added to its first video sample entry, behind the entry's first child."""
    parents, at, end = [], 0, len(moov)
    for kind in (*_TO_ENTRY, None):
        at, end = _find(moov, at, end, kind)
        parents.append(at)
        at += 8 + _BEFORE_CHILDREN.get(kind or b"entry", 0)
    first, first_end = _find(moov, at, end, None)
    assert bytes(moov[first + 4 : first + 8]) in (b"avcC", b"esds"), "a codec's configuration comes first"
    for parent in parents:
        (size,) = struct.unpack_from(">I", moov, parent)
        struct.pack_into(">I", moov, parent, size + len(added))
    return bytes(moov[:first_end] + added + moov[first_end:])


def _find(data: bytearray, at: int, end: int, kind: bytes | None) -> tuple[int, int]:
    """The first box of a kind (None: of any) between at and end. -> where it begins and ends"""
    while at + 8 <= end:
        size, found = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > end:
            break
        if kind is None or found == kind:
            return at, at + size
        at += size
    raise ValueError(f"no {(kind or b'entry').decode()} box where one is expected")
