"""What panel, streaming and a bake in the background add to the main thread: as differences between flights.

The same flight over the shipped depot, in an Xvfb window of 1280x720, drawn in four ways: the scene whole
and nothing else; streamed; streamed with the panel; streamed with the panel while a scene is baked. For each
frame the main thread's time outside the march is taken (wall, and the thread's own CPU), and the panel's
alone. Goal: no more than 2 ms added. llvmpipe rasterises the panel on the same cores, in threads that the
main thread waits for: `finish_ms` says how long, which a GPU would do beside.
Usage: bench_panel.py [FRAMES]; with FRAMES only the first and the last flight.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from screen import screen
from voxtide.app.panel.panel import Panel
from voxtide.app.render.context import GL_VERSION, open_current
from voxtide.app.scene import load
from voxtide.app.settings import Settings
from voxtide.app.show import Show
from voxtide.app.window import Input, open_window
from voxtide.app.worlds import Worlds
from voxtide.tools.cli import main as voxtide
from voxtide.tools.shelf import Shelf

ROOT = Path(__file__).resolve().parents[2]
N_FRAMES = int(sys.argv[1]) if len(sys.argv) > 1 else 150
WARM_UP = 30
SIZE = (1280, 720)
VIEW = Settings(adaptive=False, resolution_percent=30.0, vsync=False, vram_mb=64.0)


def fly(folder, streams, panels, bakes):
    """One flight. -> milliseconds per frame: wall and CPU outside the march, the panel's, the finish"""
    with ExitStack() as things:
        window = things.enter_context(open_window(SIZE, "bench", GL_VERSION))
        ctx = open_current()
        panel = Panel(ctx, SIZE, 1.0, "")
        things.callback(panel.release)
        shelf = Shelf(folder / "cache")
        worlds = Worlds(ctx, shelf, lambda error: None)
        session = worlds.first(str(folder / "depot.vxt"), replace(VIEW), panel.room(SIZE))
        things.callback(lambda: session.scene.release())
        if not streams:
            streamed, whole = session.scene, shelf.open(str(folder / "depot.vxt")).source
            session.scene = load(ctx, whole, 64 << 20)
            streamed.release()
        show = Show(ctx, SIZE)
        things.callback(show.release)
        things.callback(lambda: worlds.close(session))
        baking = shelf.bake(str(ROOT / "assets" / "biker.compressed.ply"), 0.005) if bakes else None
        if baking is not None:
            things.callback(baking.stop)
        return np.array(
            [frame(window, ctx, panel, worlds, show, session, panels, i, baking) for i in range(N_FRAMES)]
        )[WARM_UP:]


def frame(window, ctx, panel, worlds, show, session, panels, i, baking):
    window.poll()
    home = session.home
    session.pose = replace(home, x=home.x + 0.01 * i, yaw=home.yaw + 0.2 * i)
    wall, cpu = time.perf_counter(), time.thread_time()
    panel_ms = 0.0
    if panels:
        panel.begin(session, window.events, Input(), SIZE)
        panel_ms = panel.took_ms
    if baking is not None:
        baking.poll()
    worlds.step(session)
    show.draw(session, panel.picture, SIZE)
    if panels:
        panel.draw(session, SIZE)
        panel_ms = panel.took_ms
    before = time.perf_counter()
    ctx.finish()
    finish_ms = (time.perf_counter() - before) * 1e3
    wall_ms = (time.perf_counter() - wall) * 1e3 - session.report.march_ms
    cpu_ms = (time.thread_time() - cpu) * 1e3
    show.present(panel.overlay, SIZE)
    window.swap()
    show.shown(session, panel_ms)
    return wall_ms, cpu_ms, panel_ms, finish_ms


def figures(frames):
    names = "wall_outside_march_ms", "cpu_ms", "panel_ms", "finish_ms"
    return {
        name: {f"p{p}": round(float(np.percentile(frames[:, k], p)), 3) for p in (50, 99)}
        for k, name in enumerate(names)
    }


def added(base, more):
    return {f"p{p}": round(float(np.percentile(more, p) - np.percentile(base, p)), 3) for p in (50, 99)}


def parts(folder):
    return {"streamed": fly(folder, True, False, False), "streamed_panel": fly(folder, True, True, False)}


def run():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open(os.devnull, "w") as nothing:
            out, sys.stdout = sys.stdout, nothing
            voxtide(
                ["bake", str(ROOT / "assets" / "depot.vox"), str(folder / "depot.vxt"), "--voxel-size", "0.1"]
            )
            sys.stdout = out
        flights = {
            "scene": fly(folder, False, False, False),
            **(parts(folder) if len(sys.argv) == 1 else {}),
            "streamed_panel_bake": fly(folder, True, True, True),
        }
    result = {name: figures(frames) for name, frames in flights.items()}
    base, all_of_it = flights["scene"], flights["streamed_panel_bake"]
    result["added_ms"] = {what: added(base[:, k], all_of_it[:, k]) for k, what in enumerate(("wall", "cpu"))}
    print(json.dumps(result))


if __name__ == "__main__":
    with screen(SIZE) as os.environ["DISPLAY"]:
        run()
