"""What is mutated: small whole scenes of each format, cut from the real ones where they are there, else made.

A case is a folder's files and the one that is opened. `inside` unpacks what a checksum or a compression
guards, so that damage also reaches the parser behind it, and packs it again.
"""

import base64
import gzip
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import foreign
import numpy as np
from data import SHARED
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from voxtide.tools.lyra.tinyloop import safetensors

ASSETS = Path(__file__).resolve().parents[2] / "assets"
RNG = np.random.default_rng(3)


@dataclass(frozen=True)
class Case:
    """entry: what is opened, "" for the folder itself. inside: (unpack, pack) of the entry's bytes."""

    entry: str
    files: dict[str, bytes]
    inside: tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]] | None = None


def one(name: str, data: bytes, inside=None) -> Case:
    return Case(name, {name: data}, inside)


def real(*names: str) -> list[bytes]:
    """The real files that are on this machine."""
    return [p.read_bytes() for name in names if (p := SHARED / name).is_file()]


def cut_ply(data: bytes, rows: int) -> bytes:
    """A binary .ply whose first element keeps its first rows, if it has no other element behind."""
    head, mark, body = data.partition(b"end_header\n")
    before, _, rest = head.partition(b"element vertex ")
    n, _, after = rest.partition(b"\n")
    row_bytes = len(body) // int(n)
    return before + b"element vertex %d\n" % rows + after + mark + body[: rows * row_bytes]


def ply() -> list[Case]:
    splats = foreign.splat_columns(RNG, 40)
    points = {**{k: RNG.normal(size=50).astype("f4") for k in "xyz"}, "red": np.ones(50, "u1")}
    made = [foreign.ply(("vertex", splats), encoding=e) for e in foreign.ORDERS]
    made += [foreign.ply(("vertex", points), ("face", {"a": np.zeros(0, "u1")}))]
    cut = [
        cut_ply(d, 60)
        for d in real("splat/train-1000.ply", "rgbd/icl_livingroom1_micro/test_fragments/fragment_002.ply")
    ]
    return [one("a.ply", d) for d in made + cut]


def compressed_ply() -> list[Case]:
    bounds = {
        f"{e}_{p}{a}": RNG.normal(size=2).astype("f4")
        for e in ("min", "max")
        for p in ("", "scale_")
        for a in "xyz"
    }
    packed = {
        f"packed_{k}": RNG.integers(0, 1 << 32, 300).astype("u4")
        for k in ("position", "rotation", "scale", "color")
    }
    made = foreign.ply(("chunk", bounds), ("vertex", packed))
    return [one("a.ply", d) for d in [made, *real("splat/playcanvas-test.ply")]]


def splat() -> list[Case]:
    records = struct.pack("<6f8B", 1, 2, 3, 1, 1, 1, 10, 20, 30, 51, 255, 128, 128, 128) * 20
    return [one("a.splat", d) for d in [records, *real("splat/test-splat.3-points-from-train.splat")]]


def spz() -> list[Case]:
    under = (gzip.decompress, lambda d: gzip.compress(d, 1))
    made = [one("a.spz", foreign.two_spz_splats(v, 1), None if v == 4 else under) for v in (2, 3, 4)]
    return made + [one("a.spz", d, under) for d in real("splat/test-splat.3-points-from-train.spz")]


def sog_files(version: int = 2) -> dict[str, bytes]:
    """64 splats."""
    n, files = 64, {}
    for name in ("means_l", "means_u", "scales", "quats", "sh0"):
        image = RNG.integers(0, 256, (8, 8, 4)).astype("u1")
        image[..., 3] = 252 + RNG.integers(0, 4, (8, 8)) if name == "quats" else 255
        files[f"{name}.webp"] = foreign.webp(image)
    ends = {"mins": [-1.0] * 3, "maxs": [1.0] * 3}
    ramp, ramp4 = {"mins": [-5.0] * 3, "maxs": [-2.0] * 3}, {"mins": [-2.0] * 4, "maxs": [2.0] * 4}
    book = {"codebook": np.linspace(-4, -1, 256).tolist()}
    meta = {
        "means": {**ends, "files": ["means_l.webp", "means_u.webp"], "shape": [n, 3]},
        "scales": {**(book if version == 2 else ramp), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {**(book if version == 2 else ramp4), "files": ["sh0.webp"]},
        **({"version": 2, "count": n} if version == 2 else {}),
    }
    return {**files, "meta.json": json.dumps(meta).encode()}


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sog() -> list[Case]:
    made = sog_files()
    bundles = [
        one("a.sog", d)
        for d in [zipped(made), zipped(made, zipfile.ZIP_DEFLATED), *real("splat/wave_0001.sog")]
    ]
    folders = [
        Case("meta.json", f) for f in [made, sog_files(1), *map(unzipped, real("splat/wave_0001.sog"))]
    ]
    return bundles + folders


def sog_lod() -> list[Case]:
    ref = {"file": 0, "offset": 0, "count": 30}
    tree = {"children": [{"lods": {"0": ref}}, {"lods": {"0": {**ref, "offset": 30, "count": 34}}}]}
    meta = {"lodLevels": 1, "filenames": ["0_0/meta.json"], "tree": tree, "version": 1}
    files = {f"0_0/{name}": data for name, data in sog_files().items()}
    return [Case("lod-meta.json", {**files, "lod-meta.json": json.dumps(meta).encode()})]


def vox() -> list[Case]:
    model = foreign.model((4, 3, 1), [(0, 0, 0, 1), (3, 2, 0, 3)])
    nodes = [foreign.transform(0, 1), foreign.group(1, 2), foreign.transform(2, 3, frames=({"_t": "1 2 3"},))]
    material = foreign.chunk("MATL", struct.pack("<i", 1) + foreign.pairs(_type="_metal"))
    made = foreign.vox(model, *nodes, foreign.shape(3, 0), foreign.chunk("RGBA", bytes(1024)), material)
    found = real(
        "vox/dot_vox/placeholder-with-materials.vox", "vox/opengametools/test_multiple_model_scene.vox"
    )
    return [one("a.vox", d) for d in [made, *found]]


def pcd() -> list[Case]:
    columns = np.arange(30, dtype="<f4").tobytes()
    lzf = foreign.lzf_literals(columns)
    packed = struct.pack("<II", len(lzf), len(columns)) + lzf
    made = [
        foreign.pcd("x y z", "4 4 4", "F F F", 10, columns),
        foreign.pcd("x y z", "4 4 4", "F F F", 10, packed, "binary_compressed"),
        foreign.pcd("x y z rgb", "4 4 4 4", "F F F F", 9, b"1 2 3 4\n" * 9, "ascii"),
    ]
    for data in real("pointcloud/fragment.pcd"):
        head, mark, body = data.partition(b"DATA binary\n")
        made.append(head.replace(b"113662", b"100") + mark + body[:3200])
    return [one("a.pcd", d) for d in made]


def cut_las(data: bytes, n: int) -> bytes:
    """The first n points of a LAS file without EVLRs."""
    at, _, _, record = struct.unpack_from("<IIBH", data, 96)
    out = bytearray(data[: at + n * record])
    struct.pack_into("<I", out, 107, n)
    if out[25] == 4:
        struct.pack_into("<QIQ", out, 235, 0, 0, n)
    return bytes(out)


def las() -> list[Case]:
    found = real(
        "las/laspy/extrabytes.las",
        "las/laspy/vegetation_1_3.las",
        "las/laspy/file_with_both_wkt_and_geotiff_vlrs.las",
    )
    made = [foreign.las(fmt, 20) for fmt in (0, 3, 6, 7)]
    return [one("a.las", d) for d in [*made, *(cut_las(d, 100) for d in found)]]


def laz() -> list[Case]:
    made = [foreign.las(fmt, 300, compress=True) for fmt in (1, 3, 6, 8)]
    return [one("a.laz", d) for d in [*made, *real("las/laspy/simple.copc.laz")]]


def dem() -> list[Case]:
    made = [foreign.dem(np.arange(12.0).reshape(3, 4) * 10, ground=g) for g in (1, 2, 3)]
    for path in (ASSETS / "SainteHelens.dem", SHARED / "dem/SainteHelens.dem"):
        if path.is_file():
            data = path.read_bytes()[: 11 * 1024]  # five profiles
            made.append(data[:858] + b"%6d" % 5 + data[864:])
    return [one("a.dem", d) for d in made]


def tiff(compression: str, dtype: str, **tags) -> bytes:
    heights = (np.add.outer(np.arange(17), np.arange(23)) * 3).astype(dtype)
    info = ImageFileDirectory_v2()
    info[33550], info[33922] = (30.0, 30.0, 0.0), (0.0, 0.0, 0.0, 5e5, 4e6, 0.0)
    info[34735], info[42113] = (1, 1, 0, 2, 1024, 0, 1, 1, 3076, 0, 1, 9001), "-9999"
    out = io.BytesIO()
    Image.fromarray(heights).save(out, "TIFF", compression=compression, tiffinfo=info, **tags)
    return out.getvalue()


def geotiff() -> list[Case]:
    kinds = [
        ("raw", "f4"),
        ("tiff_lzw", "f4"),
        ("tiff_adobe_deflate", "i4"),
        ("packbits", "u1"),
        ("raw", "u2"),
    ]
    return [one("a.tif", tiff(*kind)) for kind in kinds]


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def volume(kind: str = "u1") -> np.ndarray:
    return RNG.integers(0, 2, (5, 6, 7)).astype(kind)


def numpy_npy() -> list[Case]:
    arrays = [volume(), volume("f4"), volume("?"), RNG.integers(0, 256, (4, 5, 6, 4)).astype("u1")]
    return [one("a.npy", npy(a)) for a in [*arrays, np.asfortranarray(volume("i8"))]]


def numpy_npz() -> list[Case]:
    points = {
        "points.npy": npy(RNG.normal(size=(90, 3))),
        "colors.npy": npy(RNG.integers(0, 256, (90, 3)).astype("u1")),
    }
    cases = [{"volume.npy": npy(volume("f4"))}, points]
    kinds = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)
    return [one("a.npz", zipped(files, kind)) for files in cases for kind in kinds]


def zarr_arrays() -> list[Case]:
    import zarr

    cases = []
    for version, shards in ((2, None), (3, None), (3, (4, 8, 8))):
        with tempfile.TemporaryDirectory() as folder:
            array = zarr.create_array(
                folder, shape=(5, 6, 7), chunks=(4, 4, 4), shards=shards, dtype="uint8", zarr_format=version
            )
            array[:] = volume()
            files = {
                p.relative_to(folder).as_posix(): p.read_bytes()
                for p in Path(folder).rglob("*")
                if p.is_file()
            }
        cases.append(Case("", files))
    inner = {f"0/{name}": data for name, data in cases[2].files.items()}
    steps = [{"type": "scale", "scale": [2.0, 1.0, 1.0]}]
    axes = [{"name": a, "type": "space", "unit": "meter"} for a in "zyx"]
    ome = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}],
    }
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    return [*cases, Case("", {**inner, "zarr.json": json.dumps(group).encode()})]


def vdb() -> list[Case]:
    return [one("a.vdb", d) for d in [b" BDV" + bytes(60), *real("vdb/oiio/sphere.vdb")]]


def mesh() -> list[Case]:
    """Polygons of each format that trimesh reads."""
    obj = b"v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
    off = b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    stl = bytes(80) + struct.pack("<I12fH", 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    head = b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    ply = head + b"element face 1\nproperty list uchar int vertex_indices\n"
    ply += b"end_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    made = [one("a.obj", obj), one("a.off", off), one("a.stl", stl), one("a.ply", ply)]
    return made + [one("a.obj", d) for d in real("mesh/spot/spot_control_mesh.obj")]


def gltf() -> list[Case]:
    """One textured triangle, as .glb and as .gltf with its buffer in it."""
    image = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (4, 4, 3)).astype("u1")).save(image, "PNG")
    numbers = (
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
        + np.array([0, 0, 1, 0, 0, 1], "<f4").tobytes()
    )
    data = numbers + np.array([0, 1, 2, 0], "<u2").tobytes() + image.getvalue()
    data += bytes(-len(data) % 4)
    views = [(0, 36), (36, 24), (60, 6), (68, len(image.getvalue()))]
    accessors = [(0, 5126, 3, "VEC3"), (1, 5126, 3, "VEC2"), (2, 5123, 3, "SCALAR")]
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}
    keys = ("bufferView", "componentType", "count", "type")
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [2, 2, 2]}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}], "images": [{"bufferView": 3, "mimeType": "image/png"}],
        "bufferViews": [{"buffer": 0, "byteOffset": a, "byteLength": n} for a, n in views],
        "accessors": [dict(zip(keys, a, strict=True)) for a in accessors],
        "buffers": [{"byteLength": len(data)}],
    }  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    glb = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(data), len(text), 0x4E4F534A) + text
    glb += struct.pack("<II", len(data), 0x004E4942) + data
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    return [one("a.glb", glb), one("a.gltf", json.dumps(document).encode())]


def weights() -> list[Case]:
    """Two tensors of a network, as `voxtide train` writes them."""
    rng = np.random.default_rng(0)
    tensors = {"a.weight": rng.normal(size=(6, 5)).astype(np.float32), "b": np.arange(9, dtype=np.int64)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        safetensors.write(path, tensors, {"kind": "tinyloop", "config": "{}"})
        return [one(path.name, path.read_bytes())]


PARSERS: dict[str, Callable[[], list[Case]]] = {
    "ply": ply, "compressed_ply": compressed_ply, "splat": splat, "spz": spz, "sog": sog, "sog_lod": sog_lod,
    "vox": vox, "pcd": pcd, "las": las, "laz": laz, "dem": dem, "geotiff": geotiff, "npy": numpy_npy,
    "npz": numpy_npz, "zarr": zarr_arrays, "vdb": vdb, "mesh": mesh, "gltf": gltf,
    "safetensors": weights,
}  # fmt: skip
