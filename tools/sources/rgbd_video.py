"""Frames of a video, by number: decoded forwards, once per pass over a recording. Needs PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from ..film import decoded
from .source import file_bytes

MAX_PIXELS = 1 << 24


class Video:
    """A video file; keeps the decoder where the last frame was taken. For one thread."""

    def __init__(self, path: Path) -> None:
        file_bytes(path)
        self.path = path
        self._next = 0
        self._frames: Iterator[NDArray[np.uint8]] = iter(())

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Frame `number` [H, W, 3] sRGB, from 0. Raises UserError."""
        if number < self._next or self._next == 0:
            self._next, self._frames = 0, decoded(self.path, MAX_PIXELS)
        for found in self._frames:
            self._next += 1
            if self._next > number:
                return found
        raise UserError(f"{shown(self.path)} has no frame {number}")


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One picture of a video."""

    video: Video
    number: int

    @property
    def path(self) -> Path:
        return self.video.path

    def __str__(self) -> str:
        return f"{self.path}, frame {self.number}"
