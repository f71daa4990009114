"""zarr-python reads what Voxtide writes, voxel for voxel."""

import json

import numpy as np
import pytest
from voxtide.atlas.chunk import unpack
from voxtide.streamer.codec import decode_chunk
from voxtide.streamer.metadata import WorldMeta, encode_array
from voxtide.streamer.zarr_codec import NAME, PackedCodec
from worlds import levels_of, make_world, surface

zarr = pytest.importorskip("zarr")
pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_zarr_reads_the_same_voxels_at_1000_places(tmp_path, codec):
    voxels, rgba = surface(20_000, 300)
    world = make_world(tmp_path / "w", voxels, rgba, codec=codec)
    group = zarr.open(tmp_path / "w", mode="r")
    rng = np.random.default_rng(0)
    levels = levels_of(voxels, rgba)
    for level, n in ((0, 700), (1, 200), (5, 100)):
        array, half = group[f"color/{level}"], 1 << (23 - level)
        at, colours = levels[level]
        pick = rng.integers(0, len(at), n)
        x, y, z = (at[pick] + half).T
        theirs = np.array([array[c, b, a] for a, b, c in zip(x, y, z, strict=True)])
        assert (at[pick] < 0).any() and (theirs == colours[pick]).all()
        assert (theirs == world.read_voxels(level, at[pick])).all()


def test_zarr_sees_groups_levels_and_axes(tmp_path):
    make_world(tmp_path / "w", *surface(100, 50))
    group = zarr.open(tmp_path / "w", mode="r")
    assert sorted(group["color"].array_keys()) == list("012345")
    assert group.attrs["voxtide"]["voxel_size_m"] == 0.01
    array = group["color/2"]
    assert array.metadata.dimension_names == ("z", "y", "x", "rgba") and array.shape == (1 << 22,) * 3 + (4,)


def test_zarr_reads_a_box_across_the_origin(tmp_path):
    voxels, rgba = surface(5000, 40)
    make_world(tmp_path / "w", voxels, rgba)
    half = 1 << 23
    box = zarr.open(tmp_path / "w", mode="r")["color/0"][(slice(half - 40, half + 40),) * 3]
    expected = np.zeros((80, 80, 80, 4), np.uint8)
    expected[tuple((voxels + 40).T[::-1])] = rgba
    assert (box == expected).all()


@pytest.mark.parametrize("compressor", [None, {"name": "numcodecs.lz4", "configuration": {}}])
def test_zarr_writes_with_the_codec_too(tmp_path, compressor):
    array = zarr.create_array(
        tmp_path / "a",
        shape=(512, 512, 512, 4),
        shards=(256, 256, 256, 4),
        chunks=(16, 16, 16, 4),
        dtype="uint8",
        fill_value=0,
        serializer=PackedCodec(),
        compressors=[compressor or zarr.codecs.ZstdCodec(level=5), zarr.codecs.Crc32cCodec()],
        config={"write_empty_chunks": True},
    )
    voxels, rgba = surface(3000, 20)
    block = np.zeros((64, 64, 64, 4), np.uint8)
    block[tuple((voxels + 30)[(np.abs(voxels) < 30).all(1)].T)] = rgba[(np.abs(voxels) < 30).all(1)]
    array[100:164, 200:264, 300:364] = block
    array[0:16, 0:16, 0:16] = 0  # written, though empty: no block
    again = zarr.open_array(tmp_path / "a", mode="r")
    assert (again[100:164, 200:264, 300:364] == block).all()
    assert not again[0:32, 0:32, 0:32].any() and not again[400:420, 1, 1].any()


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_zarr_writes_what_we_read(tmp_path, name):
    chain = json.loads(encode_array(0, WorldMeta(0.01, 1, ((0, 0, 0), (1, 1, 1)), name, 5, ())))["codecs"]
    packed, compressor, crc = chain[0]["configuration"]["codecs"]
    array = zarr.create_array(
        tmp_path / "a",
        shape=(16, 16, 16, 4),
        chunks=(16, 16, 16, 4),
        dtype="uint8",
        fill_value=0,
        serializer=packed,
        compressors=[compressor, crc],
    )
    rng = np.random.default_rng(3)
    array[:] = dense = rng.integers(1, 256, array.shape, np.uint8) * (rng.random((16, 16, 16, 1)) < 0.2)
    stored = (tmp_path / "a/c/0/0/0/0").read_bytes()
    assert (unpack(decode_chunk(stored, name)) == dense).all()


@pytest.mark.parametrize(
    "stream", [b"", bytes(20), b"\2" + bytes(2054), b"\xff" * 8, b"\xff" * 600, bytes(20_000)]
)
def test_streams_that_lie_are_refused(tmp_path, stream):
    array = zarr.create_array(
        tmp_path / "a",
        shape=(16, 16, 16, 4),
        chunks=(16, 16, 16, 4),
        dtype="uint8",
        serializer=PackedCodec(),
        compressors=None,
    )
    array[0, 0, 0] = 1
    (tmp_path / "a/c/0/0/0/0").write_bytes(stream)
    with pytest.raises(ValueError, match="stream"):
        array[:]


def test_other_shapes_and_configurations_are_refused():
    for configuration in ({"level": 1}, {"form": "streams"}, {"form": "plain"}):
        with pytest.raises(ValueError, match="takes no configuration"):
            PackedCodec.from_dict({"name": NAME, "configuration": configuration})
    assert PackedCodec.from_dict(PackedCodec().to_dict()) == PackedCodec()
    array = zarr.create_array(
        {}, shape=(32, 32, 32, 4), chunks=(32, 32, 32, 4), dtype="uint8", serializer=PackedCodec()
    )
    with pytest.raises(ValueError, match="packs uint8 chunks"):
        array[0, 0, 0] = 1
