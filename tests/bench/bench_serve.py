"""What a browser sees of `voxtide serve`: frames a second and latency, at 640x360 in headless Chromium.

A page circles around what it sees: D and an arrow key are held. Latency is from an input in the page until
the picture that shows it is there. With llvmpipe the server and the browser share the same cores. Sharp draws
every picture in full; Auto lowers the resolution while moving. Goal: 5 frames a second on 2 cores.

    python tests/bench/bench_serve.py [WORLD] [--seconds 10] [--shot OUT.png]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import browser
from voxtide.streamer.world import open_world
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.serve.running import ServeOptions, start
from voxtide.tools.shot import framed_pose
from voxtide.tools.sources import open_source

SIZE = 640, 360
ASSETS = Path(__file__).resolve().parents[2] / "assets"
KEYS = "KeyD", "ArrowLeft"
# Every frame and every latency, noted in the page as they come.
WATCH = """
window.seen = [];
const shown = easel.transferFromImageBitmap.bind(easel);
easel.transferFromImageBitmap = (bitmap) => {
  window.seen.push([performance.now(), bitmap.width]);
  shown(bitmap);
};
"""


def fly(page, quality, seconds):
    """-> facts of a flight of so many seconds at one quality"""
    page.evaluate(f"home(); choose('quality', '{quality}')")
    time.sleep(2)
    for code in KEYS:
        page.call("Input.dispatchKeyEvent", type="keyDown", code=code, key=code)
    time.sleep(1)
    page.evaluate("window.seen = []")
    late_ms = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.25)
        late_ms.append(page.evaluate("link.figures().latency_ms"))
    seen = page.evaluate("window.seen")
    for code in KEYS:
        page.call("Input.dispatchKeyEvent", type="keyUp", code=code, key=code)
    gaps_ms = [b[0] - a[0] for a, b in pairwise(seen)]
    return {
        "quality": quality,
        "fps": round(1000 * len(gaps_ms) / sum(gaps_ms), 1),
        "frame_p99_ms": round(sorted(gaps_ms)[len(gaps_ms) * 99 // 100], 1),
        "latency_p50_ms": round(statistics.median(late for late in late_ms if late), 1),
        "width_p50": statistics.median(width for _, width in seen),
        "load": round(os.getloadavg()[0], 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path, nargs="?", help="default: the shipped depot")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--shot", type=Path)
    args = parser.parse_args()
    if browser.program() is None:
        raise SystemExit("needs Chromium")
    with tempfile.TemporaryDirectory() as folder:
        world = args.world or Path(folder) / "depot.vxt"
        if args.world is None:
            bake(open_source(ASSETS / "depot.vox"), world, BakeOptions(voxel_size_m=0.1))
        print(json.dumps({"flights": flights(world, Path(folder) / "profile", args.seconds, args.shot)}))


def flights(world, profile, seconds, shot):
    """-> facts of a flight at each quality"""
    source = open_world(world)
    options = ServeOptions(port=0, size=SIZE)
    with (
        start(source, world.name, framed_pose(source, SIZE, 60.0), options) as serving,
        browser.opened(serving.url, profile, SIZE) as page,
    ):
        width, height = SIZE
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        page.call("Emulation.setDeviceMetricsOverride", **metrics)
        time.sleep(3)
        page.evaluate(WATCH)
        told = [fly(page, quality, seconds) for quality in ("sharp", "auto")]
        if shot:
            Image.fromarray(page.screenshot()).save(shot)
        return told


if __name__ == "__main__":
    main()
