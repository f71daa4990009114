"""Which entity a voxel belongs to: items vote with the weight that they would have alone; most weight wins.

Rows (voxel, entity, weight) are partial sums like `Sums`: integers, merged in any order and any number of
parts; of equal weights the lowest id wins. Items without an entity (0) do not vote, so a voxel is labelled if
anything in it is. What votes for voxels that end up empty is left out (`within`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atlas.entity import N_IDS
from . import sums
from .sums import Sums

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]

_ID_BITS = 32


@dataclass(frozen=True, slots=True)
class Votes:
    """M rows, each (voxel, entity) once; voxels in (z, y, x) order, then ids ascending.

    voxels [M, 3] int32 world voxels; ids [M] uint32, none 0; weight [M] int64, at least 1.
    """

    voxels: NDArray[np.int32]
    ids: U32
    weight: I64


def empty() -> Votes:
    """Nobody voted."""
    return Votes(np.empty((0, 3), np.int32), np.empty(0, np.uint32), np.empty(0, np.int64))


def cast(batch: Any, voxelise: Callable[[Any], Iterable[Sums]]) -> Iterator[Votes]:
    """What a batch votes for: each entity's items are voxelised alone. To be merged.

    voxelise: a batch of this kind -> its sums. Nothing where the batch knows no entities.
    """
    labels = getattr(batch, "semantic", None)
    if labels is None:
        return
    assert labels.shape == (len(batch),) and labels.dtype == np.uint32, (labels.shape, labels.dtype)
    assert not len(labels) or labels.max() < N_IDS, "a reader gives ids that have a code"
    order = np.argsort(labels, kind="stable")
    ids, first = np.unique(labels[order], return_index=True)
    for i, rows in zip(ids.tolist(), np.split(order, first[1:]), strict=True):
        if i:
            for part in voxelise(rows_of(batch, np.sort(rows))):
                yield Votes(part.voxels, np.full(len(part.n), i, np.uint32), part.weight)


def rows_of(batch: Any, rows: I64) -> Any:
    """Some items of a batch; what is no array, a texture say, belongs to all of them."""
    columns = (getattr(batch, field.name) for field in fields(batch))
    return type(batch)(*(c[rows] if isinstance(c, np.ndarray) else c for c in columns))


def merge(parts: Sequence[Votes]) -> Votes:
    """Add up what was cast: the same result whatever the order and the number of the parts."""
    if not parts:
        return empty()
    voxels = np.concatenate([p.voxels for p in parts])
    order, starts = sums.grouped(voxels)
    if not order.size:
        return empty()
    ids = np.concatenate([p.ids for p in parts])[order]
    place = np.repeat(np.arange(starts.size), np.diff(np.append(starts, order.size)))
    key = place << _ID_BITS | ids.astype(np.int64)
    again = np.argsort(key, kind="stable")
    first = np.append(0, np.flatnonzero(np.diff(key[again])) + 1)
    weight = np.concatenate([p.weight for p in parts])[order][again]
    rows = order[again[first]]
    return Votes(voxels[rows], ids[again[first]], np.add.reduceat(weight, first))


def resolve(votes: Votes) -> tuple[I64, U32]:
    """The winner of each voxel -> (voxels [V, 3] int64 in (z, y, x) order, ids [V] uint32).

    votes: merged. Most weight wins, of equal weights the lowest id.
    """
    order, starts = sums.grouped(votes.voxels)
    place = np.repeat(np.arange(starts.size), np.diff(np.append(starts, order.size)))
    best = np.lexsort((votes.ids[order], -votes.weight[order], place))
    rows = order[best[starts]]
    return votes.voxels[rows].astype(np.int64), votes.ids[rows]


def within(voxels: I64, values: Any, level: I64) -> tuple[I64, Any]:
    """Those of voxels [V, 3] and their values [V] that are among level [N, 3]; each set has a voxel once."""
    order, starts = sums.grouped(np.concatenate([level, voxels]))
    both = starts[np.diff(np.append(starts, order.size)) == 2]
    rows = np.maximum(order[both], order[both + 1]) - len(level)
    return voxels[rows], values[rows]
