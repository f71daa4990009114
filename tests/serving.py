"""A small world that is served, and clients of it that are no browsers."""

import contextlib
import io
import json
import struct
import time

import numpy as np
from PIL import Image
from voxtide.app.camera import Pose
from voxtide.streamer.world import open_world
from voxtide.tools.serve.running import ServeOptions, start
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from worlds import make_world

HOME = Pose(-3.0, 0.4, 1.5, 5.0, -15.0)
SIZE = 96, 54
TOKEN = "a-token_of_the_tests"


def small_world(folder):
    """A floor with pillars, one colour each, 5 cm voxels."""
    x, y, z = np.indices((64, 48, 24)).reshape(3, -1)
    solid = (z < 2) | ((x % 16 < 4) & (y % 12 < 4))
    voxels = np.stack([x, y, z], 1)[solid] - (10, 20, 0)
    tint = (voxels // 4 * (53, 91, 29) + 60) % 200 + 40
    rgba = np.concatenate([tint, np.full((len(tint), 1), 255)], 1).astype(np.uint8)
    make_world(folder / "pillars.vxt", voxels, rgba, voxel_size_m=0.05)
    return folder / "pillars.vxt"


class Slow:
    """A world whose every read takes a while, once the coarse levels have been read."""

    def __init__(self, source, seconds):
        self.source, self.meta, self.seconds, self.n_reads = source, source.meta, seconds, 0

    def read_many(self, ids, on_bad=None):
        self.n_reads += 1
        time.sleep(self.seconds if self.n_reads > 1 else 0)
        return self.source.read_many(ids, on_bad)


@contextlib.contextmanager
def served(path, read_s=0.0, **options):
    """The world at this path, served on a port of its own, each read slowed by read_s -> Serving"""
    options = {
        "port": 0,
        "token": TOKEN,
        "size": SIZE,
        "vram_bytes": 32 << 20,
        "ram_bytes": 32 << 20,
    } | options
    source = Slow(open_world(path), read_s) if read_s else open_world(path)
    with start(source, path.name, HOME, ServeOptions(**options)) as serving:
        yield serving


class Client:
    """One end of a conversation. What comes is kept: `told` by kind, frames as (head, picture's bytes)."""

    def __init__(self, serving, token=TOKEN, **options):
        self.open = contextlib.ExitStack()
        url = f"ws://127.0.0.1:{serving.port}/socket?token={token}"
        self.socket = self.open.enter_context(connect(url, proxy=None, close_timeout=2, **options))
        self.told, self.frames, self.seq = {}, [], 0

    def say(self, **what):
        self.socket.send(json.dumps(what))

    def move(self, pose=HOME, **change):
        values = {name: getattr(pose, name) for name in ("x", "y", "z", "yaw", "pitch")} | change
        self.seq += 1
        self.say(do="pose", seq=self.seq, pose=list(values.values()))

    def look(self, **change):
        look = {"size": SIZE, "pass": "colour", "fov": 60, "shadows": False, "quality": "auto"} | change
        self.say(do="look", **look)

    def hear(self, timeout_s=60.0, answers=True):
        """Take in one message. -> it, or None if none came in time"""
        try:
            said = self.socket.recv(timeout=timeout_s)
        except TimeoutError:
            return None
        if isinstance(said, str):
            told = json.loads(said)
            self.told[told["tell"]] = told
            return told
        (length,) = struct.unpack_from("<I", said)
        head = json.loads(said[4 : 4 + length])
        self.frames.append((head, said[4 + length :]))
        if answers:
            self.say(do="got", n=head["n"])
        return head

    def until(self, wanted, timeout_s=60.0):
        """Hear until a message is what is wanted -> it"""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            said = self.hear(max(0.01, end - time.monotonic()))
            if said is not None and wanted(said):
                return said
        raise AssertionError(f"it did not come in {timeout_s} s; the last: {self.frames[-1:]} {self.told}")

    def still(self, seq=None):
        """The picture that comes when nothing moves any more -> (head, [height, width, 3] uint8)"""
        seq = self.seq if seq is None else seq
        self.until(lambda said: said.get("still") and said["seq"] == seq)
        head, data = self.frames[-1]
        return head, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def closed(self):
        """Hear until the server ends it -> (code, reason)"""
        while True:
            try:
                assert self.hear() is not None, "it is still open"
            except ConnectionClosed as error:
                return error.rcvd.code, error.rcvd.reason

    def drop(self):
        """Go without a word, as when a cable is pulled."""
        self.socket.socket.shutdown(2)
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.open.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def soon(what, timeout_s=60.0):
    """Whether something becomes true. The limit is for what never does: others may use the machine."""
    end = time.monotonic() + timeout_s
    while not (is_so := what()) and time.monotonic() < end:
        time.sleep(0.01)
    return is_so
