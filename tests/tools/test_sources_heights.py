"""Height fields: .dem and GeoTIFF give the heights that were written, and a surface that has no hole."""

import io

import bakery
import foreign
import numpy as np
import pytest
from data import needs
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.errors import UserError
from voxtide.tools.sources import Heights, Source, open_source
from voxtide.tools.sources.geography import DEGREE_M

HILLS = np.array([[10, 20, 30, 40], [12, 25, 31, 90], [15, 18, 60, 44]])  # row 0 in the south


def whole(source: Source, n=1 << 20) -> np.ndarray:
    """The field put together from its batches."""
    field = {}
    for batch in source.batches(n):
        assert 1 <= len(batch) <= n and batch.rgb.shape == (*batch.heights.shape, 3)
        for (r, c), z in np.ndenumerate(batch.heights):
            key = (batch.first[0] + r, batch.first[1] + c)
            assert np.array_equal(field.setdefault(key, z), z, equal_nan=True)
    out = np.full([1 + max(k[axis] for k in field) for axis in (0, 1)], np.nan)
    for key, z in field.items():
        out[key] = z
    return out


def write(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("ground", "vertical", "unit", "factor"),
    [(2, 2, 1.0, 1.0), (1, 1, 0.3048, 1.0), (1, 2, 0.3048, 1 / 0.3048)],
)
def test_a_dem(tmp_path, ground, vertical, unit, factor):
    path = write(tmp_path, foreign.dem(HILLS, ground=ground, vertical=vertical), "a.dem")
    source = open_source(path)
    np.testing.assert_allclose(whole(source), HILLS * factor, rtol=1e-6)
    np.testing.assert_array_equal(whole(source, n=2), whole(source))
    batch = next(source.batches(100))
    assert (batch.corner, batch.step, source.unit_m) == ((5e5, 4e6), (30.0, 30.0), unit)
    assert (source.kind, source.n_items, source.up, source.origin) == ("heights", 6, "z", (5e5, 4e6, 0.0))


def test_a_dem_of_long_profiles_that_begin_at_different_rows(tmp_path):
    heights = np.arange(400 * 3).reshape(400, 3) % 977
    got = whole(open_source(write(tmp_path, foreign.dem(heights, first_rows=[0, 150, 3]), "a.dem")))
    assert np.isnan(got[:150, 1]).all() and np.isnan(got[:3, 2]).all()
    for column, first in enumerate([0, 150, 3]):
        np.testing.assert_array_equal(got[first:, column], heights[first:, column])


def test_a_dem_in_arc_seconds_becomes_metres(tmp_path):
    path = write(tmp_path, foreign.dem(HILLS, ground=3, step=3.0, x0=-3600.0 * 122, y0=3600.0 * 46), "a.dem")
    batch = next(open_source(path).batches(99))
    assert batch.step[1] == pytest.approx(3 / 3600 * DEGREE_M) and batch.step[0] == pytest.approx(
        batch.step[1] * 0.6947, 1e-3
    )


DEM = foreign.dem(HILLS)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (DEM[:1000], "at least two blocks"),
        (DEM[:-1024], "profile 4 of the .dem is missing"),
        (DEM[:528] + b"     9" + DEM[534:], "A record of the .dem is damaged"),
        (DEM[:858] + b"999999" + DEM[864:], "A record of the .dem is damaged"),
        (DEM[:816] + b"      -1.000" + DEM[828:], "resolution"),
        (DEM[:1036] + b" 99999" + DEM[1042:], "declares 99,999 x 1"),
        (DEM[:1168] + b"  1x 2" + DEM[1174:], "whole numbers of 6 characters"),
        (DEM[:1072] + b"   0.900000000000000D+09" + DEM[1096:], "lie scattered"),
        (b"\x89PNG" + DEM, "a PNG image"),
    ],
)
def test_a_damaged_dem_is_refused(tmp_path, data, says):
    with pytest.raises(UserError, match=says) as error:
        open_source(write(tmp_path, data, "a.dem"))
    assert str(error.value).isprintable()


def tiff(heights, compression="raw", tags=()):
    info = ImageFileDirectory_v2()
    for tag, value in dict(tags).items():
        info[tag] = value
        if tag == 34264:
            info.tagtype[tag] = TiffTags.DOUBLE
    out = io.BytesIO()
    Image.fromarray(heights).save(out, "TIFF", compression=compression, tiffinfo=info)
    return out.getvalue()


PLACE = {33550: (10.0, 20.0, 0.0), 33922: (0.0, 0.0, 0.0, 5e5, 4e6, 0.0)}
FEET_KEYS = (1, 1, 0, 2, 1024, 0, 1, 1, 3076, 0, 1, 9002)
DEGREE_KEYS = (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["f4", "i4", "u2", "u1"])
def test_a_geotiff(tmp_path, compression, dtype):
    path = write(tmp_path, tiff(HILLS.astype(dtype), compression, {**PLACE, 34735: FEET_KEYS}), "a.tif")
    source = open_source(path)
    np.testing.assert_array_equal(whole(source), HILLS[::-1])  # row 0 of a picture is in the north
    batch = next(source.batches(99))
    assert (batch.corner, batch.step, source.unit_m) == ((500_005.0, 3_999_950.0), (10.0, 20.0), 0.3048)


def test_what_a_geotiff_does_not_know_is_no_surface(tmp_path):
    heights = HILLS.astype("f4")
    heights[0, 0], heights[2, 3], heights[1, 1] = -9999, np.nan, -3.4e38
    got = whole(open_source(write(tmp_path, tiff(heights, tags={42113: "-9999"}), "a.tiff")))[::-1]
    assert np.isnan(got[[0, 2, 1], [0, 3, 1]]).all() and np.isnan(got).sum() <= 4
    with pytest.raises(UserError, match="no height that is known"):
        open_source(write(tmp_path, tiff(np.full((4, 4), np.nan, "f4")), "a.tif"))


def test_a_geotiff_in_degrees_becomes_metres(tmp_path):
    tags = {33550: (1 / 3600, 1 / 3600, 0.0), 33922: (0.0, 0.0, 0.0, 8.0, 60.0, 0.0), 34735: DEGREE_KEYS}
    source = open_source(write(tmp_path, tiff(HILLS.astype("f4"), tags=tags), "a.tif"))
    step = next(source.batches(99)).step
    assert step[1] == pytest.approx(30.92, abs=0.01) and step[0] == pytest.approx(step[1] / 2, rel=1e-3)
    assert source.unit_m == 1.0 and source.notes["crs"] == "EPSG:4326"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (tiff(np.zeros((4, 4, 3), np.uint8)), "is a picture"),
        (tiff(HILLS.astype("f4"))[:-30], "cut short|damaged"),
        (
            tiff(
                HILLS.astype("f4"), tags={34264: (1.0, 0.5, 0, 0, 0.5, -1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0)}
            ),
            "turned",
        ),
        (tiff(HILLS.astype("f4")[:1]), "no surface"),
        (b"II*\0" + bytes(40), "damaged"),
        (b"P5 3 3", "unknown kind"),
    ],
)
def test_a_damaged_geotiff_is_refused(tmp_path, data, says):
    with pytest.raises(UserError, match=says) as error:
        open_source(write(tmp_path, data, "a.tif"))
    assert str(error.value).isprintable()


def test_a_tiff_that_declares_more_than_its_bytes_can_hold(tmp_path):
    data = bytearray(tiff(np.zeros((16, 16), "f4"), "tiff_adobe_deflate"))
    for tag in (256, 257):  # width, height: SHORT of 16
        at = data.index(tag.to_bytes(2, "little") + b"\3\0\1\0\0\0" + (16).to_bytes(2, "little"))
        data[at + 8 : at + 10] = (11_000).to_bytes(2, "little")
    with pytest.raises(UserError, match="cannot hold 11,000 x 11,000"):
        open_source(write(tmp_path, bytes(data), "a.tif"))


# The surface -----------------------------------------------------------------------------------------


def field(tmp_path, heights, step=1.0, corner=(0.0, 0.0), parts=1 << 20):
    heights = np.asarray(heights, np.float32)
    rgb = np.full((*heights.shape, 3), (10, 200, 30), np.uint8)
    path = tmp_path / "field.bin"
    path.write_bytes(b"made in memory")

    def batches(n):
        side = min(n, parts)
        for r in range(0, heights.shape[0] - 1, side):
            for c in range(0, heights.shape[1] - 1, side):
                inside = (slice(r, r + side + 1), slice(c, c + side + 1))
                yield Heights(heights[inside], rgb[inside], corner, (step, step), (r, c))

    return Source(path, "heights", (heights.shape[0] - 1) * (heights.shape[1] - 1), "z", batches, {})


def voxels_of(tmp_path, source, name="w", **options):
    bake(source, tmp_path / name, BakeOptions(**options))
    return bakery.world_voxels(tmp_path / name)


def test_a_level_plain_is_one_voxel_thick(tmp_path):
    voxels, rgba = voxels_of(tmp_path, field(tmp_path, np.full((3, 4), 7.5), step=2.0), voxel_size_m=0.5)
    assert voxels.tolist() == [[x, y, 15] for y in range(8) for x in range(12)]
    assert (rgba == (10, 200, 30, 255)).all()


def test_a_ramp_fills_exactly_what_it_passes(tmp_path):
    voxels, _ = voxels_of(tmp_path, field(tmp_path, [[0.25, 3.25], [0.25, 3.25]]), voxel_size_m=1.0)
    assert voxels.tolist() == [[0, 0, z] for z in range(4)]
    fine, _ = voxels_of(tmp_path, field(tmp_path, [[0.25, 3.25], [0.25, 3.25]]), "fine", voxel_size_m=0.5)
    # Column 0 from 0.25 to 1.75, column 1 from 1.75 to 3.25: in halves 0..3 and 3..6.
    assert {(x, z) for x, _, z in fine.tolist()} == {(0, z) for z in range(4)} | {(1, z) for z in range(3, 7)}


@pytest.mark.parametrize("voxel_size_m", [0.3, 1.0, 2.7])
def test_a_rough_surface_lets_nothing_through(tmp_path, rng, voxel_size_m):
    """Flood from above through faces: it never comes below the surface."""
    source = field(tmp_path, rng.uniform(0, 9, (12, 14)), corner=(0.13, -3.4))
    voxels, _ = voxels_of(tmp_path, source, voxel_size_m=voxel_size_m)
    low, high = voxels.min(0), voxels.max(0) + 1
    solid = np.zeros((high - low + (0, 0, 2))[::-1], bool)
    solid[tuple((voxels - low + (0, 0, 1)).T[::-1])] = True
    air = np.zeros_like(solid)
    air[-1] = True
    while True:
        grown = air.copy()
        for axis in range(3):
            for shift in (1, -1):
                moved = np.roll(air, shift, axis)
                np.moveaxis(moved, axis, 0)[0 if shift == 1 else -1] = False
                grown |= moved
        grown &= ~solid
        if (grown == air).all():
            break
        air = grown
    assert not air[0].any() and solid.any(axis=0).all()


def test_batches_turns_and_moves_do_not_matter(tmp_path, rng):
    heights = rng.uniform(-2, 5, (9, 7))
    one, _ = voxels_of(tmp_path, field(tmp_path, heights), "one", voxel_size_m=0.4)
    many, _ = voxels_of(tmp_path, field(tmp_path, heights, parts=2), "many", voxel_size_m=0.4)
    np.testing.assert_array_equal(one, many)
    moved, _ = voxels_of(tmp_path, field(tmp_path, heights), "moved", voxel_size_m=0.4, at=(4.0, -8.0, 0.8))
    np.testing.assert_array_equal(moved - (10, -20, 2), one)
    box = ((1.0, 1.0, -10.0), (3.0, 4.0, 10.0))
    cropped, _ = voxels_of(tmp_path, field(tmp_path, heights), "cropped", voxel_size_m=0.4, bounds_m=box)
    lo, hi = np.ceil(np.array(box) / 0.4 - 0.5)
    np.testing.assert_array_equal(cropped, one[((one >= lo) & (one < hi)).all(1)])


def test_unknown_samples_leave_a_hole_and_nothing_else(tmp_path):
    heights = np.full((5, 5), 1.5)
    heights[2, 2] = np.nan
    source = field(tmp_path, heights)
    report = bake(source, tmp_path / "w", BakeOptions(voxel_size_m=1.0))
    voxels, _ = bakery.world_voxels(tmp_path / "w")
    assert {(x, y) for x, y, _ in voxels.tolist()} == {(x, y) for x in range(4) for y in range(4)} - {
        (x, y) for x in (1, 2) for y in (1, 2)
    }
    assert report.dropped == {"invalid": 4}


def test_heights_do_not_lie_on_their_side(tmp_path):
    with pytest.raises(UserError, match="heights must stand upright"):
        bake(field(tmp_path, HILLS), tmp_path / "w", BakeOptions(up="y", voxel_size_m=1.0))
    with pytest.raises(UserError, match="--voxel-size"):
        bake(field(tmp_path, HILLS, step=1e5), tmp_path / "w", BakeOptions(voxel_size_m=0.1))


def test_mount_st_helens(tmp_path):
    source = open_source(needs("dem", "SainteHelens.dem"))
    assert source.notes["columns"] == 327 and (source.notes["lowest"], source.notes["highest"]) == (
        "682",
        "2543",
    )
    voxels, _ = voxels_of(tmp_path, source, voxel_size_m=120.0)
    assert voxels[:, 2].min() == 682 // 120 and voxels[:, 2].max() == 2543 // 120
