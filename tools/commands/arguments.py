"""Argument types that several commands share. argparse turns their ValueErrors into one line, exit 2."""

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ...app import snapshot
from ...app.camera import Pose
from ...app.paths import MAX_FPS
from ...app.snapshot import Taken

Triple = tuple[float, float, float]

MAX_SIDE = 16384  # pixels; what every GL 4.5 driver's textures allow


def numbers(text: str, n: int, what: str) -> tuple[float, ...]:
    """n finite numbers separated by commas."""
    parts = text.split(",")
    try:
        values = tuple(float(p) for p in parts)
    except ValueError:
        values = ()
    if len(values) != n or not all(math.isfinite(v) for v in values):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return values


def size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1280x720")
    w, h = int(width), int(height)
    if not (1 <= w <= MAX_SIDE and 1 <= h <= MAX_SIDE):
        raise argparse.ArgumentTypeError(f"{text!r}: each side is 1 to {MAX_SIDE} pixels")
    return w, h


def pose(text: str) -> Pose:
    what = "a pose like 1.5,-2,1.7,90,-10 (x,y,z metres, yaw,pitch degrees, and perhaps roll)"
    return Pose(*numbers(text, 6 if text.count(",") == 5 else 5, what))


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """A pose that was typed, or that of a picture, which also says how it was taken."""

    pose: Pose
    taken: Taken | None = None
    size: tuple[int, int] | None = None


def viewpoint(text: str) -> Viewpoint:
    if not text.lower().endswith(".png"):
        return Viewpoint(pose(text))
    try:
        taken, size = snapshot.read(Path(text))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None
    return Viewpoint(taken.pose, taken, size)


def quad(text: str) -> tuple[float, ...]:
    return numbers(text, 4, "four numbers like 525,525,319.5,239.5")


def fraction(text: str) -> tuple[int, int]:
    part, _, whole = text.partition("/")
    if not (part.isdecimal() and whole.isdecimal() and 0 <= int(part) < int(whole)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with 0 <= I < N, like 3/24")
    return int(part), int(whole)


def positive(text: str) -> float:
    (value,) = numbers(text, 1, "a number")
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value


SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def n_bytes(text: str) -> int:
    """A size like 512M or 2G, in powers of 1024."""
    number, unit = (text[:-1], text[-1]) if text[-1:].upper() in SIZES else (text, "")
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", number, re.ASCII) or not unit:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 512M or 2G")
    return int(float(number) * SIZES[unit.upper()])


def task(text: str) -> tuple[int, int]:
    """I/N, I from 0."""
    part, _, whole = text.partition("/")
    small = all(p.isascii() and p.isdecimal() and len(p) <= 9 for p in (part, whole))
    if not small or not int(part) < int(whole):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 0 to N - 1, like 0/3")
    return int(part), int(whole)


def fps(text: str) -> float:
    value = positive(text)
    if value > MAX_FPS:
        raise argparse.ArgumentTypeError(f"{text!r}: at most {MAX_FPS:g} frames a second")
    return value


def number(text: str) -> float:
    return numbers(text, 1, "a number")[0]


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count from 1")
    return int(text)


def natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 0")
    return int(text)


def triple(text: str) -> Triple:
    x, y, z = numbers(text, 3, "three numbers x,y,z")
    return x, y, z


def region(text: str) -> tuple[int, int, int]:
    x, y, z = numbers(text, 3, "a region x,y,z")
    if not all(v.is_integer() and abs(v) < 1 << 20 for v in (x, y, z)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a region x,y,z: three whole numbers")
    return int(x), int(y), int(z)


def box(text: str) -> tuple[Triple, Triple]:
    a, b, c, d, e, f = numbers(text, 6, "two corners x0,y0,z0,x1,y1,z1")
    return (a, b, c), (d, e, f)


def angle(text: str) -> float:
    value = positive(text)
    if value >= 170:
        raise argparse.ArgumentTypeError(f"{text!r}: a field of view is above 0 and below 170 degrees")
    return value


def add_world(parser: argparse.ArgumentParser) -> None:
    """WORLD, for commands that stream."""
    parser.add_argument(
        "world", metavar="WORLD", help="a baked world (.vxt), or procedural://island?seed=1&size_km=1"
    )


def add_budgets(parser: argparse.ArgumentParser) -> None:
    """The memories that a streamed world may take."""
    parser.add_argument(
        "--vram", type=positive, default=1024, metavar="MB", help="for chunks on the GPU (1024)"
    )
    parser.add_argument("--ram", type=positive, default=1024, metavar="MB", help="for chunks in RAM (1024)")
