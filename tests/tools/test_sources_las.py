"""LAS and LAZ: positions in float64, units and origin, colours, classes; what a header may not declare."""

import struct

import foreign
import numpy as np
import pytest
from bakery import world_voxels
from data import needs
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.errors import UserError
from voxtide.tools.sources import Points, open_source
from voxtide.tools.sources.geography import US_FOOT_M, units_of_keys, units_of_wkt

XYZ = np.array([[0, 0, 0], [12345678, -7, 2**31 - 1], [5, -(2**31), 100]])
RGB = np.array([[255, 0, 7], [1, 2, 3], [9, 99, 199]])


def read(path, n=1 << 20) -> Points:
    batches = list(open_source(path).batches(n))
    assert all(1 <= len(b) <= n for b in batches)
    return Points(*(np.concatenate([getattr(b, k) for b in batches]) for k in Points.__slots__))


def write(tmp_path, data, name="a.las"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
@pytest.mark.parametrize("point_format", [2, 3, 7, 8])
def test_positions_are_exact_and_colours_are_seen_for_what_they_are(tmp_path, name, point_format):
    offset = (4e6, -5e5, 1.5)
    for factor, kind in ((1, "8"), (257, "16")):
        data = foreign.las(
            point_format,
            3,
            xyz=XYZ,
            rgb=RGB * factor,
            classes=[2, 6, 0],
            scale=1e-3,
            offset=offset,
            compress="z" in name,
        )
        path = write(tmp_path, data, name)
        got = read(path, n=2)
        np.testing.assert_array_equal(got.positions, XYZ * 1e-3 + np.array(offset))
        np.testing.assert_array_equal(got.rgb, RGB)
        np.testing.assert_array_equal(got.semantic, [2, 6, 0])
        source = open_source(path)
        assert (source.kind, source.n_items, source.up, source.notes["colour"]) == (
            "points",
            3,
            "z",
            f"rgb {kind} bit",
        )
        assert source.entities == {2: "ground", 6: "building"}


def test_without_colour_classes_or_intensity_colour_it(tmp_path):
    classed = read(write(tmp_path, foreign.las(0, 3, classes=[2, 5, 5], intensity=[1, 2, 3])))
    assert len(np.unique(classed.rgb, axis=0)) == 2 and (classed.rgb[1] == classed.rgb[2]).all()
    lit = read(write(tmp_path, foreign.las(0, 4, classes=[1, 1, 1, 1], intensity=[0, 100, 400, 400])))
    assert lit.rgb[:, 0].tolist() == [40, 148, 255, 255] and (lit.rgb == lit.rgb[:, :1]).all()
    assert (read(write(tmp_path, foreign.las(0, 4))).rgb == 200).all()
    black = foreign.las(2, 3, rgb=np.zeros((3, 3)), intensity=[10, 20, 30])
    assert open_source(write(tmp_path, black)).notes["colour"] == "intensity"


FEET = 'PROJCS["x",GEOGCS["g",UNIT["degree",0.01745]],PROJECTION["p"],UNIT["Foot_US",0.3048006096012192]]'
METRES_AND_FEET = (
    'COMPD_CS["both",PROJCS["x",GEOGCS["g",UNIT["degree",0.01745]],UNIT["metre",1]],'
    'VERT_CS["v",VERT_DATUM["d",2005],UNIT["US survey foot",0.3048006096012192],AXIS["Up",UP]]]'
)


def wkt_vlr(text):
    return foreign.vlr("LASF_Projection", 2112, text.encode() + b"\0")


def keys_vlr(*keys):
    numbers = (1, 1, 0, len(keys), *(v for key, value in keys for v in (key, 0, 1, value)))
    return foreign.vlr("LASF_Projection", 34735, struct.pack(f"<{len(numbers)}H", *numbers))


def test_feet_become_metres_by_scale(tmp_path):
    for record in (wkt_vlr(FEET), keys_vlr((1024, 1), (3076, 9003))):
        source = open_source(write(tmp_path, foreign.las(0, 3, vlrs=[record])))
        assert source.unit_m == pytest.approx(US_FOOT_M)
    assert source.notes["crs_unit_m"] == "0.304800609601"


def test_heights_in_another_unit_are_brought_to_that_of_the_ground(tmp_path):
    record = wkt_vlr(METRES_AND_FEET)
    path = write(tmp_path, foreign.las(0, 1, xyz=[[1000, 2000, 3000]], scale=0.5, vlrs=[record]))
    np.testing.assert_allclose(read(path).positions, [[500, 1000, 1500 * US_FOOT_M]])
    assert open_source(path).unit_m == 1.0


def test_degrees_become_metres(tmp_path):
    xyz = [[10_000_000, 60_000_000, 10], [10_001_000, 60_001_000, 20]]
    path = write(tmp_path, foreign.las(0, 2, xyz=xyz, scale=1e-6, vlrs=[keys_vlr((1024, 2), (2048, 4326))]))
    across, along, up = np.diff(read(path).positions, axis=0)[0]
    assert (
        across == pytest.approx(55.66, abs=0.1)
        and along == pytest.approx(111.3, abs=0.1)
        and up == pytest.approx(1e-5)
    )


@pytest.mark.parametrize(
    ("text", "across", "up", "degrees"),
    [
        (FEET, US_FOOT_M, US_FOOT_M, False),
        (METRES_AND_FEET, 1.0, US_FOOT_M, False),
        (
            'PROJCRS["n",BASEGEOGCRS["b"],CS[Cartesian,2],AXIS["e",east],LENGTHUNIT["metre",1]]',
            1.0,
            1.0,
            False,
        ),
        ('PROJCRS["n",CS[Cartesian,2],AXIS["e",east,LENGTHUNIT["foot",0.3048]]]', 0.3048, 0.3048, False),
        ('GEOGCS["WGS 84",UNIT["degree",0.0174]]', None, None, True),
        ('PROJCS["a ""quoted"" name",UNIT["m",1]]', 1.0, 1.0, False),
        ("", None, None, False),
        ("[[[[" * 999, None, None, False),
        ('PROJCS["x",UNIT["m",nan', None, None, False),
        ('PROJCS["x",UNIT["m",1e999]]', None, None, False),
    ],
)
def test_units_of_well_known_text(text, across, up, degrees):
    units = units_of_wkt(text)
    assert (units.across_m, units.up_m, units.degrees) == (across, up, degrees)


def test_units_of_keys_that_are_cut_short():
    assert units_of_keys([1, 1, 0, 9]).across_m is None
    assert units_of_keys([1, 1, 0, 9, 3076, 0, 1]).across_m is None


def test_a_survey_far_away_comes_to_the_origin_and_says_what_was_taken_off(tmp_path):
    xyz = [[0, 0, 0], [300, 200, 100]]
    path = write(tmp_path, foreign.las(0, 2, xyz=xyz, scale=0.01, offset=(557_820.0, 5_121_240.0, 12.5)))
    source = open_source(path)
    assert source.origin == (557_000.0, 5_121_000.0, 0.0) and source.notes["origin"] == "557000 5121000 0"
    bake(source, tmp_path / "near", BakeOptions(voxel_size_m=0.5))
    assert world_voxels(tmp_path / "near")[0].tolist() == [[1640, 480, 25], [1646, 484, 27]]
    bake(
        source,
        tmp_path / "told",
        BakeOptions(voxel_size_m=0.5, origin=(557_820.0, 5_121_240.0, 12.5), at=(1, 0, 0)),
    )
    assert world_voxels(tmp_path / "told")[0].tolist() == [[2, 0, 0], [8, 4, 2]]
    with pytest.raises(UserError, match="--at"):
        bake(source, tmp_path / "far", BakeOptions(voxel_size_m=0.5, origin=(0.0, 0.0, 0.0)))


def patched(data: bytes, at: int, fmt: str, *values) -> bytes:
    out = bytearray(data)
    struct.pack_into(fmt, out, at, *values)
    return bytes(out)


LAS, LAZ = foreign.las(3, 50), foreign.las(3, 50, compress=True)
LAS_4 = foreign.las(6, 50)
AT_POINTS = struct.unpack_from("<I", LAZ, 96)[0]
BAD = [
    (b"PK\x03\x04" + LAS, "a zip file"),
    (LAS[:100], "cut short"),
    (patched(LAS, 25, "B", 5), "LAS 1.5"),
    (patched(LAS, 104, "B", 11), "point format 11"),
    (patched(LAS, 105, "<H", 20), "format 3 of 20 bytes"),
    (patched(LAS, 107, "<I", 0), "holds no points"),
    (patched(LAS, 107, "<I", 51), "cut short: 51 points"),
    (patched(LAS, 107, "<I", 0xFFFFFFFF), "limit"),
    (patched(LAS_4, 247, "<Q", 1 << 62), "limit"),
    (patched(LAS, 96, "<I", 1 << 30), "points begin at"),
    (patched(LAS, 100, "<I", 0xFFFFFFFF), "the limit is 4,096"),
    (patched(LAS, 100, "<I", 4000), "do not fit"),
    (patched(LAS_4, 235, "<QI", 1 << 60, 1), "do not fit"),
    (patched(LAS, 131, "<d", float("nan")), "scale, offset or bounds"),
    (patched(LAS, 131, "<d", 0.0), "scale, offset or bounds"),
    (patched(LAZ, AT_POINTS, "<q", 1 << 60), "outside the file"),
    (patched(LAZ, struct.unpack_from("<q", LAZ, AT_POINTS)[0] + 4, "<I", 0x7FFFFFFF), "chunks for 50 points"),
    (patched(LAZ, 227 + 54, "<H", 9), "compressor 9"),
    (patched(LAZ, 227 + 54 + 36, "<H", 9), "do not make"),
    (LAZ[:-60], "outside the file|do not unpack"),
    (LAS.replace(b"LASF", b"LASX"), "of an unknown kind"),
]


@pytest.mark.parametrize(("data", "says"), BAD, ids=[says for _, says in BAD])
def test_what_a_header_may_not_declare(tmp_path, data, says):
    with pytest.raises(UserError, match=says) as error:
        list(open_source(write(tmp_path, data)).batches(7))
    assert str(error.value).isprintable()


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "laspy", None)
    with pytest.raises(UserError, match=r"pip install 'voxtide\[bake\]'"):
        open_source(write(tmp_path, LAS))


def test_the_real_ones():
    autzen = open_source(needs("las", "laspy", "autzen_trim.laz"))
    assert (
        autzen.n_items == 110_000 and autzen.unit_m == 0.3048 and autzen.origin == (636_000.0, 848_000.0, 0.0)
    )
    assert autzen.notes["crs"] == "NAD_1983_HARN_Lambert_Conformal_Conic"
    got = read(autzen.path)
    assert got.positions.min(0) == pytest.approx([636001.76, 848935.20, 406.26])  # as the header says
    assert set(np.unique(got.semantic)) == set(autzen.entities) == {1, 2}
    copc = open_source(needs("las", "laspy", "simple.copc.laz"))
    assert copc.n_items == 1065 and copc.notes["crs_height_unit_m"] == "0.304800609601"
    plain = read(needs("las", "laspy", "extrabytes.las"))  # the same points
    both = [np.unique(p.positions[:, :2], axis=0) for p in (plain, read(copc.path))]
    np.testing.assert_allclose(*both)
