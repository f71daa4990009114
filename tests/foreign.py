"""Writers of small foreign files, by the formats' descriptions and not by our readers."""

import gzip
import struct

import numpy as np
import zstandard

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
