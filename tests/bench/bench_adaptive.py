"""Adaptive resolution on the real window: the frame rate while the view moves, all pixels when it rests.

`voxtide view` on the shipped depot in an Xvfb window of 1280x720, its own loop with panel and streaming; the
mouse is replaced: it looks around for 6 s, then rests for 1.5 s, N times. `fps`: frames per second of each
leg without its first second. `off`: how far that is from what was asked, percent. `to_full_ms`: from the
first look at the mouse that found it at rest until a frame with all pixels was in the window.
Goal: 15 fps within 10 %, all pixels within 300 ms. Usage: bench_adaptive.py [N [FPS]]
"""

import json
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from screen import screen
from voxtide.app import viewer
from voxtide.app.library import Library
from voxtide.app.show import Show
from voxtide.app.viewer import Start, view_worlds
from voxtide.app.window import Input, Window
from voxtide.tools.cli import main as voxtide
from voxtide.tools.shelf import Shelf

ROOT = Path(__file__).resolve().parents[2]
N = int(sys.argv[1]) if len(sys.argv) > 1 else 6
TARGET_FPS = float(sys.argv[2]) if len(sys.argv) > 2 else 15.0
MOVES_S, RESTS_S, FIRST_S = 6.0, 1.5, 1.0
PIXELS_PER_S = 80.0  # of the mouse


class Hand:
    """A mouse that moves and rests by the clock, and what the window showed meanwhile."""

    def __init__(self):
        self.began, self.last, self.moves = time.perf_counter(), 0.0, False
        self.polls, self.frames = [], []  # (seconds, moves); (seconds, share of all pixels)

    def poll(self, window):
        now = time.perf_counter() - self.began
        glimpse = poll(window)
        self.moves = now % (MOVES_S + RESTS_S) < MOVES_S
        way = PIXELS_PER_S * (now - self.last) if self.moves else 0.0
        self.last = now
        self.polls.append((now, self.moves))
        return Input(turn=(way, 0.0), cursor=(300.0, 300.0), closed=glimpse.closed)

    def shown(self, session):
        share = session.view.size[0] * session.view.size[1] / (session.size[0] * session.size[1])
        self.frames.append((time.perf_counter() - self.began, share))


poll, shown = Window.poll, Show.shown


def figures(hand):
    frames, polls = np.array(hand.frames), np.array(hand.polls)
    fps, shares, to_full = [], [], []
    for i in range(N):
        start = i * (MOVES_S + RESTS_S)
        end = start + MOVES_S
        leg = frames[(frames[:, 0] > start + FIRST_S) & (frames[:, 0] <= end)]
        fps.append((len(leg) - 1) / (leg[-1, 0] - leg[0, 0]))
        shares.append(float(leg[:, 1].mean()))
        rest = polls[(polls[:, 0] >= end) & (polls[:, 1] == 0)][0, 0]
        whole = frames[(frames[:, 0] > rest) & (frames[:, 0] < end + RESTS_S) & (frames[:, 1] == 1.0)]
        to_full.append((whole[0, 0] - rest) * 1e3 if len(whole) else float("inf"))
    return {
        "target_fps": TARGET_FPS,
        "fps": [round(f, 2) for f in fps],
        "off_percent": {
            "p50": round(float(np.median(np.abs(np.array(fps) / TARGET_FPS - 1))) * 100, 1),
            "most": round(float(np.abs(np.array(fps) / TARGET_FPS - 1).max()) * 100, 1),
        },
        "pixels_percent": [round(100 * s, 1) for s in shares],
        "to_full_ms": [round(t, 1) for t in to_full],
    }


def run():
    hand = Hand()
    library: Library = Shelf()
    with tempfile.TemporaryDirectory() as name:
        world = Path(name) / "depot.vxt"
        with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
            voxtide(["bake", str(ROOT / "assets" / "depot.vox"), str(world), "--voxel-size", "0.1"])

        def begins(*arguments):
            hand.began = time.perf_counter()
            loop(*arguments)

        def after(self, session, panel_ms):
            shown(self, session, panel_ms)
            hand.shown(session)

        loop, viewer.run = viewer.run, begins
        Window.poll, Show.shown = lambda window: hand.poll(window), after
        flags = {"target_fps": TARGET_FPS, "vsync": False, "inertia": False, "lowest_percent": 10.0}
        seconds = N * (MOVES_S + RESTS_S)
        view_worlds(
            library, Start([str(world)], flags, size=(1280, 720), seconds=seconds), lambda error: None
        )
    print(json.dumps(figures(hand)))


if __name__ == "__main__":
    with screen((1280, 720)) as os.environ["DISPLAY"]:
        run()
