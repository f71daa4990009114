"""A display of one's own: Xvfb on a number that it picks itself, so that no two tests meet."""

import os
import shutil
import struct
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_HEAD_WORDS = 25  # of an XWD file's header, which its first word says the whole length of
_COLOUR_BYTES = 12


@dataclass(frozen=True)
class Screen:
    """name: what DISPLAY is to be. file: where the server keeps what it shows."""

    name: str
    file: Path

    def picture(self):
        """-> [height, width, 3] uint8, what the screen shows now"""
        data = self.file.read_bytes()
        head = struct.unpack(f">{_HEAD_WORDS}I", data[: 4 * _HEAD_WORDS])
        size, width, height, line, n_colours = head[0], head[4], head[5], head[12], head[19]
        start = size + n_colours * _COLOUR_BYTES
        rows = np.frombuffer(data, np.uint8, height * line, start).reshape(height, line)
        bgrx = rows[:, : width * 4].reshape(height, width, 4)
        return np.ascontiguousarray(bgrx[..., 2::-1])


@contextmanager
def opened_screen(size):
    """-> Screen"""
    read_end, write_end = os.pipe()
    folder = tempfile.mkdtemp(prefix="voxtide-screen-")
    geometry = f"{size[0]}x{size[1]}x24"
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", geometry, "-nolisten", "tcp", "-noreset"]
    command += ["-fbdir", folder]
    server = subprocess.Popen(command, pass_fds=(write_end,), stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()  # "" when it ended without a display
        assert number, "Xvfb did not start"
        yield Screen(f":{number}", Path(folder) / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def screen(size):
    """-> what DISPLAY is to be"""
    with opened_screen(size) as shown:
        yield shown.name
