"""A streamer drawn without a GPU: imagined rays say what they touch and miss."""

import time

import numpy as np
from gates import wait_until
from imagined import around, feedback
from voxtide.atlas import layout
from voxtide.streamer.streamer import Streamer
from voxtide.streamer.upload_budget import Budgets

RAM = 1 << 24
HERE, THERE = around(-100, 40, 30), around(200, -150, 20)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Film:
    """Frames of one streamer; its entries are copied by the updates' writes, as the GPU's are."""

    def __init__(self, streamer):
        self.streamer, self.frame = streamer, 0
        self.entries = streamer.residency.table.entries.copy()
        self.held = {}  # slot -> packed
        self.apply(streamer.pin())
        self.said = np.empty(0, np.uint32), np.empty(0, layout.REQUEST), 0

    def apply(self, update):
        self.entries[update.withdraw[:, 0]] = update.withdraw[:, 1]
        assert len(update.slots) == len(update.streams) == len(set(update.slots.tolist()))
        self.held |= dict(zip(update.slots.tolist(), update.streams, strict=True))
        self.entries[update.publish[:, 0]] = update.publish[:, 1]
        np.testing.assert_array_equal(self.entries, self.streamer.residency.table.entries)

    def draw(self, sight):
        """One frame. -> its update; rays of the frame before are heard, as on a GPU"""
        self.frame += 1
        update = self.streamer.update(*self.said, sight, self.frame)
        self.apply(update)
        self.said = *feedback(self.streamer.residency, sight), self.frame
        return update

    @property
    def n_missing(self):
        return len(self.said[1])

    def settle(self, sight, ok=lambda film: film.n_missing == 0):
        def settled():
            self.draw(sight)
            return ok(self) and self.streamer.is_idle

        wait_until(settled)


def open_film(source, n_slots=None, ram_bytes=RAM, clock=time.monotonic, on_bad=None, **budgets):
    n_slots = n_slots or len(source.chunks)
    return Film(
        Streamer(source, Budgets(n_slots, ram_bytes, **budgets), on_bad or (lambda error: None), clock=clock)
    )
