"""The demo: which scenes, how they are baked, which pictures are drawn of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image

from .. import assets
from ..streamer.errors import WorldError
from ..streamer.verify import verify
from ..streamer.world import open_world
from . import progress
from .bake import BakeOptions, bake
from .shot import Studio, framed_pose, save_picture, studio
from .sources import open_source

FOV_DEG = 40.0
STILL = (1280, 720)
TURNTABLE = (480, 480)
TURNTABLE_FRAMES = 24
_FRAME_MS = 90


@dataclass(frozen=True, slots=True)
class Scene:
    """A shipped scene; its notice is in assets/SOURCES.md."""

    asset: str
    options: BakeOptions
    passes: tuple[str, ...]


SCENES = {
    "biker": Scene("biker.compressed.ply", BakeOptions(voxel_size_m=0.005), ("colour", "uvw", "steps")),
    "depot": Scene("depot.vox", BakeOptions(voxel_size_m=0.1), ("colour",)),
}


def bake_all(out: Path) -> dict[str, Path]:
    """Bake every scene that is not there yet, whole and of this format. -> name -> world"""
    worlds = {}
    for name, scene in SCENES.items():
        worlds[name] = world = out / f"{name}.vxt"
        if _is_whole(world):
            print(f"{world} is baked already")
            continue
        with as_file(files(assets) / scene.asset) as path, progress.shown() as show:
            source = open_source(path)
            report = bake(source, world, replace(scene.options, overwrite=True), show)
        print(
            f"{world}: {source.n_items:,} {source.kind} -> {report.voxels:,} voxels, "
            f"{report.bytes / 1e6:.2f} MB, {report.seconds:.1f} s"
        )
    return worlds


def draw_all(out: Path, worlds: dict[str, Path]) -> Iterator[Path]:
    """Draw stills of every scene and a turntable of the first. -> the files, as they are written"""
    for name, scene in SCENES.items():
        world = open_world(worlds[name])
        pose = framed_pose(world, STILL, FOV_DEG)
        with studio(world, STILL) as place:
            for shown in scene.passes:
                path = out / f"{name}-{shown}.png"
                shot = place.shoot(pose, FOV_DEG, shown)
                save_picture(path, shot.picture, with_alpha=shown == "uvw")
                yield path
    first = next(iter(SCENES))
    with studio(open_world(worlds[first]), TURNTABLE) as place:
        yield _turntable(out / f"{first}-turntable.gif", place)


def _turntable(path: Path, place: Studio) -> Path:
    frames = []
    for i in range(TURNTABLE_FRAMES):
        pose = framed_pose(place.source, TURNTABLE, FOV_DEG, i / TURNTABLE_FRAMES)
        frames.append(Image.fromarray(np.ascontiguousarray(place.shoot(pose, FOV_DEG).picture[..., :3])))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=_FRAME_MS, loop=0)
    return path


def _is_whole(world: Path) -> bool:
    if not world.is_dir():
        return False
    try:
        return verify(world).ok
    except WorldError:
        return False
