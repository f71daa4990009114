"""Writers of small foreign files, by the formats' descriptions and not by our readers."""

import gzip
import io
import struct

import numpy as np
import zstandard
from PIL import Image

SPLAT_NAMES = [
    "x",
    "y",
    "z",
    "f_dc_0",
    "f_dc_1",
    "f_dc_2",
    "opacity",
    "scale_0",
    "scale_1",
    "scale_2",
    "rot_0",
    "rot_1",
    "rot_2",
    "rot_3",
]
PLY_TYPES = {
    "f4": "float",
    "f8": "double",
    "u1": "uchar",
    "i1": "char",
    "u2": "ushort",
    "i2": "short",
    "u4": "uint",
    "i4": "int",
}
ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}


def ply(*elements, encoding="binary_little_endian", comments=(), eol="\n") -> bytes:
    """Elements are (name, {property: array}); an array's dtype is the property's type."""
    lines = ["ply", f"format {encoding} 1.0", *(f"comment {c}" for c in comments)]
    body = b""
    for name, columns in elements:
        lines.append(f"element {name} {len(next(iter(columns.values())))}")
        lines += [f"property {PLY_TYPES[a.dtype.str[1:]]} {p}" for p, a in columns.items()]
        rows = list(zip(*columns.values(), strict=True))
        if encoding == "ascii":
            body += "".join(" ".join(repr(v.item()) for v in row) + eol for row in rows).encode()
        else:
            dtype = np.dtype([(p, ORDERS[encoding] + a.dtype.str[1:]) for p, a in columns.items()])
            body += np.array(rows, dtype).tobytes()
    return eol.join([*lines, "end_header", ""]).encode() + body


def splat_columns(rng, n=7, dtype="f4", names=SPLAT_NAMES, rest=0, normals=False) -> dict[str, np.ndarray]:
    names = [*names[:3], *(("nx", "ny", "nz") if normals else ()), *names[3:6],
             *(f"f_rest_{i}" for i in range(rest)), *names[6:]]  # fmt: skip
    return {name: rng.normal(size=n).astype(dtype) for name in names}


def spz(version, n, sections, degree=0, fraction=12, flags=0, magic=b"NGSP") -> bytes:
    """`sections`: the attributes' bytes in order (position, opacity, colour, scale, rotation, harmonics)."""
    if version < 4:
        return gzip.compress(
            struct.pack("<4sIIBBBB", magic, version, n, degree, fraction, flags, 0) + b"".join(sections)
        )
    packed = [zstandard.ZstdCompressor().compress(section) for section in sections]
    toc = b"".join(struct.pack("<QQ", len(p), len(u)) for p, u in zip(packed, sections, strict=True))
    head = struct.pack("<4sIIBBBBI12x", magic, version, n, degree, fraction, flags, len(sections), 32)
    return head + toc + b"".join(packed)


def chunk(name: str, content: bytes = b"", children: bytes = b"") -> bytes:
    return name.encode() + struct.pack("<II", len(content), len(children)) + content + children


def vox(*chunks: bytes, version=150) -> bytes:
    return b"VOX " + struct.pack("<I", version) + chunk("MAIN", b"", b"".join(chunks))


def model(size, voxels) -> bytes:
    """`voxels`: rows of x, y, z, palette byte."""
    rows = np.array(voxels, np.uint8).reshape(-1, 4)
    return chunk("SIZE", struct.pack("<3i", *size)) + chunk(
        "XYZI", struct.pack("<I", len(rows)) + rows.tobytes()
    )


def pairs(**attributes: str) -> bytes:
    texts = [t.encode() for item in attributes.items() for t in item]
    return struct.pack("<i", len(attributes)) + b"".join(struct.pack("<i", len(t)) + t for t in texts)


def transform(node, child, layer=-1, frames=({},), **attributes) -> bytes:
    content = (
        struct.pack("<i", node) + pairs(**attributes) + struct.pack("<4i", child, -1, layer, len(frames))
    )
    return chunk("nTRN", content + b"".join(pairs(**frame) for frame in frames))


def group(node, *children, **attributes) -> bytes:
    content = (
        struct.pack("<i", node)
        + pairs(**attributes)
        + struct.pack(f"<{1 + len(children)}i", len(children), *children)
    )
    return chunk("nGRP", content)


def shape(node, *models, **attributes) -> bytes:
    """`models`: ids, or (id, attributes)."""
    content = struct.pack("<i", node) + pairs(**attributes) + struct.pack("<i", len(models))
    for m in models:
        number, extra = m if isinstance(m, tuple) else (m, {})
        content += struct.pack("<i", number) + pairs(**extra)
    return chunk("nSHP", content)


def pcd(fields, sizes, types, n, data: bytes, encoding="binary", counts=None, extra="") -> bytes:
    return (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS {fields}\nSIZE {sizes}\nTYPE {types}\n"
        + (f"COUNT {counts}\n" if counts else "")
        + f"WIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\n{extra}DATA {encoding}\n"
    ).encode() + data


def lzf_literals(data: bytes) -> bytes:
    """A valid LZF stream that never refers back."""
    return b"".join(bytes([len(data[i : i + 32]) - 1]) + data[i : i + 32] for i in range(0, len(data), 32))


def two_spz_splats(version: int, degree: int = 0) -> bytes:
    """Positions (1, -1/2, 1/4096) and the ends of the range; see test_spz_known_answer for the rest."""
    fixed = (4096, -2048, 1, -(1 << 23), 0, (1 << 23) - 1)
    sections = [
        b"".join((v & 0xFFFFFF).to_bytes(3, "little") for v in fixed),
        bytes([255, 51]),
        bytes([64, 128, 192] * 2),
        bytes([160, 176, 0] * 2),
        # From 3 on: largest x (0), y = +1/sqrt 2; largest w (3), x = -1/sqrt 2.
        bytes([255, 128, 128, 0, 128, 128])
        if version == 2
        else struct.pack("<2I", 0 << 30 | 511 << 20, 3 << 30 | (512 | 511) << 20),
    ]
    harmonics = [bytes(2 * 3 * (0, 3, 8, 15, 24)[degree])] if degree else []
    return spz(version, 2, sections + harmonics, degree=degree, flags=1)


LAS_BYTES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # of a record, by point format
LAS_RGB_AT = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}


def vlr(user: str, number: int, content: bytes) -> bytes:
    return struct.pack("<2x16sHH32x", user.encode(), number, len(content)) + content


def las(
    point_format, n, *, xyz=None, rgb=None, classes=None, intensity=None, scale=0.01, offset=(0, 0, 0),
    vlrs=(), minor=None, compress=False,
) -> bytes:  # fmt: skip
    """Integers xyz [n, 3], rgb uint16 [n, 3], classes and intensity [n]; 1.2 for old formats, else 1.4."""
    minor = (4 if point_format >= 6 else 2) if minor is None else minor
    rows = np.zeros((n, LAS_BYTES[point_format]), np.uint8)
    xyz = np.stack([np.arange(n), np.arange(n) % 7, np.arange(n) % 5], 1) if xyz is None else np.asarray(xyz)
    rows[:, :12] = xyz.astype("<i4").view(np.uint8).reshape(n, 12)
    bright = np.asarray(np.zeros(n) if intensity is None else intensity, "<u2")
    rows[:, 12:14] = bright.view(np.uint8).reshape(n, 2)
    rows[:, 14] = 0x11 if point_format >= 6 else 0x09
    rows[:, 16 if point_format >= 6 else 15] = 0 if classes is None else classes
    if point_format in LAS_RGB_AT:
        at = LAS_RGB_AT[point_format]
        rgb = np.full((n, 3), 200) if rgb is None else rgb
        rows[:, at : at + 6] = np.ascontiguousarray(rgb, "<u2").view(np.uint8).reshape(n, 6)
    body, extra = rows.tobytes(), b"".join(vlrs)
    head_bytes = {2: 227, 3: 235, 4: 375}[minor]
    n_vlrs, kind = len(vlrs), point_format
    if compress:
        import lazrs

        record = lazrs.LazVlr.new_for_compression(point_format, 0)
        extra += vlr("laszip encoded", 22204, bytes(record.record_data()))
        n_vlrs, kind = n_vlrs + 1, point_format | 0x80
        at_points = head_bytes + len(extra)
        packed = bytearray(lazrs.compress_points(record, rows.reshape(-1), False))
        # Its chunk table's place counts from the start of the points.
        struct.pack_into("<q", packed, 0, struct.unpack_from("<q", packed)[0] + at_points)
        body = bytes(packed)
    low, high = (np.asarray(f(xyz, axis=0)) * scale + offset for f in (np.min, np.max))
    bounds = [v for pair in zip(high, low, strict=True) for v in pair]
    head = b"LASF" + bytes(20) + bytes([1, minor]) + bytes(64) + struct.pack("<HH", 1, 2026)
    head += struct.pack(
        "<HIIBHI20x", head_bytes, head_bytes + len(extra), n_vlrs, kind, LAS_BYTES[point_format], n
    )
    head += struct.pack("<12d", *([scale] * 3), *offset, *bounds)
    if minor >= 3:
        head += bytes(8)
    if minor == 4:
        head += struct.pack("<QIQ120x", 0, 0, n)
    assert len(head) == head_bytes
    return head + extra + body


def dem(heights, ground=2, vertical=2, step=30.0, x0=5e5, y0=4e6, first_rows=None) -> bytes:
    """heights [rows from the south, columns]; NaN is void. first_rows: where each profile begins, in rows."""

    def block(text: str) -> bytes:
        return text.ljust(1024).encode()

    columns = np.shape(heights)[1]
    f24 = lambda v: f"{v:.15E}".replace("E", "D").rjust(24)  # noqa: E731
    first = [0] * columns if first_rows is None else first_rows
    head = "a test".ljust(144) + "".join(f"{v:6d}" for v in (1, 1, 1, 10)) + f24(0.0) * 15
    head += "".join(f"{v:6d}" for v in (ground, vertical, 4)) + f24(0.0) * 11 + f"{0:6d}"
    head += "".join(f"{v:.6E}"[:12].rjust(12) for v in (step, step, 1.0)) + f"{1:6d}{columns:6d}"
    out = block(head)
    for c in range(columns):
        values = np.asarray(heights)[first[c] :, c]
        text = "".join(f"{-32767 if np.isnan(v) else int(v):6d}" for v in values)
        top = "".join(f"{v:6d}" for v in (1, c + 1, len(values), 1))
        top += f24(x0 + c * step) + f24(y0 + first[c] * step) + f24(0.0) * 3
        out += block(top + text[: 6 * 146])
        for start in range(146, len(values), 170):
            out += block(text[6 * start : 6 * (start + 170)])
    return out


def webp(pixels) -> bytes:
    """[h, w, 4] uint8, exactly."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, exact=True)
    return out.getvalue()
