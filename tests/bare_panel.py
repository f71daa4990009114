"""imgui without a window and without GL: what its widgets say, as text."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
from imgui_bundle import imgui, implot
from voxtide.app.camera import Pose
from voxtide.app.session import Session
from voxtide.app.settings import Settings


def bare_session(**values):
    """A session on a world that is not there: enough for widgets that show settings and keys."""
    root = SimpleNamespace(level=7, n_chunks=8)
    pool = SimpleNamespace(n_slots=1000)
    scene = SimpleNamespace(root=root, voxel_size_m=0.01, extent_voxels=500.0, n_resident=10, pool=pool)
    scene.streamer, scene.entities, scene.vram_bytes = None, None, 1 << 30
    session = Session("a/world.vxt", scene, Pose(0, 0, 0, 0, 0), Settings(), (900, 700))
    for name, value in values.items():
        setattr(session, name, value)
    return session


@contextmanager
def bare_imgui(size=(1280, 4000)):
    """A context in which frames can be made and nothing is rasterised."""
    context, plots = imgui.create_context(), implot.create_context()
    io = imgui.get_io()
    io.set_ini_filename("")
    io.backend_flags |= imgui.BackendFlags_.renderer_has_textures
    io.display_size, io.delta_time = imgui.ImVec2(*size), 1 / 60
    try:
        yield io
    finally:
        implot.destroy_context(plots)
        imgui.destroy_context(context)


def said(draw, size=(1280, 4000), n_frames=2):
    """The text that widgets made by draw() show, as imgui logs it; sliders log their values too."""
    heard = []
    with bare_imgui(size):
        imgui.get_platform_io().platform_set_clipboard_text_fn = lambda _context, text: heard.append(text)
        for _ in range(n_frames):
            imgui.new_frame()
            imgui.log_to_clipboard()
            draw()
            imgui.log_finish()
            imgui.render()
    return heard[-1] if heard else ""


def in_window(draw, *arguments):
    """draw(*arguments) inside a window that is large enough for all of it."""

    def run():
        imgui.set_next_window_size(imgui.ImVec2(500, 3900))
        imgui.begin("test")
        draw(*arguments)
        imgui.end()

    return run


RING = np.linspace(0, 1, 5)
