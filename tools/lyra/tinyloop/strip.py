"""Truth, WarpFill and TinyLoop one below the other: two ways through a held-out scene as one picture."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...errors import UserError, shown
from ..protocol import Rgb, Session
from ..warpfill import WarpFill
from .courses import Course, course
from .gates import walked
from .held import Manner
from .model import TinyLoop, load
from .session import open_session

SHOWN = {"look-back": (1, 16, 28, 40, 60, 80), "there-and-back": (40, 80, 160, 280, 400, 480)}
SCENE, TIMES, MARGIN = 1, 2, 4


def draw(weights: Path, file: Path) -> None:
    """UserError where it cannot be written."""
    model = load(weights)
    rows: list[tuple[str, Rgb]] = []
    for name, frames in SHOWN.items():
        way = course(name, SCENE, model.config)
        for label, made in _made(way, model).items():
            rows.append((f"{name}: {label}", made[list(frames)]))
    try:
        sheet(rows, [SHOWN[n] for n in SHOWN for _ in range(3)]).save(file)
    except OSError as error:
        raise UserError(f"{shown(file)}: cannot be written ({error.strerror})") from None


def _made(way: Course, model: TinyLoop) -> dict[str, Rgb]:
    runs: dict[str, Session] = {
        "WarpFill": WarpFill().open(way.seed, Path(), way.plan),
        "TinyLoop": open_session(model, Manner(), way.seed, way.plan, ()),
    }
    first = way.rgb[:1]
    return {"truth": way.rgb} | {
        label: np.concatenate([first, walked(run, way)[0]]) for label, run in runs.items()
    }


def sheet(rows: list[tuple[str, Rgb]], numbers: list[tuple[int, ...]]) -> Image.Image:
    """Rows of frames [n, H, W, 3], each below its label."""
    n, height, width = rows[0][1].shape[:3]
    line = TIMES * height + 14 + MARGIN
    page = Image.new("RGB", (n * (TIMES * width + MARGIN), len(rows) * line), "white")
    pen = ImageDraw.Draw(page)
    for r, ((label, frames), of) in enumerate(zip(rows, numbers, strict=True)):
        for c, frame in enumerate(frames):
            at = c * (TIMES * width + MARGIN), r * line
            pen.text(
                (at[0] + 2, at[1] + 1), f"{label}, frame {of[c]}" if not c else f"frame {of[c]}", fill="black"
            )
            large = Image.fromarray(frame).resize((TIMES * width, TIMES * height), Image.Resampling.NEAREST)
            page.paste(large, (at[0], at[1] + 14))
    return page
