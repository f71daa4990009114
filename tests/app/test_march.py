"""The GLSL march agrees with the reference march, ray by ray.

float32 may choose the other side of an edge: at most one ray in 10,000 may name another voxel than
the reference, and then one that the ray passes within EDGE of, never further and never a hole.
"""

import numpy as np
import pytest
import reference
from scenes import exact, make_probe, rays_from
from voxtide import shaders
from voxtide.atlas import layout
from voxtide.atlas.address import mask_index

EDGE = 2e-3  # voxels of its level; float32 leaves about 1e-4 at these distances
AGREE = 0.9999


def noise(rng, n=96, density=0.02, offset=(-40, -55, -30)):
    """Random voxels around the origin, so that chunk, region and sign borders are all crossed."""
    z, y, x = np.nonzero(rng.random((n, n, n)) < density)
    return np.stack([x, y, z], axis=1).astype(np.int64) + offset


def terrain(offset=(0, 0, 0), n=192):
    """A rolling surface, two voxels thick, with a tower."""
    y, x = np.mgrid[0:n, 0:n]
    h = (20 + 9 * np.sin(x / 17) + 7 * np.cos(y / 11) + 3 * np.sin((x + 2 * y) / 7)).astype(np.int64)
    layers = [np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(2)]
    tower = np.stack(np.meshgrid([90, 91], [90, 91], np.arange(20, 90), indexing="ij"), -1).reshape(-1, 3)
    return np.unique(np.concatenate([*layers, tower]), axis=0) + offset


def random_rays(rng, n, lo, hi, directions=None):
    d = rng.normal(size=(n, 3)) if directions is None else directions
    return rng.uniform(lo, hi, (n, 3)), d


def axis_rays(rng, n, lo, hi):
    d = np.zeros((n, 3))
    d[np.arange(n), rng.integers(0, 3, n)] = rng.choice([-1.0, 1.0], n)
    return rng.uniform(lo, hi, (n, 3)), d


def grazing_rays(rng, n, lo, hi):
    d = rng.normal(size=(n, 3))
    d[:, 2] *= 0.01
    return rng.uniform(lo, hi, (n, 3)), d


def border_rays(rng, n, lo, hi):
    """From exactly on voxel, chunk and region borders."""
    o = rng.uniform(lo, hi, (n, 3))
    axis = rng.integers(0, 3, n)
    step = rng.choice([1, 16, 256], n)
    rows = np.arange(n)
    o[rows, axis] = np.round(o[rows, axis] / step) * step
    return o, rng.normal(size=(n, 3))


def solid_rays(rng, n, voxels):
    """From inside occupied voxels."""
    return voxels[rng.integers(0, len(voxels), n)] + rng.uniform(0, 1, (n, 3)), rng.normal(size=(n, 3))


def far_rays(rng, n, centre, distance):
    away = rng.normal(size=(n, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    target = centre + rng.uniform(-40, 40, (n, 3))
    o = target + away * distance
    return o, target - o


def compare(probe, rays, level=0):
    """-> share of rays that agree exactly. Asserts that every other one is at an edge and none a hole."""
    hits = probe.march(rays)
    origins, directions = exact(rays)
    voxel, t = reference.march(probe.dense[level], origins, directions, level)
    status = hits["info"] & 3
    got = np.stack([hits["x"], hits["y"], hits["z"]], axis=1)
    want_hit = voxel[:, 0] >= 0
    assert not (status == layout.HIT_UNRESOLVED).any()
    same = np.where(
        want_hit, (status == layout.HIT_VOXEL) & (got == voxel).all(axis=1), status == layout.HIT_NONE
    )
    np.testing.assert_array_equal(hits["info"][same & want_hit] >> layout.HIT_LEVEL_SHIFT & 31, level)
    np.testing.assert_allclose(hits["t"][same & want_hit], t[same & want_hit], atol=2e-3, rtol=1e-6)
    width = 2.0**level
    edge = np.array([[-EDGE * width], [EDGE * width]])
    for i in np.flatnonzero(~same):
        # Whichever of the two found a nearer voxel must have passed it within EDGE of its border.
        ours = status[i] == layout.HIT_VOXEL and (not want_hit[i] or hits["t"][i] < t[i])
        cell = got[i] if ours else voxel[i]
        box = np.stack([cell, cell + 1]) * width
        grown = reference.passes(origins[i], directions[i], box + edge)
        shrunk = reference.passes(origins[i], directions[i], box - edge)
        assert grown and not shrunk, f"ray {i} {rays[i]}: got {hits[i]}, want {voxel[i]} at {t[i]}"
    return same.mean()


CASES = {
    "random": lambda rng, v: random_rays(rng, 25_000, v.min(0) - 30, v.max(0) + 30),
    "axis": lambda rng, v: axis_rays(rng, 10_000, v.min(0) - 10, v.max(0) + 10),
    "grazing": lambda rng, v: grazing_rays(rng, 10_000, v.min(0) - 10, v.max(0) + 10),
    "borders": lambda rng, v: border_rays(rng, 10_000, v.min(0) - 10, v.max(0) + 10),
    "inside": lambda rng, v: solid_rays(rng, 5_000, v),
    "outside": lambda rng, v: far_rays(rng, 10_000, v.mean(0), 600.0),
}
FAR = (-(1 << 22) + 5, (1 << 22) - 300, 1 << 20)  # near the ends of the addressable world


@pytest.fixture(scope="module")
def probes(gl_context):
    rng = np.random.default_rng(1)
    worlds = {
        "noise": noise(rng),
        "terrain": terrain(),
        "negative": terrain((-290, -100, -270)),
        "far": noise(rng, offset=FAR),
    }
    made = {name: make_probe(gl_context, voxels) for name, voxels in worlds.items()}
    yield made
    for probe in made.values():
        probe.scene.release()


@pytest.mark.parametrize("world", ["noise", "terrain", "negative", "far"])
@pytest.mark.parametrize("case", CASES)
def test_march_agrees_with_the_reference(gl, probes, rng, world, case):
    probe = probes[world]
    origins, directions = CASES[case](rng, probe.levels[0][0])
    rays = rays_from(origins, directions, probe.corner)
    assert compare(probe, rays) >= AGREE


@pytest.mark.parametrize("level", range(1, 6))
def test_march_agrees_at_every_level(gl, probes, rng, level):
    probe = probes["negative"]
    origins, directions = CASES["random"](rng, probe.levels[0][0])
    rays = rays_from(origins[:5000], directions[:5000], probe.corner, level_min=level)
    assert compare(probe, rays, level) >= AGREE


@pytest.mark.parametrize("world", ["noise", "negative"])
def test_march_chooses_levels_as_the_reference(gl, probes, rng, world):
    """Coarse to fine by the pixel's cone, down to the same voxel of the same level."""
    probe = probes[world]
    origins, directions = CASES["random"](rng, probe.levels[0][0])
    rays = rays_from(origins[:3000], directions[:3000], probe.corner, cone=0.05)
    hits = probe.march(rays)
    n_same, n_levels = 0, set()
    for ray, hit, o, d in zip(rays, hits, *exact(rays), strict=True):
        want = reference.march_levels(probe.dense, o, d, float(ray["cone"]))
        got = None
        if hit["info"] & 3:
            got = (
                int(hit["info"] >> layout.HIT_LEVEL_SHIFT & 31),
                (int(hit["x"]), int(hit["y"]), int(hit["z"])),
            )
        n_same += got == (want and want[:2])
        n_levels.add(want and want[0])
    assert n_same / len(rays) >= 0.999  # a threshold on t may fall on either side of a rounding
    assert len(n_levels - {None}) >= 3, "the rays should have ended at several levels"


@pytest.mark.parametrize("seed", range(4))
def test_every_ray_resolves_with_chunks_missing(gl, seed):
    """Random chunks resident (parents kept): the reference pyramid cut at what is resident, exactly."""
    rng = np.random.default_rng(seed)
    voxels = noise(rng, density=0.01) if seed % 2 else terrain((-300, -200, -20))
    probe = make_probe(
        gl, voxels, keep=lambda ids: (rng.random(len(ids)) < 0.6) | (ids >> np.uint64(60) >= 5)
    )
    origins, directions = CASES["random"](rng, voxels)
    rays = rays_from(origins[:3000], directions[:3000], probe.corner, cone=0.002)
    hits = probe.march(rays)
    asked = {(int(r["slot"]), int(r["octant"])) for r in probe.scene.pool.read_feedback().requests}

    def resident(level, voxel):
        return (level, *(c >> 4 for c in voxel)) in probe.resident

    n_same = n_missing = 0
    wanted = set()
    for hit, o, d in zip(hits, *exact(rays), strict=True):
        want = reference.march_levels(probe.dense, o, d, float(np.float32(0.002)), resident)
        status = int(hit["info"] & 3)
        assert status != layout.HIT_UNRESOLVED
        voxel = (int(hit["x"]), int(hit["y"]), int(hit["z"]))
        got = (
            (int(hit["info"] >> layout.HIT_LEVEL_SHIFT & 31), voxel, status == layout.HIT_COARSE)
            if status
            else None
        )
        n_same += got == (want and (want[0], want[1], want[3]))
        if status == layout.HIT_COARSE:
            n_missing += 1
            octant = sum((c >> 3 & 1) << axis for axis, c in enumerate(voxel))
            wanted.add((int(hit["slot"]), octant))
    assert n_same / len(rays) >= 0.999
    assert n_missing > 100, "the cut should have been met"
    assert asked == wanted, "each missing child is asked for, once"
    probe.scene.release()


def test_touched_bits_are_the_terminal_voxels(gl, probes, rng):
    """What rays touched is exactly where rays ended; clearing forgets it."""
    probe = probes["terrain"]
    origins, directions = CASES["random"](rng, probe.levels[0][0])
    probe.scene.pool.clear_feedback()
    hits = probe.march(rays_from(origins, directions, probe.corner))
    hit = hits[(hits["info"] & 3) != 0]
    touched = probe.scene.pool.read_touched()  # [slot, 4096] bool
    want = np.zeros_like(touched)
    local = np.stack([hit["x"], hit["y"], hit["z"]], axis=1) & 15
    want[hit["slot"], mask_index(local)] = True
    np.testing.assert_array_equal(touched, want)
    listed = probe.scene.pool.read_feedback().touched_slots.tolist()
    assert len(listed) == len(set(listed)), "each slot once"
    assert set(hit["slot"].tolist()) <= set(listed), "and with them some that rays only passed through"
    probe.scene.pool.clear_feedback()
    assert not probe.scene.pool.read_touched().any()
    assert len(probe.scene.pool.read_feedback().touched_slots) == 0


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("include/march.glsl", "& 31) & 1u) != 0u", "& 15) & 1u) != 0u"),
        ("include/march.glsl", "0x00330033u", "0x00330031u"),
        ("include/pages.glsl", "return b.x | b.y << 2 | b.z << 4;", "return b.x | b.y << 2 | b.z << 3;"),
    ],
)
def test_a_changed_mask_bit_is_noticed(gl, probes, rng, monkeypatch, file, right, wrong):
    """The comparison has teeth: one bit wrong in the shader fails it."""
    text = shaders.read(file)
    assert right in text
    monkeypatch.setattr(
        shaders,
        "read",
        lambda name, read=shaders.read: read(name).replace(right, wrong) if name == file else read(name),
    )
    probe = probes["noise"]
    origins, directions = CASES["random"](rng, probe.levels[0][0])
    rays = rays_from(origins[:5000], directions[:5000], probe.corner)
    with pytest.raises(AssertionError):
        assert compare(probe, rays) >= AGREE


def test_a_ray_that_meets_the_unknown_and_finds_nothing_is_unresolved(gl):
    """The counter can count: without root chunks every ray that meets one is a hole, and no other ray is."""
    rng = np.random.default_rng(5)
    voxels = terrain((-300, -200, -20))
    probe = make_probe(gl, voxels, keep=lambda ids: ids >> np.uint64(60) < 5)
    assert probe.scene.n_resident == 0
    origins, directions = CASES["random"](rng, voxels)
    rays = rays_from(origins[:2000], directions[:2000], probe.corner)
    status = probe.march(rays)["info"] & 3
    assert set(np.unique(status)) == {layout.HIT_NONE, layout.HIT_UNRESOLVED}
    assert probe.scene.pool.read_feedback().n_unresolved == (status == layout.HIT_UNRESOLVED).sum()
    root = probe.scene.root
    probe.scene.pool.publish(probe.scene.residency.publish_empty(root.ids))
    assert (probe.march(rays)["info"] & 3 == layout.HIT_NONE).all(), "what is known to be empty is passed"
