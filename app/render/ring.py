"""Feedback on its way to the CPU: a ring of copies, each behind a fence, never waited for.

A frame's feedback is copied on the GPU into the next free copy of the ring. A later frame takes it
when its fence has passed. When all copies are under way the frame's feedback is dropped: what is still
missing will be asked for again.
"""

from collections import deque
from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from ...atlas import layout
from .native import Fences

DEPTH = 3
_REQUESTS_AT = layout.FEEDBACK.itemsize
_TOUCHED_AT = _REQUESTS_AT + layout.MAX_REQUESTS * layout.REQUEST.itemsize


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the rays of one frame said."""

    frame: int
    requests: NDArray[np.void]  # [N] layout.REQUEST
    n_requests_lost: int
    touched_slots: NDArray[np.uint32]
    n_unresolved: int


NO_FEEDBACK = Feedback(0, np.empty(0, layout.REQUEST), 0, np.empty(0, np.uint32), 0)


def feedback_bytes(n_slots: int) -> int:
    """Size of the buffer that shaders/include/feedback.glsl calls Feedback."""
    return _TOUCHED_AT + 4 * n_slots


class FeedbackRing:
    """Copies of the feedback buffer, `DEPTH` deep."""

    def __init__(self, ctx: moderngl.Context, source: moderngl.Buffer) -> None:
        self._ctx, self._source, self._fences = ctx, source, Fences()
        self._free = [ctx.buffer(reserve=source.size) for _ in range(DEPTH)]
        self._under_way: deque[tuple[int, int, moderngl.Buffer]] = deque()  # frame, fence, copy
        self.n_dropped = 0

    def push(self, frame: int) -> None:
        """Send the feedback of a frame that has just been marched."""
        if not self._free:
            self.n_dropped += 1
            return
        copy = self._free.pop()
        self._ctx.copy_buffer(copy, self._source)
        self._under_way.append((frame, self._fences.insert(), copy))

    def pop(self) -> Feedback | None:
        """The oldest feedback that has arrived, or None. Never waits."""
        if not self._under_way or not self._fences.passed(self._under_way[0][1]):
            return None
        frame, fence, copy = self._under_way.popleft()
        self._fences.delete(fence)
        self._free.append(copy)
        return read_feedback(copy, frame)

    def release(self) -> None:
        """Free all of it."""
        for _, fence, copy in self._under_way:
            self._fences.delete(fence)
            copy.release()
        for copy in self._free:
            copy.release()


def read_feedback(buffer: moderngl.Buffer, frame: int) -> Feedback:
    """Read the parts of a feedback buffer that are filled. Waits for the GPU if it must."""
    head = np.frombuffer(buffer.read(layout.FEEDBACK.itemsize), layout.FEEDBACK)[0]
    n = min(int(head["n_requests"]), layout.MAX_REQUESTS)
    requests = buffer.read(n * layout.REQUEST.itemsize, offset=_REQUESTS_AT) if n else b""
    n_touched = int(head["n_touched"])
    touched = buffer.read(4 * n_touched, offset=_TOUCHED_AT) if n_touched else b""
    return Feedback(
        frame,
        np.frombuffer(requests, layout.REQUEST),
        int(head["n_requests_lost"]),
        np.frombuffer(touched, np.uint32),
        int(head["n_unresolved"]),
    )
