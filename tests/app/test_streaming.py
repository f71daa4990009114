"""Streamed pictures are those of the whole world, bit for bit, whatever the budget; no frame has a hole."""

import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest
from gates import wait_until
from small_worlds import POSES, VOXEL_M, WORLDS
from voxtide.app import frame
from voxtide.app.camera import Pose, look
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.scene import Scene, load, stream
from voxtide.atlas import layout
from voxtide.atlas.address import chunk_id, chunk_of_id, parent
from voxtide.streamer.world import World, open_world
from worlds import make_world

pytestmark = pytest.mark.slow

SIZE = (64, 36)
KINDS = [kind for kind in layout.PROJECTIONS if kind != "cube"]  # which is square six times over
RAM = 1 << 26
WHAT = (1 << layout.HIT_STEPS_SHIFT) - 1  # of a hit's info: status, level, face
STAMPED_FRAMES = 120  # in which every chunk in use is touched: rays tell seldom what they only pass through


@dataclass
class Stage:
    """One world, whole and resident, and what its views look like."""

    world: World
    whole: Scene
    renderer: Renderer
    truth: list = field(default_factory=list)  # (view, picture, hits) of each pose and projection

    @property
    def light(self):
        return light_of(self.whole.extent_voxels)

    @property
    def n_chunks(self):
        return self.whole.n_resident

    def stream(self, n_slots, **rest):
        return stream(self.renderer.ctx, self.world, n_slots * BYTES_PER_SLOT, RAM, **rest)

    def draw(self, scene, view):
        """One streamed frame. -> its report, picture and hits"""
        report = frame.draw_streamed(self.renderer, scene, view, self.light)
        return report, self.renderer.read_picture(), self.renderer.read_hits(view)

    def settle(self, scene, view):
        report = frame.settle(self.renderer, scene, view, self.light, timeout_s=60)
        return report, self.renderer.read_picture(), self.renderer.read_hits(view)


def views_of(name, world, corner):
    for i, pose in enumerate(POSES[name]):
        kind = KINDS[i % len(KINDS)]
        yield look(Pose(*pose), SIZE, 65.0, VOXEL_M, corner, 1.0, kind)


@pytest.fixture(scope="module", params=list(WORLDS))
def stage(request, gl_context, tmp_path_factory):
    path = tmp_path_factory.mktemp("streaming") / request.param
    world = make_world(path, *WORLDS[request.param](), voxel_size_m=VOXEL_M)
    made = Stage(world, load(gl_context, world, 1 << 30), Renderer(gl_context, SIZE))
    for view in views_of(request.param, world, made.whole.root.corner_voxel):
        frame.draw(made.renderer, made.whole, view, made.light)
        made.truth.append((view, made.renderer.read_picture(), made.renderer.read_hits(view)))
    yield made
    made.whole.release()
    made.renderer.release()


def n_in_use(stage, scene, view):
    """The working set of a settled view: pinned chunks, those that rays stamp, and their ancestors."""
    residency = scene.residency
    slots = [np.flatnonzero(residency._pinned)]
    for _ in range(STAMPED_FRAMES):
        slots.append(stage.draw(scene, view)[0].feedback.touched_slots)
    ids = np.unique(residency.owners[np.unique(np.concatenate(slots))])
    used = [ids]
    for _ in range(scene.root.level):
        level, at = chunk_of_id(used[-1])
        low = level < scene.root.level
        used.append(np.unique(chunk_id(level[low] + 1, parent(at[low]))))
    return np.unique(np.concatenate(used)).size


@pytest.fixture(scope="module")
def working_sets(stage):
    """Of each view, in chunks."""
    sizes = []
    for view, _, _ in stage.truth:
        scene = stage.stream(stage.n_chunks)
        stage.settle(scene, view)
        sizes.append(n_in_use(stage, scene, view))
        scene.release()
    return sizes


def just_above(working_sets):
    return max(working_sets) * 12 // 11 + 4


def assert_same(got, truth):
    """Hits but for the slot and the steps, which tell where the chunks lie; then the picture."""
    (_, picture, hits), (_, true_picture, true_hits) = got, truth
    for name in ("x", "y", "z", "t"):
        np.testing.assert_array_equal(hits[name], true_hits[name])
    np.testing.assert_array_equal(hits["info"] & WHAT, true_hits["info"] & WHAT)
    np.testing.assert_array_equal(picture, true_picture)


def assert_no_hole(hits, truth):
    status, true_status = frame.status(hits), frame.status(truth[2])
    assert (status != layout.HIT_UNRESOLVED).all()
    assert (status[true_status != layout.HIT_NONE] != layout.HIT_NONE).all()


def test_the_views_show_something_at_many_levels(stage):
    for _, picture, hits in stage.truth:
        assert frame.is_hit(hits).mean() > 0.02
        assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 60
    assert len(np.unique(np.concatenate([frame.level(h).ravel() for _, _, h in stage.truth]))) >= 2


@pytest.mark.parametrize("budget", ["all", "a fifth", "just enough"])
def test_a_settled_view_is_that_of_the_whole_world(gl, stage, working_sets, budget):
    """And on the way there no frame has a hole, the first after each jump included."""
    enough = just_above(working_sets)
    n_slots = {"all": stage.n_chunks, "a fifth": max(stage.n_chunks // 5, enough), "just enough": enough}[
        budget
    ]
    scene = stage.stream(n_slots)
    for truth in stage.truth:
        _, _, hits = stage.draw(scene, truth[0])
        assert_no_hole(hits, truth)
        got = stage.settle(scene, truth[0])
        assert got[0].feedback.n_unresolved == 0
        assert_same(got, truth)
        assert scene.n_resident <= n_slots
    scene.release()


def evict_all(scene):
    """Make every chunk go that may."""
    residency, now = scene.residency, scene.pool.frame
    residency.forget_view(now)
    writes, _ = residency._make_room(residency.slots.n_slots, now)
    scene.pool.publish(writes)


def test_so_it_is_after_every_slot_was_reused_twice(gl, stage, working_sets):
    enough = just_above(working_sets)
    scene = stage.stream(enough)
    n_fills = np.zeros(enough, np.int64)
    used = ~scene.residency._pinned
    for i in range(60):
        view = stage.truth[np.argmax(working_sets) if i % 2 else i % len(stage.truth)][0]
        evict_all(scene)
        for _ in range(8):
            np.add.at(n_fills, stage.draw(scene, view)[0].update.slots, 1)
        used &= (n_fills > 0) | (i < 8)  # a few may never be needed
        if n_fills[used].min() >= 3:
            break
    assert n_fills[used].min() >= 3, "filled, and reused twice"
    assert used.sum() > 0.8 * (~scene.residency._pinned).sum()
    for truth in stage.truth:
        assert_same(stage.settle(scene, truth[0]), truth)
    scene.release()


def test_below_the_working_set_it_is_coarser_and_comes_to_rest(gl, stage, working_sets):
    n_least = stage.whole.root.n_chunks + 8
    scene = stage.stream(max(n_least, max(working_sets) * 6 // 10))
    truth = stage.truth[np.argmax(working_sets)]
    shares = []
    for _ in range(150):
        _, _, hits = stage.draw(scene, truth[0])
        assert_no_hole(hits, truth)
        shares.append((frame.status(hits) == layout.HIT_COARSE).mean())
    last = shares[100:]
    assert max(last) > 0
    assert max(last) - min(last) <= 0.02
    scene.release()


def test_a_damaged_chunk_is_told_once_and_all_else_is_as_it_was(gl, stage, tmp_path):
    broken = tmp_path / "broken.vxt"
    shutil.copytree(stage.world.path, broken)
    truth = max(stage.truth, key=lambda t: (frame.level(t[2]) == 0).sum())
    n_told = 0
    for record in sorted((r for r in stage.world.regions if r.level == 0), key=lambda r: -r.n_chunks):
        file = broken / record.key
        data = bytearray(file.read_bytes())
        for at in range(300, len(data) * 4 // 5, 1500):
            data[at] ^= 1
        file.write_bytes(data)
    world, told, told_whole = open_world(broken), [], []
    whole = load(gl, world, 1 << 30, told_whole.append)
    scene = stream(gl, world, stage.n_chunks * BYTES_PER_SLOT, RAM, told.append)
    for view, _, intact in (truth, *stage.truth):
        frame.draw(stage.renderer, whole, view, stage.light)
        expected = view, stage.renderer.read_picture(), stage.renderer.read_hits(view)
        got = stage.settle(scene, view)
        assert_same(got, expected)
        assert_no_hole(got[2], (None, None, intact))
        n_told += len(told)
    assert n_told, "some view needs a damaged chunk"
    assert len({(e.file, e.chunk) for e in told}) == len(told), "each is told once"
    assert {(e.file, e.chunk) for e in told} <= {(e.file, e.chunk) for e in told_whole}
    whole.release()
    scene.release()


def test_a_damaged_root_chunk_is_a_hole_that_is_counted_until_it_is_mended(gl, stage, tmp_path, monkeypatch):
    """It has no parent to be drawn instead: rays say so, and it comes when the file is good."""
    monkeypatch.setattr("voxtide.streamer.streamer.RETRY_S", 0.05)
    broken = tmp_path / "broken.vxt"
    shutil.copytree(stage.world.path, broken)
    top = [r for r in stage.world.regions if r.level == stage.whole.root.level]
    for record in top:
        (broken / record.key).write_bytes(b"\0" * record.n_bytes)
    told = []
    scene = stream(gl, open_world(broken), stage.n_chunks * BYTES_PER_SLOT, RAM, told.append)
    truth = stage.truth[0]
    status = frame.status(stage.draw(scene, truth[0])[2])
    n_holes = int((status == layout.HIT_UNRESOLVED).sum())
    assert n_holes == (status != layout.HIT_NONE).sum() >= frame.is_hit(truth[2]).sum()
    report = stage.settle(scene, truth[0])[0]
    assert report.feedback.n_unresolved == n_holes and len(told) == len(top)
    for record in top:
        shutil.copy(stage.world.path / record.key, broken / record.key)
    wait_until(lambda: stage.draw(scene, truth[0])[0].feedback.n_unresolved == 0)
    assert_same(stage.settle(scene, truth[0]), truth)
    assert len(told) == len(top)
    scene.release()
