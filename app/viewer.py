"""The window's loop: poll, fly, draw, show."""

import time
from contextlib import ExitStack

import glfw

from ..atlas.layout import PASSES
from ..streamer.chunk_source import ChunkSource, OnBad
from . import frame
from .camera import Pose, look
from .fly import Flight, step
from .render.context import GL_VERSION, Context, describe, open_current
from .render.renderer import Renderer, light_of
from .scene import Scene, stream
from .window import Input, open_window

_SPEED_PER_EXTENT = 0.15  # of the world's diagonal per second
_TITLE_S = 0.5
_SLOW_FRAME_S = 1 / 15  # slower than this while moving, and pixels become blocks
_MAX_BLOCK = 8
_IDLE_S = 0.005  # between looks at the events while the picture stands still
_PASS_KEYS = {glfw.KEY_1 + i: name for i, name in enumerate(PASSES)}


def fly_through(
    source: ChunkSource,
    name: str,
    home: Pose,
    size: tuple[int, int],
    fov_deg: float,
    vram_bytes: int,
    ram_bytes: int,
    seconds: float | None,
    on_bad: OnBad,
) -> None:
    """Open a window on a world and let the user fly until it is closed, or `seconds` have passed.

    Raises WindowError or GraphicsError when there is no display or no GL.
    """
    with ExitStack() as open_things:
        window = open_things.enter_context(open_window(size, f"Voxtide: {name}", GL_VERSION))
        ctx = open_current()
        scene = stream(ctx, source, vram_bytes, ram_bytes, on_bad)
        open_things.callback(scene.release)
        extent_m = scene.extent_voxels * scene.voxel_size_m
        flight = Flight(home, max(_SPEED_PER_EXTENT * extent_m, 0.05))
        show = Show(ctx, scene, fov_deg, window.size)
        open_things.callback(show.release)
        start = last = titled = time.perf_counter()
        n_frames = 0
        while not (now := window.poll()).closed and (seconds is None or last - start < seconds):
            if glfw.KEY_H in now.pressed:
                flight = Flight(home, flight.speed_m_s)
            if glfw.KEY_P in now.pressed:
                p = flight.pose
                print(f"--pose={p.x:.3f},{p.y:.3f},{p.z:.3f},{p.yaw:.1f},{p.pitch:.1f}", flush=True)
            clock = time.perf_counter()
            flight = step(flight, now, min(clock - last, 0.1))
            last = clock
            if show.draw(flight.pose, window.size, now):
                window.swap()
                n_frames += 1
            else:
                time.sleep(_IDLE_S)
            if clock - titled > _TITLE_S:
                window.title(
                    f"Voxtide: {name}, {n_frames / (clock - titled):.0f} fps, "
                    f"{show.name}, {flight.speed_m_s:.2g} m/s, {describe(ctx)}"
                )
                titled, n_frames = clock, 0


class Show:
    """What is on the window. While the user moves and drawing is slow, pixels are drawn as blocks."""

    def __init__(self, ctx: Context, scene: Scene, fov_deg: float, size: tuple[int, int]) -> None:
        self.scene, self.fov_deg = scene, fov_deg
        self.name = PASSES[0]
        self.shadows = False
        self._block = 1
        self._drawn: object = None
        self._is_settled = False
        self._renderer = Renderer(ctx, size)

    def draw(self, pose: Pose, size: tuple[int, int], now: Input) -> bool:
        """Draw and show one frame. -> False if the window shows just that already, or cannot be seen."""
        self.name = next((_PASS_KEYS[k] for k in now.pressed if k in _PASS_KEYS), self.name)
        self.shadows ^= glfw.KEY_L in now.pressed
        moving = any(now.move) or any(now.turn)
        block = self._block if moving else 1
        wish = pose, size, self.name, self.shadows, block
        if min(size) == 0 or (wish == self._drawn and self._is_settled):
            return False
        start = time.perf_counter()
        self._renderer.resize(size)
        pixels = -(-size[0] // block), -(-size[1] // block)
        scene = self.scene
        view = look(pose, pixels, self.fov_deg, scene.voxel_size_m, scene.root.corner_voxel)
        light = light_of(scene.extent_voxels, self.shadows)
        report = frame.draw_streamed(self._renderer, scene, view, light, self.name)
        self._is_settled = wish == self._drawn and frame.is_settled(report, scene)
        self._renderer.present()
        self._drawn = wish
        seconds = time.perf_counter() - start
        if moving and seconds > _SLOW_FRAME_S:
            self._block = min(self._block * 2, _MAX_BLOCK)
        elif moving and seconds < _SLOW_FRAME_S / 6:
            self._block = max(self._block // 2, 1)
        return True

    def release(self) -> None:
        self._renderer.release()
