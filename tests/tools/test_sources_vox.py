"""MagicaVoxel scenes: placement by hand-made graphs, real files against an independent walk."""

import struct

import foreign
import numpy as np
import pytest
from data import needs
from foreign import chunk, group, model, shape, transform, vox
from voxtide.tools.errors import UserError
from voxtide.tools.sources import Voxels, open_source
from voxtide.tools.sources.vox import default_palette


def write(tmp_path, data: bytes):
    path = tmp_path / "a.vox"
    path.write_bytes(data)
    return path


def read(path, n=1 << 20) -> Voxels:
    batches = list(open_source(path).batches(n))
    assert all(1 <= len(b) <= n for b in batches)
    return Voxels(np.concatenate([b.voxels for b in batches]), np.concatenate([b.rgba for b in batches]))


def cells(tmp_path, *chunks: bytes) -> dict[tuple[int, ...], int]:
    """Voxel -> palette byte, through a palette whose red says which byte it was and whose alpha is 0."""
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 0] = np.arange(1, 257) & 255
    got = read(write(tmp_path, vox(*chunks, chunk("RGBA", colours.tobytes()))), n=3)
    assert (got.rgba[:, 3] == 255).all()  # palette alpha is not coverage
    assert got.voxels.dtype == np.int64
    out = {tuple(v): int(c) for v, c in zip(got.voxels.tolist(), got.rgba[:, 0], strict=True)}
    assert len(out) == len(got)
    return out


BAR_CELLS = {(0, 0, 0): 1, (3, 0, 0): 2, (3, 2, 0): 3}
BAR = model((4, 3, 1), [(*cell, byte) for cell, byte in BAR_CELLS.items()])


@pytest.mark.parametrize("version", [150, 200])
def test_without_a_graph_a_model_stands_where_it_is(tmp_path, version):
    path = write(tmp_path, vox(chunk("PACK", struct.pack("<I", 2)), BAR, BAR, version=version))
    source = open_source(path)
    assert (source.kind, source.up, source.n_items) == ("voxels", "z", 3)
    assert source.notes["n_models"] == 2 and source.notes["palette"] == "default"
    assert read(path).voxels.tolist() == [[0, 0, 0], [3, 0, 0], [3, 2, 0]]


def test_palette_byte_0_is_empty_and_i_is_colour_i_minus_1(tmp_path):
    colours = np.arange(1024).astype(np.uint8)
    some = model((9, 9, 9), [(0, 0, 0, 0), (1, 0, 0, 1), (2, 0, 0, 255)])
    got = read(write(tmp_path, vox(some, chunk("RGBA", colours.tobytes()))))
    assert got.voxels[:, 0].tolist() == [1, 2]
    assert got.rgba.tolist() == [[0, 1, 2, 255], [248, 249, 250, 255]]


def test_imap_moves_no_colour(tmp_path):
    path = write(tmp_path, vox(BAR, chunk("IMAP", bytes(range(255, -1, -1))), chunk("MATL", bytes(8))))
    assert read(path).rgba.tolist() == [[255, 255, 255, 255], [255, 255, 204, 255], [255, 255, 153, 255]]
    assert open_source(path).notes["n_materials"] == 1


def test_default_palette():
    abgr = {1: 0xFFFFFFFF, 2: 0xFFCCFFFF, 7: 0xFFFFCCFF, 36: 0xFF0000FF, 37: 0xFFFFFFCC, 215: 0xFF330000}
    abgr |= {
        216: 0xFF0000EE,
        225: 0xFF000011,
        226: 0xFF00EE00,
        236: 0xFFEE0000,
        246: 0xFFEEEEEE,
        255: 0xFF111111,
    }
    palette = default_palette()
    assert palette.shape == (256, 4) and palette.dtype == np.uint8
    for i, value in abgr.items():
        assert palette[i].tolist() == list(struct.pack("<I", value)), i


def one_model(frame=None, **attributes) -> tuple[bytes, ...]:
    moved = transform(2, 3, frames=(frame or {},), **attributes)
    return (BAR, transform(0, 1), group(1, 2), moved, shape(3, 0))


def test_the_pivot_is_half_the_size_rounded_down(tmp_path):
    assert cells(tmp_path, *one_model({"_t": "10 20 -5"})) == {
        (8, 19, -5): 1,
        (11, 19, -5): 2,
        (11, 21, -5): 3,
    }


QUARTER = 1 | 0 << 2 | 1 << 4  # x' = -y, y' = x, z' = z
TIPPED = 0 | 2 << 2 | 1 << 5  # x' = x, y' = -z, z' = y
BOTH = 2 | 0 << 2  # tipped, then the quarter: x' = z, y' = x, z' = y


def test_a_turned_model_turns_about_a_corner_of_cells(tmp_path):
    # A cell's centre turns; those around the pivot (2, 1, 0) stay around it.
    want = {}
    for cell, byte in BAR_CELLS.items():
        centre = np.array(cell) + 0.5 - [2, 1, 0]
        turned = np.add([-centre[1], centre[0], centre[2]], [1, 2, 3])
        want[tuple(np.floor(turned).astype(int).tolist())] = byte
    assert cells(tmp_path, *one_model({"_t": "1 2 3", "_r": str(QUARTER)})) == want
    assert want[1, 0, 3] == 1  # the first by hand: centre (-1.5, -0.5, 0.5) -> (0.5, -1.5, 0.5) + (1, 2, 3)


def test_turns_of_groups_and_models_compose(tmp_path):
    outer, inner = {"_r": str(QUARTER), "_t": "100 0 0"}, {"_r": str(TIPPED), "_t": "0 10 0"}
    nested = (
        BAR,
        transform(0, 1, frames=(outer,)),
        group(1, 2),
        transform(2, 3, frames=(inner,)),
        shape(3, 0),
    )
    # The outer quarter turns (0, 10, 0) into (-10, 0, 0).
    assert cells(tmp_path, *nested) == cells(tmp_path, *one_model({"_t": "90 0 0", "_r": str(BOTH)}))


def test_hidden_nodes_and_layers_are_not_drawn(tmp_path):
    layer = chunk("LAYR", struct.pack("<i", 3) + foreign.pairs(_hidden="1") + struct.pack("<i", -1))
    scene = (
        *(BAR, model((1, 1, 1), [(0, 0, 0, 9)])),
        *(transform(0, 1), group(1, 2, 4, 6, 8)),
        *(transform(2, 3, _hidden="1"), shape(3, 0)),
        *(transform(4, 5, layer=3), shape(5, 0)),
        *(transform(6, 7), shape(7, 0, _hidden="1")),
        *(transform(8, 9, layer=2), shape(9, 1)),
        layer,
    )
    assert cells(tmp_path, *scene) == {(0, 0, 0): 9}


def test_the_first_frame_is_read(tmp_path):
    dot = model((1, 1, 1), [(0, 0, 0, 9)])
    frames = ({"_f": "7", "_t": "9 9 9"}, {"_f": "0", "_t": "1 1 1"})
    scene = (dot, BAR, transform(0, 1, frames=frames), shape(1, (1, {"_f": "5"}), (0, {"_f": "0"})))
    assert cells(tmp_path, *scene) == {(1, 1, 1): 9}


def test_of_overlapping_models_the_later_wins_in_every_tile(tmp_path):
    first = model((2, 1, 1), [(0, 0, 0, 1), (1, 0, 0, 1)])
    second = model(
        (2, 1, 1), [(0, 0, 0, 2), (1, 0, 0, 2), (1, 0, 0, 3), (200, 0, 0, 4)]
    )  # twice; out of its size
    scene = (
        *(first, second, transform(0, 1), group(1, 2, 4)),
        *(transform(2, 3, frames=({"_t": "256 0 0"},)), shape(3, 0)),
        *(transform(4, 5, frames=({"_t": "257 0 0"},)), shape(5, 1)),
    )
    assert cells(tmp_path, *scene) == {(255, 0, 0): 1, (256, 0, 0): 2, (257, 0, 0): 3}
    assert open_source(tmp_path / "a.vox").n_items == 6


def test_tiles_with_few_and_with_many_voxels_agree(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    cloud = model((50, 50, 50), np.c_[rng.integers(0, 50, (5000, 3)), rng.integers(1, 256, 5000)])
    scene = [cloud, transform(0, 1), group(1, *range(2, 12, 2))]
    for i in range(2, 12, 2):
        scene += [transform(i, i + 1, frames=({"_t": f"{i * 5} {i * 9} 250"},)), shape(i + 1, 0)]
    few = cells(tmp_path, *scene)
    assert 15_000 < len(few) < 25_000
    monkeypatch.setattr("voxtide.tools.sources.vox._FEW", 100)
    assert cells(tmp_path, *scene) == few


SIZE_9 = chunk("SIZE", struct.pack("<3i", 9, 9, 9))


@pytest.mark.parametrize(
    ("why", "chunks"),
    [
        ("loop", (BAR, transform(0, 1), group(1, 0))),
        ("does not exist", (BAR, transform(0, 1))),
        ("model that does not exist", (BAR, transform(0, 1), shape(1, 5))),
        ("model that does not exist", (BAR, transform(0, 1), shape(1, -1))),
        ("rotation", one_model({"_r": "0"})),
        ("rotation", one_model({"_r": "132"})),
        ("rotation", one_model({"_r": "9" * 5000})),
        ("rotation", one_model({"_r": "x\ny"})),
        ("translation", one_model({"_t": "1 2"})),
        ("translation", one_model({"_t": "1 2 99999999999"})),
        ("visible", one_model(_hidden="1")),
        ("no model", (transform(0, 1),)),
        ("expected 1..2048", (model((0, 1, 1), []),)),
        ("without SIZE", (chunk("XYZI", bytes(4)),)),
        ("cut short", (SIZE_9, chunk("XYZI", struct.pack("<I", 9) + bytes(8)))),
        ("a count of", (SIZE_9, chunk("XYZI", struct.pack("<I", 0xFFFFFFFF)))),
        ("middle of a field", (BAR, chunk("RGBA", bytes(9)))),
        ("a count of", (BAR, chunk("nGRP", struct.pack("<2i", 1, -1)))),
        ("not one", (model((1, 1, 1), [(5, 5, 5, 1)]),)),
    ],
)
def test_bad_scenes(tmp_path, why, chunks):
    path = write(tmp_path, vox(*chunks))
    with pytest.raises(UserError, match=why) as error:
        open_source(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_too_many_chunks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("voxtide.tools.sources.vox._MAX_CHUNKS", 3)
    assert len(read(write(tmp_path, vox(BAR, chunk("NOTE"))))) == 3
    with pytest.raises(UserError, match="damaged"):
        open_source(write(tmp_path, vox(BAR, chunk("NOTE"), chunk("NOTE"))))


def test_a_bush_of_shared_groups_is_refused(tmp_path):
    bush = [transform(0, 1), *(group(i, i + 1, i + 1) for i in range(1, 60)), shape(60, 0)]
    with pytest.raises(UserError, match="262,144 nodes"):
        open_source(write(tmp_path, vox(BAR, *bush)))


def texts(data: bytes, at: int) -> tuple[dict[str, str], int]:
    """A DICT at `at`, and where it ends."""
    out = []
    (n,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(2 * n):
        (n_bytes,) = struct.unpack_from("<i", data, at)
        out.append(data[at + 4 : at + 4 + n_bytes].decode())
        at += 4 + n_bytes
    return dict(zip(out[::2], out[1::2], strict=True)), at


def brute(path) -> dict[tuple[int, ...], tuple[int, ...]]:
    """A second, plain reader: dictionaries, floats, recursion."""
    data, at, sizes, models, nodes, palette = path.read_bytes(), 20, [], [], {}, default_palette()
    while at < len(data):
        kind, (n_bytes, _) = data[at : at + 4], struct.unpack_from("<II", data, at + 4)
        body = data[at + 12 : at + 12 + n_bytes]
        at += 12 + n_bytes
        if kind == b"SIZE":
            sizes.append(np.array(struct.unpack("<3i", body)))
        elif kind == b"XYZI":
            models.append(np.frombuffer(body, np.uint8, offset=4).reshape(-1, 4))
        elif kind == b"RGBA":
            stored = np.frombuffer(body, np.uint8).reshape(256, 4)
            palette = np.concatenate([stored[-1:], stored[:-1]])
        elif kind in (b"nTRN", b"nGRP", b"nSHP"):
            nodes[struct.unpack_from("<i", body)[0]] = (kind, body, *texts(body, 4))
        elif kind == b"LAYR":
            assert "_hidden" not in texts(body, 4)[0]
    out: dict[tuple[int, ...], tuple[int, ...]] = {}

    def place(k, turn, shift):
        centres = models[k][:, :3] + 0.5 - sizes[k] // 2
        where = np.floor(centres @ turn.T + shift).astype(int).tolist()
        colours = palette[models[k][:, 3]][:, :3].tolist()
        out.update(zip(map(tuple, where), map(tuple, colours), strict=True))

    def draw(i, turn, shift):
        kind, body, attributes, at = nodes[i]
        assert "_hidden" not in attributes
        if kind == b"nTRN":
            frame, _ = texts(body, at + 16)
            packed, moved = int(frame.get("_r", 4)), [float(v) for v in frame.get("_t", "0 0 0").split()]
            own, (first, second) = np.zeros((3, 3)), (packed & 3, packed >> 2 & 3)
            for row, column in enumerate((first, second, ({0, 1, 2} - {first, second}).pop())):
                own[row, column] = 1 - 2 * (packed >> 4 + row & 1)
            draw(struct.unpack_from("<i", body, at)[0], turn @ own, shift + turn @ moved)
        elif kind == b"nGRP":
            (n,) = struct.unpack_from("<i", body, at)
            for child in struct.unpack_from(f"<{n}i", body, at + 4):
                draw(child, turn, shift)
        else:
            place(struct.unpack_from("<i", body, at + 4)[0], turn, shift)

    if nodes:
        draw(0, np.eye(3), np.zeros(3))
    else:
        place(0, np.eye(3), sizes[0] // 2)
    return out


@pytest.mark.parametrize(
    ("folder", "name", "n"),
    [
        ("mmmm", "scene_church1.vox", 181_774),
        ("mmmm", "scene_depot.vox", 120_245),
        ("mmmm", "scene_store8.vox", 441_118),
        ("opengametools", "test_multiple_model_scene.vox", 12_926),
        ("dot_vox", "placeholder-with-materials.vox", 4),
    ],
)
def test_real_files(folder, name, n):
    path = needs("vox", folder, name)
    want, got = brute(path), read(path, n=100_000)
    assert len(got) == len(want) == n
    colours = map(tuple, got.rgba[:, :3].tolist())
    assert dict(zip(map(tuple, got.voxels.tolist()), colours, strict=True)) == want
