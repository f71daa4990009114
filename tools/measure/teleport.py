"""`voxtide stress teleport`: jumps all over a world, and how soon each view is whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...app import frame
from ...app.camera import Pose
from ...app.errors import GraphicsError
from ...app.render.context import open_headless
from ...app.render.pool import BYTES_PER_SLOT
from ...app.render.renderer import Renderer, light_of
from ...app.scene import load
from ...streamer.chunk_source import OnBad
from ...streamer.world import World
from ..progress import Progress
from .figures import spread
from .opening import Opened
from .places import jumps, outline
from .rig import FrameRecord, Rig, Setup, open_rig, view_of

MAX_FRAMES = 120  # a jump that is not whole by then is not waited for
N_COMPARED = 5  # jumps whose settled picture is compared with the whole world's

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Jump:
    """One jump: its frames, the first one as the view arrives, up to the first without a coarse pixel."""

    pose: Pose
    frames: list[FrameRecord]

    @property
    def is_full(self) -> bool:
        return self.frames[-1].n_coarse == 0

    @property
    def frames_to_full(self) -> int:
        """After the first."""
        return len(self.frames) - 1

    @property
    def stream_ms(self) -> float:
        """The streamer's own work: main thread, and CPU of the loader's threads."""
        return sum(f.stream_main_ms + f.packing_ms + f.loader_ms for f in self.frames)


@dataclass(frozen=True, slots=True)
class Teleport:
    jumps: list[Jump]
    equal_to_resident: bool | None  # None: the whole world does not fit, here or in what the user allows


def teleport(
    opened: Opened,
    setup: Setup,
    n_jumps: int,
    seed: int,
    resident_bytes: int,
    on_bad: OnBad,
    show: Progress = lambda stage, done, total: None,
) -> Teleport:
    """Jump to n_jumps places, each as soon as the one before is whole. cold: caches are forgotten each time.

    resident_bytes  what the whole world may take on the GPU, at the end, to be compared with
    """
    compared = set(np.linspace(0, n_jumps - 1, min(N_COMPARED, n_jumps)).astype(int).tolist())
    can_compare = _whole_bytes(opened.world) <= resident_bytes
    poses = jumps(outline(opened.source), n_jumps, seed)
    made, pictures = list[Jump](), list[tuple[Pose, Picture]]()
    with open_rig(opened, setup, on_bad) as rig:
        for i, pose in enumerate(poses):
            if setup.cold:
                rig.forget_caches()
            made.append(_jump(rig, pose))
            if can_compare and i in compared:
                pictures.append((pose, rig.settle(pose)))
                rig.forget_work()
            show("jumps", i + 1, n_jumps)
    equal = _all_equal(opened.world, setup, pictures) if can_compare and opened.world else None
    return Teleport(made, equal)


def _jump(rig: Rig, pose: Pose) -> Jump:
    frames = [rig.step(pose)]
    while frames[-1].n_coarse and len(frames) <= MAX_FRAMES:
        frames.append(rig.step(pose))
    return Jump(pose, frames)


def _whole_bytes(world: World | None) -> float:
    return sum(r.n_chunks for r in world.regions) * BYTES_PER_SLOT if world else float("inf")


def _all_equal(world: World, setup: Setup, pictures: list[tuple[Pose, Picture]]) -> bool | None:
    """Whether the same poses give the same bytes with the whole world resident; None: it does not fit here"""
    ctx = open_headless()
    try:
        scene = load(ctx, world, int(_whole_bytes(world)), lambda _: None)
    except GraphicsError:  # the driver has less than the user allowed
        ctx.release()
        return None
    renderer = Renderer(ctx, setup.size)
    try:
        for pose, picture in pictures:
            frame.draw(renderer, scene, view_of(setup, scene, pose), light_of(scene.extent_voxels))
            if not np.array_equal(renderer.read_picture(), picture):
                return False
        return True
    finally:
        renderer.release()
        scene.release()
        ctx.release()


def facts(run: Teleport) -> dict[str, Any]:
    """The JSON of a teleport run."""
    frames = [f for jump in run.jumps for f in jump.frames]
    n = len(run.jumps)
    return {
        "jumps": n,
        "frames_to_full": spread((j.frames_to_full for j in run.jumps), "p50", "p99", "max"),
        "stream_ms_to_full": spread((j.stream_ms for j in run.jumps), "p50", "p99"),
        "chunks_per_jump": sum(f.n_loaded for f in frames) / n,
        "bytes_per_jump": sum(f.n_bytes for f in frames) / n,
        "unresolved_pixels": sum(f.n_unresolved for f in frames),
        "first_frame_level": spread((j.frames[0].level for j in run.jumps), "p50"),
        "equal_to_resident": run.equal_to_resident,
        "not_full": sum(not j.is_full for j in run.jumps),
    }
