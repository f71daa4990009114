"""Between reading and writing: frames look once more, at as many regions together as memory allows.

Every voxel is judged by itself and votes are integers, so neither the groups of regions nor the workers
between which the frames are divided leave a trace.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from ..sources.source import Source
from ..voxelise import carve
from ..voxelise.kinds import KINDS
from . import reading
from .driver import Resources
from .plan import Scene, Span
from .regions import Keys, voxels_at
from .spill import Block, Corner
from .workers import Submit

Scenes = Sequence[tuple[Scene, Source | None]]  # None: to be opened where it is needed
LOOKS = 32  # frames that one unit of work looks through, at least; 2^16 - 1 at most, for a vote has 16 bits
UNITS = 8  # per worker, about


def kept(
    regions: Sequence[tuple[Corner, Sequence[Block]]],
    scenes: Scenes,
    means: Resources,
    submit: Submit,
    progress: Progress,
) -> Iterator[tuple[Corner, Keys | None]]:
    """Each region in turn, with the keys, ascending, that stay of the kinds that carve; None: all of them.

    WorldError: a run is damaged. UserError: a source is gone.
    """
    lookers = [(scene, source) for scene, source in scenes if scene.carves]
    group: list[tuple[Corner, Keys]] = []
    for at, (region, blocks) in enumerate(regions):
        if not lookers:
            yield region, None
            continue
        group.append((region, _keys([block for block in blocks if _carves(block)])))
        n_voxels = sum(len(keys) for _, keys in group)
        if n_voxels < means.most_voxels and at + 1 < len(regions):
            continue
        stay = _stay(group, n_voxels, lookers, means, submit, progress)
        ends = np.cumsum([len(keys) for _, keys in group])
        for (place, keys), end in zip(group, ends.tolist(), strict=True):
            yield place, keys[stay[end - len(keys) : end]]
        group = []


def _carves(block: Block) -> bool:
    return block.kind in KINDS and KINDS[block.kind].carves


def _keys(blocks: Sequence[Block]) -> Keys:
    """The voxels of a region that received something, ascending."""
    found: Keys = np.empty(0, np.int32)
    for block in blocks:
        found = np.union1d(found, block.load()[0])
    return found


def _stay(
    group: Sequence[tuple[Corner, Keys]],
    n_voxels: int,
    lookers: Scenes,
    means: Resources,
    submit: Submit,
    progress: Progress,
) -> NDArray[np.bool_]:
    """Which voxels of a group stay, one after the other. -> [n_voxels]"""
    if not n_voxels:
        return np.empty(0, bool)
    voxels = np.concatenate(
        [voxels_at(place, keys.astype(np.int64)).astype(np.int32) for place, keys in group]
    )
    stay = np.empty(n_voxels, bool)
    for first in range(0, n_voxels, means.most_voxels):  # one region alone may be too large
        field, order = carve.field_of(voxels[first : first + means.most_voxels])
        votes = np.zeros(field.voxels.shape, np.int32)
        total = sum(scene.n_items for scene, _ in lookers)
        done = 0
        for n_looked, some in submit(look_unit, _units(lookers, field, means)):
            votes += some
            done += n_looked
            progress("carve", done, total)
        stay[first + order] = carve.stay(votes)
    return stay


def _units(lookers: Scenes, field: carve.Field, means: Resources) -> Iterator[tuple[object, ...]]:
    """Arguments of `look_unit`: every frame of every scene once."""
    for scene, source in lookers:
        step = min(max(LOOKS, -(-scene.n_items // (UNITS * means.n_jobs))), (1 << 16) - 1)
        if not scene.seeks:
            step = scene.n_items
        for start in range(0, scene.n_items, step):
            span = Span(0, 0, start, min(step, scene.n_items - start))
            yield scene, source if means.in_process else None, span, field


def look_unit(
    scene: Scene, source: Source | None, span: Span, field: carve.Field
) -> tuple[int, NDArray[np.integer]]:
    """Look through some frames -> (how many, their votes [3, M]). A worker does this. UserError."""
    batches = reading.batches_of(source or reading.opened(scene), span)
    votes = carve.votes_on(field, batches, scene.placement, scene.options.max_depth_m)
    return span.count, votes.astype(np.uint16) if span.count < 1 << 16 else votes
