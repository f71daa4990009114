"""A room seen from its middle, and ways through it, for the tests of generators."""

import stat
import sys
from pathlib import Path

import numpy as np
from posed_room import seen
from voxtide.tools.lyra import trajectory
from voxtide.tools.lyra.protocol import Plan, Seed, StepResult

SIZE = 96, 64
K = np.array([[80.0, 0, 47.5], [0, 80, 31.5], [0, 0, 1]])


def textured(rgb):
    """Stripes, so that a shift of a pixel shows."""
    height, width = rgb.shape[:2]
    wave = 20 * np.sin(np.arange(width) / 3)[None, :] + 20 * np.sin(np.arange(height) / 4)[:, None]
    return (rgb * 0.7 + 30 + wave[..., None]).clip(0, 255).astype(np.uint8)


def seed(size=SIZE, k=K, depth=True):
    camera = k[0, 0], k[1, 1], k[0, 2], k[1, 2]
    rgb, z = seen(np.eye(4), size, camera)
    return Seed(textured(rgb), z if depth else None, np.eye(4), k)


def plan(way="walk", n_steps=2, k=K, distance=2.0):
    found = trajectory.preset(way, n_steps, distance)
    return Plan(found.w2c, np.repeat(k[None], len(found.w2c), 0), ("a room",) * n_steps)


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def checkout(folder, behaviour=""):
    """A folder that looks like Lyra 2's checkout, and its python: the stub. -> (root, python)"""
    for name in ("lyra_2/_src", "gui/api"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "gui/api/server.py").write_text("")
    (folder / "behaviour").write_text(behaviour)
    python = folder / "python"
    stub = Path(__file__).with_name("lyra_stub.py")
    python.write_text(f"#!{sys.executable}\n" + stub.read_text())
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return folder, python


__all__ = ["StepResult", "checkout", "plan", "psnr", "seed"]
