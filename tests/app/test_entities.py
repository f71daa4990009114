"""The pass semantic: each pixel has the colour of the entity that its voxel has on disk."""

import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
from attributes import make_attributed
from bare_panel import bare_session, in_window, said
from gates import wait_until
from voxtide.app import frame
from voxtide.app.camera import Pose, look
from voxtide.app.entities import BATCH, Entities
from voxtide.app.entity_colours import colour_index, palette
from voxtide.app.panel import looks
from voxtide.app.picking import voxel_of
from voxtide.app.render.pool import BYTES_PER_SLOT
from voxtide.app.render.renderer import Renderer, light_of
from voxtide.app.scene import load, stream
from voxtide.atlas import address, layout, plane
from voxtide.streamer.errors import WorldError
from voxtide.streamer.world import open_world
from worlds import make_world

SIZE = (120, 80)
POSES = (Pose(0.31, 0.32, 0.6, 47, -30), Pose(1.6, 1.7, 0.7, 227, -35), Pose(1.7, 0.3, 0.5, 120, -25))
IDS = np.array([1, 2, 127, 128, 255, 300, 20_000], np.uint32)


def hills():
    y, x = np.mgrid[0:200, 0:200]
    h = (20 + 9 * np.sin(x / 17) + 7 * np.cos(y / 11)).astype(np.int64)
    voxels = np.concatenate([np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(3)])
    rgba = np.stack([x % 256, y % 256, h * 4, np.full_like(x, 255)], -1).reshape(-1, 4).astype(np.uint8)
    return voxels, np.concatenate([rgba] * 3)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    voxels, rgba = hills()
    named = (voxels[:, 0] // 20 + voxels[:, 1] // 20) % 8  # squares; of every eighth nobody knows the name
    labels = voxels[named > 0], IDS[named[named > 0] - 1]
    path = tmp_path_factory.mktemp("entities") / "hills.vxt"
    make_attributed(path, voxels, rgba, {"semantic": labels}, entities={1: "moss", 300: "scree"})
    return open_world(path)


def wanted(world, scene, hits):
    """The picture as read_plane says. [height, width, 3]"""
    out = np.full((*hits.shape, 3), np.round(255 * np.array([0.05, 0.05, 0.06])))
    shape = 0.70 + 0.10 * (np.arange(6) >> 1) + 0.05 * (np.arange(6) & 1)
    face = hits["info"] >> layout.HIT_FACE_SHIFT & 7
    assert (face[frame.is_hit(hits)] < 6).all()
    voxels, levels = voxel_of(hits, scene.root.corner_voxel), frame.level(hits)
    for level in np.unique(levels[frame.is_hit(hits)]):
        here = frame.is_hit(hits) & (levels == level)
        ids = world.read_plane("semantic", int(level), voxels[here])
        out[here] = palette()[colour_index(ids), :3] * shape[face[here]][:, None]
    return out


def settled(renderer, scene, pose):
    view = look(pose, SIZE, 60.0, scene.voxel_size_m, scene.root.corner_voxel)
    one = frame.draw if scene.streamer is None else frame.settle
    report = one(renderer, scene, view, light_of(scene.extent_voxels), "semantic")
    assert report.is_settled and report.knows_entities
    return renderer.read_picture(), renderer.read_hits(view)


@pytest.mark.parametrize("n_slots", [0, 3000, 300])
def test_each_pixel_has_the_colour_of_its_voxels_entity(gl, world, n_slots):
    """Whole, streamed, and with so few slots that chunks take each other's place from view to view."""
    if n_slots:
        scene = stream(gl, world, n_slots * BYTES_PER_SLOT, 1 << 26)
    else:
        scene = load(gl, world, 1 << 30)
    renderer = Renderer(gl, SIZE)
    for pose in (*POSES, POSES[0]):
        picture, hits = settled(renderer, scene, pose)
        assert frame.is_hit(hits).mean() > 0.4
        assert len(np.unique(picture[frame.is_hit(hits)], axis=0)) > 6
        assert np.abs(picture[..., :3] - wanted(world, scene, hits)).max() <= 1
    assert scene.entities.met == set(IDS.tolist())
    if n_slots == 300:
        assert scene.streamer.n_evicted > 0, "or this proves nothing"
    renderer.release()
    scene.release()


def test_another_chunks_entities_are_never_shown(gl, world):
    """Before its own have come a chunk is drawn dark, also in a slot whose last owner's were known."""
    scene, renderer = stream(gl, world, 280 * BYTES_PER_SLOT, 1 << 26), Renderer(gl, SIZE)
    unread = palette()[layout.ENTITY_UNREAD, :3].astype(int)
    settled(renderer, scene, POSES[0])
    n_dark, end, light = 0, time.monotonic() + 120, light_of(scene.extent_voxels)
    for pose in (*POSES[1:], *POSES):
        view = look(pose, SIZE, 60.0, scene.voxel_size_m, scene.root.corner_voxel)
        is_settled = False
        while not is_settled:
            assert time.monotonic() < end, "what the new view needs never came"
            report = frame.draw_streamed(renderer, scene, view, light, "semantic")
            is_settled = report.feedback.frame > 0 and frame.is_settled(report, scene)
            picture, hits = renderer.read_picture()[..., :3].astype(int), renderer.read_hits(view)
            dark = frame.is_hit(hits) & (picture.max(-1) <= unread.max())
            differs = np.abs(picture - wanted(world, scene, hits)).max(-1) > 1
            assert not (differs & ~dark).any()
            n_dark += int(dark.sum())
    assert n_dark > 0 and scene.streamer.n_evicted > 20
    renderer.release()
    scene.release()


def test_a_slot_that_changes_hands_while_it_is_read_waits_for_its_own():
    owners = np.array([7, 8], np.uint64)
    written = {}

    class World:
        meta = SimpleNamespace(entities={})

        def read_plane_chunks(self, name, ids, on_bad):
            if 7 in ids.tolist():
                owners[0] = 9  # the streamer has meanwhile given the slot away
            dense = [np.full((16, 16, 16), int(i), np.uint32) for i in ids]
            return [plane.pack(name, values) for values in dense]

    def write(slots, rows):
        written.update({slot: int(row[0]) for slot, row in zip(slots.tolist(), rows, strict=True)})

    rows = SimpleNamespace(write=write, tell=lambda known: None)
    pool = SimpleNamespace(n_slots=2, entities=None)
    pool.hold_entities = lambda: setattr(pool, "entities", rows) or True
    residency = SimpleNamespace(owners=owners)
    entities = Entities(World(), residency, pool, lambda error: None)
    assert entities.step(np.array([0, 1]), waits=False) is False
    wait_until(lambda: entities._coming is None or entities._coming.done())
    assert entities.step(np.array([0, 1])) is False, "slot 0 has another owner now"
    assert written == {1: 8}
    wait_until(lambda: entities.step(np.array([0, 1])))
    assert written == {0: 9, 1: 8}
    entities.close()


def test_chunks_of_a_plane_are_those_that_voxels_are_read_from(world):
    record = next(r for r in world.regions if r.level == 0)
    ids = np.array(sorted({int(i) for i in _ids(world, record)}), np.uint64)
    rng = np.random.default_rng(3)
    rng.shuffle(ids)
    assert ids.size > BATCH // 8
    chunks = world.read_plane_chunks("semantic", ids)
    assert any(packed is None for packed in chunks) or all(chunks)
    for chunk, packed in zip(address.chunk_of_id(ids)[1], chunks, strict=True):
        local = address.local_of_mask_index(np.arange(4096))
        dense = np.zeros(4096, np.uint32)
        if packed is not None:
            held, values = plane.split("semantic", packed)
            dense[held] = values
        np.testing.assert_array_equal(dense, world.read_plane("semantic", 0, chunk * 16 + local))


def _ids(world, record):
    return address.chunk_id(record.level, world.read_region(record).chunks)


def test_a_damaged_chunk_of_entities_is_told_and_drawn_as_none(gl, world, tmp_path):
    copy = tmp_path / "damaged.vxt"
    shutil.copytree(world.path, copy)
    record = next(p for r in world.regions if r.level == 0 for p in r.planes if p.plane == "semantic")
    with (copy / record.key).open("r+b") as file:
        file.seek(40)
        byte = file.read(1)[0]
        file.seek(40)
        file.write(bytes([byte ^ 0xFF]))
    damaged, told = open_world(copy), []
    ids = _ids(world, next(r for r in world.regions if r.level == 0))
    good, bad = (
        world.read_plane_chunks("semantic", ids),
        damaged.read_plane_chunks("semantic", ids, told.append),
    )
    (lost,) = (i for i, (a, b) in enumerate(zip(good, bad, strict=True)) if a != b)
    assert bad[lost] is None and len(told) == 1 and "crc32c" in str(told[0]) and record.key in str(told[0])
    with pytest.raises(WorldError, match="crc32c"):
        damaged.read_plane_chunks("semantic", ids)
    told.clear()
    scene, renderer = load(gl, damaged, 1 << 30, told.append), Renderer(gl, SIZE)
    for pose in POSES:
        settled(renderer, scene, pose)
    scene.entities.step(np.arange(scene.n_resident), waits=True)
    assert len(told) == 1, "once, although it was seen often"
    renderer.release()
    scene.release()


def test_a_world_without_entities_says_so_in_one_line(gl, tmp_path):
    make_world(tmp_path / "plain.vxt", *hills(), voxel_size_m=0.01)
    scene = load(gl, open_world(tmp_path / "plain.vxt"), 1 << 30)
    assert scene.entities is None and scene.pool.entities is None
    session = bare_session()
    session.show_pass("semantic")
    (message,) = (text for _, text in session.messages)
    assert message == "a/world.vxt knows no entities: the pass semantic has nothing to show"
    assert "knows no entities" in said(in_window(looks.draw, session))
    scene.release()


def test_the_legend_names_what_was_seen(gl, world):
    scene, renderer = load(gl, world, 1 << 30), Renderer(gl, SIZE)
    assert scene.pool.entities is None, "a world that is only looked at pays nothing"
    settled(renderer, scene, POSES[0])
    session = bare_session(layers=("semantic",))
    session.show_pass("semantic")
    session.scene.entities = scene.entities
    text = said(in_window(looks.draw, session))
    assert not session.messages
    for name in ("moss", "scree", "entity 128"):
        assert name in text
    renderer.release()
    scene.release()


def test_colours_of_near_ids_differ():
    colours = palette()[1 : layout.ENTITY_COLOURS + 1, :3].astype(int)
    assert len(np.unique(palette()[:, :3], axis=0)) == 256
    assert np.abs(np.diff(colours, axis=0)).max(-1).min() > 40
    assert colour_index([0, 1, 254, 255, 20_000]).tolist() == [
        0,
        1,
        254,
        1,
        1 + 19_999 % 254,
    ]
