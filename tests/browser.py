"""A headless Chromium, told what to do through its DevTools pipe, and a server of folders for it.

No driver and no web socket: with --remote-debugging-pipe the browser reads JSON on descriptor 3 and answers
on 4, each message ended by a zero byte. WebGL comes from SwiftShader, on the CPU.
"""

import base64
import contextlib
import fcntl
import functools
import http.server
import io
import json
import mimetypes
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--mute-audio",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--remote-debugging-pipe",
)  # fmt: skip
EXEC = "import os, sys; a, b, *c = sys.argv[1:]; os.dup2(int(a), 3); os.dup2(int(b), 4); os.execv(c[0], c)"


def program():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class _Files(http.server.BaseHTTPRequestHandler):
    """Files of several folders, with byte ranges: the first part of a path names the folder."""

    def __init__(self, *args, folders, **options):
        self.folders = folders
        super().__init__(*args, **options)

    def do_GET(self):
        first, _, rest = self.path.split("?")[0].lstrip("/").partition("/")
        folder = self.folders.get(first)
        path = folder and Path(folder) / os.path.normpath("/" + rest).lstrip("/")
        if not path or not path.is_file():
            self._answer(404, b"")
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", self.headers.get("Range", ""))
        if not asked:
            self._answer(200, data)
            return
        start, end = asked[1], asked[2]
        low = int(start) if start else max(0, len(data) - int(end))
        high = min(int(end) + 1, len(data)) if start and end else len(data)
        self._answer(206, data[low:high], {"Content-Range": f"bytes {low}-{high - 1}/{len(data)}"})

    def do_HEAD(self):
        self.do_GET()

    def do_OPTIONS(self):
        self._answer(204, b"")

    def _answer(self, status, data, headers=()):
        self.send_response(status)
        self.send_header(
            "Content-Type", mimetypes.guess_type(self.path.split("?")[0])[0] or "application/octet-stream"
        )
        for name in ("Origin", "Headers", "Methods"):
            self.send_header(f"Access-Control-Allow-{name}", "*")
        self.send_header("Access-Control-Expose-Headers", "*")
        self.send_header("Accept-Ranges", "bytes")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(**folders):
    """Serve folders by name on a free port of this machine -> the URL of their parent."""
    make = functools.partial(_Files, folders={name: str(path) for name, path in folders.items()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), make)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class RefusedError(Exception):
    """The browser cannot do it, or not yet."""


class Page:
    """One page of a browser of its own. Made by `opened`."""

    def __init__(self, to, answers):
        self.to, self.answers = to, answers
        self.buffer, self.n, self.session, self.log = b"", 0, None, []

    def call(self, method, timeout_s=60, **params):
        """One DevTools call -> its result. RefusedError, or AssertionError if it takes too long."""
        self.n += 1
        message = {"id": self.n, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            answer = self._receive(end)
            if answer and answer.get("id") == self.n:
                if "error" in answer:
                    raise RefusedError(method, answer["error"])
                return answer["result"]
            if answer and answer.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                self.log.append(json.dumps(answer["params"])[:600])
        raise AssertionError(f"{method}: no answer in {timeout_s} s")

    def _receive(self, end):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            part = os.read(self.answers, 1 << 20)
            assert part, "the browser has gone away"
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def screenshot(self):
        """What the page shows now, [rows, columns, 3] uint8; a page that is still arriving is waited for."""
        for _ in range(100):
            with contextlib.suppress(RefusedError):
                return self._screenshot()
            time.sleep(0.1)
        return self._screenshot()

    def _screenshot(self):
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


@contextlib.contextmanager
def opened(url, folder, size=(960, 720)):
    """A page on this URL, in a new browser whose profile lies in `folder`."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, from_write)]  # clear of 3 and 4
    flags = [*FLAGS, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", EXEC, *map(str, ends), program(), *flags],
        pass_fds=ends,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for end in (to_read, from_write, *ends):
        os.close(end)
    try:
        page = Page(to_write, from_read)
        target = page.call("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Page.navigate", url=url)
        yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the browser and its helpers: a session of their own
        process.wait(timeout=30)
        os.close(to_write)
        os.close(from_read)
