"""Frames of a video, by number: decoded forwards, once per pass over a recording. Needs PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
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
            self._next, self._frames = 0, self._decoded()
        for found in self._frames:
            self._next += 1
            if self._next > number:
                return found
        raise UserError(f"{shown(self.path)} has no frame {number}")

    def _decoded(self) -> Iterator[NDArray[np.uint8]]:
        try:
            import av
        except ImportError:
            raise UserError(
                f"{shown(self.path)} is a video: pip install 'voxtide[video]' to read it"
            ) from None
        try:
            with av.open(str(self.path)) as container:
                for frame in container.decode(video=0):
                    if frame.width * frame.height > MAX_PIXELS:
                        raise UserError(f"{shown(self.path)} has more than {MAX_PIXELS:,} pixels a frame")
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise UserError(f"{shown(self.path)} cannot be decoded: {shown(error)}") from None


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
