"""Opening what the user names as a world: a folder, or a URL of something made on demand."""

from pathlib import Path

from ..streamer.opening import open_source_of_chunks
from ..streamer.procedural import ProceduralWorld
from ..streamer.world import World, open_world
from .errors import UserError


def open_baked(text: str) -> World:
    """A baked world. Raises UserError if nothing of the kind is there, WorldError if it is damaged."""
    return open_world(baked_path(text))


def open_chunks(text: str) -> World | ProceduralWorld:
    """A baked world, or procedural://... Raises UserError or WorldError."""
    if "://" not in text:
        return open_baked(text)
    try:
        return open_source_of_chunks(text)
    except ValueError as error:
        raise UserError(str(error)) from None


def baked_path(text: str) -> Path:
    """The folder of a world that is there; what lies in it is checked when it is opened."""
    path = Path(text)
    if not path.exists():
        raise UserError(f"{text}: no such world; `voxtide bake SCENE {text}` makes one")
    if not path.is_dir():
        raise UserError(f"{text}: a world is a folder; to make one: voxtide bake {text} {path.stem}.vxt")
    if not any((path / name).exists() for name in ("zarr.json", "manifest", "manifest.journal")):
        raise UserError(f"{text}: not a Voxtide world (no manifest in it)")
    return path
