"""A display of one's own: Xvfb on a number that it picks itself, so that no two tests meet."""

import os
import subprocess
from contextlib import contextmanager


@contextmanager
def screen(size):
    """-> what DISPLAY is to be"""
    read_end, write_end = os.pipe()
    geometry = f"{size[0]}x{size[1]}x24"
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", geometry, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=(write_end,), stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()  # "" when it ended without a display
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(timeout=30)
