"""Films that a backend made: every frame is counted and measured before one is used."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..film import decoded
from .problems import Code, GeneratorError
from .protocol import Rgb

MAX_PIXELS = 1 << 24


def frames_of(path: Path, n: int, size: tuple[int, int]) -> Iterator[Rgb]:
    """The n frames [H, W, 3] of a film of this size (width, height), one after the other.

    GeneratorError where it is another film; no more is decoded than shows that it is.
    """
    count = 0
    try:
        for frame in decoded(path, MAX_PIXELS):
            if frame.shape[1::-1] != size:
                found = f"{frame.shape[1]} x {frame.shape[0]}"
                raise GeneratorError(
                    Code.VIDEO_LAYOUT, f"frames of {found} came where {size[0]} x {size[1]} were due"
                )
            if count == n:
                raise GeneratorError(Code.VIDEO_LAYOUT, f"a film of more than {n} frames came")
            count += 1
            yield frame
    except GeneratorError:
        raise
    except UserError as error:
        raise GeneratorError(Code.BAD_ANSWER, f"the film cannot be decoded: {error}") from None
    if count != n:
        raise GeneratorError(Code.SILENT_SKIP, f"{count} frames came where {n} were due")


def read_film(path: Path, n: int, size: tuple[int, int]) -> Rgb:
    """All its frames [n, H, W, 3]. GeneratorError."""
    return np.stack(list(frames_of(path, n, size)))


def check_film(path: Path, n: int, size: tuple[int, int]) -> None:
    """GeneratorError unless it has n frames of this size."""
    for _ in frames_of(path, n, size):
        pass
