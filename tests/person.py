"""Who sits before the viewer's window: real key and mouse events through xdotool, and eyes for the screen.

Nobody waits for a time here, only for what is to happen: on a machine that does much else a frame may take
seconds, and a key that is let go too soon was never seen.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
STEP_S = float(os.environ.get("VOXTIDE_STEP_S", 240))  # what a step may take; it is for what never comes
LOOK_S = 0.05  # between two looks


class Person:
    """A viewer in a process of its own on a tests.screen.Screen, and who uses it."""

    def __init__(self, folder, screen, *arguments):
        self.folder, self.screen, self.n_shots = folder, screen, 0
        folder.mkdir(exist_ok=True)
        paths = [str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        self.environment = {
            **os.environ,
            "DISPLAY": screen.name,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_PICTURES_DIR": str(folder / "pictures"),
            "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in paths if p),
        }
        (folder / "state.json").unlink(missing_ok=True)
        program = ROOT / "tests" / "driven_viewer.py"
        command = [sys.executable, str(program), str(folder), *map(str, arguments)]
        self.log = (folder / "log").open("w")
        self.viewer = subprocess.Popen(
            command, env=self.environment, stdout=self.log, stderr=self.log, cwd=folder
        )
        try:
            self.until(lambda now: now["drawn"] == now["size"])
        except BaseException:
            self.end()
            raise

    @property
    def now(self):
        """What the viewer told last; None before it told anything."""
        file = self.folder / "state.json"
        return json.loads(file.read_text()) if file.exists() else None

    def until(self, holds):
        """Wait until it holds. -> the state in which it did"""
        end = time.monotonic() + STEP_S
        while time.monotonic() < end:
            now = self.now
            if now is not None and holds(now):
                return now
            assert self.viewer.poll() is None, (self.folder / "log").read_text()
            time.sleep(LOOK_S)
        self.shot("given-up")
        raise AssertionError(f"not within {STEP_S} s; the viewer says {self.now}")

    def after(self, n_turns):
        """Let the viewer's loop go round so often. -> the state then"""
        start = self.until(lambda now: True)["turns"]
        return self.until(lambda now: now["turns"] >= start + n_turns)

    def rests(self):
        """Wait until the eye stands still. -> the state then"""
        before = self.after(2)
        while not np.allclose((now := self.after(3))["pose"], before["pose"], rtol=0, atol=1e-4):
            before = now
        return now

    def do(self, *words):
        """One call of xdotool."""
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True, timeout=STEP_S)

    def hold(self, key, holds):
        """A key, down until it holds. -> the state when the eye stands still again"""
        self.do("keydown", key)
        try:
            self.until(holds)
        finally:
            self.do("keyup", key)
        return self.rests()

    def drag(self, start, way, holds, key=None):
        """Press at a place, move, and let go where it holds. key: held meanwhile"""
        self.do("mousemove", *start)
        self.after(2)
        self.do(*(["keydown", key] if key else []), "mousedown", 1)
        self.after(2)
        try:
            self.do("mousemove_relative", "--", *way)
            return self.until(holds)
        finally:
            self.do("mouseup", 1, *(["keyup", key] if key else []))

    def find(self, label):
        """Where a widget is, when it has come to rest. -> window pixels"""
        before = self.until(lambda now: label in now["widgets"])
        while label not in (now := self.after(4))["widgets"] or now["widgets"] != before["widgets"]:
            before = now
        return now["widgets"][label]

    def click(self, label, holds, left=None):
        """Click a widget, and wait for what comes of it. left: so many pixels left of its middle"""
        x, y = self.find(label)
        self.do("mousemove", round(x) - (left or 0), round(y))
        self.after(2)
        self.do("click", 1)
        return self.until(holds)

    def enter(self, label, text, holds, left=None):
        """Put a number into a widget: Ctrl and a click make it a field of text."""
        x, y = self.find(label)
        self.do("mousemove", round(x) - (left or 0), round(y))
        self.after(2)
        self.do("keydown", "ctrl")
        self.after(3)
        self.do("click", 1)
        self.after(4)
        self.do("keyup", "ctrl")
        self.after(3)
        self.do("key", "ctrl+a")
        self.after(3)
        self.do("type", "--delay", 60, text)
        self.after(4)
        self.do("key", "Return")
        return self.until(holds)

    def scroll(self, label, clicks=3):
        """Turn the wheel over the upper windows until a widget is to be seen. -> where it is"""
        self.do("mousemove", *self.find("tab View"), "mousemove_relative", 0, 200)
        for _ in range(60):
            if label in self.after(4)["widgets"]:
                return self.find(label)
            self.do("click", "--repeat", clicks, 5)
        raise AssertionError(f"no {label} however far one scrolls")

    def shot(self, name, holds=lambda picture: True):
        """-> [height, width, 3] uint8, what the screen shows, as soon as it holds; kept as a file"""
        end = time.monotonic() + STEP_S
        while not holds(picture := self.screen.picture()):
            assert time.monotonic() < end, f"the screen never showed {name}"
            assert self.viewer.poll() is None, (self.folder / "log").read_text()
            time.sleep(4 * LOOK_S)
        self.n_shots += 1
        keep = os.environ.get("VOXTIDE_SHOTS")
        folder = Path(keep) if keep else self.folder
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{self.n_shots:02}-{name}.png")
        return picture

    def leave(self):
        """Close the window with the key for it."""
        self.do("key", "Escape")
        assert self.viewer.wait(timeout=STEP_S) == 0, (self.folder / "log").read_text()
        self.log.close()

    def end(self):
        """Whatever has become of it."""
        if self.viewer.poll() is None:
            self.viewer.kill()
            self.viewer.wait()
        self.log.close()


def distance(a, b):
    """Metres between the eyes of two states."""
    return float(np.linalg.norm(np.subtract(a["pose"][:3], b["pose"][:3])))
