"""What streaming, the panel and a bake in the background add to the main thread: as differences.

One flight over the shipped depot, in an Xvfb window of 1280x720. Each frame is drawn twice: the scene whole
and nothing else; then in one of the WAYS: streamed, with the panel, with a bake that goes on beside (it
rests while the scene alone is drawn), and with a mouse that moves over the panel in every frame. So what
else the machine does meets both alike. Each way has some rounds, in turns.

cpu_ms is what the main thread computed from the look at the events to the next one, presenting and swapping
included: its own processor time, which does not count waiting for a core that others use. wall_ms is the
clock, without the march. What is added in a frame is its time less that of the scene alone: the median of
the 11 frames of that about it. Told are p50 and p99 of a round's frames: the median of the rounds, and in
brackets the least and the most of them; "alone" is the same for the scene's own frames: what the machine
adds when nothing is added. Goal: p99 of cpu_ms no more than 2 ms.

llvmpipe rasterises on the same cores, in threads that the main thread waits for; a GPU would do that beside.
So wall_ms tells what a software rasteriser pays for the panel, and wants a machine that does nothing else.
Usage: bench_panel.py [FRAMES [ROUNDS]]; with FRAMES only the way with a bake.
"""

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from screen import screen
from voxtide.app.panel.panel import Panel
from voxtide.app.render.context import GL_VERSION, open_current
from voxtide.app.scene import load
from voxtide.app.session import Session
from voxtide.app.settings import Settings
from voxtide.app.show import Show
from voxtide.app.window import Event, Input, open_window
from voxtide.app.worlds import Worlds
from voxtide.tools.cli import main as voxtide
from voxtide.tools.shelf import Shelf

ROOT = Path(__file__).resolve().parents[2]
N_FRAMES = int(sys.argv[1]) if len(sys.argv) > 1 else 180
N_ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
WARM_UP = 30
ABOUT = 5  # frames before and after one that tell what the scene alone takes there
SIZE = (1280, 720)
VIEW = Settings(adaptive=False, resolution_percent=30.0, vsync=False, vram_mb=64.0)
BAKE_VOXEL_M = 0.002  # so fine that it does not end while the flight lasts
KINDS = ("cpu_ms", "wall_ms")
NO_PANEL = SimpleNamespace(compose=lambda: None)


@dataclass(frozen=True)
class Way:
    """What is drawn beside the streamed scene, and what goes on."""

    panel: bool = True
    bakes: bool = False
    touches: bool = False


WAYS = {
    "streamed": Way(panel=False),
    "panel": Way(),
    "bake": Way(bakes=True),
    "touched": Way(bakes=True, touches=True),
}


def fly(folder, way):
    """-> [frames, 2, 2] milliseconds: of the scene alone and of the way, as KINDS"""
    with ExitStack() as things:
        window = things.enter_context(open_window(SIZE, "bench", GL_VERSION))
        ctx = open_current()
        panel = Panel(ctx, SIZE, 1.0, "")
        things.callback(panel.release)
        shelf, name = Shelf(folder / "cache"), str(folder / "depot.vxt")
        worlds = Worlds(ctx, shelf, lambda error: None)
        session = worlds.first(name, replace(VIEW), panel.room(SIZE))
        things.callback(lambda: session.scene.release())
        things.callback(lambda: worlds.close(session))
        whole = load(ctx, shelf.open(name).source, 64 << 20)
        things.callback(whole.release)
        alone = Session(name, whole, session.home, replace(VIEW), session.size)
        shows = Show(ctx, SIZE), Show(ctx, SIZE)
        for show in shows:
            things.callback(show.release)
        bake = things.enter_context(baking(shelf)) if way.bakes else None
        times = []
        for i in range(N_FRAMES):
            home = session.home
            alone.pose = session.pose = replace(home, x=home.x + 0.01 * i, yaw=home.yaw + 0.2 * i)
            with resting(bake):
                window.poll()
                without = timed(alone, lambda: draw_alone(window, shows[0], alone, panel.picture))
            window.poll()
            run = partial(draw_all, window, shows[1], session, panel, worlds, bake, way, i)
            times.append((without, timed(session, run)))
        assert bake is None or not bake.is_done, "the bake ended before the flight"
        return np.array(times)[WARM_UP:]


def draw_alone(window, show, session, picture):
    show.draw(session, picture, SIZE)
    show.present(NO_PANEL, SIZE)
    window.swap()
    show.shown(session, 0.0)


def draw_all(window, show, session, panel, worlds, bake, way, i):
    """What app.viewer.run does in a frame."""
    cursor = (SIZE[0] - 300.0 + i % 200, 60.0 + i % 250) if way.touches else (300.0, 300.0)
    events = [Event("cursor", x=cursor[0], y=cursor[1])] if way.touches else []
    if way.panel:
        panel.begin(session, events, Input(cursor=cursor), SIZE)
    if bake is not None:
        bake.poll()
    worlds.step(session)
    show.draw(session, panel.picture, SIZE)
    if way.panel:
        panel.draw(session, SIZE)
    show.present(panel.overlay if way.panel else NO_PANEL, SIZE)
    window.swap()
    show.shown(session, panel.took_ms)


def timed(session, run):
    """-> milliseconds, as KINDS"""
    wall, cpu = time.perf_counter(), time.thread_time()
    run()
    cpu_ms = (time.thread_time() - cpu) * 1e3
    return cpu_ms, (time.perf_counter() - wall) * 1e3 - session.report.march_ms


@contextmanager
def baking(shelf):
    """A bake that is under way."""
    bake = shelf.bake(str(ROOT / "assets" / "biker.compressed.ply"), BAKE_VOXEL_M)
    try:
        while bake.stage == "starting":
            bake.poll()
            time.sleep(0.05)
        yield bake
    finally:
        bake.stop()


@contextmanager
def resting(bake):
    """No bake meanwhile, if there is one."""
    if bake is not None:
        bake._child.send_signal(signal.SIGSTOP)
    yield
    if bake is not None:
        bake._child.send_signal(signal.SIGCONT)


def spread(rounds):
    """[rounds, frames] -> p50 and p99 of the frames: the median of the rounds, the least and the most"""
    found = np.percentile(rounds, (50, 99), axis=1).round(3)
    return {
        f"p{p}": [round(float(np.median(row)), 3), [float(row.min()), float(row.max())]]
        for p, row in zip((50, 99), found, strict=True)
    }


def told(rounds):
    """[rounds, frames, 2, 2], as `fly` gives them -> what a way adds to the scene alone"""
    alone = rounds[:, :, 0]
    about = sliding_window_view(
        np.pad(alone, ((0, 0), (ABOUT, ABOUT), (0, 0)), "edge"), 2 * ABOUT + 1, axis=1
    )
    base = np.median(about, axis=-1)
    return {
        kind: {
            "scene": round(float(np.median(base[..., k])), 3),
            "added": spread((rounds[:, :, 1] - base)[..., k]),
            "alone": spread((alone - base)[..., k]),
        }
        for k, kind in enumerate(KINDS)
    }


def run():
    ways = WAYS if len(sys.argv) == 1 else {"bake": WAYS["bake"]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        depot = [str(ROOT / "assets" / "depot.vox"), str(folder / "depot.vxt"), "--voxel-size", "0.1"]
        with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
            voxtide(["bake", *depot])
        rounds = [{name: fly(folder, way) for name, way in ways.items()} for _ in range(N_ROUNDS)]
    result = {name: told(np.array([one[name] for one in rounds])) for name in ways}
    print(json.dumps({"frames": N_FRAMES - WARM_UP, "rounds": N_ROUNDS, **result}))


if __name__ == "__main__":
    with screen(SIZE) as os.environ["DISPLAY"]:
        run()
