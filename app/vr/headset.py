"""A world in a headset: `voxtide view --vr`."""

from contextlib import ExitStack

from ...streamer.chunk_source import ChunkSource, OnBad
from ..camera import Pose
from ..render.context import GL_VERSION, open_current
from ..scene import stream
from ..window import open_window
from . import openxr
from .loop import run

_WINDOW = (480, 120)  # on the desktop: its title says how to leave


def view_in_headset(
    source: ChunkSource,
    name: str,
    home: Pose,
    quality: str,
    vram_bytes: int,
    ram_bytes: int,
    on_bad: OnBad,
) -> int:
    """Stand in a world until the user leaves. -> frames drawn

    GraphicsError, one line: pyopenxr, a runtime, a headset or GL is missing.
    """
    openxr.check_runtime()
    with ExitStack() as open_things:
        title = f"Voxtide: {name} is in the headset; close this to leave"
        window = open_things.enter_context(open_window(_WINDOW, title, GL_VERSION))
        ctx = open_current()
        scene = stream(ctx, source, vram_bytes, ram_bytes, on_bad)
        open_things.callback(scene.release)
        headset = open_things.enter_context(openxr.open_headset(lambda: window.poll().closed))
        return run(headset, ctx, scene, home, quality)
