"""The feedback ring: it never waits, never mixes frames, and gives back all it took."""

import numpy as np
import pytest
from voxtide.app.render.ring import DEPTH, FeedbackRing, feedback_bytes
from voxtide.atlas import layout

N_SLOTS = 64


@pytest.fixture
def source(gl):
    buffer = gl.buffer(reserve=feedback_bytes(N_SLOTS))
    yield buffer
    buffer.release()


def say(buffer, frame):
    """Write the feedback that the rays of a frame would leave: it names the frame throughout."""
    head = np.zeros(1, layout.FEEDBACK)
    head["n_touched"], head["n_requests"], head["n_requests_lost"], head["n_unresolved"] = frame, 2, frame, 3
    requests = np.zeros(layout.MAX_REQUESTS, layout.REQUEST)
    requests["slot"], requests["octant"] = frame, (np.arange(layout.MAX_REQUESTS) & 7)
    touched = np.full(N_SLOTS, frame, np.uint32)
    buffer.write(head.tobytes() + requests.tobytes() + touched.tobytes())


def names_only(feedback, frame):
    assert feedback.frame == feedback.n_requests_lost == frame and feedback.n_unresolved == 3
    assert feedback.requests["slot"].tolist() == [frame] * 2
    assert feedback.touched_slots.tolist() == [frame] * frame


def test_frames_arrive_whole_and_in_order(gl, source):
    ring = FeedbackRing(gl, source)
    heard = []
    for frame in range(1, 21):
        say(source, frame)
        ring.push(frame)
        if frame % 3 == 0:
            gl.finish()
            while feedback := ring.pop():
                names_only(feedback, feedback.frame)
                heard.append(feedback.frame)
    assert heard == list(range(1, 19))
    assert ring.n_dropped == 0
    ring.release()


def test_when_nobody_listens_frames_are_dropped_and_nothing_waits(gl, source):
    ring = FeedbackRing(gl, source)
    for frame in range(1, 12):
        say(source, frame)
        ring.push(frame)
    assert ring.n_dropped == 11 - DEPTH
    gl.finish()
    for frame in range(1, DEPTH + 1):
        names_only(ring.pop(), frame)
    assert ring.pop() is None
    say(source, 30)
    ring.push(30)
    gl.finish()
    names_only(ring.pop(), 30)
    ring.release()


def test_a_fence_that_has_not_passed_is_not_waited_for(gl, source, monkeypatch):
    ring = FeedbackRing(gl, source)
    say(source, 1)
    ring.push(1)
    gl.finish()
    monkeypatch.setattr(ring._fences, "passed", lambda fence: False)
    assert ring.pop() is None
    monkeypatch.undo()
    names_only(ring.pop(), 1)
    ring.release()


def test_a_frame_that_said_nothing_is_heard_too(gl, source):
    ring = FeedbackRing(gl, source)
    source.clear()
    ring.push(7)
    gl.finish()
    feedback = ring.pop()
    assert feedback.frame == 7 and not len(feedback.requests) and not len(feedback.touched_slots)
    ring.release()


def test_release_frees_everything_under_way_or_not(gl, source, monkeypatch):
    ring = FeedbackRing(gl, source)
    copies, deleted = list(ring._free), []
    monkeypatch.setattr(ring._fences, "delete", lambda fence, d=ring._fences.delete: deleted.append(d(fence)))
    for frame in (1, 2):
        say(source, frame)
        ring.push(frame)
    ring.release()
    assert len(deleted) == 2
    assert all(type(copy.mglo).__name__ == "InvalidObject" for copy in copies)
