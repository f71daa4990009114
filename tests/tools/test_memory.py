"""The memories of a generator: Lyra's rule against its brute-force statement, order, bounds, costs."""

import numpy as np
import pytest
from voxtide.atlas import address
from voxtide.atlas.lod import LINEAR_OF_SRGB
from voxtide.atlas.precision import TIERS
from voxtide.atlas.stamp import stamp_of
from voxtide.tools.lyra.experiment.courses import camera, out_and_back
from voxtide.tools.lyra.experiment.exact import CONDITIONS, Exact
from voxtide.tools.lyra.memory import ARMS, AtlasMemory, Frame, FrameMemory, VoteMemory, world_encoded
from voxtide.tools.lyra.memory.keys import cells, key_of, voxel_of
from voxtide.tools.lyra.memory.view import smooth, unproject

SIZE = (24, 32)


def random_frames(rng, n):
    """Frames that look about in a box, with walls at random depths, holes, and exact copies among them."""
    frames = []
    for i in range(n):
        if frames and rng.random() < 0.2:  # a revisit: the same picture again
            old = frames[rng.integers(len(frames))]
            frames.append(Frame(8 * i, old.rgb, old.depth, old.view))
            continue
        view = camera(rng.uniform(-1, 1, 3), rng.uniform(-0.8, 0.8), SIZE)
        coarse = rng.uniform(1, 6, (3, 4)).astype(np.float32)
        depth = np.kron(coarse, np.ones((8, 8), np.float32))
        depth[rng.random(SIZE) < 0.1] = 0
        frames.append(Frame(8 * i, rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8), depth, view))
    return frames


def brute_force(frames, targets, n):
    """Lyra's rule point by point: see the head of tools/lyra/memory/coverage.py."""
    nearest = []  # of each frame: (target, column, row) -> depth of its nearest point there
    for frame in frames:
        seen = {}
        for row in range(0, SIZE[0], 4):
            for column in range(0, SIZE[1], 4):
                z = float(frame.depth[row, column])
                if z <= 0:
                    continue
                k, w2c = frame.view.k, frame.view.w2c
                local = np.array([(column - k[0, 2]) / k[0, 0] * z, (row - k[1, 2]) / k[1, 1] * z, z])
                world = np.float32(np.linalg.inv(w2c)[:3, :3] @ local + np.linalg.inv(w2c)[:3, 3])
                for t, target in enumerate(targets):
                    p = target.w2c[:3, :3] @ world.astype(float) + target.w2c[:3, 3]
                    if p[2] <= 0.05:
                        continue
                    x = round((target.k[0, 0] * p[0] / p[2] + target.k[0, 2]) / 4)
                    y = round((target.k[1, 1] * p[1] / p[2] + target.k[1, 2]) / 4)
                    if 0 <= x < SIZE[1] // 4 and 0 <= y < SIZE[0] // 4:
                        seen[t, x, y] = min(p[2], seen.get((t, x, y), np.inf))
        nearest.append(seen)
    pixels = {p for seen in nearest for p in seen}
    front = {p: min(seen.get(p, np.inf) for seen in nearest) for p in pixels}
    sees = [{p for p, z in seen.items() if z <= front[p] + 0.1} for seen in nearest]
    left, chosen = pixels - sees[-1], []
    while len(chosen) < n:
        gains = [len(s & left) for s in sees[:-1]]
        best = gains.index(max(gains))
        if not gains[best]:
            break
        chosen.append(frames[best].id)
        left -= sees[best]
    return tuple(chosen)


def test_retrieval_is_the_rule_on_100_scenes():
    lengths = set()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        frames = random_frames(rng, int(rng.integers(2, 9)))
        targets = [camera(rng.uniform(-1, 1, 3), rng.uniform(-0.8, 0.8), SIZE) for _ in range(1 + seed % 2)]
        memory = FrameMemory()
        for frame in frames:
            memory.add(frame)
        n = 1 + seed % 5
        found = memory.retrieve(targets, n).frames
        assert found == brute_force(frames, targets, n), seed
        lengths.add(len(found))
    assert {1, 2, 3, 4} <= lengths, "some scenes need one frame, some many"


def test_an_exact_copy_loses_to_the_oldest(rng):
    frames = random_frames(rng, 1)
    memory = FrameMemory()
    for i in range(4):
        memory.add(Frame(8 * i, frames[0].rgb, frames[0].depth, frames[0].view))
    elsewhere = camera(np.array([0.0, 0, 0]), np.pi, SIZE)
    memory.add(Frame(32, frames[0].rgb, frames[0].depth, elsewhere))
    assert memory.retrieve([frames[0].view]).frames == (0,)
    with pytest.raises(ValueError, match="not newer"):
        memory.add(frames[0])


@pytest.fixture(scope="module")
def walked():
    """Frames of a walk out and back with noise and drift: every 40th of 321."""
    exact = Exact(out_and_back(0), CONDITIONS["drift"], 0, (30, 52))
    return exact, [exact.frame(i) for i in range(0, 321, 40)]


def filled(memory, frames):
    for frame in frames:
        memory.add(frame)
    return memory


def test_the_atlas_does_not_care_in_which_order_frames_come(walked, rng):
    _, frames = walked
    once = filled(AtlasMemory(), frames).to_bytes()
    for _ in range(4):
        assert filled(AtlasMemory(), [frames[i] for i in rng.permutation(len(frames))]).to_bytes() == once
    assert filled(AtlasMemory(), frames[:-1]).to_bytes() != once


def fused_slowly(frames, size):
    """What an atlas must hold, from the definition: {voxel: (sums, weight, last)}."""
    held = {}
    for frame in frames:
        kept = smooth(frame.depth)
        voxels = address.voxel_of(unproject(frame.depth, frame.view)[kept], size)
        by_voxel = {}
        for voxel, z, rgb in zip(
            map(tuple, voxels.tolist()), frame.depth[kept], frame.rgb[kept], strict=True
        ):
            by_voxel.setdefault(voxel, []).append((float(z), LINEAR_OF_SRGB[rgb].astype(int)))
        for voxel, seen in by_voxel.items():
            z = sum(s[0] for s in seen) / len(seen)
            weight = int(min(15, max(1, round(16 / z**2))))
            colour = (2 * sum(s[1] for s in seen) + len(seen)) // (2 * len(seen))
            sums, total, last = held.get(voxel, (0, 0, 0))
            held[voxel] = (sums + weight * colour, total + weight, max(last, frame.id + 1))
    return held


def test_the_atlas_holds_what_its_definition_says(walked):
    _, frames = walked
    frames = frames[:4]
    memory = filled(AtlasMemory(voxel_size=0.2), frames)
    held = fused_slowly(frames, 0.2)
    assert memory.n == len(held)
    for row in range(memory.n):
        sums, weight, last = held[tuple(memory.voxel[row].tolist())]
        assert memory.rows["sum"][row].tolist() == sums.tolist()
        assert (memory.rows["weight"][row], memory.rows["last"][row]) == (weight, last)
    now = max(last for *_, last in held.values())
    rows = np.arange(memory.n)
    stamps = memory.stamps(rows)
    assert (stamps == stamp_of(memory.rows["last"][rows])).all() and now == 121 and stamps.max() == 121
    memory.add(Frame(400, frames[0].rgb, np.zeros_like(frames[0].depth), frames[0].view))
    assert memory.stamps(rows).max() == 121, "a frame that saw nothing says nothing"
    memory.add(Frame(401, frames[0].rgb, frames[0].depth, frames[0].view))
    old = memory.rows["last"][rows] < 402
    assert (
        old.any()
        and not memory.stamps(rows)[old].any()
        and (memory.stamps(rows)[~old] == stamp_of(402)).all()
    )


def test_frames_fused_by_torch_give_the_same_bytes(walked, rng):
    """The same integer sums as scatters, on every device that torch finds here."""
    torch = pytest.importorskip("torch", reason="needs torch: the extra `lyra`")
    _, frames = walked
    memory = filled(AtlasMemory(), frames)
    keys, rows = memory.map.ids, memory.map.slots
    parts = []
    for i in rng.permutation(len(frames)):
        alone = filled(AtlasMemory(), [frames[i]])
        held = alone.rows[: alone.n]
        at = np.searchsorted(keys, key_of(alone.voxel[: alone.n]))
        parts.append(
            (
                at,
                np.column_stack([held["sum"], held["weight"]]).astype(np.int64),
                held["last"].astype(np.int64),
            )
        )
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        sums = torch.zeros((keys.size, 4), dtype=torch.int64, device=device)
        last = torch.zeros(keys.size, dtype=torch.int64, device=device)
        for at, values, seen in parts:
            index = torch.from_numpy(at).to(device)
            sums.index_add_(0, index, torch.from_numpy(values).to(device))
            last.scatter_reduce_(0, index, torch.from_numpy(seen).to(device), "amax")
        found = np.empty(keys.size, memory.rows.dtype)
        total = sums.cpu().numpy()
        found["sum"], found["weight"], found["last"] = total[:, :3], total[:, 3], last.cpu().numpy()
        assert found.tobytes() == memory.rows[rows].tobytes(), device


def test_keys_are_region_and_uvw(rng):
    voxels = rng.integers(-(1 << 20), 1 << 20, (5000, 3))
    voxels[:2] = [[-(1 << 20)] * 3, [(1 << 20) - 1] * 3]
    keys = key_of(voxels)
    assert (voxel_of(keys) == voxels).all() and np.unique(keys).size == len(np.unique(voxels, axis=0))
    u, v, w = address.uvw_of(voxels).T
    assert (keys & np.uint64(0xFFFFFF) == (w << 16 | v << 8 | u).astype(np.uint64)).all()
    with pytest.raises(ValueError, match="2\\^20"):
        key_of(np.array([[1 << 20, 0, 0]]))


@pytest.mark.parametrize("name", TIERS)
def test_cells_tell_apart_what_a_tier_tells_apart(rng, name):
    tier = TIERS[name]
    points = rng.uniform(-8, 8, (3000, 3))
    width = 16 / (1 << tier.bits)
    integers = np.floor((points + 8) / width).astype(np.int64)
    _, same = np.unique(integers, axis=0, return_inverse=True)
    _, found = np.unique(cells(points, tier, -8.0, 8.0), return_inverse=True)
    pairs = np.unique(np.stack([same.ravel(), found.ravel()]), axis=1)
    assert pairs.shape[1] == same.max() + 1 == found.max() + 1
    with pytest.raises(ValueError, match="no coordinate"):
        cells(np.array([[8.1, 0, 0]]), tier, -8.0, 8.0)


def test_every_memory_shows_a_place_again(walked):
    exact, frames = walked
    shown = exact.truth(0)
    got = {}
    for arm, make in ARMS.items():
        memory = filled(make(), frames[:5])  # 160 frames away
        picture = memory.render(memory.retrieve([shown.view]), shown.view)
        error = np.abs(picture.rgb - shown.rgb)[picture.covered].mean()
        got[arm] = (float(picture.covered.mean()), float(error))
        assert sum(memory.n_bytes().values()) > 0
    assert got["none"][0] < 0.5
    assert all(covered > 0.85 and error < 25 for arm, (covered, error) in got.items() if arm != "none"), got


def test_frames_told_by_the_world_copy_like_frames_until_cells_are_coarse(walked):
    exact, frames = walked
    view = exact.course.view(20, (30, 52))
    plain, fine, coarse = (
        filled(m, frames) for m in (FrameMemory(), world_encoded(), world_encoded("RGBA8"))
    )
    found = plain.retrieve([view])
    assert fine.retrieve([view]).frames == found.frames and len(found.frames) > 1
    pictures = [m.render(found, view).rgb for m in (plain, fine, coarse)]
    assert np.abs(pictures[0] - pictures[1]).max() < 1
    assert np.abs(pictures[0] - pictures[2]).mean() > 5


def test_the_atlas_and_its_frames_stop_growing_where_nothing_is_new(walked):
    exact, _ = walked
    memories = {arm: ARMS[arm]() for arm in ("frame", "atlas", "atlas+votes")}
    held = {arm: [] for arm in memories}
    examined = {arm: [] for arm in memories}
    target = exact.course.view(80, (30, 52))
    for i in range(60):
        seen = exact.frame(40 * (i % 5))
        for arm, memory in memories.items():
            memory.add(Frame(8 * i, seen.rgb, seen.depth, seen.view))
            held[arm].append(sum(memory.n_bytes().values()))
            if i in (29, 59):
                examined[arm].append(memory.retrieve([target]).n_examined)
    assert held["frame"][59] == 2 * held["frame"][29] and examined["frame"][1] == 2 * examined["frame"][0]
    for arm in ("atlas", "atlas+votes"):
        assert held[arm][59] == held[arm][29] and examined[arm][1] == examined[arm][0]
    votes = memories["atlas+votes"]
    assert isinstance(votes, VoteMemory) and 0 in votes.frames
    assert len(votes.frames) <= 4 * 5 + 1, "four of each place, and the newest"
    assert votes.retrieve([target]).frames, "and they are found"


def test_an_atlas_with_votes_prefers_the_oldest_and_what_is_near():
    exact, memory = Exact(out_and_back(0), CONDITIONS["exact"], 0, (30, 52)), VoteMemory(voxel_size=0.2)
    for number, place in enumerate([0, 160, 0, 160]):
        seen = exact.frame(place)
        memory.add(Frame(number, seen.rgb, seen.depth, seen.view))
    names = memory.names[: memory.atlas.n]
    assert set(np.unique(names[:, 0])) == {0, 1}, "the oldest of each voxel"
    both = (names[:, 0] == 0) & (names == 1).any(axis=1)
    assert both.any(), "a nearer view is named beside the oldest"
    for row in names:
        named = row[row >= 0].tolist()
        assert len(set(named)) == len(named)
