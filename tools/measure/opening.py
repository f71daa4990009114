"""A world as something to measure: what it reads counted, and what the kernel keeps of it forgotten."""

import os
from dataclasses import dataclass

from ...streamer import files
from ...streamer.chunk_source import ChunkSource
from ...streamer.stores import CountingFiles, LocalFiles
from ...streamer.world import World, open_world
from ..errors import UserError
from ..opening import baked_path, open_chunks


@dataclass(frozen=True, slots=True)
class Opened:
    """A source of chunks. world and counted are None where there are no files."""

    name: str
    source: ChunkSource
    world: World | None = None
    counted: CountingFiles | None = None

    @property
    def read_bytes(self) -> int:
        """Of region files, so far."""
        return self.counted.n_bytes if self.counted else 0

    def drop_caches(self) -> None:
        """Ask the kernel to forget the region files' pages. Raises UserError where it cannot be asked."""
        if not hasattr(os, "posix_fadvise"):
            raise UserError("--cold needs posix_fadvise, which this system lacks: leave it out")
        for region in self.world.regions if self.world else ():
            file = files.open_file(self.world.path, region.key)  # type: ignore[union-attr]
            try:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)


def open_measured(path_or_url: str) -> Opened:
    """Open a world's folder, or a procedural:// URL. Raises UserError or WorldError."""
    if "://" in path_or_url:
        return Opened(path_or_url, open_chunks(path_or_url))
    path = baked_path(path_or_url)
    counted = CountingFiles(LocalFiles(path))
    world = open_world(path, counted)
    return Opened(path.name, world, world, counted)
