"""A headset without hardware: it hands out a script of frames, and plain GL textures to draw into."""

import math

import numpy as np
from voxtide.app.vr.runtime import Eye, Frame, Hands, Place

IPD_M = 0.064
FOV = (-0.9, 0.7, 0.75, -0.85)  # of a left eye: it sees further to the left, and down


def eyes(head=(0.0, 1.6, 0.0), yaw=0.0, fov=FOV):
    """Two eyes of a head that is turned about the room's y by `yaw` degrees, to the left growing."""
    half = math.radians(yaw) / 2
    turned = (0.0, math.sin(half), 0.0, math.cos(half))
    side = np.array([math.cos(2 * half), 0.0, -math.sin(2 * half)]) * IPD_M / 2
    left, right = (tuple((np.array(head) + sign * side).tolist()) for sign in (-1, 1))
    mirrored = (-fov[1], -fov[0], fov[2], fov[3])
    return Eye(Place(left, turned), fov), Eye(Place(right, turned), mirrored)


def frame(hands=None, seconds=1 / 72, **head):
    return Frame(seconds, eyes(**head), hands or Hands())


class StubHeadset:
    """A Runtime. `shown` keeps each frame's pictures; the order of calls is checked as a runtime would."""

    def __init__(self, ctx, script, sizes=((64, 48), (64, 48)), n_images=3):
        self.ctx, self.sizes = ctx, sizes
        self.script = iter(script)
        self.images = [
            [ctx.texture(size, 4, b"\0" * (size[0] * size[1] * 4)) for _ in range(n_images)] for size in sizes
        ]
        self.n_begun, self.acquired, self.is_open = 0, {}, False
        self.shown, self.n_blank = [], 0

    def begin(self):
        assert not self.is_open, "begin without end"
        now = next(self.script, None)
        self.is_open = now is not None
        self.n_begun += now is not None
        return now

    def texture(self, eye):
        assert self.is_open and eye not in self.acquired, "an image is taken once a frame"
        ring = self.images[eye]
        self.acquired[eye] = ring[self.n_begun % len(ring)]
        return self.acquired[eye].glo

    def end(self, drawn):
        assert self.is_open
        self.is_open = False
        if drawn is None:
            assert not self.acquired
            self.n_blank += 1
            return
        pictures = []
        for eye, (width, height) in enumerate(drawn):
            assert width <= self.sizes[eye][0] and height <= self.sizes[eye][1]
            size = self.sizes[eye]
            all_of_it = np.frombuffer(self.acquired[eye].read(), np.uint8).reshape(size[1], size[0], 4)
            pictures.append(all_of_it[:height, :width][::-1])  # row 0 at the top
        self.acquired.clear()
        self.shown.append(pictures)

    def release(self):
        for ring in self.images:
            for image in ring:
                image.release()
