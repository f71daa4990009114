"""Bake what is chunks already: a procedural world, or any other chunk source. The stages are in `baking`."""

from pathlib import Path

import xxhash

from ..streamer.codec import CodecName
from ..streamer.procedural import ProceduralWorld
from .bake import BakeReport, Resources, quiet
from .baking import target
from .baking.chunks import finest_of
from .baking.driver import Goal, bake_to, disk_errors
from .baking.plan import canonical
from .progress import Progress


def bake_regions(
    source: ProceduralWorld,
    out: Path,
    *,
    codec: CodecName = "zstd",
    n_levels: int | None = None,
    overwrite: bool = False,
    progress: Progress = quiet,
    means: Resources | None = None,
) -> BakeReport:
    """Bake every chunk of `source` into a new world at `out`; memory is bounded by a few regions.

    n_levels: None for as many as the extent needs. UserError, WorldError: as `bake`.
    """
    target.check_out(out, overwrite)
    with disk_errors(out):
        target.check_free(out)
    origins = list(source.meta.sources)
    text = canonical({"bake": 2, "chunks": origins, "n_levels": n_levels})
    word = xxhash.xxh3_128_hexdigest(text.encode())
    goal = Goal(out, source.meta.voxel_size_m, codec, n_levels, overwrite, word, origins)
    finest = finest_of(ProceduralWorld, source.recipe, source, codec, progress)
    return bake_to(goal, finest, means or Resources(), progress)
