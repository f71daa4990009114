"""How long `voxtide view WORLD` takes from the start of its process until the world is to be seen.

Two baked worlds in an Xvfb window of 1280x720: the depot, and the biker at 1 cm. Each is opened N times, each
time by a new process; files are in the page cache, modules are compiled. Milliseconds since that was started,
median and worst:
`imported` the viewer's modules are there, `window` GL is open, `world` its coarse levels are read and on
the GPU, `presented` the first frame of it is in the window, panel and all, `whole` nothing of it is missing.
Goal: `presented` under 2 s. Usage: bench_start.py [N]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ROOT = Path(__file__).resolve().parents[2]
SIZE = (1280, 720)
N = int(sys.argv[1]) if len(sys.argv) == 2 else 7
LIMIT_S = 120
SCENES = {"depot": ("depot.vox", "0.1"), "biker": ("biker.compressed.ply", "0.01")}
STAGES = ("imported", "window", "world", "presented", "whole")


def child(began_s, world):
    """In a process of its own: `voxtide view`, which tells when it has come how far, and ends."""
    told = {}

    def tell(stage):
        told.setdefault(stage, round((time.monotonic() - began_s) * 1e3, 1))

    from voxtide.tools.cli import main
    from voxtide.tools.commands import view  # noqa: F401

    from voxtide.app import frame, show, viewer, window, worlds  # isort: skip

    tell("imported")
    first, present, swap = worlds.Worlds.first, show.Show.shown, window.Window.swap
    panel = viewer.Panel.__init__

    def opened(self, *arguments):
        tell("window")
        panel(self, *arguments)

    def read(self, *arguments):
        session = first(self, *arguments)
        tell("world")
        return session

    def swapped(self):
        swap(self)
        tell("presented")

    def shown(self, session, panel_ms):
        present(self, session, panel_ms)
        if frame.is_settled(session.report, session.scene):
            tell("whole")
            session.is_closing = True

    viewer.Panel.__init__, worlds.Worlds.first = opened, read
    window.Window.swap, show.Show.shown = swapped, shown
    status = main(["view", world, "--size", "1280x720"])
    print(json.dumps(told))
    return status


def start(world, folder):
    """-> milliseconds by stage"""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled already
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    command = [sys.executable, __file__, "child", repr(time.monotonic()), str(world)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def figures(starts):
    ranked = {stage: sorted(s[stage] for s in starts) for stage in STAGES}
    return {stage: {"p50": values[len(values) // 2], "most": values[-1]} for stage, values in ranked.items()}


def run():
    from screen import screen
    from voxtide.tools.cli import main

    result = {"starts": N}
    with tempfile.TemporaryDirectory() as name, screen(SIZE) as os.environ["DISPLAY"]:
        folder = Path(name)
        for scene, (file, voxel_size) in SCENES.items():
            world = folder / f"{scene}.vxt"
            with open(os.devnull, "w") as nothing:
                out, sys.stdout = sys.stdout, nothing
                main(["bake", str(ROOT / "assets" / file), str(world), "--voxel-size", voxel_size])
                sys.stdout = out
            start(world, folder)  # brings the files into the page cache, and compiled modules to the disk
            result[f"{scene}_ms"] = figures([start(world, folder) for _ in range(N)])
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        sys.exit(child(float(sys.argv[2]), sys.argv[3]))
    run()
