"""A source, or what lies in one crop of it, in memory and at once: for the repair of single regions."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..bake_options import BakeOptions
from ..errors import UserError, shown
from ..progress import Progress
from ..sources.source import Batch, Source
from ..voxelise import carve, sums
from ..voxelise.attributes import Attributes
from ..voxelise.kinds import KINDS
from ..voxelise.placement import Placement
from ..voxelise.sums import Sums
from .plan import Span, step_of
from .reading import BATCH, batches_of
from .scenes import held

PENDING = 1 << 22  # voxels of sums that may wait to be merged


def accumulate(
    source: Source, placement: Placement, options: BakeOptions, progress: Progress
) -> tuple[Sums, Attributes, dict[str, int]]:
    """Every item of the source, added up per voxel; and how many items were dropped, by reason."""
    attributes = Attributes()
    kind = KINDS[source.kind]
    source = held(source)
    total = source.n_items
    if kind.looks_first:
        progress("survey", 0, total)
    limits = kind.survey(lambda: source.batches(BATCH), source, placement, options)
    dropped: dict[str, int] = {}
    merged: list[Sums] = []
    done = 0
    for before, batch in numbered(source):
        parts, lost = kind.voxelise(batch, placement, limits)
        for reason, n in lost.items():
            dropped[reason] = dropped.get(reason, 0) + n
        for i, part in enumerate(parts):
            merged = gathered([*merged, part])
            if kind.observes:
                attributes.observe(part, before + i + 1)
        attributes.vote(batch, lambda b: kind.voxelise(b, placement, limits)[0])
        done += len(batch)
        progress("voxelise", done, total)
    dropped["invalid"] = total - done
    return sums.merge(merged), attributes, {reason: n for reason, n in dropped.items() if n}


def numbered(source: Source) -> Iterator[tuple[int, Batch]]:
    """(items before it, batch), counted from each span's beginning: as a bake numbers its observations."""
    step = step_of(source.kind, source.n_items, source.part is not None)
    for start in range(0, max(source.n_items, 1), step):
        span = Span(0, 0, start, min(step, source.n_items - start))
        before = start
        for batch in batches_of(source, span):
            yield before, batch
            before += len(batch)


def gathered(parts: list[Sums]) -> list[Sums]:
    """Merge what waits once it is larger than what is merged: so a voxel is sorted a few times only."""
    waiting = sum(len(p.n) for p in parts[1:])
    if parts and waiting > max(PENDING, len(parts[0].n)):
        return [sums.merge(parts)]
    return parts


def resolve(
    summed: Sums, source: Source, placement: Placement, options: BakeOptions, dropped: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Sums -> (voxels [N, 3], rgba [N, 4] with A >= 1). UserError, saying why, if none is left."""
    kind = KINDS[source.kind]
    solid, coverage = kind.resolve(summed, options)
    if kind.carves and options.carve:
        solid[solid] = carve.carve(source, summed.voxels[solid], placement, options.max_depth_m)
    if not solid.any():
        raise UserError(f"{shown(source.path)} leaves no voxel here: {dropped or 'the source is empty'}")
    rgba = np.concatenate([kind.colour(summed), coverage[:, None]], axis=1)
    return summed.voxels[solid].astype(np.int64), rgba[solid]
