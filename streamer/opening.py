"""What the user names, as a source of chunks: a folder, or a URL of something that is made on demand."""

from pathlib import Path

from .procedural import SCHEME, ProceduralWorld, open_procedural
from .world import World, open_world


def open_source_of_chunks(path_or_url: str) -> World | ProceduralWorld:
    """A baked world's folder, or procedural://island?seed=1&size_km=1.

    ValueError, one line: a URL that is wrong or of an unknown kind. WorldError: a folder that is no world.
    """
    if path_or_url.startswith(SCHEME):
        return open_procedural(path_or_url)
    scheme, separator, _ = path_or_url.partition("://")
    if separator and scheme.isalnum():
        raise ValueError(
            f"{scheme[:40]}:// cannot be opened: name a world's folder, or {SCHEME}island?seed=1&size_km=1"
        )
    return open_world(Path(path_or_url))
