"""Residency keeps its books: what comes, goes and is asked, against a plain model of what the GPU is told."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from voxtide.atlas import layout
from voxtide.atlas.address import chunk_id, chunk_of_id, octant_of_chunk, parent
from voxtide.atlas.id_map import NOWHERE
from voxtide.atlas.page_table import root_grid
from voxtide.streamer import residency as policy
from voxtide.streamer.residency import Residency

TOP = 3
ROOT = root_grid(TOP, np.array([-128, 0, 0]), np.array([128, 128, 128]))  # 2 chunks, negative ones too
N_SLOTS = 12
ALL = np.concatenate(
    [
        chunk_id(
            k, np.stack(np.meshgrid(*[np.arange(lo, 1 << TOP - k) for lo in (-1 << TOP - k, 0, 0)]), -1)
        ).ravel()
        for k in range(TOP, -1, -1)
    ]
)  # the 2, 16, 128, 1024 chunks of levels 3 to 0
OFFERS = st.lists(
    st.tuples(st.integers(0, 150), st.booleans(), st.integers(0, 255)), max_size=14, unique_by=lambda o: o[0]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), OFFERS),
        st.tuples(st.just("touch"), st.lists(st.integers(0, N_SLOTS - 1), max_size=6)),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("jump"), st.none()),
        st.tuples(st.just("empty"), st.lists(st.integers(0, 150), max_size=5, unique=True)),
    ),
    max_size=25,
)


def empty():
    return np.empty(0, np.uint64)


def offer(residency, ids, urgent=True, frame=1, pin=False, octants=255):
    ids = np.array(ids, np.uint64)
    return residency.admit(
        ids, np.full(ids.size, octants, np.uint8), np.broadcast_to(urgent, ids.shape), frame, pin
    )


def parent_id(chunk):
    level, at = chunk_of_id(np.array([chunk], np.uint64))
    return None if level[0] == TOP else int(chunk_id(level + 1, parent(at))[0])


class Gpu:
    """What the page writes have made of the entries, and which chunk's data lies in each slot."""

    def __init__(self, residency):
        self.residency = residency
        self.entries = residency.table.entries.copy()
        self.held = {}  # chunk -> slot
        self.pinned = set()

    def follow(self, ids, change, pin=False):
        """Do what a change says, in its order; complain of what a frame in between would stumble on."""
        table = self.residency.table
        before = {chunk: self.leads_to(chunk) for chunk in self.held}
        self.write(change.withdraw)
        gone = [chunk for chunk in self.held if self.leads_to(chunk) != before[chunk]]
        assert len(gone) == change.n_evicted
        for chunk in gone:
            assert self.leads_to(chunk) == NOWHERE
            assert chunk not in self.pinned, "pinned chunks never go"
            del self.held[chunk]
        assert not {parent_id(c) for c in self.held} - {None} - set(self.held), (
            "a parent went before its child"
        )
        slots = change.slots.tolist()
        assert len(set(slots)) == len(slots) == len(change.taken)
        assert not set(slots) & set(self.held.values()), "a slot is filled while an entry leads to it"
        came = [int(ids[i]) for i in change.taken]
        assert not set(came) & set(self.held)
        self.held |= dict(zip(came, slots, strict=True))
        self.pinned |= set(came) if pin else set()
        self.write(change.publish)
        np.testing.assert_array_equal(self.entries, table.entries)
        for chunk, slot in self.held.items():
            assert self.leads_to(chunk) == slot
        return gone

    def write(self, writes):
        self.entries[writes[:, 0]] = writes[:, 1]

    def leads_to(self, chunk):
        """The slot that a ray finds for a chunk, walking down from the root grid."""
        level, at = chunk_of_id(np.array([chunk], np.uint64))
        path = [(at[0] >> (k - level[0])) for k in range(TOP, level[0] - 1, -1)]
        x, y, z = path[0] - ROOT.origin
        entry = int(self.entries[x + ROOT.size[0] * (y + ROOT.size[1] * z)])
        for cell in path[1:]:
            if not entry & layout.ENTRY_RESIDENT:
                return NOWHERE
            slot = entry & layout.ENTRY_SLOT_MASK
            entry = int(self.entries[ROOT.n_chunks + 8 * slot + int(octant_of_chunk(cell))])
        return entry & layout.ENTRY_SLOT_MASK if entry & layout.ENTRY_RESIDENT else NOWHERE

    def check(self):
        r = self.residency
        assert dict(zip(r.resident_ids.tolist(), r.table.chunks.slots.tolist(), strict=True)) == self.held
        assert len(set(self.held.values())) == len(self.held) <= N_SLOTS
        assert np.flatnonzero(r.slots.taken).tolist() == sorted(self.held.values())
        assert r.slots.n_free == N_SLOTS - len(self.held)
        assert all(int(r.owners[slot]) == chunk for chunk, slot in self.held.items())
        assert all(parent_id(c) in self.held for c in self.held if parent_id(c) is not None)
        assert self.pinned <= set(self.held)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_the_books_are_right(steps):
    residency, frame = Residency(ROOT, N_SLOTS), 1
    gpu = Gpu(residency)
    gpu.follow(ALL[:2], offer(residency, ALL[:2], frame=0, pin=True), pin=True)
    used = dict.fromkeys(ALL[:2].tolist(), 0)  # chunk -> the last frame in which a ray used it
    jumped = 0
    for what, items in steps:
        if what == "admit":
            ids = np.array([ALL[i] for i, _, _ in items], np.uint64)
            urgent = np.array([u for _, u, _ in items], bool)
            bits = np.array([b for _, _, b in items], np.uint8)
            n_free, before = residency.slots.n_free, dict(gpu.held)
            change = residency.admit(ids, bits, urgent, frame)
            gone = gpu.follow(ids, change)
            came = [int(ids[i]) for i in change.taken]
            for chunk in gone:
                recent = frame - used[chunk] <= policy.HYSTERESIS_FRAMES
                assert not (recent and used[chunk] >= jumped), "a chunk that was used just now went"
            for i in change.taken.tolist():
                assert residency.octants[gpu.held[int(ids[i])]] == bits[i]
                used[int(ids[i])] = frame if urgent[i] else max(frame - 32, jumped)
            fits = reachable(ids.tolist(), before)
            assert set(came) <= fits
            if len(fits) <= n_free + len(gone):
                assert set(came) == fits, "there is room, and something stayed outside"
            else:
                left = {int(c) for c, u in zip(ids, urgent, strict=True) if u} & fits - set(came)
                ready = {c for c in left if parent_id(c) in set(gpu.held)}
                assert not (ready and not urgent[change.taken].all()), (
                    "a prediction took an urgent one's slot"
                )
        elif what == "touch":
            residency.touch(np.array(items, np.uint32), frame)
            at = {slot: chunk for chunk, slot in gpu.held.items()}
            used |= {at[slot]: frame for slot in items if slot in at}
        elif what == "wait":
            frame += items
        elif what == "jump":
            residency.forget_view(frame)
            jumped = frame
        else:
            ids = np.setdiff1d(ALL[items], residency.resident_ids) if items else empty()
            gpu.write(residency.publish_empty(ids))
            np.testing.assert_array_equal(gpu.entries, residency.table.entries)
        gpu.check()


def reachable(ids, held):
    """Those of the ids that have a parent, resident or among them."""
    ok = set()
    for chunk in sorted(ids, key=lambda c: -(c >> 60)):
        if chunk not in held and (parent_id(chunk) is None or parent_id(chunk) in {*held, *ok}):
            ok.add(chunk)
    return ok


def child(chunk, octant):
    level, at = chunk_of_id(np.array([chunk], np.uint64))
    return int(chunk_id(level - 1, at * 2 + [octant & 1, octant >> 1 & 1, octant >> 2])[0])


A, B = ALL[:2].tolist()
CHILDREN = [child(A, i) for i in range(8)] + [child(B, i) for i in range(8)]


def filled(n_predicted=0, frame=1):
    """A residency with both root chunks pinned and every slot taken."""
    residency = Residency(ROOT, N_SLOTS)
    offer(residency, [A, B], frame=0, pin=True)
    n = N_SLOTS - 2
    change = offer(residency, CHILDREN[:n], np.arange(n) >= n_predicted, frame)
    assert len(change.taken) == n
    return residency


def test_what_rays_use_stays_for_the_hysteresis_and_no_longer():
    residency = filled()
    last = 1 + policy.HYSTERESIS_FRAMES
    change = offer(residency, CHILDREN[-2:], frame=last)
    assert len(change.taken) == 0 and change.n_evicted == 0
    change = offer(residency, CHILDREN[-2:], frame=last + 1)
    assert len(change.taken) == 2 and change.n_evicted == 2


def test_the_longest_unused_goes_first():
    residency = filled()
    slots = residency.table.chunks.find(np.array(CHILDREN[:10], np.uint64))
    for i, slot in enumerate(slots):
        residency.touch(np.array([slot]), 20 - i)
    offer(residency, CHILDREN[-3:], frame=200)
    gone = set(CHILDREN[:10]) - set(residency.resident_ids.tolist())
    assert gone == set(CHILDREN[7:10])


def test_a_prediction_that_nobody_uses_goes_after_its_grace():
    residency = filled(n_predicted=4, frame=100)
    assert offer(residency, CHILDREN[-6:], frame=100 + policy.GRACE_FRAMES).n_evicted == 0
    assert offer(residency, CHILDREN[-6:], frame=101 + policy.GRACE_FRAMES).n_evicted == 4
    assert not set(CHILDREN[:4]) & set(residency.resident_ids.tolist())


def test_a_jump_lets_the_old_view_go_at_once_and_keeps_the_new():
    residency = filled()
    residency.forget_view(5)
    residency.touch(residency.table.chunks.find(np.array(CHILDREN[:4], np.uint64)), 5)
    change = offer(residency, CHILDREN[-6:], frame=5)
    assert change.n_evicted == 6
    assert set(CHILDREN[:4]) <= set(residency.resident_ids.tolist())


def test_urgent_comes_before_predicted_when_there_is_not_room_for_all():
    residency = Residency(ROOT, 6)
    offer(residency, [A, B], frame=0, pin=True)
    change = offer(residency, CHILDREN[:8], np.arange(8) >= 5, frame=1)
    assert set(CHILDREN[5:8]) <= set(residency.resident_ids.tolist())
    assert len(change.taken) == 4


def test_speculation_may_have_what_is_free_and_what_nobody_remembers():
    residency = Residency(ROOT, N_SLOTS)
    offer(residency, [A, B], frame=0, pin=True)
    assert residency.n_speculative(1) == N_SLOTS - 2
    offer(residency, CHILDREN[:3], frame=1)
    assert residency.n_speculative(1) == N_SLOTS - 5
    assert residency.n_speculative(1 + policy.STALE_FRAMES) == N_SLOTS - 5
    late = 1 + policy.STALE_FRAMES + policy.STALE_COUNT_FRAMES
    assert residency.n_speculative(late) == N_SLOTS - 2, "it is not counted in each frame"
    residency.forget_view(2)
    assert residency.n_speculative(2) == N_SLOTS - 2


def test_what_rays_said_of_a_slots_old_owner_is_void():
    residency = filled()
    slot = residency.table.chunks.find(np.array(CHILDREN[:1], np.uint64))
    asked = residency.asked(slot, np.array([5]), frame=3)
    assert asked.tolist() == [child(CHILDREN[0], 5)]
    change = offer(residency, CHILDREN[-6:], frame=100)
    reused = slot[np.isin(slot, change.slots)]
    assert reused.size == 1
    assert residency.asked(reused, np.array([5]), frame=99).size == 0
    new = int(residency.owners[reused[0]])
    assert residency.asked(reused, np.array([5]), frame=101).tolist() == [child(new, 5)]


def test_what_is_resident_or_in_a_free_slot_is_not_asked():
    residency = Residency(ROOT, N_SLOTS)
    offer(residency, [A, B], frame=0, pin=True)
    slot = residency.table.chunks.find(np.array([A, A], np.uint64))
    assert residency.asked(slot, np.array([0, 1]), 1).tolist() == CHILDREN[:2]
    offer(residency, CHILDREN[:1], frame=1)
    assert residency.asked(slot, np.array([0, 1]), 2).tolist() == CHILDREN[1:2]
    assert residency.asked(np.array([N_SLOTS - 1]), np.array([0]), 2).size == 0


def test_a_child_is_told_to_be_empty_only_below_a_resident_parent():
    residency = Residency(ROOT, N_SLOTS)
    offer(residency, [A], frame=0, pin=True)
    writes = residency.publish_empty(np.array([CHILDREN[3], CHILDREN[8]], np.uint64))
    slot = int(residency.table.chunks.find(np.array([A], np.uint64))[0])
    assert writes.tolist() == [[ROOT.n_chunks + 8 * slot + 3, layout.ENTRY_EMPTY]]


def test_an_evicted_chunk_forgets_which_children_were_empty():
    residency = filled()
    old = residency.table.chunks.find(np.array(CHILDREN[:10], np.uint64))
    residency.publish_empty(np.array([child(c, 2) for c in CHILDREN[:10]], np.uint64))
    change = offer(residency, CHILDREN[10:16], frame=200)
    assert set(change.slots.tolist()) <= set(old.tolist())
    at = ROOT.n_chunks + change.slots[:, None] * 8 + np.arange(8)
    assert (residency.table.entries[at] == layout.ENTRY_NONE).all()


def test_a_parent_stays_while_its_child_does():
    residency = Residency(ROOT, 6)
    offer(residency, [A, B], frame=0, pin=True)
    inner = CHILDREN[0]
    offer(residency, [inner, child(inner, 3), *CHILDREN[1:3]], frame=1)
    residency.touch(residency.table.chunks.find(np.array([child(inner, 3), *CHILDREN[1:2]], np.uint64)), 200)
    change = offer(residency, CHILDREN[8:12], frame=201)
    assert change.n_evicted == 1, "only what is unused and childless"
    assert {inner, child(inner, 3)} <= set(residency.resident_ids.tolist())
    assert offer(residency, CHILDREN[12:16], frame=400).n_evicted == 4, "with their children, parents go too"


def test_what_a_new_prediction_goes_through_has_its_grace_anew():
    """Predicted once and never used, it would be the first to go, just as the next view comes to need it."""
    residency = filled(n_predicted=4, frame=100)
    late = 101 + policy.GRACE_FRAMES
    kept = np.array(CHILDREN[:2], np.uint64)
    residency.keep(kept, residency.table.chunks.find(kept), late)
    assert offer(residency, CHILDREN[-6:], frame=late).n_evicted == 2
    assert set(CHILDREN[:2]) <= set(residency.resident_ids.tolist())
